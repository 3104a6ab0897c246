"""Training windows for which the data have no room are refused; ``windows.txt`` has how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpo.errors import SpecError
from hpo.launch import __main__ as launch
from hpo.search import options
from hpo.study.file import read
from hpo.study.spec import StudySpec


def spec(base: Path = Path(), **tables: Any) -> StudySpec:
    space = {"tau_ns": {"low": 1.0, "high": 2.0}}
    raw = {"name": "own", "objective": "spintronic-prediction", "budget": {"trials": 3}}
    return read({**raw, "space": space, **tables}, base=base, where="own.toml")


@pytest.mark.parametrize(
    "tables",
    [
        {"fixed": {"window": 200, "window_washout": 50}, "protocol": "paper"},
        {"fixed": {"window": 5000, "trained": "readout"}},
    ],
)
def test_one_that_fits_begins(tables: dict[str, Any]) -> None:
    task = {"name": "narma10", "n_train": 200, "n_test": 100, "washout": 50}
    options.check(spec(task=task, **tables), "own.toml")


def test_of_own_series_the_file_is_read(tmp_path: Path) -> None:
    u = np.sin(np.arange(200.0))
    np.savez(tmp_path / "own.npz", u=u, target=u**2)
    task = {"name": "series", "path": "own.npz", "washout": 20, "validation_fraction": 0.5}
    own = spec(tmp_path, task=task, fixed={"window": 61, "window_washout": 0})
    with pytest.raises(
        SpecError, match=r"^own\.toml: window: expected `window <= 60`, the points to train"
    ):
        options.check(own, "own.toml")


def test_nothing_is_written_of_such_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "own.toml"
    study.write_text(
        'objective = "spintronic-prediction"\n[budget]\ntrials = 3\n[fixed]\nwindow = 141\n'
        '[task]\nname = "narma10"\nn_train = 200\n[space]\ntau_ns = { low = 1.0, high = 2.0 }\n'
    )
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    assert launch.launch(["--study", str(study)]) == 1
    assert (
        "own.toml: window: expected `window <= 140`, the points to train on, got"
        in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == [study]
