"""How a batch changes the weights: by PyTorch, the reference, or by the kernels alone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from objectives.networks.kernels import learning, sparse
from objectives.networks.kernels.chips import IDEAL, Chip
from objectives.networks.kernels.passes import Kernel, Pass
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import FOLD
from objectives.networks.kernels.structure import Floats, Integers
from objectives.networks.kernels.work import in_threads

_MOMENTS = ("exp_avg", "exp_avg_sq")


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
        *_, w_out, bias_out = (p.numel() for p in parameters)
        self._network = slice(0, len(self._parameters) - w_out - bias_out)
        self._readout = slice(self._network.stop, None)
        self._w_out = self._parameters[-w_out - bias_out : -bias_out]
        self._bias_out = self._parameters[-bias_out:]
        self._parts = [_Part(kernel, w_out, bias_out) for _ in range(threads)]

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
        blocks, loss_of = self._kernel.lanes(u), self._loss_of(label)
        n_read = label.shape[1] if label.dim() > 1 else 1

        def take(first: int) -> float:
            part, loss = self._parts[first], 0.0
            pass_ = part.begin(self._parameters[self._network], u.shape[1], n_read, chip)
            for k in range(first, len(blocks), len(self._parts)):
                pass_.forward(blocks[k])
                loss += loss_of(part, k)
                pass_.backward(blocks[k])
            return loss

        losses = in_threads(take, min(len(self._parts), len(blocks)))
        self._gradient.fill(0.0)
        for part in self._parts[: len(losses)]:
            part.deliver(self._gradient[self._network], self._gradient[self._readout])
        return sum(losses) / label.numel(), self._step(learning_rate, max_gradient)

    def _loss_of(self, label: Tensor) -> Callable[[_Part, int], float]:
        """What gives the loss of block k, summed, after its pass, and writes its adjoint."""
        share, n_batch = np.float32(1.0 / label.numel()), len(label)
        if not label.is_floating_point():
            labels = label.numpy()

            def of_classes(part: _Part, k: int) -> float:
                here = labels[k * LANES : (k + 1) * LANES]
                readout = (self._w_out, self._bias_out, here, share, part.logits)
                return learning.read_out(part.own.read, *readout, part.own.entering, part.sums)

            return of_classes
        targets = self._kernel.lanes(label)

        def of_series(part: _Part, k: int) -> float:
            here = (targets[k].reshape(-1), min(LANES, n_batch - k * LANES))
            readout = (self._w_out, self._bias_out, *here, share, part.logits)
            return learning.read_out_series(part.own.read, *readout, part.own.entering, part.sums)

        return of_series

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


class _Part:
    """What one core takes blocks through time with, and the sums of their gradients."""

    own: Pass

    def __init__(self, kernel: Kernel, w_out: int, bias_out: int) -> None:
        """Reserve the memory of the readout, with so many weights and biases."""
        self._kernel = kernel
        self.logits = np.empty(bias_out * LANES, np.float32)
        self.sums = np.empty((w_out + bias_out) * FOLD, np.float32)
        self._places: Integers = np.arange(w_out + bias_out, dtype=np.int32)
        self._unscaled = np.ones(w_out + bias_out, np.float32)

    def begin(self, parameters: Floats, n_points: int, n_read: int, chip: Chip) -> Pass:
        """Clear the sums. One pass serves all batches and all blocks of as many points."""
        found = getattr(self, "own", None)
        if found is None or (found.n_points, found.n_read) != (n_points, n_read):
            self.own = found = Pass(self._kernel, n_points, keep=True, n_read=n_read)
        found.begin(parameters, chip)
        self.sums.fill(0.0)
        return found

    def deliver(self, of_network: Floats, of_readout: Floats) -> None:
        """Add the sums to the gradients."""
        self.own.deliver(of_network)
        sparse.deliver(self.sums, self._places, self._unscaled, of_readout)


def _joined(tensors: Sequence[Tensor]) -> Floats:
    joined: Floats = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).numpy()
    return joined


def _split(joined: Floats, tensors: Sequence[Tensor]) -> None:
    """Write ``joined`` to the tensors that it is made of."""
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(torch.from_numpy(joined), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
