"""Service overhead: CPU time per trial outside the objective, beside plain Optuna.

A trial of ours trains 5 members that report 60 epochs each, and a pruner judges the
first curve; a trial of plain Optuna asks, reports and tests for pruning 20 times,
tells. Both use the same PostgreSQL, in a study that holds many trials already, every
second one pruned.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest import mock

import optuna
import psutil
from sqlalchemy import text

from benchmarks.service import instant
from hpo import settings
from hpo.ledger.ledger import Ledger
from hpo.postgres import embedded
from hpo.postgres.connect import Storage, open_storage
from hpo.search import pruners, suggest
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, Suggestion
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

SIZES = (100, 1_000, 10_000)
"""Trials that a study holds already."""
TRIALS = 20
EPOCHS = 60
MEMBERS = 5
REPORTS = 20
NAMES = "abcde"
HIGH = 0.1
"""Steps lie below it, well below what comes."""
PRUNERS: dict[str, dict[str, Any]] = {
    "none": {},
    "median": {"n_warmup_steps": 5},
    "percentile": {"percentile": 50.0, "n_warmup_steps": 5},
    "successive-halving": {"min_resource": 4},
}
"""With their options: none prunes what is measured, since all others did worse."""
CHOICES = (
    *(("random", pruner) for pruner in PRUNERS),
    *(("tpe", pruner) for pruner in ("none", "median")),
    *(("kriging-believer", pruner) for pruner in ("none", "median")),
)
OPTUNAS: dict[str, type[optuna.samplers.BaseSampler]] = {
    "random": optuna.samplers.RandomSampler,
    "tpe": optuna.samplers.TPESampler,
}

_SLOTS = """
insert into hpo_ledger.slots (study_id, phase, number, state, params, attrs, score,
                              steps, attempts, worker, finished_at)
select id, :phase, g, case when g % 2 < :whole then 'complete' else 'pruned' end,
       json_build_object({params}), json_build_object({attrs}), random(),
       (select json_agg(json_build_array(
          greatest(e - :epochs, 0), least(e, :epochs), :high * random()))
        from generate_series(
          1, case when g % 2 < :whole then :steps else :cut + g % :spread end) e),
       1, 'bench', now()
from hpo_ledger.studies, generate_series(0, :n - 1) g where name = :study"""
_MEMBERS = """
insert into hpo_ledger.members (slot_id, member, seed, score, epochs, curve,
                                scored_at, loss_curve, diverged, info, seconds, worker)
select slots.id, m, m, random(), :epochs, c, array(select generate_series(1, :epochs)),
       c, false, '{{}}', 1, 'bench'
from hpo_ledger.slots, generate_series(0, :seeds - 1) m,
     (select array(select 0.1 * random() from generate_series(1, :epochs)) c) curve"""
_OPTUNA = (
    """
insert into trials (number, study_id, state, datetime_start, datetime_complete)
select g, :id,
       cast(case when g % 2 < :whole then 'COMPLETE' else 'PRUNED' end as trialstate),
       now(), now() from generate_series(0, :n - 1) g""",
    """
insert into trial_values (trial_id, objective, value, value_type)
select trial_id, 0, random(), 'FINITE' from trials where study_id = :id""",
    """
insert into trial_params (trial_id, param_name, param_value, distribution_json)
select trial_id, p, random(), :distribution
from trials, unnest(string_to_array(:names, null)) p where study_id = :id""",
    """
insert into trial_intermediate_values
       (trial_id, step, intermediate_value, intermediate_value_type)
select trial_id, s, :high * random(), 'FINITE'
from trials, generate_series(
  1, case when number % 2 < :whole then :reports else :reports / 2 end) s
where study_id = :id""",
    """
insert into trial_system_attributes (trial_id, key, value_json)
select trial_id, rung, cast(0.1 * random() as text)
from trials, unnest(string_to_array(:rungs, null)) r, concat('completed_rung_', r) rung
where study_id = :id""",
)


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """CPU milliseconds."""

    size: int
    sampler: str
    pruner: str
    service: str
    first_ms: float
    """Of the process, until the first trial of a worker begins to train."""
    trial_ms: float
    """Of the process, per trial after that."""
    server_ms: float
    """Of PostgreSQL, per trial."""
    suggest_ms: float = 0.0
    """Of ``trial_ms``, to suggest parameters."""


def measure() -> Iterator[Overhead]:
    """Both services, for every sampler, pruner and size; each in a database of its
    own."""
    for sampler, pruner in CHOICES:
        for size in SIZES:
            with _database() as storage:
                yield _ours(storage, sampler, pruner, size)
            if sampler in OPTUNAS and pruner in PRUNERS:
                with _database() as storage:
                    yield _plain_optuna(storage, sampler, pruner, size)


def _spec(sampler: str, pruner: str, trials: int) -> StudySpec:
    """A study of the instant objective."""
    raw: dict[str, Any] = {
        "name": f"{sampler}-{trials}",
        "objective": "benchmarks.service.instant:InstantObjective",
        "budget": {"trials": trials, "window": 4, "seeds": MEMBERS, "epochs": EPOCHS},
        "task": {"name": "instant"},
        "space": {name: {"low": 0.0, "high": 1.0} for name in NAMES},
        "sampler": {"name": sampler},
        "pruner": {"name": pruner, **PRUNERS[pruner]},
    }
    return validate(raw, where="benchmark")


def _ours(storage: Storage, sampler: str, pruner: str, size: int) -> Overhead:
    spec = _spec(sampler, pruner, size + 1 + TRIALS)
    Ledger(storage).register(spec)
    _fill(storage, spec, size)
    instant.starts_s.clear()
    began_s = time.process_time()
    server_s = _server_cpu_s()
    spent_s: list[float] = []

    def timed(*arguments: Any, **named: Any) -> Suggestion:
        began_s = time.process_time()
        suggested = suggestion(*arguments, **named)
        spent_s.append(time.process_time() - began_s)
        return suggested

    suggestion = suggest.suggest
    with mock.patch.object(suggest, "suggest", timed):
        Worker(storage, WorkerOptions(study=spec.name, confirm=False)).run()
    served_s = _server_cpu_s() - server_s
    starts_s = instant.starts_s[::MEMBERS]
    return Overhead(
        size=size,
        sampler=sampler,
        pruner=pruner,
        service="ours",
        first_ms=1e3 * (starts_s[0] - began_s),
        trial_ms=1e3 * (starts_s[-1] - starts_s[0]) / TRIALS,
        server_ms=1e3 * served_s / (TRIALS + 1),
        suggest_ms=1e3 * statistics.fmean(spent_s[1:]),
    )


def _fill(storage: Storage, spec: StudySpec, size: int) -> None:
    """Trials that have done worse than what comes; of every two, one was ended
    early."""
    rungs = range(2 if spec.pruner.name == "successive-halving" else 0)
    shape = {
        "epochs": EPOCHS,
        "steps": EPOCHS + MEMBERS - 1,
        "cut": 6,
        "spread": EPOCHS - 10,
    }
    shape |= {"whole": 2 if spec.pruner.name == "none" else 1}
    values = {
        "params": ", ".join(f"'{name}', random()" for name in NAMES),
        "attrs": ", ".join(f"'completed_rung_{k}', 0.1 * random()" for k in rungs),
    }
    common = {"n": size, "study": spec.name, "phase": Phase.SEARCH, "high": HIGH}
    with storage.engine.begin() as connection:
        connection.execute(text(_SLOTS.format(**values)), {**common, **shape})
        sizes = {"seeds": MEMBERS, "epochs": EPOCHS}
        connection.execute(text(_MEMBERS.format()), sizes)
        connection.execute(text("analyze"))


def _plain_optuna(storage: Storage, sampler: str, pruner: str, size: int) -> Overhead:
    rdb = storage.optuna()
    optuna.create_study(storage=rdb, study_name="plain", direction="maximize")
    distribution = optuna.distributions.FloatDistribution(0.0, 1.0)
    values = {
        "id": rdb.get_study_id_from_name("plain"),
        "n": size,
        "names": NAMES,
        "reports": REPORTS,
        "whole": 2 if pruner == "none" else 1,
        "high": HIGH,
        "rungs": "01" if pruner == "successive-halving" else "",
        "distribution": optuna.distributions.distribution_to_json(distribution),
    }
    with storage.engine.begin() as connection:
        for statement in _OPTUNA:
            connection.execute(text(statement), values)
        connection.execute(text("analyze"))
    study = optuna.load_study(
        storage=rdb,
        study_name="plain",
        sampler=OPTUNAS[sampler](seed=0),  # type: ignore[call-arg]
        pruner=pruners.PRUNERS[pruner](**PRUNERS[pruner]),
    )
    began_s = time.process_time()
    server_s = _server_cpu_s()
    starts_s = [_one_plain_trial(study, REPORTS) for _ in range(TRIALS + 1)]
    return Overhead(
        size=size,
        sampler=sampler,
        pruner=pruner,
        service="Optuna",
        first_ms=1e3 * (starts_s[0] - began_s),
        trial_ms=1e3 * (starts_s[-1] - starts_s[0]) / TRIALS,
        server_ms=1e3 * (_server_cpu_s() - server_s) / (TRIALS + 1),
    )


def _one_plain_trial(study: optuna.Study, reports: int) -> float:
    """CPU time of this process at which the trial began to train."""
    trial = study.ask()
    values = [trial.suggest_float(name, 0.0, 1.0) for name in NAMES]
    started_s = time.process_time()
    for step in range(1, reports + 1):
        trial.report(statistics.fmean(values) * step, step)
        trial.should_prune()
    study.tell(trial, statistics.fmean(values))
    return started_s


@contextmanager
def _database() -> Iterator[Storage]:
    """An empty database on the embedded server."""
    name = f"bench_{time.time_ns()}"
    with open_storage() as server:

        def admin(statement: str) -> None:
            with server.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                    text(statement)
                )

        admin(f"create database {name}")
        try:
            with open_storage(server.url.replace("/hpo?", f"/{name}?")) as storage:
                yield storage
        finally:
            admin(f"drop database {name} with (force)")


def _server_cpu_s() -> float:
    """CPU time of the embedded server's present processes."""
    pid = embedded.status(settings.home()).pid
    if pid is None:
        return 0.0
    total = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children()]:
        with suppress(psutil.NoSuchProcess):  # a session that has just ended
            times = process.cpu_times()
            total += times.user + times.system
    return total
