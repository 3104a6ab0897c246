"""A network that classifies time series.

``predictor`` does the same for networks that predict series.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpo.contract import Protocol, Trace

from ..data import load
from ..data.examples import Examples, Split
from ..hardware.variability import Variability
from ..networks.input_errors import InputErrors
from ..networks.kernels.chips import Chip
from .member import LayeredMember, trace_fields
from .recipe import Measure
from .scoring import SCORING_BATCH, Hardware, count_right, ideal_accuracy, score
from .solved_equation import finer_steps, solving_steps
from .tolerances import MAX_SERIES

ONE_POINT = 0.01
"""The loss of accuracy that a tolerance costs."""


class Classifier(LayeredMember):
    """A member that reads out the class of a series after its last point."""

    def _load(self, protocol: Protocol) -> Split:
        return load(self._task, protocol=protocol, member_seed=self._member_seed)

    @cached_property
    def _hardware(self) -> Hardware | None:
        """The chips of ``[variability]``, whose noise is drawn once."""
        variability = self._params.variability
        return self._simulate_chips(variability) if variability else None

    def _simulate_chips(self, variability: Variability, **kept: int) -> Hardware:
        return Hardware(variability, self._member_seed, self._n_steps, **kept)

    def _measure(self) -> Measure:
        if self._hardware is None:
            return Measure(devices=self._training)
        return Measure(score=self._hardware.accuracy, devices=self._training)

    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        hardware = self._hardware
        if hardware is None or variability is not self._params.variability:
            hardware = self._simulate_chips(variability, n_kept=0)
        return hardware.accuracies(self.network, self._split.score)

    def _measure_chip(
        self, network: Any, examples: Examples, chip: Chip, errors: InputErrors
    ) -> tuple[float, bool]:
        """See ``LayeredMember``."""
        n, finite = count_right(network, examples, chip, errors)
        return n / len(examples), finite

    def _allowed_loss(self, score: float) -> float | None:
        """Return one point, if the accuracy is ten points above that of the largest
        class."""
        counts = np.bincount(self._split.score.label)
        chance = float(counts.max() / counts.sum())
        return ONE_POINT if score > chance + 10 * ONE_POINT else None

    def _few_series(self, examples: Examples) -> Examples:
        """Return at most ``MAX_SERIES`` series, evenly spread."""
        n = min(len(examples), MAX_SERIES)
        return examples.take(np.arange(n) * len(examples) // n)

    def _n_scored(self, examples: Examples) -> int:
        """Return the number of series."""
        return len(examples)

    def _extra_info(self, chips: tuple[float, ...]) -> dict[str, float]:
        if not chips:
            return {}
        ideal, _ = score(self.network, self._split.score, ideal_accuracy)
        return {"ideal_accuracy": ideal, "worst_draw_accuracy": min(chips)}

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """Class of each series of the test part, (n,)."""
        return self._test.label

    def read(self) -> NDArray[np.int64]:
        """Return the class that it reads for each series of the test part, (n,)."""
        return np.concatenate(
            [self._read(part.x)[0] for part in self._test.batches(SCORING_BATCH)]
        )

    def solved_score(self) -> float:
        """See ``LayeredMember``: the accuracy."""
        return float((self.read() == self._test.label).mean())

    def _read(self, x: NDArray[np.float32]) -> tuple[NDArray[np.int64], int, bool]:
        """Return classes (-1: not finite), steps per point, and whether they solve the
        equation."""
        u = torch.from_numpy(x)
        steps, settled = solving_steps(self.network, u)
        with torch.no_grad(), finer_steps(self.network, steps):
            logits = self.network(u)[0]
        finite = logits.isfinite().all(dim=1)
        return torch.where(finite, logits.argmax(dim=1), -1).numpy(), steps, settled

    def trace(self, images: Sequence[int]) -> Trace:
        """Replay the network on series of the test part; see
        ``NetworkMember.trace``."""
        shown = self._test.take(np.asarray(images, dtype=np.intp))
        predicted, steps, settled = self._read(shown.x)
        with torch.no_grad(), finer_steps(self.network, steps):
            trajectories = self.network.trajectories(torch.from_numpy(shown.x))
        return Trace(
            **trace_fields(self.network, images, shown.x, trajectories),
            labels=shown.label,
            predicted=predicted,
            steps_per_point=steps if settled else None,
        )
