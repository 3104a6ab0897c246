"""Draw the masks and first weights of a network, each array from a random stream of its
own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..hardware.physics import at_least_one, spread_layers
from ..randomness import stream
from .readout import LAST, Features
from .sparsity import draw_mask, draw_mirrored_mask

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes of a layered network, and how its first weights are drawn.

    Weights are uniform within ±1/√n, with the fan-in n before sparsification; those
    between and within layers are multiplied by ``weight_gain``. Masked weights are
    zero.

    Raises:
        ValueError: a size is below 1, or a tuple has another length than the number of
            layers.
    """

    channels: int
    """Number of input values per time point."""
    outputs: int
    """Number of values read out."""
    layers: int = 3
    width: int | tuple[int, ...] = 32
    """Neurons per layer; this and the densities: one number, or one for each layer."""
    density_inter: float | tuple[float, ...] = 0.5
    """Fraction of connections kept into a layer, from the input or from below."""
    density_intra: float | tuple[float, ...] = 0.5
    """Fraction of connections kept within each layer."""
    weight_gain: float = 1.0
    """Factor on the first weights between and within layers."""
    rotation: float | None = None
    """Largest rotation by S W per point, in radians, of antisymmetric first weights
    within a layer, see ``antisymmetrise``; None: random weights."""
    features: Features = LAST
    """Features of the readout."""

    def __post_init__(self) -> None:
        """Refuse impossible sizes."""
        sizes = {
            "channels": self.channels,
            "outputs": self.outputs,
            "layers": self.layers,
            "width": min(self.widths) if self.layers > 0 else 1,
        }
        at_least_one("layered network", **sizes)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return spread_layers(self.width, self.layers, "width")

    @cached_property
    def n_features(self) -> int:
        """Number of features of the readout."""
        return self.features.n(self.widths)

    @property
    def _shapes(self) -> dict[str, list[Shape]]:
        """Shapes of the weights of each layer, by kind."""
        widths = self.widths
        return {
            "in": [(widths[0], self.channels)],
            "inter": list(zip(widths[1:], widths, strict=False)),
            "intra": [(n, n) for n in widths],
        }

    def draw_masks(self, seeds: Sequence[int]) -> dict[str, Tensor]:
        """Draw the masks of the weights of each member by name: see
        ``DeviceNetwork``."""
        inter = spread_layers(self.density_inter, self.layers, "density_inter")
        intra = spread_layers(self.density_intra, self.layers, "density_intra")
        densities = {"in": inter[:1], "inter": inter[1:], "intra": intra}
        masks = {}
        for kind, shapes in self._shapes.items():
            sample = draw_mask
            if kind == "intra" and self.rotation is not None:
                sample = draw_mirrored_mask
            name = f"mask_{kind}"
            whole = self._padded(kind)
            mask = _draw(seeds, name, shapes, whole, sample, densities[kind])
            masks[name] = mask.bool()
        masks["mask_in"] = masks["mask_in"][:, 0]
        return masks

    def draw_weights(
        self, seeds: Sequence[int], dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """Draw weights and biases of each member by name: see ``DeviceNetwork``."""
        widths = self.widths
        n = self.n_features

        def uniform(
            name: str, shapes: Sequence[Shape], whole: Shape, fan_ins: Sequence[int]
        ) -> Tensor:
            return _draw(seeds, name, shapes, whole, _uniform, fan_ins).to(dtype)

        fan_ins = {"in": (self.channels,), "inter": widths, "intra": widths}
        weights = {
            f"w_{kind}": uniform(f"w_{kind}", shapes, self._padded(kind), fan_ins[kind])
            for kind, shapes in self._shapes.items()
        }
        weights["w_in"] = weights["w_in"][:, 0]
        alone = [(width,) for width in widths]
        weights["bias"] = uniform("bias", alone, (max(widths),), widths)
        for name, shape in (
            ("w_out", (self.outputs, n)),
            ("bias_out", (self.outputs,)),
        ):
            weights[name] = uniform(name, [shape], shape, [n])[:, 0]
        return weights

    def _padded(self, kind: str) -> Shape:
        """Return the shape of the weights of the widest layer."""
        widest = max(self.widths)
        return (widest, self.channels if kind == "in" else widest)


def _draw(
    seeds: Sequence[int],
    name: str,
    shapes: Sequence[Shape],
    whole: Shape,
    sample: Callable[[np.random.Generator, Shape, Any], NDArray[Any]],
    parameters: Sequence[Any],
) -> Tensor:
    """Draw an array for each member and shape: (members, shapes, *whole), zero beyond
    its shape.

    Each array has a random stream of its own, and its own parameter of ``sample``.
    """
    arrays = np.zeros((len(seeds), len(shapes), *whole))
    for of_member, seed in zip(arrays, seeds, strict=True):
        pairs = zip(shapes, parameters, strict=False)
        for k, (shape, parameter) in enumerate(pairs):
            place = tuple(map(slice, shape))
            of_member[k][place] = sample(stream(seed, f"{name}/{k}"), shape, parameter)
    return torch.from_numpy(arrays)


def _uniform(
    generator: np.random.Generator, shape: Shape, fan_in: int
) -> NDArray[np.float64]:
    """Draw numbers between ±1/√``fan_in``."""
    bound = fan_in**-0.5
    return generator.uniform(-bound, bound, shape)


def antisymmetrise(weights: Tensor, fastest: Sequence[float]) -> Tensor:
    """Return W - W^T for the upper triangle W of square matrices, (members, layers,
    width, width).

    Its eigenvalues are imaginary: modes turn, and neither grow nor decay. ``fastest``
    is the largest one in each layer. B. Chang et al., AntisymmetricRNN, ICLR 2019,
    arXiv:1902.09689.
    """
    above = weights.triu(1)
    difference = above - above.mT
    # last bits depend on the host
    norm = torch.linalg.matrix_norm(difference.double(), 2)
    factor = torch.where(norm > 0, norm.new_tensor(fastest) / norm, 0.0).float()
    return difference * factor.to(difference)[..., None, None]
