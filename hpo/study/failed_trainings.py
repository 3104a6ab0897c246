"""Trainings that failed, found by a gap in the training losses of one configuration.

From some seeds a network does not learn, though others of the same configuration do.
The mean of both describes neither. Test scores must not decide which is which, so the
last training losses do: a network has failed if it has kept more than a third of the
loss that it began with, or if its loss is not finite. It began with the loss of the
first epoch (the median of all networks), but with no more than that of a network that
knows the classes' shares alone: a large learning rate raises the loss at first.

This counts only where a clean gap parts the networks: the least loss of those that
failed is at least four times the largest of the others.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MOST_KEPT = 1 / 3
GAP = 4.0


@dataclass(frozen=True, kw_only=True)
class FailedTrainings:
    """The networks of a configuration that failed, and the scores of the others."""

    failed: tuple[int, ...]
    """Their places among the networks."""
    least_loss: float
    """The least last training loss of a failed network."""
    largest_loss: float
    """The largest one of the others."""
    others: tuple[float, ...]
    """Scores of the others."""

    @property
    def mean(self) -> float:
        """The mean score of the others."""
        return statistics.fmean(self.others)

    @property
    def std(self) -> float | None:
        """Their sample standard deviation; None of one."""
        if len(self.others) < 2:
            return None
        return statistics.stdev(self.others)


def find_failed(
    loss_curves: Sequence[Sequence[float]],
    scores: Sequence[float],
    chance: float | None = None,
) -> FailedTrainings | None:
    """Return the networks that failed; None if none did, or all.

    Args:
        loss_curves: of each network the training loss of each epoch, or of the first
            and the last.
        scores: of each network.
        chance: accuracy of the largest class, if the networks classify.
    """
    if not loss_curves or not all(loss_curves):
        return None
    begun = [_finite(curve[0]) for curve in loss_curves]
    last = [_finite(curve[-1]) for curve in loss_curves]
    if last == begun:  # of one epoch, as of a readout that is fitted once
        return None
    first = statistics.median(begun)
    if chance is not None:
        first = min(first, chance_loss(chance))
    most = MOST_KEPT * first
    kept = [loss for loss in last if loss > most]
    lost = [loss for loss in last if loss <= most]
    if not kept or not lost or min(kept) < GAP * max(lost):
        return None
    return FailedTrainings(
        failed=tuple(k for k, loss in enumerate(last) if loss > most),
        least_loss=min(kept),
        largest_loss=max(lost),
        others=tuple(s for s, loss in zip(scores, last, strict=True) if loss <= most),
    )


def chance_loss(share: float) -> float:
    """Return a lower bound of the entropy of classes, in nats, by the share of the
    largest.

    Exact for classes of equal size, and for two.

    Examples:
        >>> [round(chance_loss(share), 3) for share in (0.1, 1 / 3, 0.5, 0.87, 1.0)]
        [2.303, 1.099, 0.693, 0.386, 0.0]
    """
    if not 0.0 < share < 1.0:
        return 0.0
    rest = 1.0 - share
    two_classes = -share * math.log(share) - rest * math.log(rest)
    return max(-math.log(share), two_classes)


def _finite(loss: float) -> float:
    """Return a loss; infinity in place of NaN."""
    return math.inf if math.isnan(loss) else loss
