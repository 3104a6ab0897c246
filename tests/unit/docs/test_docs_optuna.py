"""The examples of docs/how-to/from-optuna.md are scripts of plain Optuna."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import optuna
import pytest
from stack import ROOT

SCRIPTS = sorted((ROOT / "docs/examples/optuna").glob("*.py"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs_by_itself(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    optimize = optuna.Study.optimize

    def briefly(study: optuna.Study, function: Any, **options: Any) -> None:
        optimize(study, function, **{**options, "n_trials": 3})

    monkeypatch.setattr(optuna.Study, "optimize", briefly)
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out
