"""A study that searches layer by layer, and in some trials alone, is pure under kills, too."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import optuna
from workers import kill, ledger_at, run_workers, start_worker, table, undisturbed, wait_until

from hpo.ledger.backup import study as backup_study
from hpo.postgres.connect import open_storage
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.views import note
from hpo.views.figures import cards
from hpo.views.report import page

TABLES: dict[str, Any] = {
    "objective": "spintronic",
    "budget": {"trials": 16, "window": 3, "members": 1, "epochs": 2},
    "fixed": {"integrator": "exponential", "max_step_ns": 1.0, "steps_per_point": 1, "lr0": 0.2},
    "space": {
        "layers": {"low": 1, "high": 2},
        "width": {"low": 3, "high": 6, "per_layer": True},
        "tau_ns": {"low": 1.0, "high": 100.0, "log": True, "per_layer": True},
        "density_inter": {"low": 0.4, "high": 1.0, "when": {"layers": 2}},
    },
    "sampler": {"name": "kriging-believer", "n_startup_trials": 5},
    "confirm": {"top": 1, "members": 2, "epochs": 1},
    "warm_start": {"points": [{"layers": 2, "tau_ns": 14.12, "width": [5, 4]}]},
}


def spec(name: str) -> StudySpec:
    return file.validate({"name": name, **TABLES}, where="s.toml")


def test_one_worker_and_two_with_a_kill_give_the_same_table(
    database_url: str, tmp_path: Path
) -> None:
    alone = undisturbed(database_url, spec("alone"))
    with ledger_at(database_url) as ledger:
        ledger.register(spec("killed"))
        victim = start_worker(database_url, "--study", "killed", "--lease", "1")
        wait_until(lambda: ledger.snapshot("killed").settled >= 3, 60)
        kill(victim, signal.SIGKILL)
        run_workers(database_url, "killed", 2, "--lease", "1")
        assert table(ledger.snapshot("killed", curves=True)) == alone
        snapshot = ledger.snapshot("alone")
    told = snapshot.search[0].params
    assert {
        name: told[name] for name in ("layers", "tau_ns.0", "tau_ns.1", "width.0", "width.1")
    } == {
        "layers": 2,
        "tau_ns.0": 14.12,
        "tau_ns.1": 14.12,
        "width.0": 5,
        "width.1": 4,
    }
    shallow = [slot for slot in snapshot.search if slot.params["layers"] == 1]
    assert shallow
    assert all(slot.params.keys() == {"layers", "width.0", "tau_ns.0"} for slot in shallow)
    for slot in snapshot.search:
        widths = [slot.params[f"width.{k}"] for k in range(int(slot.params["layers"]))]
        assert slot.members[0].info["n_neurons"] == sum(map(int, widths))
    with open_storage(database_url) as storage:
        trials = optuna.load_study(study_name="alone", storage=storage.optuna()).trials
        assert [trial.params for trial in trials] == [dict(slot.params) for slot in snapshot.search]
        backup_study.export(storage, "alone", tmp_path / "alone.jsonl")
        backup_study.restore(storage, tmp_path / "alone.jsonl", "copy")
    assert "width.1" in note.text(snapshot)
    assert "tau_ns.1" in page.html(snapshot, [])
    assert cards.cards(snapshot)
