"""How a batch changes the weights: by PyTorch, the reference, or by the kernels alone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from objectives.networks.kernels import learning, sparse
from objectives.networks.kernels.passes import Kernel, Pass
from objectives.networks.kernels.sparse import FOLD, LANES
from objectives.networks.kernels.structure import Floats, Integers

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Updates(ABC):
    """How a batch changes the weights."""

    @abstractmethod
    def update(
        self, u: Tensor, label: Tensor, *, learning_rate: float, max_gradient: float
    ) -> tuple[float, bool]:
        """Follow the gradient of the mean loss, every element clipped to ± ``max_gradient``.

        Unless the gradient holds a NaN: one would spoil the weights for good. The update is then
        skipped, as PyTorch's ``GradScaler`` does. An infinite element has a direction, and is
        clipped as any other.

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
        self._network, self._optimizer = network, optimizer

    def update(
        self, u: Tensor, label: Tensor, *, learning_rate: float, max_gradient: float
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        self._optimizer.zero_grad()
        loss = functional.cross_entropy(self._network(u)[0], label)  # log-softmax, then NLL
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self._network.parameters() if p.grad is not None]
        if any(bool(gradient.isnan().any()) for gradient in gradients):
            return loss.item(), False
        nn.utils.clip_grad_value_(self._network.parameters(), max_gradient)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        return loss.item(), True

    def settle(self) -> None:
        """They are."""


class FusedUpdates(Updates):
    """The kernels alone: forward, readout, adjoint, clipping and Adam, for one member.

    Autograd's graph and PyTorch's dispatch would cost half as much again.

    Args:
        kernel: the kernel of its network.
        parameters: w_in, w_inter, w_intra, bias, w_out and bias_out.
        optimizer: Adam over them, fresh or restored; what it holds is taken over from here.
    """

    def __init__(
        self, kernel: Kernel, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Adam
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
        self._logits = np.empty(bias_out * LANES, np.float32)
        self._sums = np.empty((w_out + bias_out) * FOLD, np.float32)
        self._places: Integers = np.arange(w_out + bias_out, dtype=np.int32)
        self._unscaled = np.ones(w_out + bias_out, np.float32)
        self._pass: Pass | None = None

    def update(
        self, u: Tensor, label: Tensor, *, learning_rate: float, max_gradient: float
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        blocks, labels = self._kernel.lanes(u), label.numpy()
        pass_ = self._pass_for(u.shape[1])
        pass_.begin(self._parameters[self._network])
        self._sums.fill(0.0)
        loss, share = 0.0, np.float32(1.0 / len(labels))
        for k, block in enumerate(blocks):
            pass_.forward(block)
            here = labels[k * LANES : (k + 1) * LANES]
            readout = (self._w_out, self._bias_out, here, share, self._logits)
            loss += learning.read_out(pass_.read, *readout, pass_.entering, self._sums)
            pass_.backward(block)
        self._gradient.fill(0.0)
        pass_.deliver(self._gradient[self._network])
        own = (self._places, self._unscaled, self._gradient[self._readout])
        sparse.deliver(self._sums, *own)
        return loss / len(labels), self._step(learning_rate, max_gradient)

    def _pass_for(self, n_points: int) -> Pass:
        """One pass serves all batches and all blocks of as many points."""
        if self._pass is None or self._pass.n_points != n_points:
            self._pass = Pass(self._kernel, n_points, keep=True)
        return self._pass

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


def _joined(tensors: Sequence[Tensor]) -> Floats:
    joined: Floats = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).numpy()
    return joined


def _split(joined: Floats, tensors: Sequence[Tensor]) -> None:
    """Write ``joined`` to the tensors that it is made of."""
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(torch.from_numpy(joined), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
