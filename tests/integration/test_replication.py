"""Searches with ``curve-gp`` in the database: who ran them, what is best, what is confirmed."""

from __future__ import annotations

import signal
from typing import Any

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

from hpo.search.seeds import derive
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, SlotState, superseded
from hpo.views.numbers.convergence import clocks, incumbents

TABLES: dict[str, Any] = {
    "budget": {"trials": 30, "members": 1, "epochs": 20},
    "sampler": {"name": "curve-gp"},
    "pruner": {"name": "curve-gp"},
    "confirm": {"top": 2, "members": 2},
}


def curve_spec(name: str, **fixed: Any) -> StudySpec:
    return toy_spec(name, **TABLES, fixed={"noise": 0.05, **fixed})


def of_one_configuration(snapshot: StudySnapshot) -> list[list[int]]:
    """Numbers of complete trials that share their parameters, as far as there are several."""
    found: dict[str, list[int]] = {}
    for slot in snapshot.search:
        if slot.state == SlotState.COMPLETE:
            found.setdefault(str(slot.params), []).append(slot.number)
    return [numbers for numbers in found.values() if len(numbers) > 1]


def test_a_search_is_the_same_by_one_worker_and_by_three_with_a_kill(database_url: str) -> None:
    alone = undisturbed(database_url, curve_spec("alone"))
    spec = curve_spec("three", sleep_s=0.005)
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        victim = start_worker(database_url, "--study", spec.name, "--lease", "1")
        wait_until(lambda: ledger.snapshot(spec.name).settled >= 9)
        kill(victim, signal.SIGKILL)
        run_workers(database_url, spec.name, 3, "--lease", "1")
        snapshot = ledger.snapshot(spec.name, curves=True)
        [summary] = [s for s in ledger.studies() if s.name == spec.name]
    assert table(snapshot) == alone

    seeds = [slot.members[0].seed for slot in snapshot.search if slot.members]
    assert set(seeds) <= {derive(spec.seed, "member", number) for number in range(30)}
    assert len(set(seeds)) == len(seeds)
    several = of_one_configuration(snapshot)
    assert several
    complete = [slot for slot in snapshot.search if slot.state == SlotState.COMPLETE]
    assert all(0.0 < (slot.standard_error or 0.0) < 0.2 for slot in complete)
    assert any(abs((s.score or 0.0) - s.members[0].score) > 0.01 for s in complete), "no shrinkage"

    # of a configuration that was trained again, the last trial is ranked, and it alone
    old = superseded((slot.number, slot.params) for slot in complete)
    assert old == {number for numbers in several for number in numbers[:-1]}
    ranked = [slot.number for slot in snapshot.ranking]
    assert not old & set(ranked)
    assert len(ranked) + len(old) == len(complete)
    best = snapshot.best
    assert best is not None
    assert summary.best_score == best.score
    sources = {slot.source for slot in snapshot.confirm}
    assert sources == set(ranked[:2])
    assert {slot.phase for slot in snapshot.confirm} == {Phase.CONFIRM}
    assert summary.confirmed is not None
    assert snapshot.confirmations[0].source == best.number
    held = incumbents(snapshot, clocks(snapshot)[0])
    assert held[-1][1].number == best.number
    assert [at for at, _ in held] == sorted(at for at, _ in held)
