"""One suite over every objective: what the service relies on, see
``hpo.contract``."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import pytest

from hpo import objectives
from hpo.contract import (
    NetworkObjective,
    Objective,
    ObjectiveParams,
    Outcome,
    ProgrammableMember,
    Progress,
    Protocol,
)
from hpo.objectives.networks.network_file import read_description
from hpo.objectives.training import LayeredObjective

_NETWORK = {"layers": 2, "width": 6, "epochs": 3, "ema_decay": 0.5}
ERRORS = {
    "gain_error": 0.02,
    "clock_jitter": 0.02,
    "offset_error": 0.01,
    "weight_error": 0.05,
    "readout_noise": 0.1,
}
"""Errors of a chip, of its input, weights and readout."""
SMALL: dict[str, dict[str, Any]] = {
    "ctrnn": {**_NETWORK, "batch_size": 300},
    "ctrnn-prediction": _NETWORK,
    "duffing": {**_NETWORK, "batch_size": 300},
    "microring": {**_NETWORK, "batch_size": 300},
    "phase-oscillator": {**_NETWORK, "batch_size": 300},
    "spintronic": {
        **_NETWORK,
        "batch_size": 300,
        "thermal_power": 1e-3,
        "variability": {
            **{
                "tau_ns_spread": 0.1,
                "s_spread": 0.2,
                "input_noise": 0.01,
                "weight_bits": 4,
            },
            **{"oscillator_noise_per_sqrt_ns": 0.01, "draws": 2, "in_training": True},
            **ERRORS,
        },
    },
    "hpo.objectives.baselines.gru:GruObjective": {**_NETWORK, "batch_size": 300},
    "spintronic-prediction": {
        **_NETWORK,
        "thermal_power": 1e-3,
        "variability": {"draws": 2, "in_training": True, **ERRORS},
    },
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
    keep: bool = True,
    **other: Any,
) -> tuple[Outcome, list[float | None], list[bytes]]:
    """The outcome, what ``on_epoch`` saw, and, if asked for, all checkpoints.

    Raises:
        _StopError: that was the last epoch.
    """
    seen: list[float | None] = []
    saved: list[bytes] = []

    def on_epoch(progress: Progress) -> None:
        seen.append(progress.score)
        if keep:
            saved.append(progress.checkpoint())
        if progress.epoch == stop_after:
            raise _StopError

    small = next(
        v for k, v in SMALL.items() if type(objectives.load(k)) is type(objective)
    )
    task_name, task = next(iter(objective.tasks.items()))
    outcome = objective.evaluate(
        objective.Params(**{**small, **other}),
        task=task(name=task_name),
        protocol=protocol,
        member_seed=seed,
        on_epoch=on_epoch,
        resume=resume,
    )
    return outcome, seen, saved


def test_every_built_in_objective_is_tested() -> None:
    assert set(objectives.BUILT_IN) <= set(SMALL)


def test_the_members_of_devices_alone_are_programmable(
    objective: Objective[Any, Any],
) -> None:
    """Those of oscillators have a threshold current, too."""
    if not isinstance(objective, NetworkObjective):
        assert not isinstance(objective, LayeredObjective)
        return
    task_name, task = next(iter(objective.tasks.items()))
    member = objective.member(
        objective.Params(**SMALL[objective.name]),
        task=task(name=task_name),
        protocol=Protocol.CONFIRM,
        member_seed=7,
    )
    assert isinstance(member, ProgrammableMember)
    assert member.has_threshold == objective.name.startswith("spintronic")
    table = member.chip_table(bits=4)
    assert list(table.scores) == ["as trained", "with 4 bits"]
    assert table.count("bias") == sum(member.widths)
    assert table.largest("bias") > 0.0
    assert table.steps("bias")


def test_parameters_are_documented_and_bounded(objective: Objective[Any, Any]) -> None:
    assert issubclass(objective.Params, ObjectiveParams)
    for name, field in objective.Params.model_fields.items():
        assert field.description, f"{name} has no description"
        assert not field.is_required(), f"{name} has no default"


def test_another_seed_gives_another_network(objective: Objective[Any, Any]) -> None:
    assert train(objective)[0] != train(objective, seed=8)[0]


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_training_is_repeated_and_resumed_bit_for_bit(
    objective: Objective[Any, Any], protocol: Protocol
) -> None:
    whole, seen, saved = train(objective, protocol)
    confirming = protocol == Protocol.CONFIRM
    assert list(whole.curve) == ([] if confirming else seen)
    assert seen == ([None] * 3 if confirming else list(whole.curve))
    assert len(whole.loss_curve) == 3
    assert confirming or whole.score == whole.curve[-1]
    assert math.isfinite(whole.score)
    assert confirming or whole.thermal is None
    solves = protocol != Protocol.SEARCH_ON_TEST and isinstance(
        objective, LayeredObjective
    )
    assert (whole.solved is not None) == solves
    if not confirming or "toy" in objective.name:
        assert whole.network is None
    else:
        assert whole.network is not None
        about = read_description(whole.network)
        assert (about["objective"], about["member_seed"]) == (objective.name, 7)
    assert train(objective, protocol, keep=False)[0] == whole
    for epoch, checkpoint in enumerate(saved, start=1):
        resumed, rest, _ = train(objective, protocol, resume=checkpoint)
        assert resumed == whole
        assert rest == seen[epoch:]


@pytest.mark.parametrize(
    "name", [name for name, own in SMALL.items() if "ema_decay" in own]
)
def test_every_network_averages_over_epochs_and_clips_gradients(name: str) -> None:
    how = [
        {"ema_decay": 0.9},
        {"ema_decay": 0.0},
        {"ema_decay": 0.0, "max_gradient": 1e-3},
    ]
    averaged, last, clipped = (
        train(objectives.load(name), lr0=0.05, **own)[0] for own in how
    )
    assert averaged.loss_curve == last.loss_curve != clipped.loss_curve
    assert averaged.curve[0] == last.curve[0], "the average of one epoch"
    assert averaged.curve[1:] != last.curve[1:]


@pytest.mark.parametrize("name", SMALL)
def test_every_second_epoch_is_scored_and_the_last_one(name: str) -> None:
    objective = objectives.load(name)
    whole, seen, saved = train(objective, score_every=2)
    every = train(objective)[0]
    assert whole == every.replace(curve=every.curve[1:])
    assert seen == [None, *whole.curve]
    assert train(objective, score_every=2, resume=saved[0])[:2] == (whole, seen[1:])


FOR_A_TARGET = """
import hashlib, numba, numpy
from hpo import objectives
from hpo.objectives.networks.kernels.simd import load, store
from test_objectives import train

@numba.njit
def copy(x):
    store(x, 16, load(x, 0, 16))

copy(numpy.zeros(32, numpy.float32))
print("zmm" in next(iter(copy.inspect_asm().values())))
for name in sorted(objectives.BUILT_IN):
    for density in (0.3, 1.0):
        how = {"width": 64 if density == 1 else 6, "density_inter": density}
        how |= {"density_intra": density, "epochs": 1}
        outcome, _, saved = train(objectives.load(name), **how)
        digest = hashlib.sha256(saved[-1]).hexdigest()
        print(name, outcome.score, outcome.loss_curve, digest)
"""
PROCESSOR: dict[str, bool] = llvm.get_host_cpu_features()


@pytest.mark.skipif(
    not PROCESSOR.get("avx2"), reason="needs an x86 processor with AVX2"
)
def test_vectors_of_256_and_of_512_bits_give_the_same_networks() -> None:
    """Without NUMBA_CPU_FEATURES the other processor would have the vectors of this
    one. Kernels of both are kept in the usual cache, whose key names the processor."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    running = []
    for target in ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}, {}):
        env = {**os.environ, "PYTHONPATH": path, **target}
        command = [sys.executable, "-c", FOR_A_TARGET]
        running.append(
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        )
    narrow, own = (process.communicate()[0].splitlines() for process in running)
    assert (narrow[0], own[0]) == ("False", str(PROCESSOR["avx512f"]))
    assert len(own) == 1 + 2 * len(objectives.BUILT_IN)
    assert own[1:] == narrow[1:]


def test_a_training_that_is_stopped_raises_what_stops_it(
    objective: Objective[Any, Any],
) -> None:
    whole, _, saved = train(objective)
    with pytest.raises(_StopError):
        train(objective, stop_after=1)
    assert train(objective, resume=saved[0])[0] == whole, (
        "and what it leaves behind is harmless"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("spintronik", "unknown objective 'spintronik'. Built in: "),
        (
            "no_such_module:Thing",
            "objective 'no_such_module:Thing' cannot be imported: No module",
        ),
        ("hpo.contract:Nothing", "module 'hpo.contract' has no"),
        ("hpo.contract:Outcome", "contract:Outcome' is not an Objective"),
        ("toy_objective:ToyTask", "'toy_objective:ToyTask' is not an Objective"),
        ("hpo.contract:Objective", "is not an Objective: derive a class"),
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
