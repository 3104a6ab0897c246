"""Parameters of the layered objectives: defaults, bounds, documentation, imports."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from trainings import evaluate

from hpo.objectives.contract import UnavailableError
from hpo.objectives.ctrnn import Ctrnn
from hpo.objectives.layered import LayeredParams
from hpo.objectives.spintronic import Spintronic


def test_parameters_and_costs_are_told_without_what_computes() -> None:
    code = """
import sys
from hpo import objectives
from hpo.objectives.tasks.sequential_digits import SequentialDigitsParams
loaded = {name: objectives.load(name) for name in objectives.BUILT_IN}
params = {name: objective.Params() for name, objective in loaded.items()}
costs = loaded["spintronic"].costs_of(params["spintronic"], SequentialDigitsParams())
heavy = {"torch", "numba", "sklearn", "scipy", "numpy", "optuna", "sqlalchemy"}
print(costs["energy_pj"], heavy & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    energy, heavy = done.stdout.split(maxsplit=1)
    assert float(energy) == pytest.approx(24.6784)  # 40 pJ in 100 ns; an image takes 64
    assert heavy == "set()\n"


@pytest.mark.parametrize("model", [Ctrnn, Spintronic])
def test_defaults_are_those_of_the_paper(model: type[LayeredParams]) -> None:
    params = model()
    assert (params.density_inter, params.density_intra) == (0.5, 0.5)
    assert (params.layers, params.width, params.batch_size, params.dt_ns) == (3, 32, 120, 1.0)
    assert (params.integrator, params.steps_per_point) == ("exponential-ab3", 1)
    if isinstance(params, Spintronic):
        assert (params.tau_ns, params.lr0, params.lr_decay) == (14.12, 0.149, 8.077)
        assert (params.s, params.q, params.sigma) == (0.5, 0.0, 1.0)


WRONG: dict[float | str, tuple[str, ...]] = {
    0: (
        *("tau_ns", "lr0", "lr_decay", "dt_ns", "layers", "width", "batch_size", "epochs"),
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
            {"dt_ns": 20.0, "max_step_ns": 0.002},
            {"max_step_ns": 0.001},
            "max_step_ns: expected `dt_ns / max_step_ns <= 10000`, got max_step_ns=0.001, "
            "dt_ns=20.0. Raise max_step_ns.",
        ),
        (
            {"density_inter": 0.02},
            {"density_inter": 0.01},
            "expected `round(density_inter * width) >= 1`, got density_inter=0.01, width=32. "
            "Raise density_inter",
        ),
        *(
            (
                {"readout_points": "last+mean", **own},
                {"readout": "y", "f_cut_per_ns": 0.1},
                'readout_points: a mean over the points needs readout = "x" or f_cut_per_ns = 0, '
                "got readout_points='last+mean', readout='y', f_cut_per_ns=0.1. Add "
                'readout = "x": by Eq. (5) the mean of the filtered y is (x_end - x_0 - y_end) / '
                "(2 pi f_cut T), the last x once more.",
            )
            for own in ({"readout": "x"}, {"f_cut_per_ns": 0.0})
        ),
    ],
    ids=["more steps than any network needs", "an input without connections", "x", "no filter"],
)
def test_values_that_do_not_go_together_are_refused(
    fits: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    Spintronic.model_validate(fits)
    with pytest.raises(ValidationError, match=re.escape(text)):
        Spintronic.model_validate(fits | change)


@pytest.mark.parametrize("name", ["ctrnn", "spintronic"])
def test_a_cuda_device_trains_as_the_cpu_does_or_is_refused_where_there_is_none(name: str) -> None:
    if torch.cuda.is_available():
        cpu, cuda = (evaluate(name, device=d, epochs=1).loss_curve for d in ("cpu", "cuda"))
        assert cpu == pytest.approx(cuda, rel=1e-3)
        return
    with pytest.raises(
        UnavailableError,
        match=r"^device: this host has no CUDA device for PyTorch \(built for .*, "
        r"got device='cuda'. Use device = \"cpu\"",
    ):
        evaluate(name, device="cuda")
