"""Where the neurons and weights of a network are in the flat arrays of the kernels.

A *block* are some series that go through time together; a *row* is one value of each of their
neurons. A network has one of two layouts:

dense
    [series][neuron], up to BLOCK series; the neurons of every layer filled up to a multiple of
    WIDTH by some without synapses. No vector is empty where a batch is small.
sparse
    [neuron][series], SERIES of them, whatever the batch. Only what exists is computed.

Which one follows from the masks alone, never from the host: last bits depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.objectives.networks.kernels.sizes import BLOCK, DENSE, FOLD, PADDING, SERIES, TILE, WIDTH

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


class Weights(NamedTuple):
    """Weights in the order of an array."""

    place: Integers
    """Where each is among the joined parameters; -1: there is none, and 0 in its place."""
    target: Integers
    """The neuron that it drives, whose amplification it has."""


class Groups(NamedTuple):
    """How a pointwise function walks over a row: vectors of a group share their constants."""

    groups: int
    group_stride: int
    repeats: int
    repeat_stride: int


class Structure(NamedTuple):
    """What products need to know, as the kernels take it."""

    dense: bool
    spans: NDArray[np.int64]
    """Dense, of each layer: its first column, and how many it has; the same of its sources, and
    where their weights begin; the same of its targets. (layers, 8), flat."""
    starts: Integers
    """Sparse: first weight of each target, (neurons + 1,)."""
    sources: Integers
    """Source of each weight, by target."""
    starts_back: Integers
    """First weight of each source, (neurons + 1,)."""
    targets: Integers
    """Target of each weight, by source."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The layout of one network, made once, from its masks."""

    widths: tuple[int, ...]
    """Neurons of each layer."""
    n_channels: int
    structure: Structure
    columns: NDArray[np.intp]
    """Where each neuron is in a row of one series, (neurons,)."""
    n_columns: int
    """Neurons of a row of one series, filled up."""
    weights: Weights
    """In the order of ``parts``: weights between neurons, as drives take them; those from the
    input; biases, as of targets beyond the neurons; those between neurons, as pull-backs take them.
    """
    parts: Mapping[str, slice]
    """Where each part is: "forward", "inputs", "biases" and "back"."""
    gradient: Weights
    """All weights in the order of the sums of their gradients."""
    pool: list[Floats] = field(default_factory=list, repr=False)
    """Work arrays that no computation holds at present."""

    @property
    def dense(self) -> bool:
        """Whether it is that of a dense network."""
        return self.structure.dense

    @property
    def n_neurons(self) -> int:
        """Neurons of all layers."""
        return sum(self.widths)

    @property
    def block(self) -> int:
        """Series of a block, at most."""
        return BLOCK if self.dense else SERIES

    @property
    def row(self) -> int:
        """Floats of a row of a block, and a few more.

        Rows that are a multiple of 4096 bytes apart would share one set of the first-level cache.
        """
        return self.block * self.n_columns + PADDING

    @property
    def fold(self) -> int:
        """Lanes in which the gradient of a weight is summed."""
        return 1 if self.dense else FOLD

    def blocks(self, n_batch: int) -> Iterator[tuple[slice, int]]:
        """The series of each block of a batch, and how many are computed in their place."""
        for first in range(0, n_batch, self.block):
            own = slice(first, min(first + self.block, n_batch))
            n = own.stop - own.start
            yield own, -(-n // TILE) * TILE if self.dense else SERIES

    def filled(self, series: Floats, n: int) -> Floats:
        """Series (own, points, values) as the kernels want them, ``n`` of them, flat by points.

        Those beyond repeat the first: zeros might diverge where no series does, and 0 times NaN is
        a NaN in the gradient.
        """
        if len(series) < n:
            series = np.concatenate([series, np.repeat(series[:1], n - len(series), axis=0)])
        points = series.transpose(1, 0, 2) if self.dense else series.transpose(1, 2, 0)
        return np.ascontiguousarray(points).reshape(len(points), -1)

    def groups(self, n_series: int) -> Groups:
        """How a row of so many series is walked over."""
        if self.dense:
            return Groups(self.n_columns // WIDTH, WIDTH, n_series, self.n_columns)
        return Groups(self.n_neurons, SERIES, SERIES // WIDTH, WIDTH)

    def spread(self, of_neurons: NDArray[np.float64]) -> Floats:
        """Constants (n, neurons) as pointwise functions read them: a vector for each group."""
        if not self.dense:
            return np.repeat(of_neurons, WIDTH, axis=1).astype(np.float32)
        found = np.repeat(of_neurons[:, :1], self.n_columns, axis=1)
        found[:, self.columns] = of_neurons
        return found.astype(np.float32)

    def noise(self, normals: Floats, parts: int) -> Floats:
        """Normal numbers of jumps, flat, as (jumps, parts, series of a block, neurons)."""
        own = normals.reshape(-1, parts, self.row)[..., : self.row - PADDING]
        if self.dense:
            return own.reshape(*own.shape[:2], self.block, -1)[..., self.columns]
        return own.reshape(*own.shape[:2], -1, self.block).swapaxes(2, 3)

    @classmethod
    def from_masks(
        cls,
        mask_in: Tensor,
        mask_inter: Tensor,
        mask_intra: Tensor,
        widths: tuple[int, ...] | None = None,
    ) -> Layout:
        """The layout of a network whose weights are non-zero where the masks are true.

        Args:
            mask_in: bool, (width, channels).
            mask_inter: bool, (layers - 1, width, width), [target, source].
            mask_intra: bool, (layers, width, width), [target, source].
            widths: neurons of each layer, the first so many of ``width``; without it, all.
        """
        n_layers, width = mask_intra.shape[:2]
        widths = widths or (width,) * n_layers
        exists = np.flatnonzero(np.arange(width) < np.array(widths)[:, None])
        places = _places(*(mask.numpy() for mask in (mask_in, mask_inter, mask_intra)))[exists]
        between, inputs = places[:, exists], places[: widths[0], n_layers * width :]
        n_weights = mask_in.numel() + mask_inter.numel() + mask_intra.numel()
        bias = (n_weights + exists).astype(np.int32)
        ends = np.cumsum([0, *widths])
        possible = sum(
            (end - first) * (end - ends[max(layer - 1, 0)])
            for layer, (first, end) in enumerate(pairwise(ends))
        )
        make = _dense if np.count_nonzero(between >= 0) >= DENSE * possible else _sparse
        return make(widths, between, inputs, bias)


def _dense(widths: tuple[int, ...], between: Integers, inputs: Integers, bias: Integers) -> Layout:
    filled = [-(-n // WIDTH) * WIDTH for n in widths]
    ends = np.cumsum([0, *filled])
    columns = np.concatenate([first + np.arange(n) for first, n in zip(ends, widths, strict=False)])
    neuron = np.zeros(ends[-1], np.int32)
    neuron[columns] = np.arange(len(columns))
    places = np.full((ends[-1], ends[-1]), -1, np.int32)
    places[np.ix_(columns, columns)] = between
    spans, forward, back, last = [], [], [], len(widths) - 1
    n_forward = n_back = 0
    for layer, (first, n) in enumerate(zip(ends, filled, strict=False)):
        sources = slice(ends[max(layer - 1, 0)], first + n)
        targets = slice(first, ends[min(layer + 1, last) + 1])
        own = slice(first, first + n)
        n_sources, n_targets = sources.stop - sources.start, targets.stop - targets.start
        spans.append([first, n, sources.start, n_sources, n_forward])
        spans[-1] += [targets.start, n_targets, n_back]
        forward.append(
            _weights(places[own, sources].T, np.broadcast_to(neuron[own], (n_sources, n)))
        )
        by_source = np.broadcast_to(neuron[targets, None], (n_targets, n))
        back.append(_weights(places[targets, own], by_source))
        n_forward, n_back = n_forward + n_sources * n, n_back + n_targets * n
    entry = np.full((inputs.shape[1], filled[0]), -1, np.int32)
    entry[:, : widths[0]] = inputs.T
    biases = np.full(ends[-1], -1, np.int32)
    biases[columns] = bias
    none = np.empty(0, np.int32)
    drives = _joined(forward)
    entries = _weights(entry, np.broadcast_to(neuron[: filled[0]], entry.shape))
    bias_of = Weights(biases, neuron + np.int32(len(columns)))
    weights, parts = in_order(forward=drives, inputs=entries, biases=bias_of, back=_joined(back))
    return Layout(
        widths=widths,
        n_channels=inputs.shape[1],
        structure=Structure(True, np.array(spans).reshape(-1), none, none, none, none),
        columns=columns,
        n_columns=int(ends[-1]),
        weights=weights,
        parts=parts,
        gradient=_joined([drives, entries, bias_of]),
    )


def _sparse(widths: tuple[int, ...], between: Integers, inputs: Integers, bias: Integers) -> Layout:
    n = len(between)
    neurons = np.arange(n, dtype=np.int32)
    target, source = np.nonzero(between >= 0)
    source_back, target_back = np.nonzero(between.T >= 0)
    back = _weights(between[target_back, source_back], target_back)
    entries = _weights(inputs, np.broadcast_to(neurons[: widths[0], None], inputs.shape))
    biases = Weights(bias, neurons + np.int32(n))
    weights, parts = in_order(
        forward=_weights(between[target, source], target), inputs=entries, biases=biases, back=back
    )
    return Layout(
        widths=widths,
        n_channels=inputs.shape[1],
        structure=Structure(
            False,
            np.empty(0, np.int64),
            np.searchsorted(target, np.arange(n + 1)).astype(np.int32),
            source.astype(np.int32),
            np.searchsorted(source_back, np.arange(n + 1)).astype(np.int32),
            target_back.astype(np.int32),
        ),
        columns=np.arange(n),
        n_columns=n,
        weights=weights,
        parts=parts,
        gradient=_joined([back, entries, biases]),
    )


def _weights(index: NDArray[np.int32], target: NDArray[np.integer]) -> Weights:
    return Weights(*(np.ascontiguousarray(own.reshape(-1), np.int32) for own in (index, target)))


def _joined(parts: list[Weights]) -> Weights:
    return Weights(*map(np.concatenate, zip(*parts, strict=True)))


def in_order(**parts: Weights) -> tuple[Weights, dict[str, slice]]:
    """The parts one after the other, each from a cache line on, and where each is."""
    places: dict[str, slice] = {}
    filled, first = [], 0
    for name, own in parts.items():
        n = len(own.place)
        places[name] = slice(first, first + n)
        none = np.full(-n % WIDTH, -1, np.int32)
        filled += [own, Weights(none, np.zeros_like(none))]
        first += n + len(none)
    return _joined(filled), places


def _places(
    mask_in: NDArray[np.bool_], mask_inter: NDArray[np.bool_], mask_intra: NDArray[np.bool_]
) -> Integers:
    """Where each weight of the network's matrix is among the joined weights; -1 for none."""
    n_layers, width = mask_intra.shape[:2]
    n_neurons = n_layers * width
    place = np.full((n_neurons, n_neurons + mask_in.shape[1]), -1, np.int32)
    first = 0

    def put(mask: NDArray[np.bool_], row: int, column: int) -> None:
        nonlocal first
        here = np.arange(first, first + mask.size, dtype=np.int32).reshape(mask.shape)
        place[row : row + width, column : column + mask.shape[1]] = np.where(mask, here, -1)
        first += mask.size

    put(mask_in, 0, n_neurons)
    for layer, mask in enumerate(mask_inter):
        put(mask, (layer + 1) * width, layer * width)
    for layer, mask in enumerate(mask_intra):
        put(mask, layer * width, layer * width)
    return place


def weight_shapes(n_layers: int, width: int, n_channels: int) -> list[tuple[int | str, ...]]:
    """Shapes of w_in, w_inter and w_intra."""
    return [(width, n_channels), (n_layers - 1, width, width), (n_layers, width, width)]


def check_tensor(
    where: str, name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int | str, ...]
) -> None:
    """Refuse a tensor of another type, on another device or of another shape (a word: any size)."""
    if tensor.dtype != dtype:
        remedy = f"Convert it with .to({dtype})."
        raise TypeError(
            message(where, f"{name}.dtype == {dtype}", f"{name}.dtype", tensor.dtype, remedy)
        )
    if not tensor.is_cpu:
        rule = f'{name}.device == "cpu"'
        remedy = "Move it with .cpu(), or use the reference, which runs anywhere."
        raise ValueError(message(where, rule, f"{name}.device", tensor.device, remedy))
    if tensor.dim() != len(shape) or any(
        size != want and not isinstance(want, str)
        for size, want in zip(tensor.shape, shape, strict=True)
    ):
        rule = f"{name}.shape == ({', '.join(map(str, shape))})"
        remedy = "Give tensors that fit together."
        raise ValueError(message(where, rule, f"{name}.shape", tuple(tensor.shape), remedy))


def message(where: str, rule: str, name: str, value: object, remedy: str) -> str:
    """Return the message for a tensor or size that breaks a rule."""
    return f"{where}: expected `{rule}`, got {name}={value}. {remedy}"
