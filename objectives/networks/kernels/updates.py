"""Weight updates from a batch: by PyTorch, the reference, or by the kernels alone."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..programming import programmed
from ..reading import Reading
from . import driver, learning
from .chips import IDEAL, Chip
from .kernel import Kernel, Pass
from .layout import Floats, Integers, Weights, join_aligned
from .pass_memory import in_threads
from .sizes import WIDTH, round_up

_MOMENTS = ("exp_avg", "exp_avg_sq")
_NO_LABELS = np.empty(0, np.int64)
_NO_TARGETS = np.empty(0, np.float32)
_ONE = np.ones(1, np.float32)
_ZERO = np.zeros(1, np.float32)


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How weights follow the gradient of the loss."""

    learning_rate: float
    """Learning rate of Adam."""
    max_gradient: float
    """Each element of the gradient is clipped to ± this."""
    label_smoothing: float = 0.0
    """Part of the cross-entropy that is the mean loss over all classes."""


class Updates(ABC):
    """Weight updates from batches."""

    @abstractmethod
    def update(
        self, u: Tensor, label: Tensor, descent: Descent, chip: Chip = IDEAL
    ) -> tuple[float, bool]:
        """Minimise the mean loss by a step of Adam.

        With integer ``label``, (batch,), the loss is the cross-entropy of the readout
        after the last point. With floating ``label``, (batch, points read, outputs), it
        is the squared error of the readout after each of the last points.

        Skip the update if the gradient has a NaN, as PyTorch's ``GradScaler`` does: one
        NaN would spoil the weights for good. Infinite elements have a direction and are
        clipped like others.

        Args:
            u: input, (batch, time, channels).
            label: see above.
            descent: learning rate, clipping and label smoothing.
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
        self, u: Tensor, label: Tensor, descent: Descent, chip: Chip = IDEAL
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        self._optimizer.zero_grad()
        with programmed(self._network, chip.programming):
            loss = self._loss(u, label, descent.label_smoothing, chip)
            torch.autograd.backward(loss)
        for parameter in self._network.parameters():
            if parameter.grad is not None and parameter.grad.isnan().any():
                return loss.item(), False
        nn.utils.clip_grad_value_(self._network.parameters(), descent.max_gradient)
        for group in self._optimizer.param_groups:
            group["lr"] = descent.learning_rate
        self._optimizer.step()
        return loss.item(), True

    def _loss(self, u: Tensor, label: Tensor, smoothing: float, chip: Chip) -> Tensor:
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
        self._kernel = kernel
        self._tensors = list(parameters)
        self._optimizer = optimizer
        self._threads = threads
        self._parameters = _join(self._tensors)
        self._gradient = np.zeros_like(self._parameters)
        states = [optimizer.state.get(p, {}) for p in self._tensors]
        self._n_steps = int(states[0].get("step", 0))
        self._moments = [np.zeros_like(self._parameters) for _ in _MOMENTS]
        if self._n_steps > 0:
            self._moments = []
            for name in _MOMENTS:
                self._moments.append(_join([state[name] for state in states]))
        *_, w_out, bias_out = parameters
        n_readout = w_out.numel() + bias_out.numel()
        self._network = slice(0, len(self._parameters) - n_readout)
        self._readout = _Readout(bias_out.numel(), w_out.shape[-1])
        self._parts: list[_Part] = []
        self._sizes = (0, 0)

    def update(
        self, u: Tensor, label: Tensor, descent: Descent, chip: Chip = IDEAL
    ) -> tuple[float, bool]:
        """See ``Updates``."""
        series = u.numpy()
        labels = label.numpy()
        layout = self._kernel.layout
        blocks = list(layout.blocks(len(series)))
        scale = (np.float32(1.0 / labels.size), np.float32(descent.label_smoothing))
        self._allocate(series.shape[1], labels.shape[1] if labels.ndim > 1 else 1)
        parameters = self._program(chip)
        self._readout.begin(parameters[self._network.stop :])
        normals = None
        if chip.reading is not None:
            normals = chip.reading.draw_normals(self._parts[0].shape_read(len(series)))

        def take(first: int) -> float:
            part = self._parts[first]
            loss = 0.0
            part.begin(parameters[self._network], chip)
            for rows, n_series in blocks[first :: len(self._parts)]:
                block = layout.pad(series[rows], n_series)
                part.pass_.forward(block, n_series)
                if chip.reading is not None:
                    own = normals if normals is None else normals[rows]
                    part.distort(chip.reading, n_series, len(labels[rows]), own)
                loss += part.read_out(labels[rows], n_series, scale)
                part.pass_.backward(block, n_series)
            return loss

        losses = in_threads(take, min(len(self._parts), len(blocks)))
        self._gradient.fill(0.0)
        for part in self._parts[: len(losses)]:
            part.pass_.deliver(self._gradient[self._network])
            self._readout.deliver(part.sums, self._gradient[self._network.stop :])
        return sum(losses) / labels.size, self._step(descent)

    def _program(self, chip: Chip) -> Floats:
        """Return the joined parameters of the chip."""
        if chip.programming is None:
            return self._parameters
        exact = [torch.empty_like(tensor) for tensor in self._tensors]
        _split(self._parameters, exact)
        return _join(chip.programming.program(exact))

    def _allocate(self, n_points: int, n_read: int) -> None:
        """Make a part for each core, unless there are some for series as long."""
        if self._sizes != (n_points, n_read):
            self._sizes = (n_points, n_read)
            self._parts = [
                _Part(self._kernel, self._readout, n_points, n_read)
                for _ in range(self._threads)
            ]

    def _step(self, descent: Descent) -> bool:
        group = self._optimizer.param_groups[0]
        beta1, beta2 = group["betas"]
        t = self._n_steps + 1
        size = descent.learning_rate / (1 - beta1**t)
        correction = 1 / math.sqrt(1 - beta2**t)
        numbers = (beta1, beta2, size, correction, group["eps"], descent.max_gradient)
        constants = tuple(map(np.float32, numbers))
        first, second = self._moments
        moved = learning.adam(
            self._parameters, self._gradient, first, second, constants
        )
        self._n_steps += moved
        return bool(moved)

    def settle(self) -> None:
        """Write the joined parameters and moments back to PyTorch's tensors."""
        _split(self._parameters, [p.data for p in self._tensors])
        if self._n_steps == 0:
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

    def __init__(self, n_outputs: int, n_features: int) -> None:
        """Reserve the memory."""
        self.n_outputs = n_outputs
        self.outputs = round_up(n_outputs, WIDTH)
        self.features = round_up(n_features, WIDTH)
        n_weights = n_outputs * n_features
        weights = np.arange(n_weights).reshape(n_outputs, n_features)
        forward = np.full((self.features, self.outputs), -1, np.int32)
        forward[:n_features, :n_outputs] = weights.T
        bias = np.full(self.outputs, -1, np.int32)
        bias[:n_outputs] = n_weights + np.arange(n_outputs)
        self._weights, parts = join_aligned(
            forward=_unscaled(forward),
            back=_unscaled(forward.T),
            bias=_unscaled(bias),
            zeros=_unscaled(np.full(self.features, -1, np.int32)),
        )
        self._gradient = _unscaled(np.concatenate([forward.reshape(-1), bias]))
        self._weighed = np.empty(len(self._weights.place), np.float32)
        self.arrays = tuple(self._weighed[part] for part in parts.values())

    def begin(self, joined: Floats) -> None:
        """Take the readout's part of the joined parameters."""
        driver.weigh(joined, *self._weights, _ONE, _ZERO, self._weighed)

    def deliver(self, sums: Floats, gradient: Floats) -> None:
        """Add sums, (features + 1, outputs), to the gradient."""
        driver.deliver(sums, 1, *self._gradient, _ONE, gradient)


def _unscaled(place: Integers) -> Weights:
    """Return parameters at these places, all with the same factor."""
    return Weights(place.reshape(-1), np.zeros(place.size, np.int32))


class _Part:
    """The pass of one core over its blocks, and the sums of their readout gradients."""

    def __init__(
        self, kernel: Kernel, readout: _Readout, n_points: int, n_read: int
    ) -> None:
        """Allocate the memory for series of ``n_points``, and ``n_read`` outputs."""
        self._readout = readout
        self._features = kernel.features
        self._n_averaged = n_points if kernel.features.averaged else 1
        self._n_read = n_read
        n_all = n_read * self._n_averaged
        self.pass_ = Pass(kernel, n_points, keep=True, n_read=n_all)
        n_rows = n_read * kernel.layout.block
        self.sums = np.empty((readout.features + 1) * readout.outputs, np.float32)
        self._work = (
            np.zeros(n_rows * readout.features, np.float32),
            np.zeros(n_rows * readout.features, np.float32),
            np.empty(n_rows * readout.outputs, np.float32),
            self.sums,
        )

    def begin(self, parameters: Floats, chip: Chip) -> None:
        """Take parameters and a chip, and clear the sums."""
        self.pass_.begin(parameters, chip)
        self.sums.fill(0.0)

    def shape_read(self, n_batch: int) -> tuple[int, int, int]:
        """Return the shape of the values read of a batch, (series, points, neurons)."""
        return n_batch, self._n_read * self._n_averaged, len(self.pass_.places)

    def distort(
        self, reading: Reading, n_series: int, n_own: int, normals: Tensor | None
    ) -> None:
        """Disturb the values read of the first ``n_own`` series of a block."""
        pass_ = self.pass_
        used = pass_.read[: pass_.n_read * n_series * pass_.stride]
        by_point = used.reshape(pass_.n_read, n_series, pass_.stride)[:, :n_own]
        values = torch.from_numpy(by_point[..., pass_.places].swapaxes(0, 1))
        distorted = reading.distort(values, normals).numpy()
        by_point[..., pass_.places] = distorted.swapaxes(0, 1)

    def read_out(
        self, label: NDArray[Any], n_series: int, scale: tuple[np.float32, np.float32]
    ) -> float:
        """Return the summed loss of a block after its pass, and write its adjoint.

        ``scale`` is that of ``learning.read_out``.
        """
        wanted = (label, _NO_TARGETS)
        if label.ndim > 1:
            targets = np.ascontiguousarray(label.swapaxes(0, 1))
            wanted = (_NO_LABELS, targets.reshape(-1))
        pass_ = self.pass_
        readout = self._readout
        size = learning.Size(
            n_points=self._n_read,
            n_series=n_series,
            n_own=len(label),
            n_averaged=self._n_averaged,
            stride=pass_.stride,
            n_features=readout.features,
            n_outputs=readout.outputs,
            n_real=readout.n_outputs,
        )
        series = (pass_.read, pass_.entering, pass_.places)
        parts = self._features.parts
        work = self._work
        loss: float = learning.read_out(
            series, parts, readout.arrays, wanted, scale, work, size
        )
        return loss


def _join(tensors: Sequence[Tensor]) -> Floats:
    flat = [tensor.detach().reshape(-1) for tensor in tensors]
    joined: Floats = torch.cat(flat).numpy()
    return joined


def _split(joined: Floats, tensors: Sequence[Tensor]) -> None:
    """Write ``joined`` to the tensors that it joins."""
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(torch.from_numpy(joined), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
