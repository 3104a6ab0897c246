"""Places of the neurons and weights of a network in the flat arrays of the kernels.

A *block* is a set of series that go through time together; a *row* is one value for
each of their neurons. A network has one of two layouts:

dense [series][neuron], up to BLOCK series. Neurons without synapses pad every layer to
    a multiple of WIDTH. Small batches leave no vector empty.
sparse [neuron][series], SERIES series for any batch. Only existing neurons and weights
    are computed.

The masks and the batch size of training decide between them, never the host, because
last bits depend on the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .sizes import (
    BLOCK,
    FOLD,
    PADDING,
    SERIES,
    TILE,
    WIDTH,
    least_dense_share,
    round_up,
)

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
_NONE: Integers = np.empty(0, np.int32)


class Weights(NamedTuple):
    """Weights in the order of an array."""

    place: Integers
    """Index of each among the joined parameters; -1: no weight, 0 in its place."""
    target: Integers
    """The neuron that it drives; its amplification multiplies the weight."""


class Walk(NamedTuple):
    """Loops of a step over a row: vectors of a group share their constants."""

    groups: int
    group_stride: int
    repeats: int
    repeat_stride: int
    row: int


SPAN = np.dtype(
    [
        ("first", np.int64),
        ("columns", np.int64),
        ("source", np.int64),
        ("sources", np.int64),
        ("weights", np.int64),
        ("target", np.int64),
        ("targets", np.int64),
        ("weights_back", np.int64),
    ]
)
"""A layer of a dense network: first column and number of columns; the same of its
sources, and the start of their weights; the same of its targets."""


class Structure(NamedTuple):
    """Structure of the weights, for the products of the kernels."""

    dense: bool
    spans: NDArray[np.void]
    """Dense layout: a ``SPAN`` for each layer."""
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

    @property
    def strides(self) -> tuple[int, int]:
        """Floats from one series to the next in a row, and from one neuron to the
        next."""
        return (self.n_columns, 1) if self.dense else (1, SERIES)

    def blocks(self, n_batch: int) -> Iterator[tuple[slice, int]]:
        """Yield the series of each block of a batch, and their number with padding."""
        for first in range(0, n_batch, self.block):
            rows = slice(first, min(first + self.block, n_batch))
            padded = SERIES
            if self.dense:
                padded = round_up(rows.stop - rows.start, TILE)
            yield rows, padded

    def pad(self, series: Floats, n: int) -> Floats:
        """Return series, (series, points, values), padded to ``n`` and flat by points,
        for kernels.

        Padding repeats the first series: zeros might diverge although no series does,
        and 0 times NaN is a NaN in the gradient.
        """
        if len(series) < n:
            padding = np.repeat(series[:1], n - len(series), axis=0)
            series = np.concatenate([series, padding])
        points = series.transpose(1, 0, 2) if self.dense else series.transpose(1, 2, 0)
        return np.ascontiguousarray(points).reshape(len(points), -1)

    def walk(self, n_series: int) -> Walk:
        """Return the loops over a row of ``n_series`` series."""
        if self.dense:
            n_groups = self.n_columns // WIDTH
            return Walk(n_groups, WIDTH, n_series, self.n_columns, self.row)
        return Walk(self.n_neurons, SERIES, SERIES // WIDTH, WIDTH, self.row)

    def in_groups(self, constants: NDArray[np.float64]) -> Floats:
        """Return constants, (n, neurons), for steps: a vector for each group."""
        if not self.dense:
            return np.repeat(constants, WIDTH, axis=1).astype(np.float32)
        vectors = np.repeat(constants[:, :1], self.n_columns, axis=1)
        vectors[:, self.columns] = constants
        return vectors.astype(np.float32)

    def in_rows(self, constants: NDArray[np.float64]) -> Floats:
        """Return constants, (n, neurons), as rows of a block: the same for all
        series."""
        rows = np.zeros((len(constants), self.row), np.float32)
        used = rows[:, :-PADDING]
        if self.dense:
            by_series = used.reshape(len(rows), self.block, self.n_columns)
            by_series[:] = self.in_groups(constants)[:, None]
        else:
            by_neuron = used.reshape(len(rows), self.n_columns, SERIES)
            by_neuron[:] = constants[:, :, None]
        return rows

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
        widths: tuple[int, ...],
        batch_size: int,
    ) -> Layout:
        """Return the layout of a network with weights where the masks are true.

        Args:
            mask_in: bool, (width, channels).
            mask_inter: bool, (layers - 1, width, width), [target, source].
            mask_intra: bool, (layers, width, width), [target, source].
            widths: neurons of each layer, the first ones of ``width``.
            batch_size: series of an update.
        """
        n_layers, width = mask_intra.shape[:2]
        exists = np.flatnonzero(np.arange(width) < np.array(widths)[:, None])
        masks = [mask.numpy() for mask in (mask_in, mask_inter, mask_intra)]
        places = _places(*masks)[exists]
        between = places[:, exists]
        inputs = places[: widths[0], n_layers * width :]
        bias = (sum(mask.size for mask in masks) + exists).astype(np.int32)
        ends = np.cumsum([0, *widths])
        possible = 0
        for layer, (first, end) in enumerate(pairwise(ends)):
            possible += (end - first) * (end - ends[max(layer - 1, 0)])
        if np.count_nonzero(between >= 0) >= least_dense_share(batch_size) * possible:
            return _dense(widths, between, inputs, bias)
        return _sparse(widths, between, inputs, bias)


def _dense(
    widths: tuple[int, ...], between: Integers, inputs: Integers, bias: Integers
) -> Layout:
    padded = [round_up(n, WIDTH) for n in widths]
    ends = np.cumsum([0, *padded])
    firsts = zip(ends, widths, strict=False)
    columns = np.concatenate([first + np.arange(n) for first, n in firsts])
    neuron = np.zeros(ends[-1], np.int32)
    neuron[columns] = np.arange(len(columns))
    places = np.full((ends[-1], ends[-1]), -1, np.int32)
    places[np.ix_(columns, columns)] = between
    whole = _with_targets(places, neuron)
    spans = []
    forward = []
    back = []
    last = len(widths) - 1
    n_forward = n_back = 0
    for layer, (first, n) in enumerate(zip(ends, padded, strict=False)):
        end = first + n
        source = ends[max(layer - 1, 0)]
        target_end = ends[min(layer + 1, last) + 1]
        sources = end - source
        targets = target_end - first
        span = (first, n, source, sources, n_forward, first, targets, n_back)
        spans.append(span)
        forward.append(whole[:, first:end, source:end].swapaxes(1, 2))
        back.append(whole[:, first:target_end, first:end])
        n_forward += forward[-1][0].size
        n_back += back[-1][0].size
    entry = np.full((padded[0], inputs.shape[1]), -1, np.int32)
    entry[: widths[0]] = inputs
    biases = np.full(ends[-1], -1, np.int32)
    biases[columns] = bias
    drives = _join(forward)
    entries = _join([_with_targets(entry, neuron).swapaxes(1, 2)])
    bias_of = Weights(biases, neuron + np.int32(len(columns)))
    weights, parts = join_aligned(
        forward=drives, inputs=entries, biases=bias_of, back=_join(back)
    )
    return Layout(
        widths=widths,
        n_channels=inputs.shape[1],
        structure=Structure(True, np.array(spans, SPAN), _NONE, _NONE, _NONE, _NONE),
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
    whole = _with_targets(between, neurons)
    back = _join([whole[:, target_back, source_back]])
    entries = _join([_with_targets(inputs, neurons)])
    biases = Weights(bias, neurons + np.int32(n))
    weights, parts = join_aligned(
        forward=_join([whole[:, target, source]]),
        inputs=entries,
        biases=biases,
        back=back,
    )
    structure = Structure(
        False,
        np.empty(0, SPAN),
        np.searchsorted(target, np.arange(n + 1)).astype(np.int32),
        source.astype(np.int32),
        np.searchsorted(source_back, np.arange(n + 1)).astype(np.int32),
        target_back.astype(np.int32),
    )
    return Layout(
        widths=widths,
        n_channels=inputs.shape[1],
        structure=structure,
        columns=np.arange(n),
        n_columns=n,
        weights=weights,
        parts=parts,
        gradient=_join([back, entries, biases]),
    )


def _with_targets(places: Integers, neurons: Integers) -> Integers:
    """Return places, (targets, sources), and the neuron that each weight drives: (2,
    targets, sources)."""
    of_rows = neurons[: len(places), None]
    return np.stack([places, np.broadcast_to(of_rows, places.shape)])


def _join(parts: Sequence[Weights | Integers]) -> Weights:
    """Join weights, each a pair of arrays of any shape."""
    flat = [np.reshape(part, (2, -1)) for part in parts]
    return Weights(*np.concatenate(flat, axis=1))


def join_aligned(**parts: Weights) -> tuple[Weights, dict[str, slice]]:
    """Join parts, each from a cache line on, and return the slice of each."""
    places: dict[str, slice] = {}
    pieces: list[Weights] = []
    first = 0
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
    blocks = [(mask_in, 0, n_neurons)]
    for layer, mask in enumerate(mask_inter):
        blocks.append((mask, (layer + 1) * width, layer * width))
    for layer, mask in enumerate(mask_intra):
        blocks.append((mask, layer * width, layer * width))
    place = np.full((n_neurons, n_neurons + mask_in.shape[1]), -1, np.int32)
    first = 0
    for mask, row, column in blocks:
        here = np.arange(first, first + mask.size).reshape(mask.shape)
        rows = slice(row, row + width)
        columns = slice(column, column + mask.shape[1])
        place[rows, columns] = np.where(mask, here, -1)
        first += mask.size
    return place
