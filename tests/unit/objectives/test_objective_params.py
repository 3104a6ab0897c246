"""Parameters of the layered objectives: defaults, bounds, documentation, imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError
from trainings import evaluate

from objectives import BUILT_IN
from objectives.contract import UnavailableError
from objectives.ctrnn import CtrnnParams
from objectives.layered import LayeredParams
from objectives.spintronic import SpintronicParams


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_importing_the_objective_loads_nothing_heavy(name: str) -> None:
    code = (
        "import sys, objectives; objectives.load(sys.argv[1]).Params(); "
        "heavy = {'torch', 'numba', 'sklearn', 'scipy', 'numpy', 'optuna', 'sqlalchemy'}; "
        "print(heavy & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_defaults_are_the_paper() -> None:
    params = SpintronicParams()
    assert (params.tau_ns, params.lr0, params.lr_decay) == (14.12, 0.149, 8.077)
    assert (params.s, params.q, params.sigma) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("model", [CtrnnParams, SpintronicParams])
def test_architecture_and_batches_are_those_of_the_paper(model: type[LayeredParams]) -> None:
    params = model()
    assert (params.density_inter, params.density_intra) == (0.5, 0.5)
    assert (params.layers, params.width, params.batch_size, params.dt_ns) == (3, 32, 120, 1.0)
    assert (params.integrator, params.steps_per_point) == ("exponential-ab3", 1)


def test_a_ctrnn_has_neither_filter_nor_oscillators() -> None:
    only = set(SpintronicParams.model_fields) - set(CtrnnParams.model_fields)
    assert only == {
        *("f_cut_per_ns", "q", "sigma", "start", "readout"),
        *("thermal_power", "thermal_training", "thermal_span"),
        *("neuron_uw", "synapse_uw"),
    }
    assert set(CtrnnParams.model_fields) < set(SpintronicParams.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tau_ns", 0.0),
        ("lr0", 0.0),
        ("lr0", 11.0),
        ("lr_decay", 0.0),
        ("s", -0.1),
        ("density_inter", 1.1),
        ("density_intra", -0.1),
        ("f_cut_per_ns", -1e-9),
        ("dt_ns", 0.0),
        ("layers", 0),
        ("width", 0),
        ("batch_size", 0),
        ("epochs", 0),
        ("integrator", "rk5"),
        ("steps_per_point", 0),
        ("max_step_ns", 0.0),
        ("max_step_ns", 1e-310),
        ("q", -0.1),
        ("sigma", 0.5),
        ("start", 0.0),
        ("start", 1.1),
        ("readout", "z"),
        ("weight_gain", 0.0),
        ("tau_ns", float("nan")),
        ("tau", 14.0),
    ],
)
def test_values_outside_their_bounds_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        SpintronicParams.model_validate({name: value})


def test_more_steps_than_any_network_needs_are_refused() -> None:
    SpintronicParams(dt_ns=20.0, max_step_ns=0.002)
    with pytest.raises(
        ValidationError,
        match=r"max_step_ns: `dt_ns / max_step_ns <= 10000` must hold, "
        r"but got max_step_ns=0.001, dt_ns=20.0. Raise max_step_ns.",
    ):
        SpintronicParams(dt_ns=20.0, max_step_ns=0.001)


def test_an_input_without_connections_is_refused() -> None:
    SpintronicParams(density_inter=0.02)
    with pytest.raises(
        ValidationError,
        match=r"`round\(density_inter \* width\) >= 1` must hold, "
        r"but got density_inter=0.01, width=32. Raise density_inter",
    ):
        SpintronicParams(density_inter=0.01)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["ctrnn", "spintronic"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UnavailableError, match=r"`?device") as caught:
        evaluate(name, device="cuda")
    assert str(caught.value).startswith(
        "device: a CUDA device that PyTorch can use must be there, but got device='cuda' on a host "
        "without one (PyTorch is built for "
    )
    assert 'Use device = "cpu"' in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("name", ["ctrnn", "spintronic"])
def test_a_cuda_device_trains_as_the_cpu_does(name: str) -> None:
    cpu, cuda = (evaluate(name, device=d, epochs=1).loss_curve for d in ("cpu", "cuda"))
    assert cpu == pytest.approx(cuda, rel=1e-3)
