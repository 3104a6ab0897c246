"""The example of docs/own-data.md is complete: its data and its study are what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hpo import studyfile
from objectives.contract import Protocol
from objectives.tasks import load
from objectives.tasks.arrays import ArraysParams

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_gives_a_study_that_loads(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", block("python")], cwd=tmp_path, check=True)
    (tmp_path / "sines.toml").write_text(block("toml"))
    spec = studyfile.load(str(tmp_path / "sines.toml"))
    split = load(spec.task_params, protocol=Protocol.CONFIRM, member_seed=0)
    assert (len(split.train), len(split.score)) == (150, 150)
    assert (split.n_classes, split.n_channels) == (3, 2)


def test_every_option_of_the_task_is_documented() -> None:
    for name in ArraysParams.model_fields:
        assert f"| `{name}` |" in PAGE.read_text()
