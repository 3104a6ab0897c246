"""Training of one member by backpropagation through time.

As in arXiv:2408.02835, section III: Adam on the negative log-likelihood of the class
read out after the last time point, every gradient element clipped, a learning rate that
decays with the epochs. Optionally, an exponential average of the weights over epochs is
scored, and kept in the end (P. Izmailov et al., arXiv:1803.05407): single epochs may
fail.
"""

from __future__ import annotations

import io
import itertools
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpo.contract import OnEpoch, Outcome, Progress, Protocol

from ..data.examples import Examples, Split
from ..networks.devices import Training
from ..networks.kernels.chips import IDEAL
from ..networks.kernels.updates import Descent, FusedUpdates, TorchUpdates, Updates
from ..networks.layered import LayeredNetwork
from ..randomness import stream
from .scoring import (
    Accuracy,
    batches,
    ideal_accuracy,
    is_finite,
    network_device,
    noisy_input,
    score,
)

Identity = Mapping[str, str | int | float | bool]
"""The training of a checkpoint: parameters, task, protocol and seed, by name."""

CHECKPOINT_FORMAT = 1


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

    @classmethod
    def from_params(cls, params: Any) -> Recipe:
        """Return how to train, by the parameters of a network."""
        return cls(**{item.name: getattr(params, item.name) for item in fields(cls)})

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of ``epoch``, from 0: ``lr0 / (epoch / lr_decay +
        1)``."""
        return self.lr0 / (epoch / self.lr_decay + 1.0)

    def scores(self, epoch: int) -> bool:
        """Return whether the network is scored after ``epoch`` epochs: it always is at
        the end."""
        return epoch % self.score_every == 0 or epoch == self.epochs


@dataclass(kw_only=True)
class _Run:
    """A running training; its state is the checkpoint."""

    network: nn.Module
    recipe: Recipe
    optimizer: torch.optim.Adam
    accuracy: Accuracy
    worst: float
    epoch: int = 0
    """Epochs finished."""
    curve: list[float] = field(default_factory=list)
    loss_curve: list[float] = field(default_factory=list)
    diverged: bool = False
    n_skipped_updates: int = 0
    average: dict[str, Tensor] = field(default_factory=dict)
    """Averages of the weights, by name; empty if the last weights are scored."""

    def finish_epoch(self) -> None:
        """Count the epoch, and add the present weights to the average."""
        decay = self.recipe.ema_decay
        if decay:
            share = (1.0 - decay) / (1.0 - decay ** (self.epoch + 1))
            for name, weight in self._weights.items():
                average = self.average.setdefault(name, weight.detach().clone())
                average.lerp_(weight.detach(), share)
        self.epoch += 1

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the network the averaged weights, if any, within a block."""
        weights = self._weights
        last = {name: weights[name].detach().clone() for name in self.average}
        self.set_weights(self.average)
        try:
            yield
        finally:
            self.set_weights(last)

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set weights of the network by name."""
        parameters = self._weights
        with torch.no_grad():
            for name, weight in weights.items():
                parameters[name].copy_(weight)

    @property
    def _weights(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def score(self, examples: Examples) -> float:
        with self.averaged():
            value, finite = score(self.network, examples, self.accuracy, self.worst)
        self.diverged = self.diverged or not finite
        return value

    def progress(self, score: float | None, identity: Identity) -> Progress:
        return Progress(
            epoch=self.epoch, score=score, checkpoint=partial(self.save, identity)
        )

    def save(self, identity: Identity) -> bytes:
        buffer = io.BytesIO()
        state = {
            "format": CHECKPOINT_FORMAT,
            "identity": dict(identity),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "curve": self.curve,
            "loss_curve": self.loss_curve,
            "diverged": self.diverged,
            "n_skipped_updates": self.n_skipped_updates,
            "average": self.average,
        }
        torch.save(state, buffer)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes, identity: Identity) -> None:
        state = _read_checkpoint(checkpoint, identity)
        for name, constant in self.network.named_buffers():
            if not torch.equal(constant.cpu(), state["network"][name]):
                raise ValueError(
                    f"checkpoint: `{name}` differs from what this seed draws. It was"
                    " written with another version of numpy: train this member again."
                )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.curve = state["curve"]
        self.loss_curve = state["loss_curve"]
        self.diverged = state["diverged"]
        self.n_skipped_updates = state["n_skipped_updates"]
        device = network_device(self.network)
        self.average = {
            name: weight.to(device) for name, weight in state["average"].items()
        }


def train(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    protocol: Protocol,
    member_seed: int,
    identity: Identity,
    on_epoch: OnEpoch,
    resume: bytes | None = None,
    accuracy: Accuracy = ideal_accuracy,
    worst: float = 0.0,
    updates: Updates | None = None,
    before_epoch: Callable[[], None] | None = None,
    devices: Training | None = None,
) -> Outcome:
    """Train and score ``network``, a single member, in place.

    Args:
        network: maps inputs (batch, time, channels) to logits (1, batch, classes). Its
            buffers are constants drawn from the seed.
        split: examples to train on and to score on.
        recipe: how to train.
        protocol: under ``Protocol.CONFIRM`` the network is scored once, after the last
            epoch.
        member_seed: seed of the batch order.
        identity: written into every checkpoint; see ``Identity``.
        on_epoch: called after every epoch; its exceptions pass through.
        resume: a checkpoint to resume from.
        accuracy: measures the score, after epochs and at the end.
        worst: the score of a network with a weight that is not finite.
        updates: how a batch changes the weights; by default, along the gradient.
        before_epoch: changes the weights before each epoch, as a function of the
            weights alone.
        devices: spread and noise in training; None: the ideal network.

    Returns:
        The outcome, with ``n_skipped_updates`` (see ``Updates``) in its ``info``. Its
        curves have their full length even after a divergence.

    Raises:
        ValueError: the checkpoint is damaged or belongs to another training.
    """
    # fused: one operation per weight matrix instead of a dozen
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr0, fused=True)
    run = _Run(
        network=network,
        recipe=recipe,
        optimizer=optimizer,
        accuracy=accuracy,
        worst=worst,
    )
    if resume is not None:
        run.restore(resume, identity)
    devices = devices if devices and devices.varies else None
    noisy = devices is not None and devices.noisy
    updates = updates or choose_updates(network, optimizer, split.train, noisy=noisy)
    while run.epoch < recipe.epochs:
        if before_epoch is not None:
            before_epoch()
            updates = choose_updates(network, optimizer, split.train, noisy=noisy)
        order = stream(member_seed, f"batch order/{run.epoch}").permutation(
            len(split.train)
        )
        loss, n_skipped = train_epoch(
            network,
            updates,
            split.train.take(order),
            recipe=recipe,
            epoch=run.epoch,
            devices=devices,
        )
        run.loss_curve.append(loss)
        run.n_skipped_updates += n_skipped
        run.diverged = run.diverged or not math.isfinite(loss)
        run.finish_epoch()
        value = None
        if protocol is not Protocol.CONFIRM and recipe.scores(run.epoch):
            value = run.score(split.score)
            run.curve.append(value)
        on_epoch(run.progress(value, identity))
    run.set_weights(run.average)
    return Outcome(
        score=run.curve[-1] if run.curve else run.score(split.score),
        curve=tuple(run.curve),
        loss_curve=tuple(run.loss_curve),
        diverged=run.diverged,
        info={"n_skipped_updates": run.n_skipped_updates},
    )


def choose_updates(
    network: nn.Module,
    optimizer: torch.optim.Adam,
    examples: Examples,
    *,
    noisy: bool = False,
) -> Updates:
    """Return updates by the kernels if possible, else by PyTorch; ``noisy``: neurons
    may jump."""
    if not isinstance(network, LayeredNetwork) or len(network.bias) > 1:
        return TorchUpdates(network, optimizer)
    if not network.computes_fused(torch.from_numpy(next(examples.batches(1)).x)):
        return TorchUpdates(network, optimizer)
    n = network
    parameters = (n.w_in, n.w_inter, n.w_intra, n.bias, n.w_out, n.bias_out)
    kernel = network.kernel(0, noisy=noisy)
    return FusedUpdates(kernel, parameters, optimizer, network.threads)


def train_epoch(
    network: nn.Module,
    updates: Updates,
    examples: Examples,
    *,
    recipe: Recipe,
    epoch: int,
    devices: Training | None = None,
) -> tuple[float, int]:
    """Train once on ``examples``, in their order.

    A network with a weight that is not finite is not trained: the weight never
    recovers.

    Returns:
        The mean loss, NaN without any training, and the number of updates skipped.
    """
    if not is_finite(network):
        return math.nan, 0
    total, n_skipped = 0.0, 0
    descent = Descent(
        learning_rate=recipe.learning_rate(epoch),
        max_gradient=recipe.max_gradient,
        label_smoothing=recipe.label_smoothing,
    )
    size = devices.variability.input_noise if devices and devices.variability else 0.0
    ideal = itertools.repeat((IDEAL, np.random.default_rng(0)))
    chips = devices.chips(epoch, examples.shape[1]) if devices else ideal
    parts = batches(examples, recipe.batch_size, network_device(network))
    for (u, label), (chip, inputs) in zip(parts, chips, strict=False):
        u = noisy_input(u, size, inputs)
        loss, moved = updates.update(u, label, descent, chip)
        total += loss * len(label)
        n_skipped += not moved
    updates.settle()
    return total / len(examples), n_skipped


def _read_checkpoint(checkpoint: bytes, identity: Identity) -> dict[str, Any]:
    """Return the state in ``checkpoint``; check that it is of the training
    ``identity``."""
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(checkpoint), map_location="cpu", weights_only=True
        )
        stored, version = state["identity"], state["format"]
    except (
        RuntimeError,
        EOFError,
        KeyError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        raise ValueError(
            "checkpoint: expected bytes of `Progress.checkpoint()`, got"
            f" {len(checkpoint)} other bytes ({type(error).__name__}). Train this"
            " member again."
        ) from error
    if version != CHECKPOINT_FORMAT:
        raise ValueError(
            f"checkpoint: expected format {CHECKPOINT_FORMAT}, got {version}. "
            "It was written by another version: train this member again."
        )
    for name in sorted(stored.keys() | identity.keys()):
        if stored.get(name) != identity.get(name):
            raise ValueError(
                f"checkpoint: expected `{name} == {identity.get(name)!r}`, got "
                f"{name}={stored.get(name)!r}. Resume with the arguments that wrote it."
            )
    return state
