"""Studies of thousands of settled trials, written in bulk: the same rows as workers would write."""

from __future__ import annotations

import sqlalchemy as sa

from hpo.storage import Storage

_STATEMENTS = """
INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
SELECT k, :study, 'COMPLETE', now() + k * interval '1 s', now() + (k + 1) * interval '1 s'
FROM generate_series(0, :trials - 1) k;

INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT trial_id, 'rate', 1e-3 * 10 ^ (3 * random()),
  '{"name": "FloatDistribution", '
  '"attributes": {"step": null, "low": 0.001, "high": 1.0, "log": true}}'
FROM trials WHERE study_id = :study;

INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT trial_id, name, random(),
  '{"name": "FloatDistribution", '
  '"attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}'
FROM trials, unnest(ARRAY['a', 'b', 'c', 'd', 'e', 'f']) name WHERE study_id = :study;

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


def fill(storage: Storage, study_id: int, *, trials: int, points: int) -> None:
    """Give an Optuna study without trials complete ones of seven parameters and a curve."""
    values = {"study": study_id, "trials": trials, "points": points}
    with storage.engine.begin() as connection:
        for statement in _STATEMENTS.split(";\n"):
            named = sa.text(statement).bindparams(
                **{name: value for name, value in values.items() if f":{name}" in statement}
            )
            connection.execute(named)
