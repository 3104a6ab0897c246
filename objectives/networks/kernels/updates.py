"""Weight updates from a batch: by PyTorch, the reference, or by the kernels alone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from . import driver, learning
from .chips import IDEAL, Chip
from .kernel import Kernel, Pass
from .layout import Floats, Integers, Weights, join_aligned
from .sizes import WIDTH
from .work import in_threads

_MOMENTS = ("exp_avg", "exp_avg_sq")
_NO_LABELS, _NO_TARGETS = np.empty(0, np.int64), np.empty(0, np.float32)
_ONE, _NONE = np.ones(1, np.float32), np.zeros(1, np.float32)


class Updates(ABC):
    """Weight updates from batches."""

    @abstractmethod
    def update(
        self,
        u: Tensor,
        label: Tensor,
        *,
        learning_rate: float,
        max_gradient: float,
        label_smoothing: float = 0.0,
        chip: Chip = IDEAL,
    ) -> tuple[float, bool]:
        """Minimise the mean loss by a step of Adam, each gradient clipped to ±
        ``max_gradient``.

        With integer ``label``, (batch,), the loss is the cross-entropy of the readout
        after the last point. With floating ``label``, (batch, points read, outputs), it
        is the squared error of the readout after each of the last points.

        Skip the update if the gradient has a NaN, as PyTorch's ``GradScaler`` does: one
        NaN would spoil the weights for good. Infinite elements have a direction and are
        clipped like others.

        Args:
            u: input, (batch, time, channels).
            label: see above.
            learning_rate: learning rate of Adam.
            max_gradient: see above.
            label_smoothing: part of the cross-entropy that is the mean loss over all
                classes.
            chip: deviations of the neurons from the ideal.

        Returns:
            The loss before the step, and true if the weights moved.
        """

    @abstractmethod
    def settle(self) -> None:
        """Bring network and optimizer up to date, between two epochs."""


class TorchUpdates(Updates):
    """The reference: autograd and Adam of PyTorch, for any network."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Adam) -> None:
        """Use this network and this optimizer."""
        self._network: Any = network
        self._optimizer = optimizer

    def update(
        self,
        u: Tensor,
        label: Tensor,
        *,
        learning_rate: float,
        max_gradient: float,
        label_smoothing: float = 0.0,
        chip: Chip = IDEAL,
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        self._optimizer.zero_grad()
        loss = self._loss(u, label, chip, label_smoothing)
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        if any(bool(gradient.isnan().any()) for gradient in gradients):
            return loss.item(), False
        nn.utils.clip_grad_value_(self._network.parameters(), max_gradient)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        return loss.item(), True

    def _loss(self, u: Tensor, label: Tensor, chip: Chip, smoothing: float) -> Tensor:
        on_chip = {} if chip is IDEAL else {"chip": chip}
        if label.is_floating_point():
            predictions = self._network.series(u, label.shape[1], **on_chip)[0]
            return functional.mse_loss(predictions, label)
        logits = self._network(u, **on_chip)[0]
        return functional.cross_entropy(logits, label, label_smoothing=smoothing)

    def settle(self) -> None:
        """Do nothing: they are always up to date."""


class FusedUpdates(Updates):
    """The kernels alone: forward, readout, adjoint, clipping and Adam, for one member.

    Autograd's graph and PyTorch's dispatch would add half of this cost.

    Args:
        kernel: kernel of the network.
        parameters: w_in, w_inter, w_intra, bias, w_out and bias_out.
        optimizer: Adam over them, fresh or restored; its state is taken over.
        threads: cores that share the blocks of a batch. Each always gets the same
            blocks, so equal numbers of threads give equal sums.
    """

    def __init__(
        self,
        kernel: Kernel,
        parameters: Sequence[nn.Parameter],
        optimizer: torch.optim.Adam,
        threads: int = 1,
    ) -> None:
        """Take over the parameters and the state of the optimizer."""
        self._kernel, self._tensors, self._optimizer = (
            kernel,
            list(parameters),
            optimizer,
        )
        self._parameters = _join(self._tensors)
        self._gradient = np.zeros_like(self._parameters)
        states = [optimizer.state.get(p, {}) for p in self._tensors]
        pairs = list(zip(self._tensors, states, strict=True))
        self._n_steps = int(states[0].get("step", 0))
        self._moments = [
            _join([state.get(name, torch.zeros_like(p)) for p, state in pairs])
            for name in _MOMENTS
        ]
        *_, w_out, bias_out = parameters
        n_readout = w_out.numel() + bias_out.numel()
        self._network = slice(0, len(self._parameters) - n_readout)
        readout = self._parameters[self._network.stop :]
        self._readout = _Readout(readout, bias_out.numel(), w_out.shape[-1])
        self._parts = [_Part(kernel, self._readout) for _ in range(threads)]

    def update(
        self,
        u: Tensor,
        label: Tensor,
        *,
        learning_rate: float,
        max_gradient: float,
        label_smoothing: float = 0.0,
        chip: Chip = IDEAL,
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        series, labels, layout = u.numpy(), label.numpy(), self._kernel.layout
        blocks = list(layout.blocks(len(series)))
        n_points, n_read = series.shape[1], labels.shape[1] if labels.ndim > 1 else 1
        if self._kernel.features.averaged:
            n_read = n_points
        self._readout.begin()

        def take(first: int) -> float:
            part, loss = self._parts[first], 0.0
            pass_ = part.begin(self._parameters[self._network], n_points, n_read, chip)
            for rows, n_series in blocks[first :: len(self._parts)]:
                block = layout.pad(series[rows], n_series)
                pass_.forward(block, n_series)
                loss += part.read_out(
                    labels[rows], n_series, labels.size, label_smoothing
                )
                pass_.backward(block, n_series)
            return loss

        losses = in_threads(take, min(len(self._parts), len(blocks)))
        self._gradient.fill(0.0)
        for part in self._parts[: len(losses)]:
            part.pass_.deliver(self._gradient[self._network])
            self._readout.deliver(part.sums, self._gradient[self._network.stop :])
        return sum(losses) / labels.size, self._step(learning_rate, max_gradient)

    def _step(self, learning_rate: float, max_gradient: float) -> bool:
        group = self._optimizer.param_groups[0]
        beta1, beta2 = group["betas"]
        t = self._n_steps + 1
        size, correction = learning_rate / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
        constants = tuple(
            map(np.float32, (beta1, beta2, size, correction, group["eps"]))
        )
        first, second = self._moments
        bound = np.float32(max_gradient)
        moved = learning.adam(
            self._parameters, self._gradient, first, second, bound, constants
        )
        self._n_steps += moved
        return bool(moved)

    def settle(self) -> None:
        """Write the joined parameters and moments back to PyTorch's tensors."""
        _split(self._parameters, [p.data for p in self._tensors])
        if not self._n_steps:
            return
        states = [self._optimizer.state[p] for p in self._tensors]
        for p, state in zip(self._tensors, states, strict=True):
            state["step"] = torch.tensor(float(self._n_steps))
            for name in _MOMENTS:
                state.setdefault(name, torch.empty_like(p))
        for name, moment in zip(_MOMENTS, self._moments, strict=True):
            _split(moment, [state[name] for state in states])


class _Readout:
    """Weights of the readout, (outputs, features), and biases, in the order of the
    kernel.

    Outputs and features are padded to a multiple of WIDTH.
    """

    def __init__(self, joined: Floats, n_outputs: int, n_features: int) -> None:
        """Use ``joined``, the readout's part of the joined parameters."""
        self._joined, self.n_outputs = joined, n_outputs
        self.outputs, self.features = (
            -(-n // WIDTH) * WIDTH for n in (n_outputs, n_features)
        )
        forward = np.full((self.features, self.outputs), -1, np.int32)
        weights = np.arange(n_outputs * n_features, dtype=np.int32).reshape(
            n_outputs, n_features
        )
        forward[:n_features, :n_outputs] = weights.T
        bias = np.full(self.outputs, -1, np.int32)
        bias[:n_outputs] = weights.size + np.arange(n_outputs)
        parts = {"forward": forward, "back": forward.T, "bias": bias}
        parts["zeros"] = np.full(self.features, -1, np.int32)
        unscaled = {name: _unscaled(part) for name, part in parts.items()}
        self._weights, places = join_aligned(**unscaled)
        self._gradient = _unscaled(np.concatenate([forward.reshape(-1), bias]))
        self._weighed = np.empty(len(self._weights.place), np.float32)
        self.arrays = tuple(self._weighed[part] for part in places.values())

    def begin(self) -> None:
        """Take the present weights and biases."""
        driver.weigh(self._joined, *self._weights, _ONE, _NONE, self._weighed)

    def deliver(self, sums: Floats, gradient: Floats) -> None:
        """Add sums, (features + 1, outputs), to the gradient."""
        driver.deliver(sums, 1, *self._gradient, _ONE, gradient)


def _unscaled(place: Integers) -> Weights:
    """Return parameters at these places, all with the same factor."""
    return Weights(place.reshape(-1), np.zeros(place.size, np.int32))


class _Part:
    """The pass of one core over its blocks, and the sums of their readout gradients."""

    pass_: Pass

    def __init__(self, kernel: Kernel, readout: _Readout) -> None:
        """Allocate the sums of the readout."""
        self._kernel, self._readout = kernel, readout
        self.sums = np.empty((readout.features + 1) * readout.outputs, np.float32)

    def begin(self, parameters: Floats, n_points: int, n_read: int, chip: Chip) -> Pass:
        """Clear the sums and return the pass, the same for all blocks of equal
        length."""
        pass_ = getattr(self, "pass_", None)
        if pass_ is None or (pass_.n_points, pass_.n_read) != (n_points, n_read):
            self.pass_ = pass_ = Pass(self._kernel, n_points, keep=True, n_read=n_read)
            self._n_points = 1 if self._kernel.features.averaged else n_read
            n_rows, readout = self._n_points * self._kernel.layout.block, self._readout
            features, adjoint = np.zeros((2, n_rows * readout.features), np.float32)
            outputs = np.empty(n_rows * readout.outputs, np.float32)
            self._work = (features, adjoint, outputs, self.sums)
        pass_.begin(parameters, chip)
        self.sums.fill(0.0)
        return pass_

    def read_out(
        self, label: NDArray[Any], n_series: int, n_all: int, smoothing: float = 0.0
    ) -> float:
        """Return the summed loss of a block after its pass, and write its adjoint."""
        labels, targets = label, _NO_TARGETS
        if label.ndim > 1:
            labels, targets = (
                _NO_LABELS,
                np.ascontiguousarray(label.swapaxes(0, 1)).reshape(-1),
            )
        pass_, readout = self.pass_, self._readout
        size = (
            self._n_points,
            n_series,
            len(label),
            pass_.n_read // self._n_points,
            pass_.stride,
        )
        loss: float = learning.read_out(
            pass_.read,
            pass_.entering,
            pass_.places,
            self._kernel.features.parts,
            readout.arrays,
            labels,
            targets,
            (np.float32(1.0 / n_all), np.float32(smoothing)),
            self._work,
            (*size, readout.features, readout.outputs, readout.n_outputs),
        )
        return loss


def _join(tensors: Sequence[Tensor]) -> Floats:
    joined: Floats = torch.cat(
        [tensor.detach().reshape(-1) for tensor in tensors]
    ).numpy()
    return joined


def _split(joined: Floats, tensors: Sequence[Tensor]) -> None:
    """Write ``joined`` to the tensors that it joins."""
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(torch.from_numpy(joined), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
