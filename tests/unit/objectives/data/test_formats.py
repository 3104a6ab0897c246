"""A file format is one module, and a line in ``SERIES`` or ``ARRAYS``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hpo.contract import Protocol
from hpo.objectives.data import formats, load
from hpo.objectives.data.formats import Raw, raw
from hpo.objectives.data.look import look
from hpo.objectives.data.tasks.arrays import ArraysParams


class Ramps:
    """A toy: each line is a label and a number, the last point of a ramp."""

    DESCRIBES = "ramps (.ramps)"

    def matches(self, path: Path) -> bool:
        return path.suffix == ".ramps"

    def files(self, path: Path) -> Sequence[Path]:
        return (path,)

    def read(self, path: Path, *, unequal: bool) -> Raw:
        content = raw.content(path)
        lines = [line.split() for line in raw.decode(path, content).splitlines()]
        ends = np.array([float(end) for _, end in lines])
        return Raw(
            x=np.linspace(0.0, ends, 5).T,
            y=np.array([label for label, _ in lines]),
            test=None,
            sha256=raw.digest([path]),
        )


def test_a_new_format_is_read_pinned_and_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "SERIES", (*formats.SERIES, Ramps()))
    path = tmp_path / "own.ramps"
    path.write_text("".join(f"{'ab'[k % 2]} {1 + k % 2}\n" for k in range(40)))
    task = ArraysParams(path="own.ramps").resolve(tmp_path)
    assert (task.files, task.sha256) == ((path,), task.digest())
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert split.classes == ("a", "b")
    assert np.array_equal(split.train.x[:, -1, 0], 1.0 + split.train.label)
    assert look(path).table["name"] == "arrays"
