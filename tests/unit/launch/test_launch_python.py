"""Launches from Python: what is imported when, and what may stand in a dict."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_objective import ToyObjective

import hpo
import hpo.launch
from hpo.errors import SpecError, StudyError, advise, for_python
from hpo.study.python_values import plain

REST = "budget={'trials': 2}, space={'x': {'low': 0.0, 'high': 1.0}}"
"""The other tables of a study."""


def test_hpo_is_light_to_import_and_names_what_it_has() -> None:
    ours = "sorted(m for m in sys.modules if m.split('.')[0] == 'hpo')"
    code = f"import sys, hpo; hpo.launch; print(*{ours})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["hpo", "hpo.launch"]
    objects = ["Study", "compare", "launch", "load", "new_study", "studies"]
    assert dir(hpo) == sorted([*objects, "checkpoint", "confirming", "seed"])
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
    assert plain({**study, "grid": np.array([1.0, 2.0])}, "here") == expected


@pytest.mark.parametrize(
    "value", [{"a"}, b"\xff", 1j, np.complex64(1j), np.datetime64(1, "D")]
)
def test_a_dict_holds_nothing_else(value: object) -> None:
    with pytest.raises(
        SpecError, match="expected numbers, strings, lists or dicts, got"
    ):
        plain({"space": [value]}, "here")


def test_a_notebook_shows_an_error_as_one_message() -> None:
    assert StudyError("toy: no")._render_traceback_() == ["error: toy: no"]


CELL = """
import hpo
from toy_objective import ToyObjective
class MyObjective(ToyObjective):
    pass
"""


def refused(code: str, folder: Path, *run: str, **environment: str) -> str:
    """The error of a launch in a process of its own, in an empty folder."""
    done = subprocess.run(
        [sys.executable, *(run or ("-c", code))],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "HPO_HOME": str(folder / "home"), **environment},
    )
    assert done.returncode == 1
    assert not (folder / "home").exists(), "nothing was started or written"
    return done.stderr.strip().splitlines()[-1].partition(": ")[2]


@pytest.mark.parametrize("objective", ["MyObjective", "'__main__:MyObjective'"])
def test_a_class_of_a_cell_is_refused_at_once(tmp_path: Path, objective: str) -> None:
    code = f"{CELL}hpo.launch(name='x', objective={objective}, {REST})"
    where = "hpo.launch: " if "__" not in objective else "hpo.launch: objective: "
    assert refused(code, tmp_path) == (
        f"{where}MyObjective is defined in a cell, which workers cannot import. Write"
        " it to a file: begin the cell with %%writefile my_objective.py, run it, and"
        " give 'my_objective:MyObjective'."
    )


def test_a_class_of_the_script_that_runs_is_refused_at_once(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(f"{CELL}hpo.launch(name='x', objective=MyObjective, {REST})")
    assert refused("", tmp_path, str(script)) == (
        "hpo.launch: MyObjective is defined in run.py, the script that runs, which"
        " workers do not run. Move it to my_objective.py, and give"
        " 'my_objective:MyObjective'."
    )


def test_a_class_that_workers_do_not_find_is_refused_at_once(tmp_path: Path) -> None:
    """The kernel has a folder on its path that workers have not."""
    elsewhere = tmp_path / "lib"
    elsewhere.mkdir()
    source = "from toy_objective import ToyObjective\nclass Far(ToyObjective): pass\n"
    (elsewhere / "far.py").write_text(source)
    code = (
        "import sys, hpo; sys.path.insert(0, 'lib'); from far import Far;"
        f"hpo.launch(name='x', objective=Far, {REST})"
    )
    assert refused(code, tmp_path) == (
        f"hpo.launch: objective: far:Far was imported from {elsewhere / 'far.py'}, but"
        f" workers do not find it. Start from its folder, {elsewhere}, or add that to"
        " PYTHONPATH."
    )


def test_a_class_of_a_module_is_named() -> None:
    study = {"objective": ToyObjective, "sampler": {"name": ToyObjective}}
    name = "toy_objective:ToyObjective"
    assert plain(study, "here") == {"objective": name, "sampler": {"name": name}}

    class Inner(ToyObjective):
        """Nobody can import it."""

    with pytest.raises(SpecError, match="Inner, which is no name at the top of its"):
        plain({"objective": Inner}, "here")


def test_a_function_of_a_cell_is_refused_at_once(tmp_path: Path) -> None:
    code = "import hpo\ndef objective(trial): return 0.0\nhpo.launch(objective)"
    assert refused(code, tmp_path) == (
        "hpo.launch: objective is defined in a cell, which workers cannot import. Write"
        " it to a file: begin the cell with %%writefile objective.py, run it, and give"
        " 'objective.py:objective'."
    )


def test_a_script_that_launches_when_it_is_imported_is_refused(tmp_path: Path) -> None:
    """Its workers would launch it, too."""
    script = tmp_path / "train.py"
    script.write_text(
        "import hpo\ndef objective(trial): return 0.0\nhpo.launch(objective)"
    )
    assert refused("", tmp_path, str(script)) == (
        f"{script}:objective: objective: train.py optimises as it is imported. Put that"
        " under"
        ' `if __name__ == "__main__":`; its function stays as it is.'
    )


def test_a_function_of_a_file_is_named(tmp_path: Path) -> None:
    here = f"{Path(__file__).absolute()}:refused"
    assert plain({"objective": refused}, "here") == {"objective": here}
    with pytest.raises(SpecError, match="<lambda>, which is no name at the top"):
        plain({"objective": lambda trial: 0.0}, "here")


def test_an_error_advises_what_to_write_in_python() -> None:
    with for_python():
        inside = advise("--trials 3", "budget={'trials': 3}")
    assert (inside, advise("--trials 3", "")) == ("budget={'trials': 3}", "--trials 3")
