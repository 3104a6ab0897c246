"""Predicting a series: how it is split, trained, scored and kept; reservoirs; what is
refused."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trainings
from pydantic import ValidationError

from hpo import objectives
from hpo.contract import Outcome, Protocol, UnavailableError
from hpo.objectives.data import SeriesContents, contents
from hpo.objectives.data.tasks import own_series
from hpo.objectives.data.tasks.narma10 import Narma10Params
from hpo.objectives.data.tasks.own_series import OwnSeriesParams
from hpo.objectives.data.windows import windows
from hpo.objectives.networks import network_file
from hpo.objectives.training import artifacts, predictor, ridge

SMALL: dict[str, Any] = {"layers": 1, "width": 12, "epochs": 3}
TASK = Narma10Params(washout=50, n_train=400, n_test=200)
KINDS = ["ctrnn-prediction", "spintronic-prediction"]


def member(
    kind: str = "spintronic-prediction",
    protocol: Protocol = Protocol.VALIDATION,
    *,
    task: Any = TASK,
    **params: Any,
) -> Any:
    return trainings.member(kind, protocol, seed=1, task=task, **{**SMALL, **params})


def trained(*args: Any, **params: Any) -> Outcome:
    outcome: Outcome = member(*args, **params).train(lambda progress: None)
    return outcome


# --- the split ---


def test_parts_follow_each_other_and_the_end_is_never_searched() -> None:
    series = TASK.series()
    found = {p: TASK.load(protocol=p) for p in (Protocol.VALIDATION, Protocol.CONFIRM)}
    places = {
        Protocol.VALIDATION: ((0, 50, 330), (280, 330, 450)),
        Protocol.CONFIRM: ((0, 50, 450), (400, 450, 650)),
    }
    for protocol, split in found.items():
        for part, (first, scored, end) in zip(
            (split.train, split.score), places[protocol], strict=True
        ):
            assert split.scaling is not None
            u = split.scaling.undo(part.x[0])
            np.testing.assert_allclose(u, series.u[first:end], atol=1e-7)
            target = split.target_scaling.undo(part.label[0])
            np.testing.assert_allclose(target, series.target[scored:end], atol=1e-7)
        own = (
            split.train.label[0],
            *([split.score.label[0]] if protocol == "validation" else []),
        )
        whole = np.concatenate(own)
        assert (whole.mean(), whole.std()) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert contents(TASK) == SeriesContents(
        points=650,
        channels=1,
        outputs=1,
        washout=50,
        train=280,
        validation=120,
        test=200,
    )


@pytest.mark.parametrize(
    ("length", "washout", "first", "n"), [(20, 30, 50, 14), (30, 70, 70, 8)]
)
def test_windows_tile_the_training_part(
    length: int, washout: int, first: int, n: int
) -> None:
    part = TASK.load(protocol=Protocol.VALIDATION).train
    found = windows(part, length=length, washout=washout)
    assert (found.x.shape, found.label.shape) == (
        (n, washout + length, 1),
        (n, length, 1),
    )
    for k in range(n):
        at = first + k * length
        assert np.array_equal(found.x[k], part.x[0, at - washout : at + length])
        assert np.array_equal(found.label[k], part.label[0, at - 50 : at - 50 + length])


# --- the score ---


def test_errors_by_hand() -> None:
    target = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    found = np.array([[2.0, 10.0], [3.0, 30.0], [3.0, 20.0]])
    first = math.sqrt(5 / 3) / math.sqrt(8 / 3)
    assert predictor.nrmse(found, target) == pytest.approx(first / 2)
    assert predictor.nrmse(np.broadcast_to(target.mean(axis=0), (3, 2)), target) == 1.0
    assert predictor.smape_percent(found, target) == pytest.approx(
        200 * (1 / 3 + 2 / 8) / 6
    )
    assert predictor.smape_percent(-target, target) == 200.0
    assert predictor.smape_percent(np.zeros((2, 1)), np.zeros((2, 1))) == 200.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1e9])
def test_what_diverges_scores_the_worst(wrong: float) -> None:
    target = np.arange(4.0)[:, None]
    found = np.where(target == 2.0, wrong, target)
    assert predictor.nrmse(found, target) == predictor.WORST == 10.0
    assert predictor.nrmse(target, np.ones((4, 1))) == predictor.WORST, "no scale"


@pytest.mark.parametrize("trains", ["all", "readout"])
def test_a_network_that_diverges_has_a_finite_score(trains: str) -> None:
    outcome = trained(
        "ctrnn-prediction", trained=trains, integrator="euler", tau_ns=0.01
    )
    worst = predictor.WORST
    assert (outcome.score, outcome.diverged, outcome.curve) == (
        worst,
        True,
        (worst,) * 3,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_learn_to_predict(kind: str) -> None:
    outcome = trained(kind, lr0=0.03, epochs=60, tau_ns=0.5, s=1.0)
    assert outcome.score == outcome.curve[-1] < outcome.curve[0]
    assert outcome.loss_curve[-1] < 0.9 * outcome.loss_curve[0]
    assert (outcome.info["n_train"], outcome.info["n_scored"]) == (280, 120)
    assert 0.0 < float(outcome.info["smape_percent"]) < 40.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trains", ["all", "readout"])
def test_what_is_confirmed_is_the_score_on_the_solved_equation(
    kind: str, trains: str
) -> None:
    outcome = trained(kind, Protocol.CONFIRM, trained=trains, max_step_ns=1.0)
    assert outcome.curve == ()
    assert outcome.solved is not None
    assert outcome.solved.converged
    assert outcome.solved.steps_per_point >= 4
    assert 0.0 < abs(outcome.solved.score - outcome.score) < 0.2


# --- reservoirs ---


def test_ridge_is_the_minimum_of_its_equation() -> None:
    rng = np.random.default_rng(0)
    states, targets = rng.normal(size=(40, 3)) + 1.0, rng.normal(size=(40, 2)) - 2.0
    weights, bias = ridge.fit(states, targets, 0.3)
    # as one least-squares problem: rows of sqrt(T ridge) pull the weights, not the
    # bias, to zero
    rows = np.r_[np.c_[states, np.ones(40)], math.sqrt(40 * 0.3) * np.eye(3, 4)]
    wanted, *_ = np.linalg.lstsq(rows, np.r_[targets, np.zeros((3, 2))], rcond=None)
    np.testing.assert_allclose(weights, wanted[:3].T, atol=1e-12)
    np.testing.assert_allclose(bias, wanted[3], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("readout", ["y", "x"])
def test_a_reservoir_trains_its_readout_alone(kind: str, readout: str) -> None:
    own = {"readout": readout} if kind == "spintronic-prediction" else {}
    one = member(kind, trained="readout", ridge=1e-6, epochs=1, **own)
    before = {name: p.detach().clone() for name, p in one.network.named_parameters()}
    outcome = one.train(lambda progress: None)
    for name, p in one.network.named_parameters():
        assert torch.equal(p, before[name]) == (name not in ("w_out", "bias_out"))
    part = TASK.load(protocol=Protocol.VALIDATION).train
    with torch.no_grad():
        states = (
            one.network.outputs(torch.from_numpy(part.x), 280)[0, 0].double().numpy()
        )
    weights, bias = ridge.fit(states, part.label[0].astype(np.float64), 1e-6)
    np.testing.assert_allclose(one.network.w_out[0].detach(), weights, rtol=1e-6)
    error = np.square(states @ weights.T + bias - part.label[0]).mean()
    assert outcome.loss_curve == (pytest.approx(error),)
    assert outcome.score < 1.0
    more = trained(kind, trained="readout", ridge=1e-6, epochs=2, lr0=1.0, **own)
    assert more.curve == outcome.curve * 2, "whatever the epochs and the learning rate"


def test_noise_of_what_is_read_is_there_in_fit_and_score() -> None:
    one = member(
        trained="readout",
        ridge=1e-6,
        epochs=1,
        readout_powers=2,
        readout_noise_db=-20.0,
    )
    outcome = one.train(lambda progress: None)
    split, features = TASK.load(protocol=Protocol.VALIDATION), {}
    for name, part in (("train", split.train), ("score", split.score)):
        with torch.no_grad():
            clean = one.network.outputs(torch.from_numpy(part.x), part.label.shape[1])
        v = predictor.readout_noise(clean, noise_db=-20.0, seed=1, name=name)
        ratio = (v - clean).square().mean() / clean.square().mean()
        assert float(ratio) == pytest.approx(0.01, rel=0.1)
        features[name] = torch.cat((v, v * v), dim=-1)[0, 0].double().numpy()
    weights, bias = ridge.fit(
        features["train"], split.train.label[0].astype(np.float64), 1e-6
    )
    found = features["score"] @ weights.T + bias
    assert outcome.score == pytest.approx(
        predictor.nrmse(found, split.score.label[0]), rel=1e-4
    )


# --- files ---


def test_a_trained_network_is_kept_and_predicts_from_its_file(tmp_path: Path) -> None:
    one = member(epochs=5)
    one.train(lambda progress: None)
    path = tmp_path / "best.safetensors"
    network_file.write(path, one.to_bytes(), {"study": "toy"})
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["objective"] == "spintronic-prediction"
    split = TASK.load(protocol=Protocol.VALIDATION)
    assert told["target_scaling"] == json.loads(
        json.dumps(asdict(split.target_scaling))
    )
    u = split.scaling and split.scaling.undo(split.score.x[0])
    x = artifacts.network_input(path, [u])
    with torch.no_grad():
        found = artifacts.load_network(path).series(x, 120)[0, 0].numpy()
    np.testing.assert_allclose(
        found, predictor.predict(one.network, split.score), atol=1e-4
    )


def test_a_trace_shows_target_and_prediction_of_windows_of_the_test_part() -> None:
    one = member()
    one.train(lambda progress: None)
    assert (one.classes, one.test_labels.tolist()) == ((), [0, 0])
    trace = one.trace([1])
    assert (trace.inputs.shape, trace.x.shape) == ((1, 150, 1), (1, 1, 12, 151))
    assert trace.steps_per_point is not None
    np.testing.assert_allclose(trace.target[0], TASK.series().target[-100:], atol=1e-6)
    assert trace.prediction.shape == (1, 100, 1)
    assert predictor.nrmse(trace.prediction[0], trace.target[0]) < 2.0


# --- own series, and what is refused ---


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    t = np.arange(600)
    np.savez(
        tmp_path / "waves.npz",
        u=np.sin(0.1 * t),
        target=np.c_[np.cos(0.1 * t), np.sin(t)],
    )
    lines = ["a,b,c", *(f"{math.sin(k)},{k},{math.cos(k)}" for k in range(600))]
    (tmp_path / "waves.csv").write_text("\n".join(lines))
    return tmp_path


def test_own_series_are_pinned_and_predicted(waves: Path) -> None:
    task = OwnSeriesParams(path="waves.npz").resolve(waves)
    assert Path(task.path) == waves / "waves.npz"
    assert task.sha256 is not None
    assert trained("ctrnn-prediction", task=task).score < 2.0
    by_column = OwnSeriesParams(path="waves.csv", inputs="a, c", targets="c", horizon=2)
    series = by_column.resolve(waves).series()
    np.testing.assert_allclose(series.u[:, 1], np.cos(np.arange(598)))
    np.testing.assert_allclose(series.target[:, 0], np.cos(np.arange(2, 600)))
    np.savez(waves / "waves.npz", u=np.zeros(600), target=np.zeros(600))
    assert task.series().u.any(), "read once per process"
    own_series._load_once.cache_clear()
    with pytest.raises(UnavailableError, match=r"as when the study began, got sha256="):
        task.series()


def test_a_readout_that_was_fitted_with_thermal_noise_is_scored_with_it() -> None:
    noisy = {"thermal_power": 0.01, "variability": {"draws": 2, "input_noise": 0.01}}
    how: Any = {"epochs": 1, "tau_ns": 2.0, **noisy}
    for trains in ("readout", "all"):
        mean, own = (
            trained(**how, trained=trains, thermal_training=t)
            for t in ("mean", "noise")
        )
        assert own.solved is not None
        assert own.solved.score == pytest.approx(sum(own.chips) / 2)
        assert own.score < mean.score


def test_a_readout_is_fitted_on_nominal_devices_whatever_training_sees() -> None:
    def readout(**seen: Any) -> torch.Tensor:
        how: Any = {
            "thermal_power": 0.01,
            "thermal_training": "noise",
            "epochs": 1,
            "tau_ns": 2.0,
        }
        one = member(trained="readout", **how, **seen)
        one.train(lambda progress: None)
        return one.network.w_out

    errors = dict.fromkeys(("gain_error", "clock_error", "weight_error"), 0.1)
    chips = {"draws": 1, "tau_ns_spread": 0.3, "in_training": True, **errors}
    assert torch.equal(readout(), readout(thermal_span=10.0, variability=chips))


def test_what_only_classifiers_have_is_refused() -> None:
    points: dict[str, Any] = {"readout_points": "mean", "readout": "x"}
    for wrong, text in (
        (
            points,
            "'mean'. Remove it: the mean over all points is known at the end alone.",
        ),
        ({"label_smoothing": 0.1}, "0.1. Remove it: a prediction has no labels."),
    ):
        with pytest.raises(ValidationError, match=re.escape(f", got {text}")):
            objectives.load("spintronic-prediction").Params(**wrong)
