"""Trained networks: one path of training, files that load bit for bit, truthful
replays."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trainings
from networks import KINDS, scaled
from safetensors.torch import load_file, save, save_file

from hpo import objectives
from hpo.contract import Protocol
from hpo.objectives.data import load
from hpo.objectives.networks import network_file
from hpo.objectives.networks.network_file import KEY
from hpo.objectives.training import solved_equation
from hpo.objectives.training.artifacts import FORMAT, describe, load_network
from hpo.objectives.training.classifier import Classifier
from hpo.objectives.training.solved_equation import finer_steps

SMALL = trainings.SMALL | {"epochs": 1}
SIZES = {"members": 1, "layers": 2, "width": 6, "channels": 1, "outputs": 10}
ABOUT = {"scores": {"score": 0.5}, "lineage": {"study": "µ-study"}}


member = partial(trainings.member, seed=7, **SMALL)


def changed(untrained: Classifier) -> Classifier:
    """With other weights than those that are drawn from its seed."""
    scaled(untrained.network, 1.1)
    return untrained


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("networks") / "small.safetensors"
    network_file.write(path, member("spintronic").to_bytes(), ABOUT)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"integrator": "heun", "density_intra": 0.0},
        {"width": (3, 6), "tau_ns": (3.0, 9.0), "s": (0.4, 0.6)},
    ],
)
def test_a_saved_network_gives_the_same_logits_bit_for_bit(
    kind: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    trained = changed(member(kind, **changes))
    network_file.write(tmp_path / "best.safetensors", trained.to_bytes(), ABOUT)
    network = load_network(tmp_path / "best.safetensors")
    x = torch.from_numpy(
        np.random.default_rng(0).uniform(size=(5, 64, 1)).astype(np.float32)
    )
    again = member(kind, **changes)
    again.restore(trained.to_bytes())
    assert again.to_bytes() == trained.to_bytes()
    with torch.no_grad():
        assert torch.equal(network(x), trained.network(x))
        assert torch.equal(network(x), again.network(x))
    assert network(x).shape == (1, 5, 10)
    network(x).sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in network.parameters()), (
        "to train on"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.json",
        "best.safetensors",
    ]


def test_the_description_says_what_the_network_is(saved: Path) -> None:
    found = json.loads(saved.with_suffix(".json").read_text(encoding="utf-8"))
    assert found == describe(saved)
    wanted = {
        "format": FORMAT,
        "objective": "spintronic",
        "network": "hpo.objectives.networks.pointwise.DeviceNetwork",
        "architecture": SIZES,
        "input_scaling": None,
        "classes": [str(digit) for digit in range(10)],
        **ABOUT,
    }
    assert {key: found[key] for key in wanted} == wanted
    assert found["parameters"]["tau_ns"] == 14.12
    assert found["connectivity"]["mask_inter"] == {"kept": 18, "possible": 36}
    assert found["connectivity"]["n_neurons"] == 12
    assert found["task"]["name"] == "sequential-digits"


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_whose_layers_differ_is_trained_resumed_described_and_traced(
    kind: str, tmp_path: Path
) -> None:
    own = {
        "width": (6, 4),
        "tau_ns": (3.0, 9.0),
        "density_intra": (0.5, 1.0),
        "epochs": 2,
    }
    checkpoints: list[bytes] = []
    trained = member(kind, **own)
    outcome = trained.train(lambda progress: checkpoints.append(progress.checkpoint()))
    assert member(kind, **own).train(lambda progress: None, checkpoints[0]) == outcome
    synapses = (
        3 + 12 + 18 + 16 + 40
    )  # half of 6 and of 24, half of 36, 16, and the readout
    assert (outcome.info["n_neurons"], outcome.info["n_synapses"]) == (10, synapses)
    network_file.write(tmp_path / "best.safetensors", trained.to_bytes(), ABOUT)
    found = describe(tmp_path / "best.safetensors")
    assert found["parameters"]["width"] == [6, 4]
    assert found["connectivity"]["mask_inter"] == {"kept": 12, "possible": 24}
    assert found["connectivity"]["mask_intra"] == {"kept": 34, "possible": 52}
    assert (trained.width, trained.widths) == (6, (6, 4))
    values = trained.trace([0, 5]).x
    assert np.isfinite(values[0]).all()
    assert np.isfinite(values[1, :, :4]).all()
    assert np.isnan(values[1, :, 4:]).all()


def test_a_network_of_normalised_data_says_how_to_normalise_more(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(40, 6, 2)) * [3.0, 100.0] + [5.0, -7.0]).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 2, test=np.arange(40) >= 20)
    objective: Any = objectives.load("spintronic")
    trained = objective.member(
        objective.Params(**SMALL),
        task=objective.tasks["arrays"](
            path=str(tmp_path / "data.npz"), normalise="standard"
        ),
        protocol=Protocol.CONFIRM,
        member_seed=7,
    )
    network_file.write(tmp_path / "best.safetensors", trained.to_bytes(), ABOUT)
    scaling = describe(tmp_path / "best.safetensors")["input_scaling"]
    wanted = (x - np.array(scaling["shift"])) / np.array(scaling["scale"])
    seen = trained.trace([0, 19]).inputs
    np.testing.assert_array_equal(seen, wanted[[20, 39]].astype(np.float32))
    network = load_network(tmp_path / "best.safetensors")
    assert network(torch.from_numpy(seen)).shape == (1, 2, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda saved: b"",
        lambda saved: saved[:100],
        lambda saved: saved[:-1],
        lambda saved: save({"weight": torch.zeros(2)}),
        lambda saved: save({}, metadata={KEY: "{"}),
        lambda saved: save({}, metadata={KEY: "3"}),
        lambda saved: save({}, metadata={KEY: "[" * 100_000}),
    ],
    ids=["empty", "its head", "cut", "foreign", "no JSON", "no object", "deep"],
)
def test_what_is_no_network_is_refused(
    saved: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(found := damage(saved.read_bytes()))
    with pytest.raises(ValueError, match=f", got {len(found)} other bytes") as e:
        load_network(path)
    assert str(e.value).startswith(
        f"{path}: expected a network of `hpo export --network`, got"
    )
    assert "Export it again: hpo export STUDY --network FILE.safetensors." in str(
        e.value
    )


@pytest.mark.parametrize(
    ("changes", "tensors", "message"),
    [
        (
            {"format": 2},
            {},
            "expected `format = 1`, got format=2. Install the version",
        ),
        (
            {"objective": "os:system"},
            {},
            "expected `objective` in ctrnn, ctrnn-prediction, duffing, ",
        ),
        (
            {"objective": ["spintronic"]},
            {},
            "expected `objective` in ctrnn, ctrnn-prediction, duffing, ",
        ),
        (
            {"parameters": {"tau_ns": -1}},
            {},
            "expected parameters of the objective spintronic, got",
        ),
        (
            {"architecture": []},
            {},
            "expected parameters of the objective spintronic, got 'lis",
        ),
        (
            {"architecture": {**SIZES, "members": 10**9}},
            {},
            (
                "expected tensors of the size {'members': 1000000000, 'layers': 2,"
                " 'width': 6, 'channels': 1, 'outputs': 10}, got {'members': 1,"
                " 'layers': 2, 'width': 6, 'channels': 1, 'outputs': 10}. Export it"
                " again: hpo export"
            ),
        ),
        (
            {"parameters": {"layers": 2, "width": 4096}},
            {},
            (
                "expected tensors of the size {'members': 1, 'layers': 2, 'width':"
                " 4096, 'channels': 1"
            ),
        ),
        (
            {},
            {"bias": torch.zeros(1, 2, 7)},
            "expected the tensors of a spintronic network, got",
        ),
        ({}, None, f"expected tensors of the size {SIZES}, got others. Exp"),
    ],
)
def test_descriptions_and_tensors_of_another_kind_are_refused(
    saved: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    tensors: dict[str, Any] | None,
    message: str,
) -> None:
    path = tmp_path / "other.safetensors"
    text = json.dumps({**describe(saved), **changes})
    own = {} if tensors is None else {**load_file(saved), **tensors}
    save_file(own, path, metadata={KEY: text})
    with pytest.raises(ValueError, match="expected") as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_shows_what_the_network_computes(kind: str) -> None:
    trained = changed(member(kind, point_ns=0.5))
    trace = trained.trace([3, 800])
    network = trained.network
    u = torch.from_numpy(trace.inputs)
    with finer_steps(network, trace.steps_per_point), torch.no_grad():
        expected = network.trajectories(u)
        logits = network(u)[0]
    for name, points in {"x": 65, "y": 65, "drive": 64}.items():
        values = getattr(trace, name)
        assert values.shape == (2, 2, 6, points)
        assert np.array_equal(values, expected[name][0].transpose(2, 3).numpy())
    assert trace.time_ns.tolist() == [0.5 * k for k in range(65)]
    assert trace.labels.tolist() == trained.test_labels[[3, 800]].tolist()
    assert trace.predicted.tolist() == logits.argmax(dim=1).tolist()
    last = torch.from_numpy(
        trace.y[-1, :, :, -1]
    )  # what is shown last is what is read out
    torch.testing.assert_close(last @ network.w_out[0].mT + network.bias_out[0], logits)


def test_weights_of_another_network_are_refused() -> None:
    other = member("spintronic", width=5).to_bytes()
    with pytest.raises(
        ValueError, match="expected the tensors of this network, got Error"
    ):
        member("spintronic").restore(other)
    with pytest.raises(ValueError, match="expected the tensors of this network, got"):
        member("spintronic").restore(other[:50])
    with pytest.raises(
        ValueError, match="no safetensors with a description in the header"
    ):
        network_file.read_description(b"no network")


@pytest.mark.parametrize("protocol", list(Protocol))
def test_replays_use_the_test_half_whatever_the_protocol(protocol: Protocol) -> None:
    task: Any = objectives.load("spintronic").tasks["sequential-digits"]()  # type: ignore[call-arg]
    test = load(task, protocol=Protocol.CONFIRM, member_seed=0).score
    found = member("spintronic", protocol)
    assert np.array_equal(found.test_labels, test.label)
    shown = found.trace([0, 898])
    assert np.array_equal(shown.inputs, test.x[[0, 898]])
    assert np.array_equal(shown.predicted, found.read()[[0, 898]])


def test_a_prediction_that_is_not_finite_reads_no_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(solved_equation, "MAX_REFINEMENTS", 2)  # it never settles
    broken = member("spintronic")
    broken.network.w_out.data[:] = float("nan")
    assert broken.trace([0, 1]).predicted.tolist() == [-1, -1]
