"""The example of docs/how-to/own-data.md is complete: its data and its study are what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hpo.study import file
from objectives.contract import Outcome, Protocol, Solved
from objectives.tasks import load
from objectives.tasks.arrays import ArraysParams

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
PAGE = HOW_TO / "own-data.md"


def block(language: str, number: int = 0, page: Path = PAGE) -> str:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)[number]


def test_the_example_gives_a_study_that_loads(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", block("python")], cwd=tmp_path, check=True)
    (tmp_path / "sines.toml").write_text(block("toml"))
    spec = file.load(str(tmp_path / "sines.toml"))
    split = load(spec.task_params, protocol=Protocol.CONFIRM, member_seed=0)
    assert (len(split.train), len(split.score)) == (150, 150)
    assert (split.n_classes, split.n_channels) == (3, 2)


def test_every_option_of_the_task_is_documented() -> None:
    for name in ArraysParams.model_fields:
        assert f"| `{name}` |" in PAGE.read_text()


def check_of_the_page(scores: dict[int, float], protocol: Protocol) -> Outcome:
    """What the page's ``evaluate`` gives of a network with these scores by steps per point."""
    evaluate = "def evaluate(protocol, params, network, tested):\n"
    names: dict[str, Any] = {"Protocol": Protocol, "Outcome": Outcome}
    check, use = (block("python", number, HOW_TO / "own-objective.md") for number in (0, 1))
    exec(check + evaluate + textwrap.indent(use, "    "), names)
    params = SimpleNamespace(steps_per_point=2)
    found: Outcome = names["evaluate"](protocol, params, scores, lambda own, steps: own[steps])
    return found


def test_the_check_of_an_own_equation_is_right() -> None:
    scores = {2: 0.9, 4: 0.8, 8: 0.75, 16: 0.7505}
    outcome = check_of_the_page(scores, Protocol.CONFIRM)
    assert outcome.score == 0.9
    assert outcome.solved == Solved(
        score=0.7505,
        converged=True,
        steps_per_point=16,
        trained_steps_per_point=2,
        remedy="Raise steps_per_point.",
    )
    assert check_of_the_page(scores, Protocol.VALIDATION).solved is None
    unsettled = check_of_the_page({2**k: k / 10 for k in range(1, 10)}, Protocol.CONFIRM).solved
    assert (unsettled.converged, unsettled.steps_per_point, unsettled.score) == (False, 256, 0.8)
