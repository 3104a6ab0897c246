"""Races and ends of searches do not depend on who runs them, nor on kills."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
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

from hpo.errors import StudyError
from hpo.ledger import interventions
from hpo.ledger.backup import study
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study import effort
from hpo.study.snapshot import StudyState
from hpo.study.trials import SlotState
from hpo.views import json_records, verdict

RACE: dict[str, Any] = {
    "objective": "toy_objective:ToyLuckyObjective",
    "budget": {"trials": 36, "members": 5},
    "racing": {"rungs": [1, 3], "reduction_factor": 3, "keep": 3},
    "confirm": {"top": 1, "members": 2},
}


def test_a_race_by_one_worker_and_by_three_with_kills(database_url: str) -> None:
    alone = undisturbed(database_url, toy_spec("alone", **RACE))
    spec = toy_spec("three", **RACE, fixed={"sleep_s": 0.005})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        for settled, signum in [(4, signal.SIGTERM), (12, signal.SIGKILL)]:
            worker = start_worker(database_url, "--study", spec.name, "--lease", "1")
            wait_until(lambda n=settled: ledger.snapshot(spec.name).settled >= n)  # type: ignore[misc]
            kill(worker, signum)
        run_workers(database_url, spec.name, 3, "--lease", "1")
        snapshot = ledger.snapshot(spec.name, curves=True)
    assert table(snapshot) == alone
    left = [s for s in snapshot.search if (s.message or "").startswith("not replicated")]
    assert {len(s.members) for s in left} == {1, 3}, "trials must leave at both rungs"
    assert {len(s.members) for s in snapshot.search if s.state == SlotState.COMPLETE} == {5}
    judged = [s for s in snapshot.search if "curve cut short" in (s.message or "")]
    assert judged
    assert all(len(s.steps) < 6 and not s.members for s in judged)
    assert effort.of_search(snapshot) == sum(
        len(s.steps) if not s.members else 6 * len(s.members) for s in snapshot.search
    )


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ({"target": 0.65}, "stop.target = 0.65: trial "),
        ({"patience": 4}, "stop.patience = 4: no trial was better than trial "),
        ({"max_epochs": 90}, "stop.max_epochs = 90: "),
    ],
)
def test_all_workers_end_before_the_same_trial(
    database_url: str, stop: dict[str, Any], reason: str
) -> None:
    confirm = {"top": 1, "members": 2}
    tables: dict[str, Any] = {"stop": stop, "budget": {"trials": 80}, "confirm": confirm}
    alone = undisturbed(database_url, toy_spec("alone", **tables))
    spec = toy_spec("many", **tables, fixed={"sleep_s": 0.003})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        victim = start_worker(database_url, "--study", spec.name, "--lease", "1")
        wait_until(lambda: ledger.snapshot(spec.name).settled >= 3)
        kill(victim, signal.SIGKILL)
        run_workers(database_url, spec.name, 3, "--lease", "1")
        snapshot = ledger.snapshot(spec.name, curves=True)
        (summary,) = (s for s in ledger.studies() if s.name == spec.name)
        with pytest.raises(StudyError) as refused:
            interventions.extend(ledger, spec.name, 200)
    assert table(snapshot) == alone
    assert snapshot.state == StudyState.DONE
    assert len(snapshot.search) == snapshot.search_end == snapshot.trials < 80
    assert (snapshot.search_end_reason or "").startswith(reason)
    assert len(snapshot.confirm) == 2
    assert f"; ended by {snapshot.search_end_reason}" in verdict.progress(snapshot)
    assert (summary.trials, summary.settled) == (snapshot.trials, snapshot.trials)
    assert summary.epochs == effort.of_search(snapshot)
    record = json_records.study(snapshot)
    assert record["trials"] == snapshot.trials
    assert record["epochs"] == summary.epochs
    assert str(refused.value) == (
        f"study 'many': the search must go on to be extended, but [stop] has ended it before trial "
        f"{snapshot.trials} ({snapshot.search_end_reason}). Launch it with another [stop] under "
        f"another name: --name NEW."
    )


def test_the_end_is_the_first_that_the_window_shows_and_comes_along_in_a_backup(
    database_url: str, tmp_path: Path
) -> None:
    """With a window of 4, trial k is not opened if trials 0 .. k-4 have reached the target."""
    whole = undisturbed(database_url, toy_spec("whole", budget={"trials": 40}))
    complete = [(row[1], row[4]) for row in whole if row[0] == "search" and row[3] == "complete"]
    number, score = complete[5]
    target = max(s for _, s in complete[:6])
    first = next(k for k, s in complete if s >= target)
    ended = undisturbed(
        database_url, toy_spec("ended", budget={"trials": 40}, stop={"target": target})
    )
    search = [row for row in ended if row[0] == "search"]
    assert len(search) == first + 4
    assert search == [row for row in whole if row[0] == "search"][: first + 4]
    assert number >= first
    assert score <= target
    with open_storage(database_url) as storage:
        study.export(storage, "ended", tmp_path / "file.jsonl")
        study.restore(storage, tmp_path / "file.jsonl", "again")
        old, new = (Ledger(storage).snapshot(name, curves=True) for name in ("ended", "again"))
    assert table(old) == table(new)
    assert (old.search_end, old.search_end_reason) == (new.search_end, new.search_end_reason)
    assert old.search_end == first + 4
