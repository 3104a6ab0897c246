"""Hard constraints: no network that breaks one is trained, whoever runs the study."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
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

from hpo.errors import SpecError
from hpo.ledger import interventions
from hpo.postgres.connect import open_storage
from hpo.study.file import load
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.views import note
from hpo.views.report import page

OBJECTIVE = "costly_objective:CostlyObjective"
MOST_PJ = 2.0


def networks(name: str) -> StudySpec:
    """The shipped study with small networks, few trials and a tighter bound."""
    changes: dict[str, Any] = {
        "name": name,
        "budget": {"trials": 12, "window": 4, "members": 1, "epochs": 3},
        "space.layers": {"low": 1, "high": 2},
        "space.width": {"low": 4, "high": 24},
        "constraints.energy_pj": MOST_PJ,
        "sampler.n_startup_trials": 4,
        "pruner": {"name": "none"},
        "confirm": False,
    }
    return load("seqdigits-constrained", values=changes)


def toys(name: str, **tables: Any) -> StudySpec:
    """A toy study of a score and a cost, with a bound and a pruner."""
    given = {"cost": {"name": "energy_pj"}, "constraints": {"energy_pj": MOST_PJ}, **tables}
    return toy_spec(name, objective=OBJECTIVE, **given)


def test_networks_by_one_worker_and_by_three_with_kills(database_url: str) -> None:
    alone = undisturbed(database_url, networks("alone"))
    spec = networks("killed")
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        line = ("--study", spec.name, "--lease", "1")
        workers = [start_worker(database_url, *line) for _ in range(2)]
        wait_until(lambda: ledger.snapshot(spec.name).settled >= 4, 60.0)
        for worker in workers:
            kill(worker, signal.SIGKILL)
        run_workers(database_url, spec.name, 2, "--lease", "1")
        snapshot = ledger.snapshot(spec.name, curves=True)
    assert table(snapshot) == alone
    assert snapshot.state == StudyState.DONE
    assert sum(slot.attempts for slot in snapshot.search) > len(snapshot.search)
    energies = [member.info["energy_pj"] for slot in snapshot.search for member in slot.members]
    assert len(energies) == 12
    assert max(energies) <= MOST_PJ


@pytest.mark.parametrize("costs", ["energy_pj", ["n_synapses", "energy_pj"]], ids=["one", "both"])
def test_costs_with_a_pruner_and_a_bound_under_kills(database_url: str, costs: Any) -> None:
    alone = undisturbed(database_url, toys("alone", cost={"name": costs}))
    spec = toys("killed", cost={"name": costs}, fixed={"sleep_s": 0.01})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        worker = start_worker(database_url, "--study", spec.name, "--lease", "1")
        wait_until(lambda: ledger.snapshot(spec.name).settled >= 6, 60.0)
        kill(worker, signal.SIGKILL)
        run_workers(database_url, spec.name, 3, "--lease", "1")
        snapshot = ledger.result(spec.name, curves=True)
    assert table(snapshot) == alone
    states = {slot.state for slot in snapshot.search}
    assert states == {SlotState.COMPLETE, SlotState.PRUNED}
    known = [slot.costs for slot in snapshot.search if slot.costs]
    assert len(known) == len(snapshot.search), "of pruned trials, too: they are known before"
    assert max(energy for *_, energy in known) <= MOST_PJ
    assert {slot.state for slot in snapshot.front} == {SlotState.COMPLETE}
    with open_storage(database_url) as storage:
        study = optuna.load_study(study_name=spec.name, storage=storage.optuna())
        best = {trial.number: trial.values for trial in study.best_trials}
        shown = [trial.values for trial in study.trials]
    assert best == {slot.number: [slot.score, *slot.costs] for slot in snapshot.front}
    assert shown == [[slot.score, *slot.costs] for slot in snapshot.search]
    assert "Only networks of at most 2 pJ are trained." in note.text(snapshot)
    assert "energy (pJ)" in page.html(snapshot)


def test_what_is_enqueued_must_fit(database_url: str) -> None:
    spec = toys("given", warm_start={"points": [{"k": 2}]})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_until = ledger.claim(spec.name, "w", lease_s=60)  # the point of the warm start
        before = ledger.snapshot(spec.name)
        for params, text in [
            (
                {"x": 0.5, "k": 8, "rate_per_ns": 0.1, "colour": "red"},
                "`energy_pj <= 2` must hold, but got energy_pj=2.8. Give another value.",
            ),
            (
                {"x": 1.0, "k": 5},
                "[constraints] must leave room for the other parameters, but got none among 1,000 "
                "uniform draws of them that fits. The least of all draws: energy_pj=3. Give "
                "another value.",
            ),
        ]:
            with pytest.raises(SpecError) as caught:
                interventions.enqueue(ledger, spec.name, params)
            assert str(caught.value) == f"study 'given': enqueued: {text}"
        after = ledger.snapshot(spec.name)
        assert len(after.search) == len(before.search) == 1
        number = interventions.enqueue(ledger, spec.name, {"k": 8})
        ledger.release(run_until)  # type: ignore[arg-type]
        run_workers(database_url, spec.name, 1)
        slots = ledger.snapshot(spec.name).search
    assert (slots[0].params["k"], slots[number].params["k"]) == (2, 8)
    assert max(slot.costs[0] for slot in slots) <= MOST_PJ


def test_the_best_of_another_study_must_fit(database_url: str) -> None:
    small = {"budget": {"trials": 6, "members": 1, "epochs": 2}, "confirm": False}
    first = toy_spec("first", objective=OBJECTIVE, **small, pruner={"name": "none"})
    begun = {**small, "warm_start": {"study": "first", "top": 6}, "cost": {"name": "energy_pj"}}
    with ledger_at(database_url) as ledger:
        ledger.register(first)
        run_workers(database_url, "first", 1)
        dearest = max(ledger.snapshot("first").search, key=lambda s: s.members[0].info["energy_pj"])
        most = dearest.members[0].info["energy_pj"]
        with pytest.raises(SpecError) as caught:
            ledger.register(toys("second", **begun, constraints={"energy_pj": most - 0.01}))
        assert str(caught.value) == (
            f"study 'second': warm_start.study: trial {dearest.number}: `energy_pj <= "
            f"{most - 0.01:g}` must hold, but got energy_pj={most}. Take fewer trials "
            f"(warm_start.top), or write those that fit as warm_start.points."
        )
        assert [study.name for study in ledger.studies()] == ["first"], "nothing is written"
        ledger.register(toys("second", **begun, constraints={"energy_pj": most}))


def test_costs_that_were_told_wrongly_fail_the_trial(database_url: str) -> None:
    spec = toy_spec(
        "half", objective="costly_objective:HalfTheCostObjective", constraints={"n_synapses": 300}
    )
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, spec.name, 1)
        snapshot = ledger.snapshot(spec.name)
    assert snapshot.state == StudyState.FAILED
    k = int(snapshot.search[0].params["k"])
    assert (snapshot.search[0].message or "").endswith(
        f"the objective's `costs_of` must tell what a network costs, but got n_synapses={50.0 * k} "
        f"before its training and {100.0 * k} after it. Mend `costs_of`.\n"
    )


def test_a_dry_run_says_how_much_fits(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "hpo.launch", "--study", "seqdigits-constrained", "--dry-run"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    (told,) = (row for row in said.splitlines() if row.startswith("constraints"))
    record = json.loads(subprocess.run([*line, "--json"], capture_output=True, check=True).stdout)
    found = record["constraints"]
    assert found["draws"] == 1000
    assert 50 < found["fitting"] < 900
    share = f"{found['fitting'] / 10:.3g} % of 1,000 uniform draws fit"
    least = f"the least drawn: {found['least']['energy_pj']:.3g} pJ"
    assert told.split(maxsplit=1)[1] == f"energy_pj ≤ 12 ({least}); {share}"
    refused = subprocess.run(
        [*line, "--set", "constraints.energy_pj=0.5"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "at least 5 of 1,000 uniform draws of the space must fit, but got 0" in refused.stderr
