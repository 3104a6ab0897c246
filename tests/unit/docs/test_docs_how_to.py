"""What the pages of docs/how-to show works: data and objectives of one's own, the
converters."""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
import tomllib
import wave
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stack import ROOT

from hpo import objectives
from hpo.contract import Outcome, Progress, Protocol, Solved
from hpo.notebook import Study
from hpo.objectives.data import TASKS, load
from hpo.objectives.data.tasks.arrays import ArraysParams
from hpo.study import file

EXAMPLES, HOW_TO = ROOT / "docs/examples", ROOT / "docs/how-to"


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)


def blocks(page: str, language: str) -> list[str]:
    text = (HOW_TO / f"{page}.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def convert(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["convert", *map(str, arguments)])
    import_module(name).main()


# --- own-device.md ---


def test_the_device_that_the_page_derives_is_the_one_that_comes_with_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_phase.py").write_text(blocks("own-device", "python")[0])
    monkeypatch.syspath_prepend(tmp_path)
    series, found = torch.rand(3, 9, 1), []
    for name in ("my_phase:MyPhase", "phase-oscillator"):
        objective = objectives.load(name)
        network = objective.network(objective.Params(s=0.2), [1], channels=1, outputs=2)
        found.append(network(series).tolist())
    assert found[0] == found[1]


def test_the_oscillator_that_the_page_extends_is_the_built_in_one_with_its_q(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the error of the steps, with limit and delay."""
    (tmp_path / "my_oscillator.py").write_text(blocks("own-device", "python")[1])
    monkeypatch.syspath_prepend(tmp_path)
    how: Any = {"coupling_delay_ns": 0.2, "max_step_ns": 0.05, "tau_ns": 2.0}
    series, found = torch.rand(3, 9, 1), []
    for name, own in (
        ("my_oscillator:MyOscillator", {"damping": 1.5}),
        ("spintronic", {"q": 1.5}),
    ):
        objective = objectives.load(name)
        params = objective.Params(**own, **how)
        network = objective.network(params, [1], channels=1, outputs=2)
        assert network.computes_fused(series)
        found.append(network(series))
    torch.testing.assert_close(*found, rtol=0, atol=1e-5)


# --- own-objective.md ---


def check_of_the_page(scores: dict[int, float], protocol: Protocol) -> Outcome:
    """What the page's ``evaluate`` gives of a network with these scores by steps per
    point."""
    evaluate = "def evaluate(protocol, params, network, tested):\n"
    names: dict[str, Any] = {"Protocol": Protocol, "Outcome": Outcome}
    check, use = (
        (EXAMPLES / "solve.py").read_text(),
        blocks("../reference/classes", "python")[1],
    )
    exec(check + evaluate + textwrap.indent(use, "    "), names)
    params = SimpleNamespace(steps_per_point=2)
    found: Outcome = names["evaluate"](
        protocol, params, scores, lambda own, steps: own[steps]
    )
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
    not_converged = check_of_the_page(
        {2**k: k / 10 for k in range(1, 10)}, Protocol.CONFIRM
    ).solved
    assert (
        not_converged.converged,
        not_converged.steps_per_point,
        not_converged.score,
    ) == (
        False,
        256,
        0.8,
    )


def test_a_confirmation_tells_no_score_and_resumes_bit_for_bit() -> None:
    """Of a search, the test that ``hpo new`` writes says so:
    ``test_it_runs_as_it_is``."""
    objective = objectives.load("conv:ConvObjective")
    params, task = (
        objective.Params(epochs=4, width=8),
        objective.tasks["sequential-digits"](),
    )
    scores: list[float | None] = []
    saved: list[bytes] = []

    def on_epoch(progress: Progress) -> None:
        scores.append(progress.score)
        saved.append(progress.checkpoint())

    def train(resume: bytes | None = None) -> Outcome:
        protocol = Protocol.CONFIRM
        return objective.evaluate(
            params,
            task=task,
            protocol=protocol,
            member_seed=3,
            on_epoch=on_epoch,
            resume=resume,
        )

    whole = train()
    assert (scores, whole.curve) == ([None] * 4, ())
    assert whole.score > 0.5
    assert train(resume=saved[1]) == whole
    assert len(saved) == 4 + 2


# --- tasks.md ---


def test_spikes_are_counted_per_bin_and_group() -> None:
    shd = import_module("convert_shd")
    found = shd.counts(
        [0.001, 0.019, 0.021, 0.055], [0, 19, 19, 699], bin_s=0.02, per_group=20
    )
    assert found.shape == (3, 35)
    assert (found[0, 0], found[1, 0], found[2, 34], found.sum()) == (2, 1, 1, 4)
    assert shd.counts([], [], bin_s=0.02, per_group=50).shape == (1, 14)


def test_a_tone_is_loudest_in_its_band() -> None:
    rate, commands = 16_000, import_module("convert_speech_commands")
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    log_mel = commands.features(tone, rate, n_mfcc=0)
    assert log_mel.shape == (98, 40)
    middle = (
        700
        * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42) / 2595) - 1)[1:-1]
    )
    assert log_mel[50].argmax() == np.abs(middle - 1000).argmin()
    mfcc = commands.features(tone, rate)
    assert mfcc.shape == (98, 13)
    assert np.allclose(mfcc[:, 0], log_mel.sum(axis=1))
    assert commands.features(tone[:10], rate).shape == (1, 13)


def test_speech_commands_become_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, tested = np.random.default_rng(0), []
    for word in ("yes", "no", "other"):
        (tmp_path / word).mkdir()
        for k in range(12):
            with wave.open(str(tmp_path / word / f"{k}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(
                    chance.integers(-999, 999, 4000 + 160 * k, "<i2").tobytes()
                )
            tested += [f"{word}/{k}.wav"] if k % 3 == 0 else []
    (tmp_path / "testing_list.txt").write_text("\n".join(tested))
    out = tmp_path / "commands.npz"
    convert(
        "convert_speech_commands", monkeypatch, tmp_path, out, "--words", "yes", "no"
    )
    task = ArraysParams(path=str(out), pad="before", normalise="standard")
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert split.classes == ("no", "yes")
    assert (len(split.train), len(split.score), split.n_channels) == (16, 8, 13)


def test_every_task_has_its_example_on_the_page() -> None:
    shown = [tomllib.loads(block)["task"] for block in blocks("tasks", "toml")]
    assert {task["name"] for task in shown} == set(TASKS) - {"sequential-digits"}
    for task in shown:
        TASKS[task["name"]](**task)


# --- the notebook of the tutorial: complete, run in order, short ---

BOOK = json.loads((ROOT / "docs/tutorial/notebook.ipynb").read_text(encoding="utf-8"))
CELLS: list[dict[str, Any]] = [c for c in BOOK["cells"] if c["cell_type"] == "code"]
SOURCES = ["".join(cell["source"]) for cell in CELLS]


def test_every_cell_was_run_in_order_and_gave_no_error() -> None:
    assert [cell["execution_count"] for cell in CELLS] == [*range(1, len(CELLS) + 1)]
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    figures = [
        o["data"]
        for o in outputs
        if "application/vnd.plotly.v1+json" in o.get("data", {})
    ]
    assert len(figures) == sum("study.plot_" in source for source in SOURCES) > 3
    assert all("image/png" in figure for figure in figures), "for pages without plotly"


def test_what_it_asks_of_a_study_is_there() -> None:
    asked = {
        node.attr
        for source in SOURCES
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "study"
    }
    assert len(asked) > 6
    assert {name for name in asked if not hasattr(Study, name)} == set()


def test_from_the_data_to_the_plot_of_what_is_confirmed_in_ten_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, launch, plot = SOURCES[:3]
    assert plot == "study.plot_confirmed()"
    lines = [line for line in f"{launch}\n{plot}".splitlines() if line]
    assert len(lines) <= 10

    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {}
    exec(f"{data}\nnp.savez('gestures.npz', x=x, y=y)", values)
    assert values["x"].shape[2] == 6
    calls = (node for node in ast.walk(ast.parse(launch)) if isinstance(node, ast.Call))
    study = next(
        call.args[0] for call in calls if getattr(call.func, "attr", "") == "launch"
    )
    spec = file.read(ast.literal_eval(study), base=tmp_path, where="the notebook")
    assert spec.name == "gestures"
