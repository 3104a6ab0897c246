"""The kernels' cache on disk notices a change in any file that they are made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpo.objectives.networks.kernels import compiling

PROGRAM = """
import numpy as np
from hpo.objectives.networks.kernels.compiling import compile_step, kernel
from hpo.objectives.networks.kernels.elementary import TWO
from hpo.objectives.networks.kernels.simd import call, fma, load, pointer, store

TEXT = '''
def doubled(arrays, extrapolation, walk, events):
    for i in range(0, walk[0], 4):
        store(arrays[1], i, fma(TWO, load(arrays[0], i, 4), extrapolation[0]))
'''
exec(TEXT)
doubled = compile_step(doubled, TEXT)

@kernel
def second_half(address, x, found):
    n = len(x) // 2
    own, other = pointer(x, n), pointer(found, n)
    half = np.float32(0.5)
    arrays = (own, other, own, own, own, own, own, own)
    call(address, arrays, (half, half, half), (n, n, n, n, n), (n, n))

x, found = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
second_half(doubled.address, x, found)
print(found.tolist(), doubled.cache_hits, sum(second_half.stats.cache_hits.values()))
"""


def test_a_helper_that_changed_is_compiled_anew(tmp_path: Path) -> None:
    """The program's own file stays as it is: numba alone would run the old machine
    code.

    A kernel calls a function that was made of a text; both are found again, and both
    are noticed.
    """
    ours = Path(compiling.__file__).parents[3]
    shutil.copytree(
        ours, tmp_path / "hpo", ignore=shutil.ignore_patterns("__pycache__")
    )
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    helper = tmp_path / "hpo/objectives/networks/kernels/elementary.py"

    def run() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, str(program)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def printed(factor: int, hits: int) -> str:
        return f"{[0.0] * 8 + [factor * x + 0.5 for x in range(8, 16)]} {hits} {hits}\n"

    assert run() == printed(2, hits=0)
    assert run() == printed(2, hits=1)
    helper.write_text(
        helper.read_text().replace("(0.0, 0.5, 1.0, 2.0)", "(0.0, 0.5, 1.0, 3.0)")
    )
    assert run() == printed(3, hits=0)
    program.write_text(program.read_text().replace("[0]))", "[0] + ZERO))"))
    program.write_text(program.read_text().replace("import TWO", "import TWO, ZERO"))
    assert run() == printed(3, hits=0), "another text"


def test_without_a_cache_directory_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*function_and_text: object) -> None:
        raise RuntimeError("no locator available")

    monkeypatch.setattr(compiling, "_Cache", refuse)
    with pytest.warns(UserWarning, match="no writable cache directory: no loc"):
        compiled = compiling.kernel(lambda x: x)
    assert compiled(1) == 1
