"""The training loop, on a network that is none of ours: a linear layer, or worse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_network import ToyMember, ToyNetworkObjective
from toy_objective import ToyParams, ToyTask

from hpo.contract import OnEpoch, Outcome, Protocol
from hpo.objectives.data.examples import Examples, Split
from hpo.objectives.randomness import stream
from hpo.objectives.training.checkpoint import Identity
from hpo.objectives.training.recipe import Recipe
from hpo.objectives.training.train import train

N_TRAIN, N_SCORE, N_CLASSES = 50, 20, 3
IDENTITY = {"lr0": 0.05, "member_seed": 0}
RECIPE = Recipe(epochs=4, batch_size=16, lr0=0.05, lr_decay=3.0)


class Linear(nn.Module):
    """Logits (1, batch, classes) of a linear layer; remembers the sizes of its
    batches."""

    constant: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(N_CLASSES, 4))
        self.register_buffer("constant", torch.ones(2))
        self.sizes: list[int] = []

    def forward(self, u: Tensor) -> Tensor:
        self.sizes.append(len(u))
        return (u[:, :, 0] @ self.weight.mT).unsqueeze(0)


def split() -> Split:
    generator = stream(0, "data")

    def examples(n: int) -> Examples:
        label = generator.integers(N_CLASSES, size=n)
        x = (
            generator.normal(size=(n, 4, 1))
            + np.eye(N_CLASSES, 4)[label][:, :, None] * 2
        )
        return Examples(x=x.astype(np.float32), label=label)

    return Split(train=examples(N_TRAIN), score=examples(N_SCORE), n_classes=N_CLASSES)


def run(
    network: nn.Module | None = None,
    *,
    recipe: Recipe = RECIPE,
    protocol: Protocol = Protocol.VALIDATION,
    identity: Identity = IDENTITY,
    on_epoch: OnEpoch = lambda progress: None,
    resume: bytes | None = None,
) -> Outcome:
    return train(
        network or Linear(),
        split(),
        recipe,
        protocol=protocol,
        member_seed=0,
        identity=identity,
        on_epoch=on_epoch,
        resume=resume,
    )


def checkpoint_after(epoch: int) -> bytes:
    kept: list[bytes] = []
    run(on_epoch=lambda progress: kept.append(progress.checkpoint()))
    return kept[epoch - 1]


def test_it_learns() -> None:
    outcome = run(recipe=replace(RECIPE, epochs=20))
    assert outcome.score > 0.7
    assert outcome.loss_curve[0] == pytest.approx(math.log(N_CLASSES), abs=0.2)
    assert outcome.loss_curve[-1] < 0.7
    assert not outcome.diverged


def test_learning_rate_of_each_epoch_reaches_the_weights() -> None:
    """Adam moves a weight of constant gradient by the learning rate, whatever its
    size."""

    class Slope(Linear):
        def forward(self, u: Tensor) -> Tensor:
            rows = self.weight[:, :1].mT.expand(len(u), N_CLASSES)
            return (rows - rows.detach() + torch.tensor([0.0, -99.0, -99.0])).unsqueeze(
                0
            )

    network = Slope()
    seen = [0.0]
    data = split()
    data.train.label[:] = 1
    train(
        network,
        data,
        Recipe(epochs=3, batch_size=N_TRAIN, lr0=0.1, lr_decay=2.0),
        protocol=Protocol.CONFIRM,
        member_seed=0,
        identity=IDENTITY,
        on_epoch=lambda progress: seen.append(network.weight[1, 0].item()),
    )
    assert np.diff(seen) == pytest.approx([0.1, 0.1 / 1.5, 0.1 / 2.0], rel=1e-4)


def test_every_image_is_seen_once_an_epoch_and_the_last_batch_is_smaller() -> None:
    network = Linear()
    run(network, protocol=Protocol.CONFIRM, recipe=replace(RECIPE, epochs=2))
    assert network.sizes == [16, 16, 16, 2] * 2 + [N_SCORE]


def test_the_average_over_epochs_is_what_is_left() -> None:
    last, averaged = Linear(), Linear()
    weights: list[Tensor] = []
    run(last, on_epoch=lambda _: weights.append(last.weight.detach().clone()))
    run(averaged, recipe=replace(RECIPE, ema_decay=0.5))
    a, b, c, d = weights
    assert torch.allclose(averaged.weight, (a + 2 * b + 4 * c + 8 * d) / 15)


def test_checkpoint_whose_constants_were_drawn_otherwise_is_refused() -> None:
    network = Linear()
    network.constant += 1
    with pytest.raises(ValueError, match="another version of numpy"):
        run(network, resume=checkpoint_after(1))


@pytest.mark.parametrize("cut", [0, 10, 500])
def test_damaged_checkpoint_is_refused(cut: int) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^checkpoint: .* got {cut} other bytes .*Train this member again",
    ):
        run(resume=checkpoint_after(1)[:cut])


class Troubled(Linear):
    """Linear, but for the sixth batch: ``trouble`` happens to it in the second
    epoch."""

    def __init__(self, trouble: Callable[[Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.trouble = trouble

    def forward(self, u: Tensor) -> Tensor:
        logits: Tensor = super().forward(u)
        return self.trouble(self, logits) if self.training_batches() == 6 else logits

    def training_batches(self) -> int:
        return sum(size != N_SCORE for size in self.sizes)


def nan_logits(network: Linear, logits: Tensor) -> Tensor:
    return logits * math.nan


def with_gradients(value: float, logits: Tensor) -> Tensor:
    """The same logits; one element of their gradient becomes ``value``."""

    def spoil(gradient: Tensor) -> Tensor:
        spoiled = gradient.clone()
        spoiled[0, 0, 0] = value
        return spoiled

    logits.register_hook(spoil)
    return logits


def spoil_weights(network: Linear, logits: Tensor) -> Tensor:
    network.weight.data.fill_(math.nan)
    return logits


@pytest.mark.parametrize("protocol", list(Protocol))
def test_divergence_is_a_score_with_curves_of_full_length(protocol: Protocol) -> None:
    network = Troubled(spoil_weights)
    told: list[int] = []
    outcome = run(
        network,
        protocol=protocol,
        recipe=replace(RECIPE, epochs=9),
        on_epoch=lambda progress: told.append(progress.epoch),
    )
    assert outcome.diverged
    assert outcome.score == 0.0
    assert told == list(range(1, 10))
    assert len(outcome.loss_curve) == 9
    assert math.isfinite(outcome.loss_curve[0])
    assert all(math.isnan(loss) for loss in outcome.loss_curve[1:])
    assert (
        network.training_batches() == 8
    )  # nothing is computed once the weights are NaN
    if protocol is not Protocol.CONFIRM:
        assert outcome.curve[0] > 0.0
        assert outcome.curve[1:] == (0.0,) * 8


@pytest.mark.parametrize(
    ("value", "skipped"), [(math.nan, 1), (math.inf, 0), (-math.inf, 0)]
)
def test_an_update_whose_gradient_holds_a_nan_is_skipped_and_counted(
    value: float, skipped: int
) -> None:
    """One that is infinite is clipped as any other."""
    network = Troubled(lambda _, logits: with_gradients(value, logits))
    outcome = run(network)
    assert outcome.info == {"n_skipped_updates": skipped}
    assert not outcome.diverged  # no prediction and no loss was other than finite
    assert network.weight.isfinite().all()
    assert outcome.score > 0.7


def test_a_loss_of_nan_costs_one_update_and_is_flagged() -> None:
    outcome = run(Troubled(nan_logits))
    assert outcome.diverged
    assert outcome.info == {"n_skipped_updates": 1}
    assert math.isnan(outcome.loss_curve[1])
    assert all(map(math.isfinite, outcome.loss_curve[2:]))
    assert outcome.score > 0.7


def test_skipped_updates_survive_a_checkpoint() -> None:
    kept: list[bytes] = []
    network = Troubled(lambda _, logits: with_gradients(math.nan, logits))
    whole = run(network, on_epoch=lambda progress: kept.append(progress.checkpoint()))
    assert run(resume=kept[1]) == whole
    assert whole.info == {"n_skipped_updates": 1}


def test_a_prediction_that_is_not_finite_is_wrong() -> None:
    class Blind(Linear):
        def forward(self, u: Tensor) -> Tensor:
            logits: Tensor = super().forward(u)
            if torch.is_grad_enabled():
                return logits
            logits[:, ::2, 0] = math.inf
            return logits

    blind = run(Blind(), recipe=replace(RECIPE, epochs=20))
    assert blind.diverged
    assert 0.0 < blind.score <= 0.5


def test_memory_that_torch_cannot_get_is_a_memory_error() -> None:
    class Greedy(ToyMember):
        def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
            torch.empty(1 << 50)
            raise AssertionError("there is no petabyte")

    class GreedyObjective(ToyNetworkObjective):
        kind = Greedy

    with pytest.raises(
        MemoryError, match="can't allocate memory: you tried to allocate"
    ):
        GreedyObjective().evaluate(
            ToyParams(epochs=1),
            task=ToyTask(),
            protocol=Protocol.VALIDATION,
            member_seed=0,
            on_epoch=lambda progress: None,
        )
