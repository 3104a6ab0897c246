"""The memory that is told before a training is what the training takes."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_objective import ToyObjective

import objectives
from objectives.contents import SeriesContents, contents
from objectives.memory import _REFERENCE, Memory, by_kernel, of_training
from objectives.networks.kernels import sizes
from objectives.networks.kernels.passes import Pass
from objectives.tasks.narma10 import Narma10Params
from objectives.tasks.sequential_digits import SequentialDigitsParams

DIGITS = SequentialDigitsParams()
KINDS = ("spintronic", "ctrnn")


def told(kind: str, **params: Any) -> Memory:
    objective = objectives.load(kind)
    found = of_training(objective, objective.Params(**params), DIGITS, contents(DIGITS))
    assert found is not None
    return found


def network(kind: str, **params: Any) -> Any:
    objective: Any = objectives.load(kind)
    return objective.network(objective.Params(**params), [0], channels=1, outputs=10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [8, (8, 16, 4)])
@pytest.mark.parametrize("most", [sizes.MAX_TRAJECTORY, 2**20])
def test_a_trajectory_is_as_long_as_that_of_the_kernels(
    kind: str, width: Any, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "MAX_TRAJECTORY", most)
    for steps in (1, 3, 40):
        params = {"width": width, "steps_per_point": steps, "max_step_ns": 1.0}
        kernel = network(kind, **params).kernel(0)
        work = Pass(kernel, 64, keep=True).work
        kept = 4 * len(work["states" if kind == "spintronic" else "outputs"])
        here = told(kind, **params).trajectory
        assert here <= kept <= here + 4 * 3 * kernel.floats_per_step  # and where it begins


def test_more_cores_keep_a_trajectory_each() -> None:
    one, two, many = (told("ctrnn", threads=n).trajectory for n in (1, 2, 256))
    assert (two, many) == (2 * one, 4 * one), "120 series are four blocks"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("integrator", _REFERENCE["ctrnn"])
def test_the_reference_takes_more_than_autograd_saves(kind: str, integrator: str) -> None:
    """What a process grows by is one to two times that."""
    params = {"width": 24, "integrator": integrator, "max_step_ns": 0.5, "batch_size": 50}
    made, u = network(kind, **params), torch.rand(50, 64, 1)
    made.backend, kept = "reference", dict[int, torch.UntypedStorage]()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = made(u)
    saved = sum(storage.nbytes() for storage in kept.values())
    assert logits.requires_grad
    here = told(kind, **params, **({"device": "cuda"} if by_kernel_of(kind, params) else {}))
    assert 0.45 < saved / (here.trajectory + here.gpu) < 0.8


def by_kernel_of(kind: str, params: dict[str, Any]) -> bool:
    found: Any = objectives.load(kind).Params(**params)
    return by_kernel(found)


def test_what_no_kernel_computes_is_known() -> None:
    seen = set()
    for integrator, q, sigma in product(_REFERENCE["ctrnn"], (0.0, 0.1), (1.0, 0.8)):
        params = {"width": 4, "integrator": integrator, "q": q, "sigma": sigma}
        seen.add(wanted := not network("spintronic", **params).beyond_kernel)
        assert by_kernel_of("spintronic", params) is wanted
    assert seen == {True, False}


def test_a_reservoir_keeps_no_trajectory_and_a_window_is_short() -> None:
    task = Narma10Params(n_train=200, n_test=100)
    found, objective = contents(task), objectives.load("spintronic-prediction")
    assert isinstance(found, SeriesContents)
    kept = []
    for own in ({"trained": "readout"}, {"window": 20}, {"window": 70}):
        params = objective.Params(window_washout=30, **own)
        here = of_training(objective, params, task, found)
        assert here is not None
        kept.append(here.trajectory)
    assert kept[0] == 0
    assert kept[2] == 2 * kept[1] > 0


def test_nothing_is_told_of_other_objectives() -> None:
    for objective in (ToyObjective(), objectives.load("objectives.gru:GruObjective")):
        params = objective.Params(**({"x": 0.5} if isinstance(objective, ToyObjective) else {}))
        assert of_training(objective, params, DIGITS, contents(DIGITS)) is None


def test_it_is_told_without_what_trains() -> None:
    code = """
import sys
import objectives
from objectives.contents import contents
from objectives.memory import of_training
from objectives.tasks.sequential_digits import SequentialDigitsParams as Task
objective = objectives.load("spintronic")
print(of_training(objective, objective.Params(), Task(), contents(Task())).trajectory)
print([name for name in ("torch", "numba", "sklearn", "numpy") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split("\n")[:2] == [str(64 * 2 * 3 * 96 * 32 * 4), "[]"]


MEASURED = """
import sys
import numpy as np
import objectives
from objectives.contents import Contents
from objectives.contract import Protocol
from objectives.memory import PROCESS, of_training
from objectives.tasks.arrays import ArraysParams
from pathlib import Path
kind, width, points, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
chance = np.random.default_rng(0)
np.savez(path, x=chance.random((80, points, 1), np.float32), y=np.arange(80) % 2)
task = ArraysParams(path=path, validation_fraction=0.2, test_fraction=0.2).resolved(Path("/"))
objective = objectives.load(kind)

def train(**params):
    values = objective.Params(epochs=1, batch_size=64, max_step_ns=0.5, **params)
    how = {"protocol": Protocol.VALIDATION, "member_seed": 0, "on_epoch": lambda progress: None}
    objective.evaluate(values, task=task, **how)
    (peak,) = [s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s]
    return values, 1024 * int(peak.split()[1])

_, before = train(layers=1, width=4)
values, after = train(width=width)
found = Contents(series=80, points=points, shortest=points, channels=1, classes=2, train=51,
                 validation=13, test=16)
print(after - before, of_training(objective, values, task, found).worker - PROCESS)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "width", "points"), [("spintronic", 128, 196), ("ctrnn", 128, 392)]
)
def test_a_process_grows_by_what_is_told(
    kind: str, width: int, points: int, tmp_path: Path
) -> None:
    line = [sys.executable, "-c", MEASURED, kind, str(width), str(points), str(tmp_path / "x.npz")]
    said = subprocess.run(line, capture_output=True, text=True, check=True)
    grown, told_ = map(int, said.stdout.split())
    assert grown == pytest.approx(told_, rel=0.3)
