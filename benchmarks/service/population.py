"""A database as a large group has it after a year, and the workers that go on with it.

The studies are shipped files with made-up outcomes, in the ledger and in Optuna's
tables alike, one of them with 20,000 trials. Nothing is trained: workers sleep where
they would train.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from typing import Any

from optuna.distributions import distribution_to_json
from sqlalchemy import text

from hpo.ledger.claim_records import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.search import space
from hpo.study import file
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, Step, StudyState, Suggestion
from hpo.worker import provenance

LARGE = "large"
LARGE_TRIALS = 20_000
KINDS = {
    "seqdigits": (399, 14),
    "seqdigits-energy": (60, 3),
    "fig4": (40, 2),
}
"""Study files: how many studies of each there are, and how many of them are open."""
MEAN_TRIALS = 60
"""Of a search; a sweep has as many as its file says."""
WORKERS = 100
LEASE_S = 3 * 86_400.0
TRIAL_S = 30.0
BEAT_S = 10.0
"""Workers of such leases beat three times in each; these do as often as by default."""

_SLOTS = """
INSERT INTO hpo_ledger.slots (study_id, phase, number, source, state, params, score,
  costs, steps, attempts, worker, lineage, started_at, finished_at)
SELECT s.id, :phase, t.number, t.source, t.state, t.params, t.score,
  CAST(:costs AS float8[]),
  coalesce((SELECT json_agg(json_build_array(greatest(e - :epochs, 0),
     least(e, :epochs), t.score * (1 - exp(-3.0 * e / :epochs))))
     FROM generate_series(1, t.n) e), '[]'),
  1, 'bench', CAST(:lineage AS json), now() - (:size - t.number) * interval '10 s',
  now() - (:size - t.number - 1) * interval '10 s'
FROM hpo_ledger.studies s,
     unnest(CAST(:numbers AS int[]), CAST(:sources AS int[]), CAST(:states AS text[]),
            CAST(:params AS json[]), CAST(:scores AS float8[]), CAST(:lengths AS int[]))
       AS t (number, source, state, params, score, n)
WHERE name = :name"""
_COSTS = (
    "UPDATE hpo_ledger.slots SET costs = ARRAY[5 + 40 * random()] WHERE study_id = :id"
)
_MEMBERS = """
INSERT INTO hpo_ledger.members (slot_id, member, seed, score, epochs, curve,
                                scored_at, loss_curve, diverged, info, seconds, worker)
SELECT l.id, m, l.number, l.score, :epochs, c, at, c, false, CAST(:info AS json), 20,
  'bench'
FROM hpo_ledger.slots l JOIN hpo_ledger.studies s ON s.id = study_id, LATERAL (
  SELECT CASE WHEN phase = 'search' THEN array(
    SELECT l.score * (1 - exp(-3.0 * e / :epochs)) FROM generate_series(1, :epochs) e)
    ELSE CAST('{}' AS float8[]) END AS c, CASE WHEN phase = 'search' THEN array(
    SELECT generate_series(1, :epochs)) ELSE CAST('{}' AS int[]) END AS at) curve,
  generate_series(0, CASE WHEN phase = 'search' THEN :seeds - 1 ELSE 0 END) m
WHERE name = :name AND phase = :phase AND l.state = 'complete'"""
_MIRROR = (
    """
INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
SELECT number, optuna_study_id, CAST(upper(l.state) AS trialstate),
       timezone('UTC', started_at), timezone('UTC', finished_at)
FROM hpo_ledger.slots l JOIN hpo_ledger.studies s ON s.id = study_id
WHERE phase = 'search' ORDER BY study_id, number""",
    """
UPDATE hpo_ledger.slots l SET optuna_trial_id = trial_id
FROM hpo_ledger.studies s, trials t
WHERE s.id = l.study_id AND t.study_id = optuna_study_id AND t.number = l.number
  AND phase = 'search'""",
    """
INSERT INTO trial_values (trial_id, objective, value, value_type)
SELECT optuna_trial_id, place - 1, value, 'FINITE'
FROM hpo_ledger.slots, unnest(score || costs) WITH ORDINALITY AS v (value, place)
WHERE phase = 'search'""",
    """
INSERT INTO trial_intermediate_values
  (trial_id, step, intermediate_value, intermediate_value_type)
SELECT optuna_trial_id, step, CAST(value ->> 2 AS float8), 'FINITE'
FROM hpo_ledger.slots, json_array_elements(steps) WITH ORDINALITY AS v (value, step)
WHERE phase = 'search'""",
    """
INSERT INTO trial_user_attributes (trial_id, key, value_json)
SELECT optuna_trial_id, 'lineage:' || key, value
FROM hpo_ledger.slots, json_each(lineage) AS a (key, value)
WHERE phase = 'search'""",
)
_PARAMS = """
INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
SELECT optuna_trial_id, d.name, CAST(params ->> d.name AS float8), distribution
FROM hpo_ledger.slots l JOIN hpo_ledger.studies s ON s.id = study_id,
     unnest(CAST(:names AS text[]), CAST(:distributions AS text[]))
       AS d (name, distribution)
WHERE s.name = :study AND phase = 'search' AND params ->> d.name IS NOT NULL"""
_SCORES = """
SELECT number, score
FROM hpo_ledger.slots l JOIN hpo_ledger.studies s ON s.id = study_id
WHERE name = :name AND phase = 'search' AND l.state = 'complete'"""
_DONE = """
UPDATE hpo_ledger.studies SET state = :state, reason = :reason,
  created_at = created_at - CAST(:age AS interval), posterior = CAST(:posterior AS json)
WHERE name = :name"""


def specs() -> Iterator[tuple[StudySpec, StudyState]]:
    """Every study, and how it stands; the last is the large one."""
    rng = random.Random(0)
    for kind, (n, n_open) in KINDS.items():
        for k in range(n):
            is_open = k >= n - n_open
            state = StudyState.OPEN if is_open else StudyState.DONE
            if not is_open and k % 50 == 49:
                state = StudyState.STOPPED
            trials = max(10, round(MEAN_TRIALS * rng.lognormvariate(-0.18, 0.6)))
            yield _spec(f"{kind}-{k}", kind, trials, is_open=is_open), state
    yield _spec(LARGE, "seqdigits", LARGE_TRIALS, is_open=True), StudyState.OPEN


def _spec(name: str, kind: str, trials: int, *, is_open: bool) -> StudySpec:
    values: dict[str, Any] = {"name": name}
    if kind != "fig4":
        values |= {"budget.trials": trials + 10_000 * is_open, "budget.window": 64}
    return file.load(kind, values=values)


def fill(storage: Storage) -> dict[str, int]:
    """Register all studies and make up their outcomes; how many trials each study
    has."""
    ledger = Ledger(storage)
    rng = random.Random(1)
    known = list(specs())
    lineage = {
        "code": "0" * 64,
        **provenance.of_this_process(),
        "worker": "bench",
        "attempts": 1,
    }
    sizes = {}
    for spec, state in known:
        ledger.register(spec)
        whole = spec.budget.trials
        size = whole if state != StudyState.OPEN else max(1, whole - 10_000)
        size = whole // 2 if spec.sweep and state == StudyState.OPEN else size
        sizes[spec.name] = size
        _search(
            storage, spec, size, json.dumps({**lineage, "spec_hash": spec.hash}), rng
        )
    with storage.engine.begin() as connection:
        for statement in _MIRROR:
            connection.execute(text(statement))
        for spec, _ in known:
            names = space.distributions(spec)
            texts = [distribution_to_json(one) for one in names.values()]
            columns = {"study": spec.name, "names": list(names), "distributions": texts}
            connection.execute(text(_PARAMS), columns)
    done = {
        spec.name for spec, state in known if state == StudyState.DONE and spec.confirm
    }
    for _, result in ledger.results():
        if result is not None and result.name in done:
            _confirm(
                storage,
                result.spec,
                [t.number for t in result.ranking],
                json.dumps(lineage),
            )
    with storage.engine.begin() as connection:
        for age, (spec, state) in enumerate(reversed(known)):
            _state(connection, spec, state, age)
    with storage.engine.connect().execution_options(
        isolation_level="AUTOCOMMIT"
    ) as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return sizes


def _search(
    storage: Storage, spec: StudySpec, size: int, lineage: str, rng: random.Random
) -> None:
    prunes = spec.pruner.name != "none" and spec.sweep is None
    whole = spec.budget.epochs + spec.budget.seeds - 1
    cut = max(1, spec.budget.epochs // 4)
    pruned = [prunes and k % 2 == 1 for k in range(size)]
    scores = [0.9 * (1 - 0.6 * rng.random() ** 3) * (0.7 if p else 1) for p in pruned]
    values = {
        "name": spec.name,
        "phase": Phase.SEARCH,
        "numbers": list(range(size)),
        "sources": [None] * size,
        "states": ["pruned" if p else "complete" for p in pruned],
        "params": [json.dumps(params(spec, k, rng)) for k in range(size)],
        "scores": scores,
        "lengths": [cut if p else whole for p in pruned],
        "epochs": spec.budget.epochs,
        "size": size,
        "costs": [1.0] * len(spec.costs),
        "lineage": lineage,
    }
    with storage.engine.begin() as connection:
        connection.execute(text(_SLOTS), values)
        if spec.costs:
            own = text("SELECT id FROM hpo_ledger.studies WHERE name = :name")
            connection.execute(
                text(_COSTS), {"id": connection.scalar(own, {"name": spec.name})}
            )
        _members(connection, spec, Phase.SEARCH)


def _members(connection: Any, spec: StudySpec, phase: Phase) -> None:
    sizes = {"seeds": spec.budget.seeds, "epochs": spec.budget.epochs}
    columns = {"name": spec.name, "phase": phase, "info": json.dumps({"n_scored": 449})}
    connection.execute(text(_MEMBERS), {**columns, **sizes})


def _confirm(
    storage: Storage, spec: StudySpec, ranking: Sequence[int], lineage: str
) -> None:
    assert spec.confirm is not None
    own = ranking[: spec.confirm.top]
    n = spec.confirm.seeds
    numbers = [source * n + k for source in own for k in range(n)]
    rng = random.Random(spec.hash)
    values = {
        "name": spec.name,
        "phase": Phase.CONFIRM,
        "numbers": numbers,
        "sources": [number // n for number in numbers],
        "states": ["complete"] * len(numbers),
        "params": ["{}"] * len(numbers),
        "scores": [rng.gauss(0.88, 0.02) for _ in numbers],
        "lengths": [0] * len(numbers),
        "epochs": 1,
        "size": max(numbers) + 1,
        "costs": [20.0] * len(spec.costs),
        "lineage": lineage,
    }
    with storage.engine.begin() as connection:
        connection.execute(text(_SLOTS), values)
        _members(connection, spec, Phase.CONFIRM)


def _state(connection: Any, spec: StudySpec, state: StudyState, age: int) -> None:
    posterior = "{}"
    if (
        spec.confirm is not None
        and spec.confirm.by == "posterior_mean"
        and state == StudyState.DONE
    ):
        rows = connection.execute(text(_SCORES), {"name": spec.name}).all()
        means = {row.number: {"mean": row.score - 0.005, "std": 0.01} for row in rows}
        posterior = json.dumps(means)
    reason = "hpo stop, on lab" if state == StudyState.STOPPED else None
    values = {
        "name": spec.name,
        "state": state,
        "reason": reason,
        "posterior": posterior,
    }
    connection.execute(text(_DONE), {**values, "age": timedelta(hours=17 * age)})


def params(spec: StudySpec, number: int, rng: random.Random) -> dict[str, Any]:
    """Parameters of a trial, drawn at random; of a sweep its point."""
    if spec.sweep is not None:
        return spec.point(number)
    drawn: dict[str, Any] = {}
    for name, one in spec.space.items():
        low = one.low
        high = one.high
        assert low is not None
        assert high is not None
        value = (
            low * math.exp(rng.random() * math.log(high / low))
            if one.log
            else rng.uniform(low, high)
        )
        drawn[name] = (
            round(value) if isinstance(low, int) and isinstance(high, int) else value
        )
    return drawn


# --- its workers ---


@contextmanager
def at_work(url: str, names: Sequence[str]) -> Iterator[None]:
    """``n`` workers at work on these studies, on connections of their own, while it
    lasts.

    In the end they vanish with what they hold, as those of a host that is lost.
    """
    fork = get_context("fork")
    began = fork.Semaphore(0)
    process = fork.Process(target=_crew, args=(url, names, began), daemon=True)
    process.start()
    try:
        for _ in range(WORKERS):
            if not began.acquire(timeout=300):
                raise RuntimeError("a worker has not begun for 300 s")
        yield
    finally:
        process.kill()
        process.join()


def _crew(url: str, names: Sequence[str], began: Any) -> None:
    threads = [
        threading.Thread(target=_work, args=(url, names[k % len(names)], k, began))
        for k in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _work(url: str, study: str, k: int, began: Any) -> None:
    """One worker: it claims, suggests at random, renews, settles, and so on."""
    rng = random.Random(k)
    name = f"bench:{k}"
    with open_storage(url, worker=True) as storage:
        ledger = Ledger(storage)
        ledger.register_worker(name, host="bench", pid=k + 1, lease_s=LEASE_S)
        began.release()
        while True:
            claim = ledger.claim(study, name, lease_s=LEASE_S, confirm=False)
            if not isinstance(claim, Claim):
                study = LARGE  # the sweep is over
                continue
            drawn = params(claim.spec, claim.number, rng)
            ledger.store_suggestion(claim, Suggestion(params=drawn))
            ends_s = time.monotonic() + TRIAL_S * rng.uniform(0.5, 1.5)
            while (left_s := ends_s - time.monotonic()) > 0:
                time.sleep(min(left_s, BEAT_S))
                ledger.renew(name, claim, doing=str(claim), lease_s=LEASE_S)
            ledger.settle(claim, _end(claim, 0.5 + 0.4 * rng.random()))


def _end(claim: Claim, score: float) -> End:
    n = claim.spec.budget.epochs
    curve = tuple(score * (1 - math.exp(-3 * e / n)) for e in range(1, n + 1))
    made: dict[str, Any] = {
        "score": score,
        "epochs": n,
        "curve": curve,
        "scored_at": tuple(range(1, n + 1)),
        "loss_curve": curve,
        "diverged": False,
        "info": {},
    }
    members = [
        Member(member=k, seed=k, seconds=20.0, **made)
        for k in range(claim.spec.budget.seeds)
    ]
    return End(
        state=SlotState.COMPLETE,
        score=score,
        costs=[20.0] * len(claim.spec.costs),
        steps=[
            *(Step(0, epoch, value) for epoch, value in enumerate(curve, start=1)),
            *(Step(k, n, score) for k in range(1, len(members))),
        ],
        lineage={**provenance.of_this_process(), "worker": claim.worker},
        trained=members,
        last=members[-1],
    )
