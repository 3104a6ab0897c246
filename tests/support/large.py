"""Studies of thousands of settled trials, written in bulk: the same rows as workers would write."""

from __future__ import annotations

import sqlalchemy as sa
from workers import toy_spec

from hpo.ledger.schema import SCHEMA
from hpo.postgres.connect import Storage
from hpo.study.spec import StudySpec

_STATEMENTS = """
INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
SELECT k, :study, 'COMPLETE', now() + k * interval '1 s', now() + (k + 1) * interval '1 s'
FROM generate_series(0, :trials - 1) k;

INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT trial_id, 'rate_per_ns', 1e-3 * 10 ^ (3 * random()),
  '{"name": "FloatDistribution", '
  '"attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}'
FROM trials WHERE study_id = :study;

INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT trial_id, 'x', random(),
  '{"name": "FloatDistribution", '
  '"attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}'
FROM trials WHERE study_id = :study;

INSERT INTO trial_values (trial_id, objective, value, value_type)
SELECT trial_id, 0, 0.5 + 0.5 * random(), 'FINITE' FROM trials WHERE study_id = :study;

INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
SELECT trial_id, step, random(), 'FINITE'
FROM trials, generate_series(1, :points) step WHERE study_id = :study;

INSERT INTO trial_user_attributes (trial_id, key, value_json)
SELECT trial_id, key, value FROM trials, (VALUES
  ('attempts', '1'), ('members:seed', '[2846136, 9173544]'), ('members:diverged', '0'),
  ('members:score', '[0.91234567890123, 0.90123456789012]'), ('lineage:host', '"host-1"'),
  ('lineage:revision', '"0123456789abcdef0123456789abcdef01234567"'), ('lineage:dirty', 'false'),
  ('lineage:cpu', '"AMD EPYC 7763 64-Core Processor"'), ('lineage:seconds', '12.25'),
  ('lineage:worker', '"host-1-4711-ab12"'),
  ('lineage:versions', '{"python": "3.13.1", "torch": "2.9.0", "numpy": "2.3.1"}')
) attribute (key, value) WHERE study_id = :study
"""


_OF_LEDGER = f"""
INSERT INTO {SCHEMA}.slots (study_id, phase, number, state, params, score, steps, attempts, lineage,
  optuna_trial_id, started_at, settled_at)
SELECT s.id, 'search', t.number, 'complete',
  (SELECT json_object_agg(param_name, param_value) FROM trial_params p
   WHERE p.trial_id = t.trial_id), v.value,
  array_fill(CAST(0.5 AS float8), ARRAY[:points]), 1, '{{}}', t.trial_id,
  now() + t.number * interval '1 s', now() + (t.number + 1) * interval '1 s'
FROM trials t JOIN {SCHEMA}.studies s ON s.optuna_study_id = t.study_id
JOIN trial_values v ON v.trial_id = t.trial_id WHERE t.study_id = :study;

INSERT INTO {SCHEMA}.members (slot_id, member, seed, score, curve, loss_curve, diverged, info,
  seconds, worker)
SELECT o.id, m, m, o.score, o.steps, o.steps, false, '{{}}', 1, 'w'
FROM {SCHEMA}.slots o JOIN {SCHEMA}.studies s ON s.id = o.study_id, generate_series(0, 1) m
WHERE s.optuna_study_id = :study
"""


def spec(trials: int, points: int) -> StudySpec:
    """A study whose trials `fill` can write."""
    space: dict[str, object] = {
        "x": {"low": 0.0, "high": 1.0},
        "rate_per_ns": {"low": 1e-3, "high": 1.0, "log": True},
    }
    budget = {"trials": trials, "epochs": points, "members": 2}
    return toy_spec("large", space=space, budget=budget)


def fill(storage: Storage, study_id: int, *, trials: int, points: int) -> None:
    """Give the study of ``spec`` complete trials with a curve.

    Args:
        storage: the database.
        study_id: Optuna's id of the study.
        trials: how many.
        points: intermediate values of each.
    """
    values = {"study": study_id, "trials": trials, "points": points}
    with storage.engine.begin() as connection:
        for statement in f"{_STATEMENTS};{_OF_LEDGER}".split(";\n"):
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(sa.text(statement).bindparams(**used))
