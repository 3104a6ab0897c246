"""Launches from Python: what is imported when, and what may stand in a dict."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hpo
import hpo.launch
from hpo.errors import SpecError, StudyError
from hpo.launch.options import plain


def test_hpo_is_light_to_import_and_names_what_it_has() -> None:
    ours = "sorted(m for m in sys.modules if m.split('.')[0] == 'hpo')"
    code = f"import sys, hpo; hpo.launch; print(*{ours})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["hpo", "hpo.launch"]
    with pytest.raises(AttributeError, match="module 'hpo' has no attribute 'lunch'"):
        _ = hpo.lunch


def test_the_package_launch_is_called_as_its_function() -> None:
    own = inspect.signature(hpo.launch.launch)  # type: ignore[attr-defined]
    assert inspect.signature(hpo.launch) == own


def test_a_dict_may_hold_numbers_of_numpy_and_paths() -> None:
    study = {
        "budget": {"trials": np.int64(8)},
        "task": {"path": Path("x.npz")},
        "v": (1, 2.5),
    }
    expected = {
        "budget": {"trials": 8},
        "task": {"path": "x.npz"},
        "v": [1, 2.5],
        "grid": [1.0, 2.0],
    }
    assert plain({**study, "grid": np.array([1.0, 2.0])}) == expected


@pytest.mark.parametrize(
    "value", [{"a"}, b"\xff", 1j, np.complex64(1j), np.datetime64(1, "D")]
)
def test_a_dict_holds_nothing_else(value: object) -> None:
    with pytest.raises(
        SpecError, match="expected numbers, strings, lists or dicts, got"
    ):
        plain({"space": [value]})


def test_a_notebook_shows_an_error_as_one_message() -> None:
    assert StudyError("toy: no")._render_traceback_() == ["error: toy: no"]
