"""The kernels' cache on disk notices a change in any file that they are made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from objectives.networks.kernels import compiling

PROGRAM = """
import numpy as np
from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.elementary import TWO

@kernel
def twice(x):
    return TWO * x

print(float(twice(np.float32(1.0))), sum(twice.stats.cache_hits.values()))
"""


def test_a_helper_that_changed_is_compiled_anew(tmp_path: Path) -> None:
    """The program's own file stays as it is: numba alone would run the old machine code."""
    ours = Path(compiling.__file__).parents[2]
    shutil.copytree(ours, tmp_path / "objectives", ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    helper = tmp_path / "objectives/networks/kernels/elementary.py"

    def run() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, str(program)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert run() == "2.0 0\n"
    assert run() == "2.0 1\n"
    helper.write_text(helper.read_text().replace("(0.0, 1.0, 2.0)", "(0.0, 1.0, 3.0)"))
    assert run() == "3.0 0\n"


def test_without_a_cache_directory_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(function: object) -> None:
        raise RuntimeError("no locator available")

    monkeypatch.setattr(compiling, "_Cache", refuse)
    with pytest.warns(UserWarning, match="a writable cache directory must exist, but got: no loc"):
        compiled = compiling.kernel(lambda x: x)
    assert compiled(1) == 1
