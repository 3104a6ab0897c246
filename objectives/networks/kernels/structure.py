"""Where the synapses of one network are, as the fused kernels want them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


TILE = 4
"""Neurons of a tile."""
DENSE, WIDE = 0.55, 64
"""Share of the possible weights, and neurons of a layer, from which on a network is taken by tiles:
below, a sparse loop is as fast, and narrow networks keep the bits that they have always had."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiles:
    """The weights between neurons as dense products want them: ``TILE`` neurons at a time.

    A tile of targets has all neurons of their layer and of the one below for sources, a tile of
    sources all of their layer and of the one above for targets: rows side by side. An index says
    where each weight is among the joined weights, -1 for none.
    """

    spans: Integers
    """First source of each tile of targets, (tiles,), and the one after its last, (tiles,)."""
    index: Integers
    """Weights by tile, source and target: (tiles, sources, TILE), joined."""
    spans_by_source: Integers
    """The same for tiles of sources and their targets."""
    index_by_source: Integers
    """Weights by tile, target and source: (tiles, targets, TILE), joined."""
    products: Integers
    """Weights by tile of targets, tile of sources, target and source, joined."""

    @classmethod
    def none(cls) -> Tiles:
        """Those of a network whose weights are taken by a sparse loop."""
        return cls(**dict.fromkeys((f.name for f in fields(cls)), np.empty(0, np.int32)))

    @classmethod
    def of(cls, place: Integers, widths: tuple[int, ...]) -> Tiles:
        """Those of a network, (neurons, neurons), [target, source]; none unless it is dense."""
        last, wide = len(widths) - 1, min(widths) >= WIDE and not any(w % TILE for w in widths)
        starts = np.cumsum([0, *widths])
        layers = np.repeat(np.arange(last + 1), [w // TILE for w in widths])
        spans = np.array([starts[np.maximum(layers - 1, 0)], starts[layers + 1]])
        by_source = np.array([starts[layers], starts[np.minimum(layers + 1, last) + 1]])
        possible = TILE * int((spans[1] - spans[0]).sum())
        if not wide or np.count_nonzero(place >= 0) < DENSE * possible:
            return cls.none()
        tiles = [
            place[TILE * k : TILE * (k + 1), first:last] for k, (first, last) in enumerate(spans.T)
        ]
        back = [
            place[first:last, TILE * k : TILE * (k + 1)]
            for k, (first, last) in enumerate(by_source.T)
        ]
        products = [tile.reshape(TILE, -1, TILE).swapaxes(0, 1) for tile in tiles]
        return cls(
            spans=spans.reshape(-1).astype(np.int32),
            index=np.concatenate([tile.T.reshape(-1) for tile in tiles]),
            spans_by_source=by_source.reshape(-1).astype(np.int32),
            index_by_source=np.concatenate([tile.reshape(-1) for tile in back]),
            products=np.concatenate([product.reshape(-1) for product in products]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseStructure:
    """Where the synapses of one network are: built once, from its masks.

    The network is one matrix. Its targets are the neurons, layer after layer; its sources are the
    neurons, then the input channels. The non-zeros are listed by target and by source; an index
    says where each is in (w_in, w_inter, w_intra), flattened and joined. Layers may differ in
    width: what is listed are the neurons that exist.
    """

    widths: tuple[int, ...]
    """Neurons of each layer."""
    n_channels: int
    target_starts: Integers
    """First non-zero of each target, (neurons + 1,), and the first that is an input, (neurons,)."""
    sources: Integers
    """Source of each non-zero, by target, (nonzeros,)."""
    target_index: Integers
    target_of: Integers
    """Target of each non-zero, by target, (nonzeros,)."""
    source_starts: Integers
    """First non-zero of each source, (neurons + channels + 1,)."""
    targets: Integers
    """Target of each non-zero, by source, (nonzeros,)."""
    source_index: Integers
    tiles: Tiles
    """The weights between neurons once more, by tile; no tiles where a sparse loop is faster."""
    bias_index: Integers
    """Where the bias of each neuron is in (w_in, w_inter, w_intra, bias), joined, (neurons,)."""
    pool: list[Floats] = field(default_factory=list, repr=False)
    """Work arrays that no computation holds at present."""

    @property
    def n_neurons(self) -> int:
        """Neurons of all layers."""
        return sum(self.widths)

    @property
    def from_below(self) -> Integers:
        """1 where a non-zero, by source, leads into the layer above its source; else 0."""
        rows = np.repeat(np.arange(len(self.source_starts) - 1), np.diff(self.source_starts))
        layers = np.repeat(np.arange(len(self.widths)), self.widths)
        layers = np.concatenate([layers, np.full(self.n_channels, -1)])
        apart = (layers[rows] >= 0) & (layers[rows] != layers[self.targets])
        found: Integers = apart.astype(np.int32)
        return found

    @classmethod
    def from_masks(
        cls,
        mask_in: Tensor,
        mask_inter: Tensor,
        mask_intra: Tensor,
        widths: tuple[int, ...] | None = None,
    ) -> SparseStructure:
        """The structure of a network whose weights are non-zero where the masks are true.

        Args:
            mask_in: bool, (width, channels).
            mask_inter: bool, (layers - 1, width, width), [target, source].
            mask_intra: bool, (layers, width, width), [target, source].
            widths: neurons of each layer, the first so many of ``width``; without it, all.

        Raises:
            TypeError: a mask is not boolean.
            ValueError: the shapes do not fit together.
        """
        where = "SparseStructure"
        check_tensor(where, "mask_intra", mask_intra, torch.bool, ("layers", "width", "width"))
        check_tensor(where, "mask_in", mask_in, torch.bool, ("width", "channels"))
        n_layers, width = mask_intra.shape[:2]
        n_channels = mask_in.shape[1]
        masks = {"mask_in": mask_in, "mask_inter": mask_inter, "mask_intra": mask_intra}
        for (name, mask), shape in zip(
            masks.items(), weight_shapes(n_layers, width, n_channels), strict=True
        ):
            check_tensor(where, name, mask, torch.bool, shape)
        widths = widths or (width,) * n_layers
        exists = np.flatnonzero(np.arange(width) < np.array(widths)[:, None])
        n_neurons, n_weights = len(exists), sum(mask.numel() for mask in masks.values())
        rows = np.concatenate([exists, n_layers * width + np.arange(n_channels)])
        place = _places(mask_in.numpy(), mask_inter.numpy(), mask_intra.numpy())[exists][:, rows]
        target, source = np.nonzero(place >= 0)
        source_t, target_t = np.nonzero(place.T >= 0)
        starts = _starts(target, n_neurons)
        is_input = source >= n_neurons
        inputs = starts[1:] - np.bincount(target[is_input], minlength=n_neurons)
        return cls(
            widths=widths,
            n_channels=n_channels,
            target_starts=np.concatenate([starts, inputs]).astype(np.int32),
            sources=source.astype(np.int32),
            target_index=place[target, source],
            target_of=target.astype(np.int32),
            source_starts=_starts(source_t, n_neurons + n_channels),
            targets=target_t.astype(np.int32),
            source_index=place[target_t, source_t],
            tiles=Tiles.of(place[:, :n_neurons], widths),
            bias_index=(n_weights + exists).astype(np.int32),
        )


def weight_shapes(n_layers: int, width: int, n_channels: int) -> list[tuple[int | str, ...]]:
    """Shapes of w_in, w_inter and w_intra."""
    return [(width, n_channels), (n_layers - 1, width, width), (n_layers, width, width)]


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


def _starts(rows: NDArray[np.intp], n_rows: int) -> Integers:
    """First entry of each row, given the sorted row of each entry; (n_rows + 1,)."""
    counts = np.bincount(rows, minlength=n_rows)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


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
    """What a refusal says."""
    return f"{where}: `{rule}` must hold, but got {name}={value}. {remedy}"
