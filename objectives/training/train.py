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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields

import torch
from torch import Tensor, nn

from hpo.contract import (
    OnEpoch,
    Outcome,
    Progress,
    Protocol,
)

from ..data.examples import Examples, Split
from ..networks.input_errors import InputErrors
from ..networks.kernels.chips import IDEAL, Chip
from ..networks.kernels.updates import Descent, FusedUpdates, TorchUpdates, Updates
from ..networks.layered import LayeredNetwork
from ..networks.simulated_chips import Training
from ..randomness import stream
from .checkpoint import CHECKPOINT_FORMAT, Identity, read_checkpoint
from .recipe import Recipe
from .scoring import (
    batches,
    is_finite,
    network_device,
    score,
)


@dataclass(kw_only=True)
class _History:
    """What has happened in a training."""

    epoch: int = 0
    """Epochs finished."""
    curve: list[float] = field(default_factory=list)
    loss_curve: list[float] = field(default_factory=list)
    diverged: bool = False
    n_skipped_updates: int = 0

    def outcome(self, score: float) -> Outcome:
        """Return the outcome with this final score."""
        return Outcome(
            score=score,
            curve=tuple(self.curve),
            loss_curve=tuple(self.loss_curve),
            diverged=self.diverged,
            info={"n_skipped_updates": self.n_skipped_updates},
        )


@dataclass(kw_only=True)
class _Run:
    """A running training; its state is the checkpoint."""

    network: nn.Module
    recipe: Recipe
    identity: Identity
    optimizer: torch.optim.Adam
    updates: Updates | None
    history: _History = field(default_factory=_History)
    average: dict[str, Tensor] = field(default_factory=dict)
    """Averages of the weights, by name; empty if the last weights are scored."""

    def train(self, examples: Examples, seed: int) -> None:
        """Train one epoch, on examples in the order that ``seed`` draws."""
        measure = self.recipe.measure
        history = self.history
        devices = measure.devices
        if devices is not None and not devices.varies:
            devices = None
        if measure.before_epoch is not None:
            measure.before_epoch()
            self.updates = None
        if self.updates is None:
            noisy = devices is not None and devices.noisy
            self.updates = choose_updates(
                self.network, self.optimizer, examples, noisy=noisy
            )
        random = stream(seed, f"batch order/{history.epoch}")
        loss, n_skipped = train_epoch(
            self.network,
            self.updates,
            examples.take(random.permutation(len(examples))),
            recipe=self.recipe,
            epoch=history.epoch,
            devices=devices,
        )
        history.loss_curve.append(loss)
        history.n_skipped_updates += n_skipped
        history.diverged = history.diverged or not math.isfinite(loss)
        self.finish_epoch()

    def finish_epoch(self) -> None:
        """Count the epoch, and add the present weights to the average."""
        decay = self.recipe.ema_decay
        if decay:
            share = (1.0 - decay) / (1.0 - decay ** (self.history.epoch + 1))
            for name, weight in self.network.named_parameters():
                average = self.average.setdefault(name, weight.detach().clone())
                average.lerp_(weight.detach(), share)
        self.history.epoch += 1

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the network the averaged weights, if any, within a block."""
        weights = dict(self.network.named_parameters())
        last = {name: weights[name].detach().clone() for name in self.average}
        self.set_weights(self.average)
        try:
            yield
        finally:
            self.set_weights(last)

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set weights of the network by name."""
        parameters = dict(self.network.named_parameters())
        with torch.no_grad():
            for name, weight in weights.items():
                parameters[name].copy_(weight)

    def score(self, examples: Examples) -> float:
        measure = self.recipe.measure
        with self.averaged():
            value, finite = score(self.network, examples, measure.score, measure.worst)
        if not finite:
            self.history.diverged = True
        return value

    def save(self) -> bytes:
        buffer = io.BytesIO()
        state = {
            "format": CHECKPOINT_FORMAT,
            "identity": dict(self.identity),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            **asdict(self.history),
        }
        torch.save(state, buffer)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes) -> None:
        state = read_checkpoint(checkpoint, self.identity)
        for name, constant in self.network.named_buffers():
            if not torch.equal(constant.cpu(), state["network"][name]):
                raise ValueError(
                    f"checkpoint: `{name}` differs from what this seed draws. It was"
                    " written with another version of numpy: train this member again."
                )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = _History(
            **{one.name: state[one.name] for one in fields(_History)}
        )
        device = network_device(self.network)
        for name, weight in state["average"].items():
            self.average[name] = weight.to(device)

    def finish(self, examples: Examples) -> Outcome:
        """Keep the averaged weights; return the outcome, with the last score."""
        self.set_weights(self.average)
        curve = self.history.curve
        final = curve[-1] if curve else self.score(examples)
        return self.history.outcome(final)


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
) -> Outcome:
    """Train and score ``network``, a single member, in place.

    Args:
        network: maps inputs (batch, time, channels) to logits (1, batch, classes). Its
            buffers are constants drawn from the seed.
        split: examples to train on and to score on.
        recipe: how to train, and how to score.
        protocol: ``Protocol.CONFIRM`` scores the network once, after the last epoch.
        member_seed: seed of the batch order.
        identity: written into every checkpoint; see ``Identity``.
        on_epoch: called after every epoch; its exceptions pass through.
        resume: a checkpoint to resume from.

    Returns:
        The outcome, with ``n_skipped_updates`` (see ``Updates``) in its ``info``. Its
        curves have their full length even after a divergence.

    Raises:
        ValueError: the checkpoint is damaged or belongs to another training.
    """
    run = _Run(
        network=network,
        recipe=recipe,
        identity=identity,
        # fused: one operation per weight matrix instead of a dozen
        optimizer=torch.optim.Adam(network.parameters(), lr=recipe.lr0, fused=True),
        updates=recipe.measure.updates,
    )
    if resume is not None:
        run.restore(resume)
    history = run.history
    while history.epoch < recipe.epochs:
        run.train(split.train, member_seed)
        value = None
        if protocol is not Protocol.CONFIRM and recipe.scores(history.epoch):
            value = run.score(split.score)
            history.curve.append(value)
        on_epoch(Progress(epoch=history.epoch, score=value, checkpoint=run.save))
    return run.finish(split.score)


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
    if type(network).forward is not LayeredNetwork.forward:
        return TorchUpdates(network, optimizer)  # the kernels know only that readout
    if not network.computes_fused(torch.from_numpy(next(examples.batches(1)).x)):
        return TorchUpdates(network, optimizer)
    n = network
    parameters = (n.w_in, n.w_inter, n.w_intra, n.bias, n.w_out, n.bias_out)
    return FusedUpdates(n.kernel(0, noisy=noisy), parameters, optimizer, n.threads)


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
    total = 0.0
    n_skipped = 0
    descent = Descent(
        learning_rate=recipe.learning_rate(epoch),
        max_gradient=recipe.max_gradient,
        label_smoothing=recipe.label_smoothing,
    )
    chips: Iterator[tuple[Chip, InputErrors]] = itertools.repeat((IDEAL, _exactly))
    if devices is not None:
        chips = devices.chips(epoch, examples.shape[1])
    parts = batches(examples, recipe.batch_size, network_device(network))
    for (u, label), (chip, errors) in zip(parts, chips, strict=False):
        loss, moved = updates.update(errors(u), label, descent, chip)
        total += loss * len(label)
        n_skipped += not moved
    updates.settle()
    return total / len(examples), n_skipped


def _exactly(u: Tensor) -> Tensor:
    """Return the input as it is."""
    return u
