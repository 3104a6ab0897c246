"""One suite over every objective: what the service relies on, see ``objectives.contract``."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import objectives
from objectives.contract import Objective, ObjectiveParams, Outcome, Progress, Protocol

SMALL: dict[str, dict[str, Any]] = {
    "ctrnn": {"layers": 2, "width": 6, "epochs": 3, "batch_size": 300},
    "spintronic": {"layers": 2, "width": 6, "epochs": 3, "batch_size": 300},
    "toy_objective:ToyObjective": {"epochs": 3},
    "toy_objective:ToyLossObjective": {"epochs": 3},
}
"""Parameters that make a training short; a new objective gets a line here."""


@pytest.fixture(params=sorted(SMALL))
def objective(request: pytest.FixtureRequest) -> Objective[Any, Any]:
    return objectives.load(request.param)


class _StopError(Exception):
    pass


def train(
    objective: Objective[Any, Any],
    protocol: Protocol = Protocol.VALIDATION,
    *,
    seed: int = 7,
    resume: bytes | None = None,
    stop_after: int | None = None,
) -> tuple[Outcome | bytes, list[float | None]]:
    """The outcome, or the checkpoint after ``stop_after`` epochs; and what ``on_epoch`` saw."""
    seen: list[float | None] = []
    saved: list[bytes] = []

    def on_epoch(progress: Progress) -> None:
        seen.append(progress.score)
        if progress.epoch == stop_after:
            saved.append(progress.checkpoint())
            raise _StopError

    small = next(v for k, v in SMALL.items() if type(objectives.load(k)) is type(objective))
    task_name, task = next(iter(objective.tasks.items()))
    try:
        outcome = objective.evaluate(
            objective.Params(**small),
            task=task(name=task_name),
            protocol=protocol,
            member_seed=seed,
            on_epoch=on_epoch,
            resume=resume,
        )
    except _StopError:
        return saved[0], seen
    return outcome, seen


def test_every_built_in_objective_is_tested() -> None:
    assert set(objectives.BUILT_IN) <= set(SMALL)


def test_parameters_are_documented_and_bounded(objective: Objective[Any, Any]) -> None:
    assert issubclass(objective.Params, ObjectiveParams)
    for name, field in objective.Params.model_fields.items():
        assert field.description, f"{name} has no description"
        assert not field.is_required(), f"{name} has no default"


def test_same_seed_same_bits(objective: Objective[Any, Any]) -> None:
    assert train(objective) == train(objective)
    assert train(objective) != train(objective, seed=8)


@pytest.mark.parametrize("protocol", [Protocol.VALIDATION, Protocol.PAPER])
def test_every_epoch_is_scored(objective: Objective[Any, Any], protocol: Protocol) -> None:
    outcome, seen = train(objective, protocol)
    assert isinstance(outcome, Outcome)
    assert list(outcome.curve) == seen
    assert len(outcome.curve) == len(outcome.loss_curve) == 3
    assert outcome.score == outcome.curve[-1]
    assert math.isfinite(outcome.score)


def test_confirmation_is_tested_once(objective: Objective[Any, Any]) -> None:
    outcome, seen = train(objective, Protocol.CONFIRM)
    assert isinstance(outcome, Outcome)
    assert seen == [None, None, None]
    assert outcome.curve == ()
    assert math.isfinite(outcome.score)


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_resume_is_exact(objective: Objective[Any, Any], protocol: Protocol, epoch: int) -> None:
    whole, _ = train(objective, protocol)
    checkpoint, _ = train(objective, protocol, stop_after=epoch)
    assert isinstance(checkpoint, bytes)
    resumed, seen = train(objective, protocol, resume=checkpoint)
    assert resumed == whole
    assert len(seen) == 3 - epoch


@pytest.mark.parametrize("name", sorted(objectives.BUILT_IN))
def test_validation_needs_no_heavy_library(name: str) -> None:
    code = (
        "import sys, objectives; p = objectives.load(sys.argv[1]).Params(); "
        "heavy = {'torch', 'numba', 'sklearn', 'optuna', 'sqlalchemy'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("spintronik", "unknown objective 'spintronik'. Built in: "),
        ("no_such_module:Thing", "objective 'no_such_module:Thing' cannot be imported: No module"),
        ("objectives.contract:Nothing", "cannot be imported: module 'objectives.contract' has no"),
        ("objectives.contract:Outcome", "'objectives.contract:Outcome' is not an Objective"),
        ("toy_objective:ToyTask", "'toy_objective:ToyTask' is not an Objective"),
        ("objectives.contract:Objective", "is not an Objective: derive a class"),
        (":X", "objective ':X' cannot be imported: Empty module name"),
        ("broken_module:X", "'broken_module:X' cannot be imported: invalid syntax"),
    ],
)
def test_unknown_objectives_are_refused(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("def (")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LookupError) as caught:
        objectives.load(name)
    assert text in str(caught.value)
