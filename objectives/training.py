"""Training of one member by backpropagation through time, whatever its network.

As in arXiv:2408.02835, section III: Adam on the negative log-likelihood of the class read out after
the last time point, every gradient element clipped, a learning rate that decays with the epochs.
On request, the weights that are scored, and left in the end, are an average over epochs
(P. Izmailov et al., arXiv:1803.05407; exponential, as Adam's moments are): single epochs may fail.
"""

from __future__ import annotations

import io
import itertools
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpo.objectives.contract import OnEpoch, Outcome, Progress, Protocol
from hpo.objectives.networks.devices import Training
from hpo.objectives.networks.kernels.chips import IDEAL
from hpo.objectives.networks.kernels.updates import FusedUpdates, TorchUpdates, Updates
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.randomness import stream
from hpo.objectives.scoring import (
    Accuracy,
    batches,
    device_of,
    ideal_accuracy,
    is_finite,
    noisy_input,
    score,
)
from hpo.objectives.tasks.data import Examples, Split

Identity = Mapping[str, str | int | float | bool]
"""What a checkpoint belongs to: parameters, task, protocol and seed, by name."""

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
    """Every element of every gradient is clipped to ± this."""
    ema_decay: float = 0.0
    """Weights of k epochs before count so much to the power of k in the average that is scored."""
    label_smoothing: float = 0.0
    """Part of the loss that is the mean loss over all classes, of tasks that have some."""
    score_every: int = 1
    """Epochs from one score to the next, see ``scores``."""

    def learning_rate(self, epoch: int) -> float:
        """Learning rate of ``epoch``, from 0: ``lr0 / (epoch / lr_decay + 1)``."""
        return self.lr0 / (epoch / self.lr_decay + 1.0)

    def scores(self, epoch: int) -> bool:
        """Whether the network is scored after so many epochs: the last one always is."""
        return epoch % self.score_every == 0 or epoch == self.epochs


@dataclass(kw_only=True)
class _Run:
    """A training under way; its state is the checkpoint."""

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
    """Of the weights, by name; empty where the last ones are scored."""

    def finish_epoch(self) -> None:
        """Let the weights count in the average that they have now."""
        decay = self.recipe.ema_decay
        if decay:
            share = (1.0 - decay) / (1.0 - decay ** (self.epoch + 1))
            for name, weight in self._weights.items():
                own = self.average.setdefault(name, weight.detach().clone())
                own.lerp_(weight.detach(), share)
        self.epoch += 1

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with the average, if there is one, until the end of the block."""
        weights = self._weights
        last = {name: weights[name].detach().clone() for name in self.average}
        self.take(self.average)
        try:
            yield
        finally:
            self.take(last)

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Give the network weights by name."""
        own = self._weights
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)

    @property
    def _weights(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def score(self, examples: Examples) -> float:
        with self.averaged():
            found, finite = score(self.network, examples, self.accuracy, self.worst)
        self.diverged = self.diverged or not finite
        return found

    def progress(self, score: float | None, identity: Identity) -> Progress:
        return Progress(epoch=self.epoch, score=score, checkpoint=partial(self.save, identity))

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
                    f"checkpoint: `{name}` differs from the one that this seed draws. It was "
                    "written with another version of numpy: train this member again."
                )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.curve = state["curve"]
        self.loss_curve = state["loss_curve"]
        self.diverged = state["diverged"]
        self.n_skipped_updates = state["n_skipped_updates"]
        device = device_of(self.network)
        self.average = {name: weight.to(device) for name, weight in state["average"].items()}


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
        network: maps inputs (batch, time, channels) to logits (1, batch, classes). Its parameters
            are trained; its buffers are constants drawn from the seed.
        split: examples to train and to score on.
        recipe: how to train.
        protocol: under ``Protocol.CONFIRM`` the score is taken once, after the last epoch.
        member_seed: seed of the batch order.
        identity: what makes this training the one that it is; written into every checkpoint.
        on_epoch: told of every epoch; what it raises passes through.
        resume: a checkpoint to go on from.
        accuracy: how it is scored, after epochs and at the end.
        worst: the score of a network with a weight that is not finite.
        updates: how a batch changes the weights; by default, along the gradient.
        before_epoch: changes the weights before each epoch, by what they are alone; gradients
            change them then.
        devices: what training sees of them; None: the ideal network.

    Returns:
        The outcome; its ``info`` holds ``n_skipped_updates``, see ``Updates``. After a divergence
        its curves keep their length.

    Raises:
        ValueError: the checkpoint is damaged or belongs to another training.
    """
    # fused: one operation for each weight matrix instead of a dozen
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr0, fused=True)
    run = _Run(network=network, recipe=recipe, optimizer=optimizer, accuracy=accuracy, worst=worst)
    if resume is not None:
        run.restore(resume, identity)
    devices = devices if devices and devices.varies else None
    noisy = devices is not None and devices.noisy
    updates = updates or updates_of(network, optimizer, split.train, noisy=noisy)
    while run.epoch < recipe.epochs:
        if before_epoch is not None:
            before_epoch()
            updates = updates_of(network, optimizer, split.train, noisy=noisy)
        order = stream(member_seed, f"batch order/{run.epoch}").permutation(len(split.train))
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
        found = None
        if protocol is not Protocol.CONFIRM and recipe.scores(run.epoch):
            found = run.score(split.score)
            run.curve.append(found)
        on_epoch(run.progress(found, identity))
    run.take(run.average)
    return Outcome(
        score=run.curve[-1] if run.curve else run.score(split.score),
        curve=tuple(run.curve),
        loss_curve=tuple(run.loss_curve),
        diverged=run.diverged,
        info={"n_skipped_updates": run.n_skipped_updates},
    )


def updates_of(
    network: nn.Module, optimizer: torch.optim.Adam, examples: Examples, *, noisy: bool = False
) -> Updates:
    """Updates by the kernels where they can, else by PyTorch; ``noisy``: neurons may jump."""
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

    A weight that is not finite never becomes finite again: nothing is left to train then.

    Returns:
        The mean loss, NaN without any training, and the number of updates skipped.
    """
    if not is_finite(network):
        return math.nan, 0
    total, n_skipped = 0.0, 0
    learning_rate = recipe.learning_rate(epoch)
    size = devices.variability.input_noise if devices and devices.variability else 0.0
    ideal = itertools.repeat((IDEAL, np.random.default_rng(0)))
    chips = devices.chips(epoch, examples.shape[1]) if devices else ideal
    every = batches(examples, recipe.batch_size, device_of(network))
    for (u, label), (chip, inputs) in zip(every, chips, strict=False):
        loss, moved = updates.update(
            noisy_input(u, size, inputs),
            label,
            learning_rate=learning_rate,
            max_gradient=recipe.max_gradient,
            label_smoothing=recipe.label_smoothing,
            chip=chip,
        )
        total += loss * len(label)
        n_skipped += not moved
    updates.settle()
    return total / len(examples), n_skipped


def _read_checkpoint(checkpoint: bytes, identity: Identity) -> dict[str, Any]:
    """The state in ``checkpoint``, once it is known to belong to the training ``identity``."""
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(checkpoint), map_location="cpu", weights_only=True
        )
        found, version = state["identity"], state["format"]
    except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise ValueError(
            "checkpoint: expected bytes of `Progress.checkpoint()`, got "
            f"{len(checkpoint)} other bytes ({type(error).__name__}). Train this member again."
        ) from error
    if version != CHECKPOINT_FORMAT:
        raise ValueError(
            f"checkpoint: expected format {CHECKPOINT_FORMAT}, got {version}. "
            "It was written by another version: train this member again."
        )
    for name in sorted(found.keys() | identity.keys()):
        if found.get(name) != identity.get(name):
            raise ValueError(
                f"checkpoint: expected `{name} == {identity.get(name)!r}`, got "
                f"{name}={found.get(name)!r}. Resume with the arguments that wrote it."
            )
    return state
