"""A network that predicts a series, from its seed to its file.

After each point it reads out the target of that point, and is scored by the normalised
error::

    NRMSE = sqrt(mean_t (y(t) - d(t))^2) / std_t d(t)

over the points of the scored part, with target d and output y; the mean over several
outputs. A constant prediction, the mean of the target, scores 1. A score that is not
finite, or worse than ``WORST``, counts as ``WORST``.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.contract import Protocol, Trace

from ..data import SeriesParams
from ..data.examples import Examples, SeriesSplit
from ..data.windows import windows
from ..hardware.variability import Variability
from ..networks.input_errors import InputErrors
from ..networks.kernels.chips import IDEAL, Chip
from ..networks.layered import LayeredNetwork, Noise
from ..networks.simulated_chips import Training
from ..randomness import stream
from .member import LayeredMember, trace_fields
from .recipe import Measure
from .ridge import RidgeUpdates
from .scoring import (
    ChipMeasure,
    Hardware,
    batches,
    is_finite,
    network_device,
)
from .solved_equation import finer_steps, solving_steps

WORST = 10.0
"""The score of a network that diverged: ten times worse than a constant."""

AGREEMENT = 1e-2
"""Largest relative difference of scores of two refinements that agree."""

TENTH = 0.1
"""The share of the error that a tolerance costs."""

WINDOW = 100
"""Largest number of points of the test part in a trace."""

Array = NDArray[np.float64]


def nrmse(predicted: Array, target: Array) -> float:
    """Return the NRMSE, at most ``WORST``, of a prediction; both (points, outputs).

    >>> nrmse(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    1.0
    """
    if not np.isfinite(predicted).all():
        return WORST
    squares = np.square(predicted - target).mean(axis=0)
    with np.errstate(all="ignore"):  # a target that does not vary
        error = float((np.sqrt(squares) / target.std(axis=0)).mean())
    return error if error < WORST else WORST


def smape_percent(predicted: Array, target: Array) -> float:
    """Return the symmetric mean absolute percentage error, 200 mean(|y - d| / (|y| +
    |d|)).

    It lies between 0 and 200. As in NeuroBench (``neurobench.metrics.workload.SMAPE``),
    NaN counts as 200.

    >>> smape_percent(np.array([[1.0], [3.0]]), np.array([[3.0], [3.0]]))
    50.0
    """
    size = np.abs(predicted) + np.abs(target)
    with np.errstate(all="ignore"):
        error = 200.0 * (np.abs(predicted - target) / size).mean()
    return 200.0 if np.isnan(error) else float(error)


def predict(
    network: LayeredNetwork,
    part: Examples,
    chip: Chip = IDEAL,
    noise: Noise | None = None,
    errors: InputErrors = Tensor.clone,
) -> Array:
    """Return the outputs of a network of one member at the points of a part, (points,
    outputs)."""
    with torch.no_grad():
        u = errors(torch.from_numpy(part.x)).to(network_device(network))
        outputs = network.series(u, part.label.shape[1], chip, noise)[0, 0]
    return outputs.cpu().double().numpy()


def readout_noise(values: Tensor, *, noise_db: float, seed: int, name: str) -> Tensor:
    """Add white noise to what is read, in dB of the mean power over neurons and points.

    All neurons have one noise level, as behind one amplifier and converter. Squares are
    taken of the noisy values. The numbers come from the stream ``name`` of ``seed``,
    for every network.
    """
    noise = stream(seed, f"readout/{name}").standard_normal(
        values.shape, dtype=np.float32
    )
    size = values.square().mean().sqrt() * 10.0 ** (noise_db / 20.0)
    noisy: Tensor = values + size * torch.from_numpy(noise).to(values)
    return noisy


def agree(coarse: float, fine: float) -> bool:
    """Return whether two scores agree."""
    return abs(fine - coarse) <= AGREEMENT * fine


def nominal(seen: Training) -> Training:
    """Return the same noise without spread and errors of devices, for a readout that is
    fitted once: on the nominal chip.

    Its thermal power is nominal, too: the readout would learn a drawn one as the
    device's.
    """
    variability = seen.variability
    if variability is not None:
        names = type(variability).model_fields
        without: dict[str, Any] = {
            name: 0.0 for name in names if "_spread" in name or "_error" in name
        }
        without |= {"devices": None, "devices_sha256": None}
        variability = variability.model_copy(update=without)
    return replace(seen, variability=variability, span=1.0)


class Predictor(LayeredMember):
    """A member that reads out a prediction after every point."""

    _params: Any  # of ``PredictionParams``, too
    _split: SeriesSplit
    _finished = False

    @property
    def _reservoir(self) -> bool:
        return bool(self._params.trained == "readout")

    def _load(self, protocol: Protocol) -> SeriesSplit:
        return cast(SeriesParams, self._task).load(protocol=protocol)

    @cached_property
    def _examples(self) -> Examples:
        if self._reservoir:
            return self._split.train
        length = self._params.window
        washout = self._params.window_washout
        return windows(self._split.train, length=length, washout=washout)

    def _measure(self) -> Measure:
        measure = Measure(
            score=self._score,
            worst=WORST,
            agree=agree,
            relative=True,
            devices=self._training,
        )
        if self._reservoir:
            return replace(measure, updates=self._readout_fit)
        fit = partial(self._fit, self._examples)
        return replace(measure, score=self._fitted_score, before_epoch=fit)

    @property
    def _readout_fit(self) -> RidgeUpdates:
        return RidgeUpdates(self.network, self._params.ridge, self._noise("train"))

    def _fit(self, part: Examples) -> None:
        """Set the linear readout of the network to its optimum, by ridge regression."""
        u, target = next(batches(part, len(part), network_device(self.network)))
        chip = IDEAL
        seen = nominal(self._training)
        if seen.varies:
            chip, errors = next(seen.chips(0, part.shape[1]))
            u = errors(u)
        self._readout_fit.fit(u, target, chip)

    def _noise(self, name: str) -> Noise | None:
        """Return the readout noise of a part; None if there is none."""
        noise_db = self._params.readout_noise_db
        if noise_db is None:
            return None
        seed = self._member_seed
        return partial(readout_noise, noise_db=noise_db, seed=seed, name=name)

    def _score(self, network: Any, part: Examples) -> tuple[float, bool]:
        """Return the NRMSE of a network of one member, and whether every output is
        finite."""
        return self._mean(self._nrmse, network, part)

    def _mean(
        self, measure: ChipMeasure, network: Any, part: Examples
    ) -> tuple[float, bool]:
        """Return a value of the ideal network, or its mean on the chips of
        ``[variability]``."""
        variability = self._params.variability
        if variability is None:
            return measure(network, part, IDEAL, Tensor.clone)
        values, finite = self._hardware(variability).chips(network, part, measure)
        return statistics.fmean(values), finite

    def _nrmse(
        self, network: Any, part: Examples, chip: Chip, errors: InputErrors
    ) -> tuple[float, bool]:
        """See ``scoring.ChipMeasure``."""
        output = predict(network, part, chip, self._noise("score"), errors)
        error = nrmse(output, part.label[0].astype(np.float64))
        return error, bool(np.isfinite(output).all())

    def _smape(
        self, network: Any, part: Examples, chip: Chip, errors: InputErrors
    ) -> tuple[float, bool]:
        output = predict(network, part, chip, self._noise("score"), errors)
        undo = self._split.target_scaling.undo
        return smape_percent(undo(output), undo(part.label[0])), True

    def _fitted_score(self, network: Any, part: Examples) -> tuple[float, bool]:
        """Return the score with the readout fitted in one run through the training
        part."""
        if self._finished:
            return self._score(network, part)
        readout = [p.detach().clone() for p in (network.w_out, network.bias_out)]
        self._fit(self._split.train)
        result = self._score(network, part)
        with torch.no_grad():
            network.w_out.copy_(readout[0])
            network.bias_out.copy_(readout[1])
        return result

    def _finish(self) -> None:
        if not self._reservoir:
            self._fit(self._split.train)
        self._finished = True

    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        if not is_finite(self.network):
            return (WORST,) * variability.draws
        hardware = self._hardware(variability)
        values, _ = hardware.chips(self.network, self._split.score, self._nrmse)
        return tuple(values)

    def _measure_chip(
        self, network: Any, examples: Examples, chip: Chip, errors: InputErrors
    ) -> tuple[float, bool]:
        """See ``LayeredMember``."""
        return self._nrmse(network, examples, chip, errors)

    def _allowed_loss(self, score: float) -> float | None:
        """Return a tenth of the error, if it is clearly below that of a constant."""
        return TENTH * score if score < 1.0 - TENTH else None

    def _few_series(self, examples: Examples) -> Examples:
        """Return the one series there is."""
        return examples

    def _n_scored(self, examples: Examples) -> int:
        """Return the number of points that are read."""
        return int(examples.label.shape[1])

    def _hardware(self, variability: Variability) -> Hardware:
        """Return chips whose neurons jump once per point: noise of a long series takes
        memory."""
        return Hardware(variability, self._member_seed, n_steps=1, n_kept=0)

    @property
    def _training(self) -> Training:
        """See ``LayeredMember``; a reservoir is fitted on the nominal chip."""
        seen = super()._training
        return nominal(seen) if self._reservoir else seen

    @property
    def _remedy(self) -> str:
        """See ``LayeredMember``; a readout that is fitted once learns no range of
        powers."""
        if self._thermal_training == "mean":
            return super()._remedy
        return "Measure the thermal power of your device."

    def _extra_description(self) -> dict[str, Any]:
        return {"target_scaling": asdict(self._split.target_scaling)}

    def _extra_info(self, chips: tuple[float, ...]) -> dict[str, float]:
        part = self._split.score
        smape, _ = self._mean(self._smape, self.network, part)
        return {
            "n_train": self._split.train.label.shape[1],
            "n_scored": part.label.shape[1],
            "smape_percent": smape,
        }

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """See ``NetworkMember``."""
        return np.zeros(len(self._windows), np.int64)

    def solved_score(self) -> float:
        """See ``LayeredMember``: the NRMSE."""
        part = self._test
        steps, _ = solving_steps(
            self.network, torch.from_numpy(part.x), part.label.shape[1]
        )
        with finer_steps(self.network, steps):
            return self._nrmse(self.network, part, IDEAL, Tensor.clone)[0]

    @cached_property
    def _windows(self) -> Examples:
        """The test part in windows, each with the points before it from rest."""
        part = self._test
        n_read = part.label.shape[1]
        washout = part.x.shape[1] - n_read
        return windows(part, length=min(WINDOW, n_read), washout=washout)

    def trace(self, images: Sequence[int]) -> Trace:
        """Replay the network on windows of the test part; see
        ``NetworkMember.trace``."""
        shown = self._windows.take(np.asarray(images, dtype=np.intp))
        u = torch.from_numpy(shown.x)
        n_read = shown.label.shape[1]
        steps, settled = solving_steps(self.network, u, n_read)
        with torch.no_grad(), finer_steps(self.network, steps):
            output = self.network.series(u, n_read)[0].numpy()
            trajectories = self.network.trajectories(u)
        finite = np.isfinite(output).all(axis=(1, 2))
        undo = self._split.target_scaling.undo
        return Trace(
            **trace_fields(self.network, images, shown.x, trajectories),
            labels=np.zeros(len(u), np.int64),
            predicted=np.where(finite, 0, -1),
            steps_per_point=steps if settled else None,
            target=undo(shown.label),
            prediction=undo(output),
        )
