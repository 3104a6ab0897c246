"""``hpo check``: a trial in two processes, and what it says of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from workers import toy_spec

from hpo.cli.check import check
from hpo.script.script import _load

HEAD = "import hpo, os, random, sys, time\nimport numpy as np\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "home"))
    yield
    _load.cache_clear()
    assert not (tmp_path / "home").exists(), "it starts no database"


def write(body: str, before: str = "") -> None:
    """Write a script whose function has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    Path("train.py").write_text(f"{HEAD}{before}\ndef objective(trial):\n{lines}\n")


def record(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, Any]:
    """Check; return the exit status and the record."""
    status = check([*line, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_the_command_to_launch_has_the_same_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("return trial.suggest_float('x', 0, 1) * float(sys.argv[1])")
    options = ["--direction", "maximize", "--", "7"]
    assert check(["train.py:objective", *options]) == 0
    said = capsys.readouterr().out
    repeated = f"hpo launch train.py:objective {' '.join(options)}"
    assert said.endswith(f"\nreproducible: {repeated}\n")


def test_a_function_that_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        "n = trial.suggest_int('n', 1, 3)\n"
        "us = [trial.suggest_float(f'u{i}', 1e-3, 1, log=True) for i in range(n)]\n"
        "for step in range(5):\n"
        "    trial.report(sum(us) / (step + 1), step)\n"
        "    trial.should_prune()\n"
        "return sum(us) + random.random() + DATA + [*{'a', 'b', 'c'}].index('b')",
        before="DATA = np.random.rand()",
    )
    assert check(["train.py:objective"]) == 0
    said = capsys.readouterr().out
    assert "parameters        OK       n 1 to 3, whole numbers; u0 0.001 to 1, log" in (
        said
    )
    assert " calls)" in said, "u1 is conditional"
    assert "reports 5 steps, pruner none\n" in said
    assert "To end poor trials early: --pruner median." in said
    assert "repeats           OK       value, reports and parameters are equal" in said
    assert "seed              OK       another seed gives " in said
    assert said.endswith("\nreproducible: hpo launch train.py:objective\n")


def test_parameters_are_found_although_the_import_takes_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    number = "n = trial.suggest_int('n', 1, 3)\n"
    write(number + "return trial.suggest_float(f'u{n}', 0, 1)", "time.sleep(2.5)")
    assert check(["train.py:objective"]) == 0
    assert " of 4 calls)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "before", "what", "remedy"),
    [
        (
            "return time.time()",
            "",
            "a second call differs in its value (",
            "random, NumPy and PyTorch are seeded. Seed what else draws with hpo.seed",
        ),
        (
            "trial.report(time.time(), 3)\nreturn 1",
            "",
            "differs in its reports (step 3: ",
            "read no clock",
        ),
        (
            "return trial.suggest_float('x', 0, time.time())",
            "",
            "differs in its parameters (x: ",
            "read no clock",
        ),
        (
            "KEPT.append(1)\nreturn len(KEPT)",
            "KEPT = []",
            "differs in its value",
            "something outside of the function is kept, such as a counter",
        ),
        ("return {}['a']", "", "train.py:5: KeyError: 'a'", "Correct it, and check ag"),
        (
            "return trial.suggest_float(f'x{hpo.seed(trial)}', 0, 1)",
            "",
            "with another seed it fails: train.py:5: ValueError: the function asks for",
            "Correct it",
        ),
        ("return 1, 2", "", "returned 2 values, but the", "Correct it, and check aga"),
    ],
)
def test_what_does_not_repeat(
    body: str,
    before: str,
    what: str,
    remedy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(body, before)
    status, found = record(capsys, "train.py:objective")
    assert status == 1
    assert not found["reproducible"]
    (wrong,) = [one for one in found["findings"] if one["verdict"] == "error"]
    assert what in wrong["found"]
    assert remedy in wrong["remedy"]


def test_the_time_of_a_call_is_without_what_starts_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("if not KEPT:\n    KEPT.append(time.sleep(3))\nreturn 1", before="KEPT = []")
    status, found = record(capsys, "train.py:objective")
    assert status == 0
    assert found["seconds"] < 1
    by_name = {one["what"]: one["found"] for one in found["findings"]}
    assert by_name["time"].endswith(" s a call")
    assert by_name["pruning"] == "this trial reported nothing"


def test_a_check_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    write("return lost")
    assert check(["train.py:objective"]) == 1
    said = capsys.readouterr().out
    assert "NameError: name 'lost' is not defined" in said
    assert said.endswith("\nfailed\n")


def test_what_is_worth_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """A seed without effect, a user attribute that reads the clock, reports that no
    pruner sees."""
    write("trial.set_user_attr('t', time.time())\ntrial.report(1, 1)\nreturn 1")
    status, found = record(capsys, "train.py:objective")
    assert status == 0
    assert found["reproducible"]
    assert found["seed_has_effect"] is False
    by_name = {one["what"]: one for one in found["findings"]}
    assert "user attributes differ: t" in by_name["repeats"]["found"]
    assert "another seed changes nothing" in by_name["seed"]["found"]
    assert by_name["parameters"]["found"] == "none that varies"
    assert by_name["pruning"]["found"] == "reports 1 step, but never asks to prune"


def test_arguments_and_directions_reach_the_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("return float(sys.argv[1]), 2")
    directions = ["--direction", "minimize", "--direction", "maximize"]
    line = ["train.py:objective", "--json", *directions, "--", "7"]
    assert check(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["values"] == [7.0, 2.0]


def test_a_process_that_ends_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    write("print('hello')\nsys.stdout.flush()\nos._exit(3)")
    assert check(["train.py:objective"]) == 1
    assert capsys.readouterr().err == (
        "error: the process of the trial ended with exit status 1. It wrote:\n  hello\n"
        "  error: train.py:objective called os._exit(3) in its first trial. Let it"
        " return, or raise an exception if it fails.\n"
    )


def test_a_study_file_is_checked_by_a_few_epochs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables = {k: v for k, v in toy_spec().stored().items() if v not in ({}, "")}
    Path("toy.toml").write_text(tomli_w.dumps(tables))
    status, found = record(capsys, "toy.toml")
    assert status == 0
    assert found["seed_has_effect"]
    assert found["reports"] == 3
    assert found["parameters"]["k"]["high"] == 8


AT_CHANCE = """
from dataclasses import replace

from toy_objective import ToyObjective


class AtChance(ToyObjective):
    name = "at-chance"

    def evaluate(self, params, *, on_epoch, **how):
        def unscored(progress):
            on_epoch(replace(progress, score=0.1))

        outcome = super().evaluate(params, on_epoch=unscored, **how)
        return outcome.replace(score=0.1, curve=[0.1] * len(outcome.curve))
"""


def test_a_seed_that_changes_the_losses_alone_has_an_effect(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few epochs may leave every seed at chance."""
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("at_chance.py").write_text(AT_CHANCE)
    tables = {k: v for k, v in toy_spec().stored().items() if v not in ({}, "")}
    tables["objective"] = "at_chance:AtChance"
    Path("toy.toml").write_text(tomli_w.dumps(tables))
    status, found = record(capsys, "toy.toml")
    assert status == 0
    assert found["values"] == [0.1]
    assert found["seed_has_effect"]
    by_name = {one["what"]: one for one in found["findings"]}
    assert by_name["seed"]["verdict"] == "ok"
    pattern = r"another seed changes its training losses \(epoch 1: 0\.\d+, 0\.\d+\)"
    assert re.fullmatch(pattern, by_name["seed"]["found"])


OWN_DEVICE = """
from hpo.objectives.devices import Device, Parameter, parameter, tanh


class Squared(Device):
    tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")

    def rate(self, x, drive):
        return (tanh(drive) - x) / self.tau_ns

    def moving(self, x):
        return x**2
"""
OWN_STUDY = """
objective = "squared:Squared"
budget = { trials = 4, seeds = 1, epochs = 2 }
task = { name = "sequential-digits" }
fixed = { layers = 1, width = 2, batch_size = 500, readout = "x" }
space = { tau_ns = { low = 1.0, high = 9.0 } }
"""


def test_a_network_without_a_kernel_is_slow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("squared.py").write_text(OWN_DEVICE)
    Path("own.toml").write_text(OWN_STUDY)
    assert check(["own.toml"]) == 0
    assert (
        "kernel            WARNING  no compiled kernel for moving of Squared: plain"
        " PyTorch, 4 to 100 times slower, most with small batches\n"
        f"{'':27}docs/reference/classes.md says what has one.\n"
    ) in capsys.readouterr().out
    Path("own.toml").write_text(OWN_STUDY.replace(', readout = "x"', ""))
    assert check(["own.toml"]) == 0
    assert "kernel " not in capsys.readouterr().out
