"""Studies as the documentation has people begin them: real launches, with few
trials."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from stack import ROOT
from users import User

from hpo.study.trials import StudyState

SMALL = ["--trials", "2", "--set", "budget.seeds=1", "--set", "budget.epochs=2"]
FEW = ["--trials", "2", "--set", "budget.epochs=2"]
NARROW = ["--set", "fixed.width=8"]
OWN = [
    "--set",
    "sampler={name='near_best:NearBest', reach=0.1}",
    "--set",
    "budget.window=1",
]


@pytest.mark.parametrize(
    ("study", "less"), [("conv", []), ("conv", OWN), ("first", NARROW)]
)
def test_an_example_is_searched_and_confirmed(
    study: str, less: list[str], user: User
) -> None:
    shutil.copytree(ROOT / "docs/examples", user.directory, dirs_exist_ok=True)
    line = ("launch", "--study", f"{study}.toml", "--workers", "1", *SMALL, *less)
    out, _ = user.run(*line, "--set", "confirm.seeds=2")
    assert f"{study}: confirmed " in out
    assert "on 2 fresh seeds" in out
    report = (user.directory / f"{study}-report.html").read_text()
    assert ('id="per-epoch-plot-0"' in report) == (study == "conv")
    if study == "conv":
        user.run("export", "conv", "--curves", "-o", "conv.jsonl")
        assert '{"readout_norm": [' in (user.directory / "conv.jsonl").read_text()
        assert "readout_norm" not in user.run("trials", "conv", "--json")[0], (
            "no curves"
        )


def write_sines(path: Path) -> None:
    """Noisy sines of two frequencies, two channels, labelled by name."""
    y = np.arange(62) % 2
    t = np.arange(24)[:, np.newaxis] + np.array([0.0, 3.0])
    x = np.sin(0.3 * (1 + 2 * y[:, np.newaxis, np.newaxis]) * t)
    np.savez(path, x=x + 0.1 * np.random.default_rng(0).normal(size=x.shape), y=y)


def test_two_commands_lead_from_a_file_of_ones_own_to_a_confirmed_result(
    user: User,
) -> None:
    write_sines(user.directory / "sines.npz")
    user.run("new", "study", "sines", "--data", "sines.npz")
    out, _ = user.run("launch", "sines.toml", "--quick", "--workers", "1", *FEW)
    snapshot = user.snapshot("sines-quick")
    assert snapshot.state == StudyState.DONE
    assert re.search("sines-quick: confirmed .*\n  95 % interval .* 31 series ", out)
    scored = sorted(network.info["n_scored"] for network in snapshot.search[0].members)
    assert scored == [6, 6, 6, 6, 7], "five folds of 31"
