"""Parameters of the layered objectives: defaults, bounds, documentation, imports."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from trainings import SMALL, checkpoints, evaluate

from hpo.contract import Protocol, UnavailableError
from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams
from hpo.objectives.devices.ctrnn import Ctrnn
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.training import LayeredParams


def test_parameters_and_costs_are_told_without_what_computes() -> None:
    code = """
import sys
from hpo import objectives
from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams
loaded = {name: objectives.load(name) for name in objectives.BUILT_IN}
params = {name: objective.Params() for name, objective in loaded.items()}
costs = loaded["spintronic"].costs_of(params["spintronic"], SequentialDigitsParams())
heavy = {"torch", "numba", "sklearn", "scipy", "numpy", "optuna", "sqlalchemy"}
print(costs["energy_pj"], heavy & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    energy, heavy = done.stdout.split(maxsplit=1)
    assert float(energy) == pytest.approx(24.6784)  # 40 pJ in 100 ns; an image takes 64
    assert heavy == "set()\n"


@pytest.mark.parametrize("model", [Ctrnn, Spintronic])
def test_defaults_are_those_of_the_paper(model: type[LayeredParams]) -> None:
    params = model()
    assert (params.density_inter, params.density_intra) == (0.5, 0.5)
    assert (params.layers, params.width, params.batch_size, params.point_ns) == (
        3,
        32,
        120,
        1.0,
    )
    assert (params.integrator, params.steps_per_point) == ("exponential-ab3", 1)
    if isinstance(params, Spintronic):
        assert (params.tau_ns, params.lr0, params.lr_decay) == (14.12, 0.149, 8.077)
        assert (params.s, params.q, params.sigma) == (0.5, 0.0, 1.0)


WRONG: dict[float | str, tuple[str, ...]] = {
    0: (
        *(
            "tau_ns",
            "lr0",
            "lr_decay",
            "point_ns",
            "layers",
            "width",
            "batch_size",
            "epochs",
        ),
        *("steps_per_point", "max_step_ns", "start", "weight_gain"),
    ),
    -1e-9: ("s", "density_intra", "f_cut_per_ns", "q"),
    1e-310: ("max_step_ns",),
    0.5: ("sigma", "layers"),
    1.1: ("density_inter", "start"),
    11.0: ("lr0",),
    float("nan"): ("tau_ns",),
    "z": ("integrator", "readout", "tau"),
}
"""Values, and the parameters of which each is outside the bounds."""


@pytest.mark.parametrize(("value", "names"), WRONG.items())
def test_values_outside_their_bounds_are_refused(
    value: float | str, names: tuple[str, ...]
) -> None:
    for name in names:
        with pytest.raises(ValidationError, match=name):
            Spintronic.model_validate({name: value})


@pytest.mark.parametrize(
    ("fits", "change", "text"),
    [
        (
            {"point_ns": 20.0, "max_step_ns": 0.002},
            {"max_step_ns": 0.001},
            (
                "max_step_ns: expected `point_ns / max_step_ns <= 10000`, got"
                " max_step_ns=0.001, point_ns=20.0. Raise max_step_ns."
            ),
        ),
        (
            {"density_inter": 0.02},
            {"density_inter": 0.01},
            (
                "expected `round(density_inter * width) >= 1`, got density_inter=0.01,"
                " width=32. Raise density_inter"
            ),
        ),
        *(
            (
                {"readout_points": "last+mean", **own},
                {"readout": "y", "f_cut_per_ns": 0.1},
                (
                    'readout_points: a mean over the points needs readout = "x" or'
                    " f_cut_per_ns = 0, got readout_points='last+mean', readout='y',"
                    ' f_cut_per_ns=0.1. Add readout = "x": by Eq. (5) the mean of the'
                    " filtered y is (x_end - x_0 - y_end) / (2 pi f_cut T), the last x"
                    " once more."
                ),
            )
            for own in ({"readout": "x"}, {"f_cut_per_ns": 0.0})
        ),
    ],
    ids=[
        "more steps than any network needs",
        "an input without connections",
        "x",
        "no filter",
    ],
)
def test_values_that_do_not_go_together_are_refused(
    fits: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    Spintronic.model_validate(fits)
    with pytest.raises(ValidationError, match=re.escape(text)):
        Spintronic.model_validate(fits | change)


@pytest.mark.parametrize("name", ["ctrnn", "spintronic"])
def test_a_cuda_device_trains_as_the_cpu_does_or_is_refused_where_there_is_none(
    name: str,
) -> None:
    if torch.cuda.is_available():
        cpu, cuda = (
            evaluate(name, device=d, epochs=1).loss_curve for d in ("cpu", "cuda")
        )
        assert cpu == pytest.approx(cuda, rel=1e-3)
        return
    with pytest.raises(
        UnavailableError,
        match=r"^device: this host has no CUDA device for PyTorch \(built for .*, "
        r"got device='cuda'. Use device = \"cpu\"",
    ):
        evaluate(name, device="cuda")


# --- what a training makes of them ---

spintronic = partial(evaluate, "spintronic")


def test_outcome_says_what_was_trained_and_scored() -> None:
    info = spintronic(epochs=1).info
    drive = info.pop("cumulative_drive")
    weight = info.pop("mean_weight_per_ns")
    assert drive == pytest.approx(
        0.5 * weight * 32**0.5 * 1.0
    )  # Eq. (9) times dt, at the defaults
    assert info == {
        "n_synapses": 2896,
        "n_neurons": 96,
        "presentation_ns": 64.0,
        "energy_pj": pytest.approx(38.56 * 0.64),  # section V, for 64 of its 100 ns
        "n_train": 629,
        "n_scored": 269,
        "n_skipped_updates": 0,
    }
    info = spintronic(protocol=Protocol.CONFIRM, **SMALL | {"epochs": 1}).info
    assert (info["n_train"], info["n_scored"]) == (898, 899)


def test_checkpoint_of_another_member_task_or_parameter_is_refused() -> None:
    checkpoint, _ = checkpoints("spintronic", seed=1, epochs=2)
    with pytest.raises(
        ValueError, match=r"expected `member_seed == 0`, got member_seed=1. Resume with"
    ):
        spintronic(resume=checkpoint, epochs=2)
    with pytest.raises(ValueError, match=r"expected `lr0 == 0.2`, got lr0=0.149"):
        spintronic(resume=checkpoint, epochs=2, seed=1, lr0=0.2)
    with pytest.raises(ValueError, match="expected `protocol == 'search_on_test'`"):
        spintronic(
            resume=checkpoint, epochs=2, seed=1, protocol=Protocol.SEARCH_ON_TEST
        )
    with pytest.raises(
        ValueError, match=r"expected `variability.draws == 3`, got .*=None"
    ):
        spintronic(resume=checkpoint, epochs=2, seed=1, variability={"draws": 3})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "accuracy", "error"),
    [("spintronic", 0.897, 0.0165), ("ctrnn", 0.89, 0.0348)],
)
def test_the_defaults_reach_the_accuracy_of_the_paper(
    kind: str, accuracy: float, error: float
) -> None:
    """89.83 ± 2.91 % over ten runs is reported, without a word on how the images were
    split.

    Which half trains matters as much as the seed: over 16 splits, ten seeds each, we
    measured means of 88.0 to 91.2 %, 89.7 ± 1.0 %, and about ± 1.4 % from seed to seed.
    So each of ten runs has a split of its own here; their mean is good to 1.7 / √10 =
    0.55 %, of which three are allowed. Of CTRNNs it is 89.00 ± 3.48 %; their defaults
    are those of the paper, not a search's optimum.
    """
    tasks = [SequentialDigitsParams(split_seed=run) for run in range(10)]
    paper: dict[str, Any] = {}
    if kind == "spintronic":
        paper = {"thermal_power": 0.0, "drive_limit": "none"}
    scores = [
        evaluate(kind, Protocol.CONFIRM, epochs=60, seed=run, task=task, **paper).score
        for run, task in enumerate(tasks)
    ]
    assert sum(scores) / 10 == pytest.approx(accuracy, abs=error)
