"""Training windows that the data has no room for are refused before a study begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpo.errors import SpecError
from hpo.search import options
from hpo.study.file import read
from hpo.study.spec import StudySpec


def spec(task: dict[str, Any], base: Path = Path(), **tables: Any) -> StudySpec:
    raw = {"name": "own", "objective": "spintronic-prediction", "budget": {}, **tables}
    if "sweep" not in raw:
        raw |= {"budget": {"trials": 3}}
        raw["space"] = {"tau_ns": {"low": 1.0, "high": 2.0}, **raw.get("space", {})}
    return read({**raw, "task": task}, base=base, where="own.toml")


NARMA10 = {"name": "narma10", "n_train": 200, "n_test": 100, "washout": 50}
SHORT = "the points to train on, must hold, but got window=141, window_washout=100. Lower them."
LONG = "the points to train on, must hold, but got window=100, window_washout=91. Lower them."


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"fixed": {"window": 141}}, f"`window <= 140`, {SHORT}"),
        ({"space": {"window": {"low": 1, "high": 141}}}, f"`window <= 140`, {SHORT}"),
        ({"space": {"window": {"choices": [20, 141]}}}, f"`window <= 140`, {SHORT}"),
        (
            {"fixed": {"window": 100}, "space": {"window_washout": {"low": 0, "high": 91}}},
            f"`window + window_washout <= 190`, {LONG}",
        ),
        (
            {"fixed": {"window": 141}, "space": {"trained": {"choices": ["all", "readout"]}}},
            f"`window <= 140`, {SHORT}",
        ),
        (
            {
                "fixed": {"window_washout": 91},
                "sweep": {"curves": [{"label": "w", "x": ["window"], "values": [20, 301]}]},
            },
            "`window <= 200`, the points to train on, must hold, but got window=301, "
            "window_washout=91. Lower them.",
        ),
    ],
)
def test_a_window_longer_than_the_training_part_is_refused(
    tables: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError) as error:
        options.check(spec(NARMA10, **tables), "own.toml")
    assert str(error.value) == f"own.toml: window: {said}"


@pytest.mark.parametrize(
    "tables",
    [
        {"fixed": {"window": 140, "window_washout": 50}},
        {"fixed": {"window": 200, "window_washout": 50}, "protocol": "paper"},
        {"fixed": {"window": 5000, "trained": "readout"}},
    ],
)
def test_one_that_fits_begins(tables: dict[str, Any]) -> None:
    options.check(spec(NARMA10, **tables), "own.toml")


def test_of_own_series_the_file_is_read(tmp_path: Path) -> None:
    u = np.sin(np.arange(200.0))
    np.savez(tmp_path / "own.npz", u=u, target=u**2)
    task = {"name": "series", "path": "own.npz", "washout": 20, "validation_fraction": 0.5}
    own = spec(task, tmp_path, fixed={"window": 61, "window_washout": 0})
    with pytest.raises(SpecError, match=r"^own\.toml: window: `window <= 60`, the points to train"):
        options.check(own, "own.toml")


def test_nothing_is_written_of_such_a_study(tmp_path: Path) -> None:
    study = tmp_path / "own.toml"
    study.write_text(
        'objective = "spintronic-prediction"\n[budget]\ntrials = 3\n[fixed]\nwindow = 141\n'
        '[task]\nname = "narma10"\nn_train = 200\n[space]\ntau_ns = { low = 1.0, high = 2.0 }\n'
    )
    line = [sys.executable, "-m", "hpo.launch", "--study", str(study)]
    environment = {**os.environ, "HPO_HOME": str(tmp_path / "home")}
    environment.pop("HPO_STORAGE", None)
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 1
    assert f"own.toml: window: `window <= 140`, {SHORT}" in done.stderr
    assert list(tmp_path.iterdir()) == [study]
