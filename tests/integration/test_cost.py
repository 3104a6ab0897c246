"""A score and costs: workers, kills, Optuna's tables, confirmation, backups, exclusion."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from dashboards import dashboard
from optuna.study import StudyDirection
from servers import connect, database
from workers import (
    kill,
    ledger_at,
    run_workers,
    start_worker,
    table,
    toy_spec,
    undisturbed,
    wait_until,
)

from hpo.ledger import interventions
from hpo.ledger.backup import study as backup_study
from hpo.ledger.claims import Claim
from hpo.postgres.connect import open_storage
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState

TPE = {"name": "tpe", "n_startup_trials": 4}
BOTH = ["energy_pj", "n_synapses"]
OTHERS = [{"name": "nsga2", "population_size": 6}, {"name": "qmc"}, {"name": "random"}]


def two(name: str, costs: Any = "energy_pj", **tables: Any) -> StudySpec:
    """A study of 24 trials with a score and a cost, or several."""
    several = isinstance(costs, list)
    given = {
        "cost": {"name": costs},
        "pruner": {"name": "none"},
        "sampler": TPE,
        "reported": {
            "score": 0.6,
            "cost": {"energy_pj": 4.0} if several else 4.0,
            "source": "a paper",
        },
        "confirm": {"top": 3, "members": 2},
        **tables,
    }
    return toy_spec(name, **given)


@pytest.fixture(scope="module", params=["energy_pj", BOTH], ids=["one", "both"])
def finished(request: pytest.FixtureRequest, server_url: str, with_tables: str) -> Iterator[str]:
    """URL of a database in which one worker has run such a study, for tests that only read."""
    with database(server_url, with_tables) as url:
        undisturbed(url, two("two", request.param))
        yield url


@pytest.fixture
def copy_url(server_url: str, finished: str) -> Iterator[str]:
    """URL of a copy of it."""
    with database(server_url, str(sa.make_url(finished).database)) as url:
        yield url


@pytest.mark.parametrize(
    ("sampler", "costs"),
    [
        (TPE, BOTH),
        pytest.param(TPE, "energy_pj", marks=pytest.mark.slow),
        *(pytest.param(sampler, BOTH, marks=pytest.mark.slow) for sampler in OTHERS),
    ],
    ids=lambda value: str(value["name"]) if isinstance(value, dict) else None,
)
def test_workers_and_kills_do_not_matter(
    database_url: str, sampler: dict[str, Any], costs: Any
) -> None:
    alone = undisturbed(database_url, two("alone", costs, sampler=sampler))
    spec = two("disturbed", costs, sampler=sampler, fixed={"sleep_s": 0.01})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        for settled, signum in [(5, signal.SIGTERM), (13, signal.SIGKILL)]:
            workers = [start_worker(database_url, "--study", spec.name, "--lease", "1")]
            workers.append(start_worker(database_url, "--study", spec.name, "--lease", "1"))
            wait_until(lambda n=settled: ledger.snapshot(spec.name).settled >= n, 120.0)  # type: ignore[misc]
            for worker in workers:
                kill(worker, signum)
        run_workers(database_url, spec.name, 3, "--lease", "1")
        snapshot = ledger.snapshot(spec.name, curves=True)
    assert table(snapshot) == alone
    assert sum(slot.attempts for slot in snapshot.search) > len(snapshot.search)
    assert {len(slot.costs) for slot in (*snapshot.search, *snapshot.confirm)} == {len(spec.costs)}


def test_optuna_sees_all_objectives_and_the_same_front(finished: str) -> None:
    with open_storage(finished) as storage:
        study = optuna.load_study(study_name="two", storage=storage.optuna())
        directions, names = study.directions, study.metric_names
        best = {trial.number: trial.values for trial in study.best_trials}
        trials = study.trials
    with ledger_at(finished) as ledger:
        snapshot = ledger.result("two")
    costs = snapshot.spec.costs
    assert directions == [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * len(costs)]
    assert names == ["accuracy", *costs]
    assert {slot.number: [slot.score, *slot.costs] for slot in snapshot.front} == best
    assert 2 <= len(best) < len(trials) == 24
    for slot, trial in zip(snapshot.search, trials, strict=True):
        assert trial.values == [slot.score, *slot.costs]
        info = slot.members[0].info
        assert slot.costs == pytest.approx(tuple(info[name] for name in costs))


def test_what_is_confirmed_is_what_the_snapshot_ranks_first(finished: str) -> None:
    with ledger_at(finished) as ledger:
        snapshot = ledger.result("two")
    wanted = [slot.number for slot in snapshot.ranking[:3]]
    by_cost = sorted(snapshot.search, key=lambda slot: slot.costs)
    confirmed = [item.source for item in snapshot.confirmations]
    assert confirmed == [slot.number for slot in by_cost if slot.number in wanted]
    assert {slot.source for slot in snapshot.confirm} == set(wanted)
    reached = [s for s in snapshot.front if s.score is not None and s.score >= 0.6]
    assert len(reached) > 3, "nothing to choose among: no test"
    first, next_first = sorted(reached, key=lambda slot: slot.costs[0])[:2]
    by_last = min(reached, key=lambda slot: slot.costs[-1])
    second = next_first if by_last is first else by_last
    best = max(reached, key=lambda slot: slot.score or 0.0)
    assert wanted == [first.number, second.number, best.number]
    for item in snapshot.confirmations:
        assert item.costs == pytest.approx(snapshot.search[item.source].costs)
        assert item.told.keys() == {"energy_pj", "n_synapses"}
    assert snapshot.confirmed is not None


@pytest.mark.parametrize(
    ("objective", "costs", "told"),
    [
        (
            "MuteObjective",
            "energy_pj",
            "info must hold the cost 'energy_pj' as a finite number, but got energy_pj=None. Put "
            "it into `Outcome.info` of every training.",
        ),
        (
            "InfiniteObjective",
            BOTH,
            "`Outcome.info.n_synapses` must be finite, but got inf. Score a network that diverges "
            "as wrong instead.",
        ),
    ],
)
def test_an_objective_that_does_not_tell_its_cost_fails_its_trials(
    database_url: str, objective: str, costs: Any, told: str
) -> None:
    name = f"mute_objective:{objective}"
    spec = two("mute", costs, objective=name, budget={"members": 3})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, spec.name, 1)
        snapshot = ledger.snapshot(spec.name)
    assert snapshot.state == StudyState.FAILED
    message = snapshot.search[0].message or ""
    assert message.endswith(f"the objective's {told}\n")
    assert not snapshot.search[0].members, "told of the first network, not of the last"


def test_a_backup_brings_everything_back(copy_url: str, tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    with open_storage(copy_url) as storage:
        backup_study.export(storage, "two", path)
        backup_study.restore(storage, path, "again")
        theirs, ours = (
            optuna.load_study(study_name=name, storage=storage.optuna())
            for name in ("again", "two")
        )
        assert [t.values for t in theirs.trials] == [t.values for t in ours.trials]
        assert theirs.directions == ours.directions
        assert theirs.metric_names == ours.metric_names
    with ledger_at(copy_url) as ledger:
        again, study = (ledger.snapshot(name, curves=True) for name in ("again", "two"))
    assert table(again) == table(study)


def test_one_cost_is_read_by_its_old_name(finished: str) -> None:
    """``slots.cost`` is a stored name: people's queries go on to find it."""
    with connect(finished) as connection:
        rows = connection.execute("SELECT cost, costs FROM hpo_ledger.slots").fetchall()
    assert rows
    assert all(cost == costs[0] for cost, costs in rows)


def test_an_excluded_trial_leaves_the_front_and_its_cost_stays_known(copy_url: str) -> None:
    with ledger_at(copy_url) as ledger:
        before = ledger.result("two")
        first = before.ranking[0]
        interventions.exclude(ledger, "two", first.number)
        interventions.extend(ledger, "two", 32)
        claim = ledger.claim("two", "w", lease_s=5)
        assert isinstance(claim, Claim)
        past = ledger.history(claim)[first.number]
        ledger.release(claim)
        snapshot = ledger.result("two")
    assert first.number not in [slot.number for slot in snapshot.front]
    assert past.state == SlotState.EXCLUDED
    assert [(until, p.costs) for until, p in past.before] == [(24, first.costs)]
    assert snapshot.search[first.number].costs == first.costs


def test_the_overview_says_what_the_study_says(finished: str) -> None:
    with ledger_at(finished) as ledger:
        (line,), snapshot = ledger.studies(), ledger.snapshot("two")
    named, first = snapshot.confirmed, snapshot.ranking[0]
    assert named is not None
    assert line.confirmed is not None
    assert (line.confirmed.source, line.confirmed.n) == (named.source, 2)
    assert line.confirmed.mean == pytest.approx(named.mean)
    assert line.confirmed.std == pytest.approx(named.std)
    assert line.confirmed.costs == pytest.approx(named.costs)
    assert (line.best_score, line.best_costs) == (first.score, first.costs)


def test_the_dashboard_answers_for_all_objectives(finished: str) -> None:
    with ledger_at(finished) as ledger:
        snapshot = ledger.result("two")
    front, costs = [slot.number for slot in snapshot.front], snapshot.spec.costs
    with dashboard("--storage", finished) as running:
        path = "/api/studies/1"
        detail = running.get(path).json
        assert detail["objective_names"] == ["accuracy", *costs]
        assert [d.lower() for d in detail["directions"]] == ["maximize", *["minimize"] * len(costs)]
        assert sorted(t["number"] for t in detail["best_trials"]) == sorted(front)
        (figure,) = detail["plotly_graph_objects"]
        assert "energy" in figure["graph_object"]
        text = running.get(f"{path}/plot/pareto_front").body.decode()
        assert all(name in text for name in costs)
