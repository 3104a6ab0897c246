"""Places of the neurons and weights of a network in the flat arrays of the kernels.

A *block* is a set of series that go through time together; a *row* is one value for
each of their neurons. A network has one of two layouts:

dense [series][neuron], up to BLOCK series. Neurons without synapses pad every layer to
    a multiple of WIDTH. Small batches leave no vector empty.
sparse [neuron][series], SERIES series for any batch. Only existing neurons and weights
    are computed.

The masks alone decide between them, never the host, because last bits depend on the
layout.
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

from .sizes import BLOCK, DENSE, FOLD, PADDING, SERIES, TILE, WIDTH

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


class Weights(NamedTuple):
    """Weights in the order of an array."""

    place: Integers
    """Index of each among the joined parameters; -1: no weight, 0 in its place."""
    target: Integers
    """The neuron that it drives; its amplification multiplies the weight."""


class Groups(NamedTuple):
    """Loops of a pointwise function over a row: vectors of a group share their
    constants."""

    groups: int
    group_stride: int
    repeats: int
    repeat_stride: int


class Structure(NamedTuple):
    """Structure of the weights, for the products of the kernels."""

    dense: bool
    spans: NDArray[np.int64]
    """Dense layout, per layer: first column and number of columns; the same of its
    sources, and the start of their weights; the same of its targets. (layers, 8),
    flat."""
    starts: Integers
    """Sparse layout: first weight of each target, (neurons + 1,)."""
    sources: Integers
    """Source of each weight, by target."""
    starts_back: Integers
    """First weight of each source, (neurons + 1,)."""
    targets: Integers
    """Target of each weight, by source."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The layout of one network, computed once from its masks."""

    widths: tuple[int, ...]
    """Neurons of each layer."""
    n_channels: int
    structure: Structure
    columns: NDArray[np.intp]
    """Column of each neuron in a row of one series, (neurons,)."""
    n_columns: int
    """Columns of a row of one series: neurons and padding."""
    weights: Weights
    """In the order of ``parts``: weights between neurons, for drives; weights from the
    input; biases, with targets after the neurons; weights between neurons, for
    pull-backs."""
    parts: Mapping[str, slice]
    """Slices of "forward", "inputs", "biases" and "back"."""
    gradient: Weights
    """All weights in the order of the sums of their gradients."""
    pool: list[Floats] = field(default_factory=list, repr=False)
    """Work arrays that are not in use."""

    @property
    def dense(self) -> bool:
        """True for the dense layout."""
        return self.structure.dense

    @property
    def n_neurons(self) -> int:
        """Number of neurons of all layers."""
        return sum(self.widths)

    @property
    def block(self) -> int:
        """Most series in a block."""
        return BLOCK if self.dense else SERIES

    @property
    def row(self) -> int:
        """Floats of a row of a block, with padding.

        Rows at distances of a multiple of 4096 bytes would share one set of the
        first-level cache.
        """
        return self.block * self.n_columns + PADDING

    @property
    def fold(self) -> int:
        """Lanes in the gradient sum of a weight."""
        return 1 if self.dense else FOLD

    def blocks(self, n_batch: int) -> Iterator[tuple[slice, int]]:
        """Yield the series of each block of a batch, and their number with padding."""
        for first in range(0, n_batch, self.block):
            rows = slice(first, min(first + self.block, n_batch))
            n = rows.stop - rows.start
            yield rows, -(-n // TILE) * TILE if self.dense else SERIES

    def pad(self, series: Floats, n: int) -> Floats:
        """Return series, (series, points, values), padded to ``n`` and flat by points,
        for kernels.

        Padding repeats the first series: zeros might diverge although no series does,
        and 0 times NaN is a NaN in the gradient.
        """
        if len(series) < n:
            series = np.concatenate(
                [series, np.repeat(series[:1], n - len(series), axis=0)]
            )
        points = series.transpose(1, 0, 2) if self.dense else series.transpose(1, 2, 0)
        return np.ascontiguousarray(points).reshape(len(points), -1)

    def groups(self, n_series: int) -> Groups:
        """Return the loops over a row of ``n_series`` series."""
        if self.dense:
            return Groups(self.n_columns // WIDTH, WIDTH, n_series, self.n_columns)
        return Groups(self.n_neurons, SERIES, SERIES // WIDTH, WIDTH)

    def spread(self, constants: NDArray[np.float64]) -> Floats:
        """Return constants, (n, neurons), for pointwise functions: a vector for each
        group."""
        if not self.dense:
            return np.repeat(constants, WIDTH, axis=1).astype(np.float32)
        vectors = np.repeat(constants[:, :1], self.n_columns, axis=1)
        vectors[:, self.columns] = constants
        return vectors.astype(np.float32)

    def noise(self, normals: Floats, parts: int) -> Floats:
        """Return flat normal numbers of jumps as (jumps, parts, series of a block,
        neurons)."""
        rows = normals.reshape(-1, parts, self.row)[..., : self.row - PADDING]
        if self.dense:
            return rows.reshape(*rows.shape[:2], self.block, -1)[..., self.columns]
        return rows.reshape(*rows.shape[:2], -1, self.block).swapaxes(2, 3)

    @classmethod
    def from_masks(
        cls,
        mask_in: Tensor,
        mask_inter: Tensor,
        mask_intra: Tensor,
        widths: tuple[int, ...] | None = None,
    ) -> Layout:
        """Return the layout of a network with weights where the masks are true.

        Args:
            mask_in: bool, (width, channels).
            mask_inter: bool, (layers - 1, width, width), [target, source].
            mask_intra: bool, (layers, width, width), [target, source].
            widths: neurons of each layer, the first ones of ``width``; None: all.
        """
        n_layers, width = mask_intra.shape[:2]
        widths = widths or (width,) * n_layers
        exists = np.flatnonzero(np.arange(width) < np.array(widths)[:, None])
        places = _places(*(mask.numpy() for mask in (mask_in, mask_inter, mask_intra)))[
            exists
        ]
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


def _dense(
    widths: tuple[int, ...], between: Integers, inputs: Integers, bias: Integers
) -> Layout:
    padded = [-(-n // WIDTH) * WIDTH for n in widths]
    ends = np.cumsum([0, *padded])
    columns = np.concatenate(
        [first + np.arange(n) for first, n in zip(ends, widths, strict=False)]
    )
    neuron = np.zeros(ends[-1], np.int32)
    neuron[columns] = np.arange(len(columns))
    places = np.full((ends[-1], ends[-1]), -1, np.int32)
    places[np.ix_(columns, columns)] = between
    spans, forward, back, last = [], [], [], len(widths) - 1
    n_forward = n_back = 0
    for layer, (first, n) in enumerate(zip(ends, padded, strict=False)):
        sources = slice(ends[max(layer - 1, 0)], first + n)
        targets = slice(first, ends[min(layer + 1, last) + 1])
        own = slice(first, first + n)
        n_sources, n_targets = (
            sources.stop - sources.start,
            targets.stop - targets.start,
        )
        spans.append([first, n, sources.start, n_sources, n_forward])
        spans[-1] += [targets.start, n_targets, n_back]
        forward.append(
            _weights(
                places[own, sources].T, np.broadcast_to(neuron[own], (n_sources, n))
            )
        )
        by_source = np.broadcast_to(neuron[targets, None], (n_targets, n))
        back.append(_weights(places[targets, own], by_source))
        n_forward, n_back = n_forward + n_sources * n, n_back + n_targets * n
    entry = np.full((inputs.shape[1], padded[0]), -1, np.int32)
    entry[:, : widths[0]] = inputs.T
    biases = np.full(ends[-1], -1, np.int32)
    biases[columns] = bias
    none = np.empty(0, np.int32)
    drives = _join(forward)
    entries = _weights(entry, np.broadcast_to(neuron[: padded[0]], entry.shape))
    bias_of = Weights(biases, neuron + np.int32(len(columns)))
    weights, parts = join_aligned(
        forward=drives, inputs=entries, biases=bias_of, back=_join(back)
    )
    return Layout(
        widths=widths,
        n_channels=inputs.shape[1],
        structure=Structure(True, np.array(spans).reshape(-1), none, none, none, none),
        columns=columns,
        n_columns=int(ends[-1]),
        weights=weights,
        parts=parts,
        gradient=_join([drives, entries, bias_of]),
    )


def _sparse(
    widths: tuple[int, ...], between: Integers, inputs: Integers, bias: Integers
) -> Layout:
    n = len(between)
    neurons = np.arange(n, dtype=np.int32)
    target, source = np.nonzero(between >= 0)
    source_back, target_back = np.nonzero(between.T >= 0)
    back = _weights(between[target_back, source_back], target_back)
    entries = _weights(
        inputs, np.broadcast_to(neurons[: widths[0], None], inputs.shape)
    )
    biases = Weights(bias, neurons + np.int32(n))
    weights, parts = join_aligned(
        forward=_weights(between[target, source], target),
        inputs=entries,
        biases=biases,
        back=back,
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
        gradient=_join([back, entries, biases]),
    )


def _weights(index: NDArray[np.int32], target: NDArray[np.integer]) -> Weights:
    return Weights(
        *(np.ascontiguousarray(part.reshape(-1), np.int32) for part in (index, target))
    )


def _join(parts: list[Weights]) -> Weights:
    return Weights(*map(np.concatenate, zip(*parts, strict=True)))


def join_aligned(**parts: Weights) -> tuple[Weights, dict[str, slice]]:
    """Join parts, each from a cache line on, and return the slice of each."""
    places: dict[str, slice] = {}
    pieces, first = [], 0
    for name, weights in parts.items():
        n = len(weights.place)
        places[name] = slice(first, first + n)
        none = np.full(-n % WIDTH, -1, np.int32)
        pieces += [weights, Weights(none, np.zeros_like(none))]
        first += n + len(none)
    return _join(pieces), places


def _places(
    mask_in: NDArray[np.bool_],
    mask_inter: NDArray[np.bool_],
    mask_intra: NDArray[np.bool_],
) -> Integers:
    """Return the index of each weight of the whole matrix among the joined weights; -1:
    none."""
    n_layers, width = mask_intra.shape[:2]
    n_neurons = n_layers * width
    place = np.full((n_neurons, n_neurons + mask_in.shape[1]), -1, np.int32)
    first = 0

    def put(mask: NDArray[np.bool_], row: int, column: int) -> None:
        nonlocal first
        here = np.arange(first, first + mask.size, dtype=np.int32).reshape(mask.shape)
        place[row : row + width, column : column + mask.shape[1]] = np.where(
            mask, here, -1
        )
        first += mask.size

    put(mask_in, 0, n_neurons)
    for layer, mask in enumerate(mask_inter):
        put(mask, (layer + 1) * width, layer * width)
    for layer, mask in enumerate(mask_intra):
        put(mask, layer * width, layer * width)
    return place


def weight_shapes(
    n_layers: int, width: int, n_channels: int
) -> list[tuple[int | str, ...]]:
    """Return the shapes of w_in, w_inter and w_intra."""
    return [(width, n_channels), (n_layers - 1, width, width), (n_layers, width, width)]


def check_tensor(
    where: str,
    name: str,
    tensor: Tensor,
    dtype: torch.dtype,
    shape: tuple[int | str, ...],
) -> None:
    """Refuse a tensor of another type, on another device or of another shape (a word:
    any size)."""
    if tensor.dtype != dtype:
        remedy = f"Convert it with .to({dtype})."
        raise TypeError(
            message(
                where, f"{name}.dtype == {dtype}", f"{name}.dtype", tensor.dtype, remedy
            )
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
        raise ValueError(
            message(where, rule, f"{name}.shape", tuple(tensor.shape), remedy)
        )


def message(where: str, rule: str, name: str, value: object, remedy: str) -> str:
    """Return the message for a tensor or size that breaks a rule."""
    return f"{where}: expected `{rule}`, got {name}={value}. {remedy}"
