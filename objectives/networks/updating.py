"""Weight updates by the kernels alone: forward, readout, adjoint, clipping and Adam.

Without autograd's graph and PyTorch's dispatch, which cost as much as the kernels themselves. What
they hold between two updates is PyTorch's all the same: ``settle`` writes it there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from objectives.networks.kernels import learning, sparse
from objectives.networks.kernels.sparse import FOLD, LANES
from objectives.networks.passage import Kernel, Passage
from objectives.networks.structure import Floats, Integers

_MOMENTS = ("exp_avg", "exp_avg_sq")


class FusedUpdates:
    """Updates of one member on its kernel.

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
        *_, w_out, bias_out = parameters
        self._parameters = _joined(self._tensors)
        self._gradient = np.zeros_like(self._parameters)
        self._n_network = len(self._parameters) - w_out.numel() - bias_out.numel()
        states = [optimizer.state.get(p, {}) for p in self._tensors]
        self._n_steps = int(states[0].get("step", 0))
        self._moments = [
            _joined([s.get(name, torch.zeros_like(p)) for s, p in zip(states, parameters)])
            for name in _MOMENTS
        ]
        n_readout = len(self._parameters) - self._n_network
        self._n_classes = bias_out.numel()
        self._logits = np.empty(self._n_classes * LANES, np.float32)
        self._sums = np.empty(n_readout * FOLD, np.float32)
        self._passage: Passage | None = None
        self._n_points = 0

    def update(
        self, u: Tensor, label: Tensor, *, learning_rate: float, max_gradient: float
    ) -> tuple[float, bool]:
        """One update on a batch: its mean loss before, and whether its gradient could be used."""
        if self._passage is None or self._n_points != u.shape[1]:
            self._n_points = u.shape[1]
            self._passage = Passage(self._kernel, u.shape[1], keep=True)
        n_batch, passage = len(u), self._passage
        labels = label.numpy()
        network, readout = np.split(self._parameters, [self._n_network])
        w_out, bias_out = np.split(readout, [-self._n_classes])
        passage.begin(network)
        self._sums.fill(0.0)
        total, share = 0.0, np.float32(1.0 / n_batch)
        for k, block in enumerate(self._kernel.lanes(u)):
            passage.forward(block)
            here = labels[k * LANES : (k + 1) * LANES]
            arrays = (self._logits, passage.entering, self._sums)
            total += learning.read_out(passage.last_y, w_out, bias_out, here, share, *arrays)
            passage.backward(block)
        self._gradient.fill(0.0)
        passage.deliver(self._gradient[: self._n_network])
        sparse.deliver(self._sums, _NOTHING, np.float32(1.0), self._gradient[self._n_network :])
        return total / n_batch, self._step(learning_rate, max_gradient)

    def _step(self, learning_rate: float, max_gradient: float) -> bool:
        group = self._optimizer.param_groups[0]
        beta1, beta2 = group["betas"]
        t = self._n_steps + 1
        size, correction = learning_rate / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
        constants = tuple(map(np.float32, (beta1, beta2, size, correction, group["eps"])))
        moved = learning.adam(
            self._parameters, self._gradient, *self._moments, np.float32(max_gradient), constants
        )
        self._n_steps += moved
        return bool(moved)

    def settle(self) -> None:
        """Bring the parameters and the state of the optimizer up to date."""
        _write(self._parameters, [p.data for p in self._tensors])
        if not self._n_steps:
            return
        states = [self._optimizer.state[p] for p in self._tensors]
        for state, p in zip(states, self._tensors):
            state["step"] = torch.tensor(float(self._n_steps))
            for name in _MOMENTS:
                state.setdefault(name, torch.zeros_like(p))
        for name, values in zip(_MOMENTS, self._moments, strict=True):
            _write(values, [state[name] for state in states])


_NOTHING: Integers = np.empty(0, np.int32)


def _joined(tensors: Sequence[Tensor]) -> Floats:
    joined: Floats = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).numpy()
    return joined


def _write(values: Floats, tensors: Sequence[Tensor]) -> None:
    source = torch.from_numpy(values)
    for tensor, part in zip(tensors, source.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
