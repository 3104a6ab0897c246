"""Errors of a trial are no errors of its host."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hpo.contract.broken_host import explain_broken_import


def test_code_that_a_trial_runs_is_no_import(tmp_path: Path) -> None:
    script = tmp_path / "divides.py"
    script.write_text("1 / 0\n", encoding="utf-8")
    assert _explain(lambda: eval("1 / 0")) is None
    assert _explain(lambda: runpy.run_path(str(script))) is None


def test_a_module_that_raises_as_it_is_imported_is_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "divides_too.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    why = "an import fails here: ZeroDivisionError: division by zero"
    assert _explain(lambda: __import__("divides_too")) == why


def _explain(call: Callable[[], object]) -> str | None:
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    return explain_broken_import(caught.value)
