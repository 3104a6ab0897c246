"""How a network is trained, scored and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ..networks.kernels.updates import Updates
from ..networks.simulated_chips import Training
from .scoring import Accuracy, ideal_accuracy
from .solved_equation import close


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a network is scored and compared; the defaults are for classification."""

    score: Accuracy = ideal_accuracy
    """Measures the score, after epochs and at the end."""
    worst: float = 0.0
    """Score of a network with a weight that is not finite."""
    agree: Callable[[float, float], bool] = close
    """Returns whether scores at a coarse and at a fine integration step agree."""
    relative: bool = False
    """Whether scores are compared by their ratio."""
    updates: Updates | None = None
    """How a batch changes the weights; by default, along the gradient."""
    before_epoch: Callable[[], None] | None = None
    """Changes the weights before each epoch, as a function of the weights alone."""
    devices: Training | None = None
    """Spread and noise of devices in training; None: the ideal network."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train."""

    epochs: int
    batch_size: int
    lr0: float
    """Learning rate of the first epoch."""
    lr_decay: float
    """Epochs after which the learning rate has halved."""
    max_gradient: float = 1.0
    """Every gradient element is clipped to ± this value."""
    ema_decay: float = 0.0
    """Weights from k epochs ago count this to the power of k in the average; 0: no
    average."""
    label_smoothing: float = 0.0
    """Part of the loss that is the mean loss over all classes; classification only."""
    score_every: int = 1
    """Epochs from one score to the next; see ``scores``."""

    measure: Measure = Measure()

    @classmethod
    def from_params(cls, params: Any, measure: Measure | None = None) -> Recipe:
        """Return how to train, by the parameters of a network."""
        names = {one.name for one in fields(cls)} - {"measure"}
        values = {name: getattr(params, name) for name in names}
        return cls(**values, measure=measure or Measure())

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of ``epoch``, from 0: ``lr0 / (epoch / lr_decay +
        1)``."""
        return self.lr0 / (epoch / self.lr_decay + 1.0)

    def scores(self, epoch: int) -> bool:
        """Return whether the network is scored after ``epoch`` epochs: it always is at
        the end."""
        return epoch % self.score_every == 0 or epoch == self.epochs
