"""Trainings of a network in a benchmark: ours, and any logits in PyTorch."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from benchmarks.networks.loops import Logits, Named
from hpo.objectives.data.examples import Examples
from hpo.objectives.training.recipe import Recipe
from hpo.objectives.training.train import choose_updates, train_epoch

BATCH = 120
LR = 1e-3
Array = NDArray[np.float32]


class Runner(Protocol):
    """Trains one network on the batches of the examples, in their order, over and
    over."""

    def reset(self) -> None:
        """Begin anew, with the weights that there were at first."""

    def advance(self) -> tuple[int, float]:
        """Train a little: number of series, and their mean loss."""

    def logits(self, u: Array) -> Array:
        """With the weights that there were at first, (batch, outputs)."""


class TorchRunner:
    """Trains by autograd; members side by side, if the parameters have a dimension for
    them."""

    def __init__(
        self, logits: Logits, parameters: Named, masks: Named, examples: Examples
    ) -> None:
        """Take copies of the parameters."""
        self._logits = logits
        self._start = parameters
        self._masks = masks
        x = torch.from_numpy(examples.x)
        label = torch.from_numpy(examples.label)
        self._batches = list(
            zip(torch.split(x, BATCH), torch.split(label, BATCH), strict=True)
        )
        self.reset()

    def reset(self) -> None:
        """See ``Runner``."""
        self._n = 0
        self._own = {
            n: p.detach().clone().requires_grad_() for n, p in self._start.items()
        }
        self._optimizer = torch.optim.Adam(self._own.values(), lr=LR)

    def advance(self) -> tuple[int, float]:
        """See ``Runner``."""
        u, label = self._batches[self._n % len(self._batches)]
        self._n += 1
        self._optimizer.zero_grad()
        values = self._logits(u, self._own, self._masks)
        several = values.reshape(
            -1, values.shape[-1]
        )  # members side by side, if there are any
        loss = functional.cross_entropy(
            several, label.repeat(len(several) // len(label))
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_value_(self._own.values(), 1.0)
        self._optimizer.step()
        return len(label), loss.item()

    def logits(self, u: Array) -> Array:
        """See ``Runner``."""
        with torch.no_grad():
            return self._logits(torch.from_numpy(u), self._start, self._masks).numpy()


class OurRunner:
    """Trains by the loop that studies run, epoch by epoch, without scoring."""

    def __init__(self, network: Any, examples: Examples) -> None:
        """Take the network itself: it is trained in place."""
        self._network = network
        self._examples = examples
        self._start = [p.detach().clone() for p in network.parameters()]
        self._recipe = Recipe(epochs=1, batch_size=BATCH, lr0=LR, lr_decay=1.0)
        self.reset()

    def reset(self) -> None:
        """See ``Runner``."""
        with torch.no_grad():
            for parameter, value in zip(
                self._network.parameters(), self._start, strict=True
            ):
                parameter.copy_(value)
        optimizer = torch.optim.Adam(self._network.parameters(), lr=LR, fused=True)
        self._updates = choose_updates(self._network, optimizer, self._examples)

    def advance(self) -> tuple[int, float]:
        """See ``Runner``."""
        loss, _ = train_epoch(
            self._network, self._updates, self._examples, recipe=self._recipe, epoch=0
        )
        return len(self._examples), loss

    def logits(self, u: Array) -> Array:
        """See ``Runner``."""
        self.reset()
        with torch.no_grad():
            values: Array = self._network(torch.from_numpy(u))[0].numpy()
            return values
