"""A network that predicts a series, from its seed to its file.

After each point it reads out the target of that point, and is scored by the normalised error::

    NRMSE = sqrt(mean_t (y(t) - d(t))^2) / std_t d(t)

over the points of the scored part, d the target and y what is read out; the mean over the outputs
where there are several. A constant prediction, the mean of the target, scores 1. What is not
finite, or worse than ``WORST``, scores ``WORST``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.objectives.classifier import LayeredMember, Measure, traced
from hpo.objectives.contract import Protocol
from hpo.objectives.inspection import Trace
from hpo.objectives.networks.devices import Training
from hpo.objectives.networks.kernels.chips import IDEAL, Chip
from hpo.objectives.networks.layered import LayeredNetwork, Noise
from hpo.objectives.randomness import stream
from hpo.objectives.ridge import RidgeUpdates
from hpo.objectives.scoring import Hardware, Measured, device_of, is_finite, noisy_input
from hpo.objectives.solved_equation import refined, solving_steps
from hpo.objectives.tasks import series
from hpo.objectives.tasks.data import Examples, SeriesSplit
from hpo.objectives.variability import Variability

WORST = 10.0
"""The score of a network that diverged: ten times worse than a constant."""

AGREEMENT = 1e-2
"""Scores of two refinements of the integration step agree within this share of the finer one's."""

WINDOW = 100
"""Points of the test part that a trace shows, at most."""

Array = NDArray[np.float64]


def nrmse(predicted: Array, target: Array) -> float:
    """The error of the module, at most ``WORST``; both (points, outputs).

    >>> nrmse(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    1.0
    """
    if not np.isfinite(predicted).all():
        return WORST
    with np.errstate(all="ignore"):  # a target that does not vary
        errors = np.sqrt(np.square(predicted - target).mean(axis=0)) / target.std(axis=0)
    error = float(errors.mean())
    return error if error < WORST else WORST


def smape_percent(predicted: Array, target: Array) -> float:
    """Symmetric mean absolute percentage error, 200 mean(|y - d| / (|y| + |d|)), from 0 to 200.

    As NeuroBench computes it (``neurobench.metrics.workload.SMAPE``): 200 of what is no number.

    >>> smape_percent(np.array([[1.0], [3.0]]), np.array([[3.0], [3.0]]))
    50.0
    """
    with np.errstate(all="ignore"):
        error = 200.0 * (np.abs(predicted - target) / (np.abs(predicted) + np.abs(target))).mean()
    return 200.0 if np.isnan(error) else float(error)


def predicted(
    network: LayeredNetwork,
    part: Examples,
    chip: Chip = IDEAL,
    noise: Noise | None = None,
    noisy: Callable[[Tensor], Tensor] = Tensor.clone,
) -> Array:
    """What a network of one member reads out at the points of a part, (points, outputs)."""
    with torch.no_grad():
        u = noisy(torch.from_numpy(part.x)).to(device_of(network))
        return network.series(u, part.label.shape[1], chip, noise)[0, 0].cpu().double().numpy()


def readout_noise(values: Tensor, *, noise_db: float, seed: int, name: str) -> Tensor:
    """Add white noise to what is read: so many dB of the mean power over neurons and points.

    One noise level for all neurons, as of one amplifier and converter; squares are of the sum.
    The numbers come from the stream ``name`` of ``seed``, the same for every network.
    """
    drawn = stream(seed, f"readout/{name}").standard_normal(values.shape, dtype=np.float32)
    size = values.square().mean().sqrt() * 10.0 ** (noise_db / 20.0)
    noisy: Tensor = values + size * torch.from_numpy(drawn).to(values)
    return noisy


def agree(coarse: float, fine: float) -> bool:
    """Whether two scores are the same but for ``AGREEMENT``."""
    return abs(fine - coarse) <= AGREEMENT * fine


def nominal(seen: Training) -> Training:
    """The same noise without spread: a readout that is fitted once sees one chip, the nominal one.

    So does the thermal power: one that is drawn would be learnt as if it were the device's.
    """
    if (own := seen.variability) is not None:
        spreads = {name: 0.0 for name in type(own).model_fields if name.endswith("_spread")}
        own = own.model_copy(update={**spreads, "devices": None, "devices_sha256": None})
    return replace(seen, variability=own, span=1.0)


class Predictor(LayeredMember):
    """A member that reads out a prediction after every point."""

    classes = ()
    _finished = False

    @property
    def _own(self) -> Any:
        """Its parameters: those of ``prediction``."""
        return self._params

    @property
    def _reservoir(self) -> bool:
        return bool(self._own.trained == "readout")

    @property
    def _ridge(self) -> float:
        return float(self._own.ridge)

    def _load(self, protocol: Protocol) -> SeriesSplit:
        return series.load(cast(series.SeriesParams, self._task), protocol=protocol)

    def _measure(self) -> Measure:
        how: Any = {"worst": WORST, "agree": agree, "relative": True}
        if self._reservoir:
            updates = RidgeUpdates(self.network, self._ridge, self._noise("train"))
            return Measure(examples=self._split.train, score=self._score, updates=updates, **how)
        length, washout = self._own.window, self._own.window_washout
        examples = series.windows(self._split.train, length=length, washout=washout)
        fit = partial(self._fit, examples)
        return Measure(examples=examples, score=self._fitted_score, before_epoch=fit, **how)

    def _fit(self, part: Examples) -> None:
        """Set the readout of a network trained by gradients: it is linear, its optimum is known."""
        how: Any = {"learning_rate": 0.0, "max_gradient": 0.0}
        device, seen = device_of(self.network), nominal(self._training)
        u, target = (torch.from_numpy(a).to(device) for a in (part.x, part.label))
        if seen.varies:
            how["chip"], inputs = next(seen.chips(0, part.shape[1]))
            size = seen.variability.input_noise if seen.variability else 0.0
            u = noisy_input(u, size, inputs)
        RidgeUpdates(self.network, self._ridge, self._noise("train")).update(u, target, **how)

    def _noise(self, name: str) -> Noise | None:
        """The noise of what is read in the part that trains or scores; None: none."""
        if (own := self._own.readout_noise_db) is None:
            return None
        return partial(readout_noise, noise_db=own, seed=self._member_seed, name=name)

    def _score(self, network: Any, part: Examples) -> tuple[float, bool]:
        """The NRMSE of a network of one member, and whether all that it reads out is finite."""
        return self._mean(self._nrmse, network, part)

    def _mean(self, measure: Measured, network: Any, part: Examples) -> tuple[float, bool]:
        """What is measured as ideal, or its mean on the chips of ``[variability]``."""
        if (variability := self._variability) is None:
            return measure(network, part, IDEAL, Tensor.clone)
        found, finite = self._hardware(variability).chips(network, part, measure)
        return statistics.fmean(found), finite

    def _nrmse(
        self, network: Any, part: Examples, chip: Chip, noisy: Callable[[Tensor], Tensor]
    ) -> tuple[float, bool]:
        """See ``scoring.Measured``."""
        found = predicted(network, part, chip, self._noise("score"), noisy)
        return nrmse(found, part.label[0].astype(np.float64)), bool(np.isfinite(found).all())

    def _smape(
        self, network: Any, part: Examples, chip: Chip, noisy: Callable[[Tensor], Tensor]
    ) -> tuple[float, bool]:
        found = predicted(network, part, chip, self._noise("score"), noisy)
        both = (self._scaling.undo(values) for values in (found, part.label[0]))
        return smape_percent(*both), True

    def _fitted_score(self, network: Any, part: Examples) -> tuple[float, bool]:
        """The score with the readout that is the best in one run through the training part."""
        if self._finished:
            return self._score(network, part)
        readout = [p.detach().clone() for p in (network.w_out, network.bias_out)]
        self._fit(self._split.train)
        found = self._score(network, part)
        with torch.no_grad():
            network.w_out.copy_(readout[0])
            network.bias_out.copy_(readout[1])
        return found

    def _finish(self) -> None:
        if not self._reservoir:
            self._fit(self._split.train)
        self._finished = True

    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        if not is_finite(self.network):
            return (WORST,) * variability.draws
        chips = self._hardware(variability).chips(self.network, self._split.score, self._nrmse)
        return tuple(chips[0])

    def _hardware(self, variability: Variability) -> Hardware:
        """Chips whose neurons jump once per point: noise of a long series takes memory."""
        return Hardware(variability, self._member_seed, n_steps=1, n_kept=0)

    def _points(self) -> int:
        return 1

    @property
    def _training(self) -> Training:
        """See ``LayeredMember``; a reservoir is fitted once."""
        seen = super()._training
        return nominal(seen) if self._reservoir else seen

    @property
    def _remedy(self) -> str:
        """See ``LayeredMember``; a readout that is fitted once learns no range of powers."""
        known = getattr(self._params, "thermal_training", "mean") != "mean"
        return "Measure the thermal power of your device." if known else super()._remedy

    def _described(self) -> dict[str, Any]:
        return {"target_scaling": asdict(self._scaling)}

    @property
    def _scaling(self) -> Any:
        return cast(SeriesSplit, self._split).target_scaling

    def _told(self, chips: tuple[float, ...]) -> dict[str, float]:
        own = self._split.score
        sizes = {"n_train": self._split.train.label.shape[1], "n_scored": own.label.shape[1]}
        return {**sizes, "smape_percent": self._mean(self._smape, self.network, own)[0]}

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """See ``NetworkMember``."""
        return np.zeros(len(self._windows), np.int64)

    @cached_property
    def _windows(self) -> Examples:
        """The test part, window by window, each with the points before it from rest."""
        part = self._test
        length = min(WINDOW, part.label.shape[1])
        return series.windows(part, length=length, washout=part.x.shape[1] - part.label.shape[1])

    def trace(self, images: Sequence[int]) -> Trace:
        """Replay it on windows of the test part; see ``NetworkMember.trace``."""
        shown = self._windows.take(np.asarray(images, dtype=np.intp))
        u, n_read = torch.from_numpy(shown.x), shown.label.shape[1]
        steps, settled = solving_steps(self.network, u, n_read)
        with torch.no_grad(), refined(self.network, steps):
            found = self.network.series(u, n_read)[0].numpy()
            trajectories = self.network.trajectories(u)
        finite = np.isfinite(found).all(axis=(1, 2))
        return Trace(
            **traced(self.network, images, shown.x, trajectories),
            labels=np.zeros(len(u), np.int64),
            predicted=np.where(finite, 0, -1),
            steps_per_point=steps if settled else None,
            target=self._scaling.undo(shown.label),
            prediction=self._scaling.undo(found),
        )
