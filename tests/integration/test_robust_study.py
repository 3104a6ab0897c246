"""A study on simulated hardware, run by real workers on a real database."""

from __future__ import annotations

from typing import Any

import pytest
from workers import ledger_at, run_workers, table

from hpo.cli import main
from hpo.study.file import validate
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState

NOISY = {
    "tau_spread": 0.3,
    "s_spread": 0.2,
    "input_noise": 0.05,
    "oscillator_noise_per_sqrt_ns": 0.005,
    "weight_bits": 4,
    "draws": 3,
}


def study(name: str, **changes: Any) -> StudySpec:
    tree = {
        "name": name,
        "objective": "spintronic",
        "budget": {"trials": 3, "window": 2, "members": 2, "epochs": 8},
        "fixed": {"width": 6, "batch_size": 100},
        "variability": NOISY,
        "space": {"lr0": {"low": 0.05, "high": 0.2}},
        "confirm": {"top": 1, "members": 2, "epochs": 3},
        **changes,
    }
    return validate({k: v for k, v in tree.items() if v is not None}, where="test")


def test_two_workers_score_on_the_chips_that_one_does_and_confirm_on_fresh_ones(
    database_url: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with ledger_at(database_url) as ledger:
        for name, n_workers in (("alone", 1), ("two", 2)):
            ledger.register(study(name))
            run_workers(database_url, name, n_workers)
        alone, two = (ledger.snapshot(name, curves=True) for name in ("alone", "two"))
    assert alone.state == two.state == StudyState.DONE
    assert table(alone) == table(two)
    for slot in alone.search:
        assert slot.state == SlotState.COMPLETE
        for member in slot.members:
            assert member.curve[-1] == member.score
            assert member.info["worst_draw_accuracy"] <= member.score
            assert member.info["ideal_accuracy"] != member.score
    (confirmed,) = alone.confirmations
    assert len(confirmed.scores) == 2
    # a network of the study, trained again, is checked against the ledger
    target = tmp_path / "best.safetensors"
    arguments = ["alone", "--network", str(target), "--storage", database_url]
    assert main.main(["export", *arguments]) == 0
    capsys.readouterr()
    assert '"identical_to_stored": true' in target.with_suffix(".json").read_text()


def test_a_sweep_over_the_spread(database_url: str) -> None:
    curve = {"label": "both", "x": ["variability.tau_spread", "variability.s_spread"]}
    sweep = {"curves": [curve | {"values": [0.0, 1.0]}]}
    changes = {"space": None, "confirm": None, "sweep": sweep, "variability": {"draws": 3}}
    spec = study("spread", budget={"members": 2, "epochs": 12}, **changes)
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
        run_workers(database_url, "spread", 1)
        snapshot = ledger.snapshot("spread", curves=True)
    ideal, spread = snapshot.search
    assert ideal.params == {"variability.tau_spread": 0.0, "variability.s_spread": 0.0}
    for first, second in zip(ideal.members, spread.members, strict=True):
        assert first.solved is not None
        assert second.solved is not None
        solved = first.solved.score  # as claimed, each where its own readouts settled
        assert first.info["ideal_accuracy"] == solved
        assert second.info["ideal_accuracy"] == pytest.approx(solved, abs=0.02)
        assert second.solved.score != second.info["ideal_accuracy"]  # it is that of the chips
        assert second.score < first.score
