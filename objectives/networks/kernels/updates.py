"""How a batch changes the weights: by PyTorch, the reference, or by the kernels alone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from objectives.networks.kernels import learning
from objectives.networks.kernels.chips import IDEAL, Chip
from objectives.networks.kernels.kernel import Kernel, Pass
from objectives.networks.kernels.layout import Floats
from objectives.networks.kernels.sizes import WIDTH
from objectives.networks.kernels.work import in_threads

_MOMENTS = ("exp_avg", "exp_avg_sq")
_NO_LABELS, _NO_TARGETS = np.empty(0, np.int64), np.empty(0, np.float32)


class Updates(ABC):
    """How a batch changes the weights."""

    @abstractmethod
    def update(
        self,
        u: Tensor,
        label: Tensor,
        *,
        learning_rate: float,
        max_gradient: float,
        chip: Chip = IDEAL,
    ) -> tuple[float, bool]:
        """Follow the gradient of the mean loss, every element clipped to ± ``max_gradient``.

        The loss is that of the classes ``label``, whole numbers, (batch,), read out after the last
        point; or, where ``label`` is floating, the squared error of what is read out after each of
        the last points, (batch, points read, outputs).

        Unless the gradient holds a NaN: one would spoil the weights for good. The update is then
        skipped, as PyTorch's ``GradScaler`` does. An infinite element has a direction, and is
        clipped as any other.

        Args:
            u: input, (batch, time, channels).
            label: see above.
            learning_rate: of Adam.
            max_gradient: see above.
            chip: how the neurons that are trained differ from the ideal.

        Returns:
            The loss before, and whether the weights have moved.
        """

    @abstractmethod
    def settle(self) -> None:
        """Bring network and optimizer up to date, as they must be between two epochs."""


class TorchUpdates(Updates):
    """The reference: autograd and Adam of PyTorch, for any network."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Adam) -> None:
        """Take both as they are."""
        self._network: Any = network
        self._optimizer = optimizer

    def update(
        self,
        u: Tensor,
        label: Tensor,
        *,
        learning_rate: float,
        max_gradient: float,
        chip: Chip = IDEAL,
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        self._optimizer.zero_grad()
        loss = self._loss(u, label, chip)
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        if any(bool(gradient.isnan().any()) for gradient in gradients):
            return loss.item(), False
        nn.utils.clip_grad_value_(self._network.parameters(), max_gradient)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        return loss.item(), True

    def _loss(self, u: Tensor, label: Tensor, chip: Chip) -> Tensor:
        on_chip = {} if chip is IDEAL else {"chip": chip}
        if label.is_floating_point():
            found = self._network.series(u, label.shape[1], **on_chip)[0]
            return functional.mse_loss(found, label)
        found = self._network(u, **on_chip)[0]
        return functional.cross_entropy(found, label)  # log-softmax, then NLL

    def settle(self) -> None:
        """They are."""


class FusedUpdates(Updates):
    """The kernels alone: forward, readout, adjoint, clipping and Adam, for one member.

    Autograd's graph and PyTorch's dispatch would cost half as much again.

    Args:
        kernel: the kernel of its network.
        parameters: w_in, w_inter, w_intra, bias, w_out and bias_out.
        optimizer: Adam over them, fresh or restored; what it holds is taken over from here.
        threads: cores that share the blocks of a batch: always the same ones to each, so that the
            sums are the same whenever there are as many.
    """

    def __init__(
        self,
        kernel: Kernel,
        parameters: Sequence[nn.Parameter],
        optimizer: torch.optim.Adam,
        threads: int = 1,
    ) -> None:
        """Take over the parameters and the state of the optimizer."""
        self._kernel, self._tensors, self._optimizer = kernel, list(parameters), optimizer
        self._parameters = _joined(self._tensors)
        self._gradient = np.zeros_like(self._parameters)
        states = [optimizer.state.get(p, {}) for p in self._tensors]
        pairs = list(zip(self._tensors, states, strict=True))
        self._n_steps = int(states[0].get("step", 0))
        self._moments = [
            _joined([state.get(name, torch.zeros_like(p)) for p, state in pairs])
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
        chip: Chip = IDEAL,
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        series, layout = u.numpy(), self._kernel.layout
        blocks = list(layout.blocks(len(u)))
        n_read = label.shape[1] if label.is_floating_point() else 1
        if self._kernel.features.averaged:
            n_read = u.shape[1]
        self._readout.begin()

        def take(first: int) -> float:
            part, loss = self._parts[first], 0.0
            pass_ = part.begin(self._parameters[self._network], u.shape[1], n_read, chip)
            for own, n_series in blocks[first :: len(self._parts)]:
                block = layout.filled(series[own], n_series)
                pass_.forward(block, n_series)
                loss += part.read_out(label[own], n_series, label.numel())
                pass_.backward(block, n_series)
            return loss

        losses = in_threads(take, min(len(self._parts), len(blocks)))
        self._gradient.fill(0.0)
        for part in self._parts[: len(losses)]:
            part.own.deliver(self._gradient[self._network])
            self._readout.deliver(part.sums, self._gradient[self._network.stop :])
        return sum(losses) / label.numel(), self._step(learning_rate, max_gradient)

    def _step(self, learning_rate: float, max_gradient: float) -> bool:
        group = self._optimizer.param_groups[0]
        beta1, beta2 = group["betas"]
        t = self._n_steps + 1
        size, correction = learning_rate / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
        constants = tuple(map(np.float32, (beta1, beta2, size, correction, group["eps"])))
        first, second = self._moments
        bound = np.float32(max_gradient)
        moved = learning.adam(self._parameters, self._gradient, first, second, bound, constants)
        self._n_steps += moved
        return bool(moved)

    def settle(self) -> None:
        """Write to PyTorch's tensors what is held here, joined."""
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
    """Weights of the readout, (outputs, features), and biases, as the kernel wants them.

    Outputs and features are filled up to a multiple of WIDTH.
    """

    def __init__(self, joined: Floats, n_outputs: int, n_features: int) -> None:
        """Take the part of the joined parameters that they are."""
        self.n_outputs, self._n_features = n_outputs, n_features
        self._weights = joined[:-n_outputs].reshape(n_outputs, n_features)
        self._biases = joined[-n_outputs:]
        self.outputs, self.features = (-(-n // WIDTH) * WIDTH for n in (n_outputs, n_features))
        self._forward = np.zeros((self.features, self.outputs), np.float32)
        self._back = np.zeros((self.outputs, self.features), np.float32)
        self._bias = np.zeros(self.outputs, np.float32)
        flat, zeros = (
            (self._forward.reshape(-1), self._back.reshape(-1)),
            np.zeros(self.features, np.float32),
        )
        self.arrays = (*flat, self._bias, zeros)

    def begin(self) -> None:
        """Take the present ones."""
        self._forward[: self._n_features, : self.n_outputs] = self._weights.T
        self._back[: self.n_outputs, : self._n_features] = self._weights
        self._bias[: self.n_outputs] = self._biases

    def deliver(self, sums: Floats, gradient: Floats) -> None:
        """Add sums, (features + 1, outputs), to the gradient."""
        by_feature = sums.reshape(-1, self.outputs)[:, : self.n_outputs]
        own = gradient[: -self.n_outputs].reshape(self.n_outputs, self._n_features)
        own += by_feature[: self._n_features].T
        gradient[-self.n_outputs :] += by_feature[-1]


class _Part:
    """What one core takes blocks through time with, and the sums of their gradients."""

    own: Pass

    def __init__(self, kernel: Kernel, readout: _Readout) -> None:
        """Reserve the memory of the readout."""
        self._kernel, self._readout = kernel, readout
        self.sums = np.empty((readout.features + 1) * readout.outputs, np.float32)

    def begin(self, parameters: Floats, n_points: int, n_read: int, chip: Chip) -> Pass:
        """Clear the sums. One pass serves all batches and all blocks of as many points."""
        found = getattr(self, "own", None)
        if found is None or (found.n_points, found.n_read) != (n_points, n_read):
            self.own = found = Pass(self._kernel, n_points, keep=True, n_read=n_read)
            n_points = 1 if self._kernel.features.averaged else n_read
            n_rows, readout = n_points * self._kernel.layout.block, self._readout
            self._outputs = np.empty(n_rows * readout.outputs, np.float32)
            self._features, self._adjoint = np.zeros((2, n_rows * readout.features), np.float32)
        found.begin(parameters, chip)
        self.sums.fill(0.0)
        return found

    def read_out(self, label: Tensor, n_series: int, n_all: int) -> float:
        """Return the loss of a block, summed, after its pass, and write its adjoint."""
        labels, targets = _NO_LABELS, _NO_TARGETS
        if label.is_floating_point():
            targets = np.ascontiguousarray(label.numpy().swapaxes(0, 1)).reshape(-1)
        else:
            labels = label.numpy()
        own, readout, features = self.own, self._readout, self._kernel.features
        n_points = 1 if features.averaged else own.n_read
        rows = (own.n_read // n_points, n_points * n_series, own.stride, readout.features)
        learning.gather_features(own.read, own.places, features.parts, rows, self._features)
        size = (n_points, n_series, len(label))
        size_of_readout = (readout.features, readout.outputs, readout.n_outputs)
        scale = np.float32(1.0 / n_all)
        arrays = (self._outputs, self._adjoint, self.sums)
        loss: float = learning.read_out(
            *(self._features, readout.arrays, labels, targets, scale),
            *arrays,
            (*size, *size_of_readout),
        )
        learning.spread_adjoint(
            self._features, self._adjoint, own.places, features.parts, rows, own.entering
        )
        return loss


def _joined(tensors: Sequence[Tensor]) -> Floats:
    joined: Floats = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).numpy()
    return joined


def _split(joined: Floats, tensors: Sequence[Tensor]) -> None:
    """Write ``joined`` to the tensors that it is made of."""
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(torch.from_numpy(joined), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
