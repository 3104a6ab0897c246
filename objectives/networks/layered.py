"""Layers of dynamical neurons: sparse synapses, the pass through time, and the readout.

The common part of the networks of arXiv:2408.02835 (Fig. 1a):
docs/explanation/equations.md, "Network" (with W for W_ext and V for W_int) and
"Readout". Layer 0 receives the input, every other layer the outputs of the layer below;
the neurons of a layer receive each other's outputs, too. ``pointwise`` has the response
of a neuron to its drive.

============  =================  ======  =======================================
paper symbol  code name          unit    shape
============  =================  ======  =======================================
input         u                  1       (batch, time, channels)
W_ext         w_in               1/ns    (members, width, channels)
W_ext         w_inter            1/ns    (members, layers - 1, width, width)
W_int         w_intra            1/ns    (members, layers, width, width)
b             bias               1/ns    (members, layers, width)
W_out         w_out              1       (members, outputs, features)
b_out         bias_out           1       (members, outputs)
============  =================  ======  =======================================

Matrices are stored [target, source]. If layers differ in width, ``width`` is that of
the widest layer. Neurons that do not exist are zero, have no synapses and are never
read; the kernels leave them out. All layers step together: the drives of a step depend
on the outputs at its start and before, so a signal needs one step per layer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .drawing import Shape, antisymmetrise, check_sizes, draw, draw_uniform
from .integrators import Dynamics, Past, State, Stepping
from .kernels.autograd import fused_series
from .kernels.chips import IDEAL, Chip, steps_between_jumps
from .kernels.kernel import Kernel, NeuronValues, Pointwise
from .kernels.layout import Layout
from .per_layer import PerLayer, spread_layers
from .readout import LAST, Features
from .sparsity import draw_mask, draw_mirrored_mask

Backend = Literal["auto", "reference", "fused"]
Noise = Callable[[Tensor], Tensor]
"""A function that adds noise to the values that are read."""


@dataclass(frozen=True, kw_only=True)
class Synapses:
    """Weights and biases of one forward pass; shapes as in the module's table."""

    w_in: Tensor
    w_inter: Tensor
    w_intra: Tensor
    bias: Tensor

    def weighted_sum(self, y: Tensor, u: Tensor) -> Tensor:
        """Return the bracket of Eq. (4) and (7): W_ext y_n + W_int y_{n+1} + b, in
        1/ns.

        Args:
            y: outputs, (members, layers, batch, width).
            u: input, (batch, channels) or (members, batch, channels).

        Returns:
            Tensor of shape (members, layers, batch, width).
        """
        from_input = u @ self.w_in.mT
        from_below = y[:, :-1] @ self.w_inter.mT
        external = torch.cat((from_input.unsqueeze(1), from_below), dim=1)
        internal = y @ self.w_intra.mT
        return external + internal + self.bias.unsqueeze(2)


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """Deviations of neurons from the nominal one, (members, layers, 1, width); None:
    none."""

    factors: Mapping[str, Tensor] = field(default_factory=dict)
    """Factor on each parameter that deviates, by its name."""
    noise_per_sqrt_ns: Tensor | None = None
    """Standard deviation of the noise in 1 ns; the dynamics are then those between its
    jumps."""


NOMINAL = Neurons()


class LayeredDynamics(Dynamics, Protocol):
    """The equations of a layered network."""

    def amplitude(self, state: State) -> Tensor:
        """Return the paper's x, (members, layers, batch, width)."""

    def rest(self, batch: int) -> State:
        """Return the state before any input."""

    def read(self, state: State) -> Tensor:
        """Return the value of every neuron for the readout, shaped as the outputs."""

    def after_noise_kick(self, state: State, noise: Tensor) -> State:
        """Return the state after a jump by ``noise``, (members, parts, layers, batch,
        width)."""


class LayeredNetwork(nn.Module, ABC):
    """Members of a multilayer network with a linear readout, trained side by side.

    Masks and initial weights of each member come from its own seed, so members give the
    same results together as alone. Weights are uniform within ±1/√n, with the fan-in n
    before sparsification; those between and within layers are multiplied by
    ``weight_gain``. Masked weights are zero and receive no gradient.

    Args:
        seeds: seed of each member, non-negative, at least one.
        physics: the device of the neurons, and its integration.
        channels: number of input values per time point.
        outputs: number of values read out.
        layers: number of layers, at least 1.
        width: neurons per layer; this and the densities: one number, or one for each
            layer.
        density_inter: fraction of connections kept into a layer, from the input or from
            below.
        density_intra: fraction of connections kept within each layer.
        weight_gain: factor on the initial weights between and within layers.
        rotation: largest rotation by S W per point, in radians, of antisymmetric
            initial weights within a layer, see ``drawing.antisymmetrise``; None: random
            weights.
        features: features of the readout.
        dtype: type of the parameters.
        backend: "reference" computes by the equations of the module, "fused" by the CPU
            kernel, "auto" by the kernel where it can.
        threads: cores among which the kernel divides the series of a batch.

    Raises:
        ValueError: a size is below 1, a density is outside [0, 1], or a tuple has
            another length than the number of layers.
    """

    w_in: nn.Parameter
    w_inter: nn.Parameter
    w_intra: nn.Parameter
    mask_in: Tensor
    mask_inter: Tensor
    mask_intra: Tensor
    physics: Stepping
    widths: tuple[int, ...]
    """Neurons of each layer."""
    noise_parts: ClassVar[int] = 1
    """Normal numbers per neuron and jump of noise; see ``devices``."""

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        physics: Stepping,
        channels: int,
        outputs: int,
        layers: int = 3,
        width: int | tuple[int, ...] = 32,
        density_inter: float | tuple[float, ...] = 0.5,
        density_intra: float | tuple[float, ...] = 0.5,
        weight_gain: float = 1.0,
        rotation: float | None = None,
        features: Features = LAST,
        dtype: torch.dtype = torch.float32,
        backend: Backend = "auto",
        threads: int = 1,
    ) -> None:
        """Draw a member for each of ``seeds``."""
        super().__init__()
        check_sizes(
            members=len(seeds), channels=channels, outputs=outputs, layers=layers
        )
        self.widths = widths = spread_layers(width, layers, "width")
        check_sizes(width=min(widths))
        for name, value in {**physics.device.values(), "s": physics.device.s}.items():
            spread_layers(value, layers, name)
        self.physics = physics
        self.features = features
        self.backend: Backend = backend
        self.threads = threads
        inter = spread_layers(density_inter, layers, "density_inter")
        intra = spread_layers(density_intra, layers, "density_intra")
        into = list(zip(widths[1:], widths, strict=False))
        within = [(n, n) for n in widths]

        def mask(
            name: str,
            shapes: Sequence[Shape],
            whole: Shape,
            densities: Sequence[float],
            how: Callable[..., Any] = draw_mask,
        ) -> Tensor:
            samples = [partial(how, density=density) for density in densities]
            return draw(seeds, name, shapes, whole, samples).bool()

        def uniform(
            name: str, shapes: Sequence[Shape], whole: Shape, fan_ins: Sequence[int]
        ) -> Tensor:
            samples = [partial(draw_uniform, bound=fan_in**-0.5) for fan_in in fan_ins]
            return draw(seeds, name, shapes, whole, samples).to(dtype)

        widest, n_features = max(widths), features.n(widths)
        entry, square = [(widths[0], channels)], (widest, widest)
        mask_in = mask("mask_in", entry, (widest, channels), inter[:1])[:, 0]
        mask_inter = mask("mask_inter", into, square, inter[1:])
        how = draw_mask if rotation is None else draw_mirrored_mask
        mask_intra = mask("mask_intra", within, square, intra, how)
        self.register_buffer("mask_in", mask_in)
        self.register_buffer("mask_inter", mask_inter)
        self.register_buffer("mask_intra", mask_intra)
        w_in = uniform("w_in", entry, (widest, channels), [channels])[:, 0]
        w_inter = uniform("w_inter", into, square, widths)
        w_intra = uniform("w_intra", within, square, widths) * weight_gain * mask_intra
        if rotation is not None:
            per_point = [
                s * physics.dt_ns
                for s in spread_layers(cast(Any, physics).s, layers, "s")
            ]
            w_intra = antisymmetrise(
                w_intra, [rotation / t if t else 0.0 for t in per_point]
            )
        self.w_in = nn.Parameter(w_in * mask_in)
        self.w_inter = nn.Parameter(w_inter * weight_gain * mask_inter)
        self.w_intra = nn.Parameter(w_intra)
        alone, out = [(n,) for n in widths], (outputs, n_features)
        self.bias = nn.Parameter(uniform("bias", alone, (widest,), widths))
        self.w_out = nn.Parameter(uniform("w_out", [out], out, [n_features])[:, 0])
        self.bias_out = nn.Parameter(
            uniform("bias_out", [out[:1]], out[:1], [n_features])[:, 0]
        )

    def dynamics(self) -> LayeredDynamics:
        """Return the vector field with the present weights; masked weights get no
        gradient."""
        return self.make_dynamics(self.synapses(), NOMINAL)

    @abstractmethod
    def make_dynamics(self, synapses: Synapses, neurons: Neurons) -> LayeredDynamics:
        """Return the vector field with these synapses and neurons."""

    @property
    @abstractmethod
    def beyond_kernel(self) -> str:
        """The option that the kernel does not support, as ``name=value``; else
        empty."""

    def kernel(self, member: int, *, noisy: bool = False) -> Kernel:
        """Return the kernel of one member; ``noisy`` for chips with noise."""
        return Kernel(
            layout=self.layouts[member],
            pointwise=self.pointwise(noisy),
            neurons=self.neurons,
            integrator=self.physics.integrator,
            n_steps=self.physics.n_steps,
            dt_ns=self.physics.dt_ns,
            reads=self.reads,
            features=self.features,
        )

    @abstractmethod
    def pointwise(self, noisy: bool) -> Pointwise:
        """Return the compiled steps of the neurons."""

    @abstractmethod
    def neurons(self, chip: Chip) -> NeuronValues:
        """Return the parameters of the neurons on a chip, for ``pointwise``."""

    @property
    def reads(self) -> int:
        """Index of the state whose change since rest is read; -1: the output."""
        return -1

    def noise_per_sqrt_ns(
        self, factors: Mapping[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Return the default noise of each neuron in 1/√ns, (neurons,).

        ``factors`` multiply its parameters.
        """
        return np.zeros(self.n_neurons)

    def computes_fused(self, u: Tensor) -> bool:
        """Tell whether the kernel computes the output for ``u``; see
        ``resolve_backend``."""
        return (
            resolve_backend(self.backend, u, self.bias, self.beyond_kernel) == "fused"
        )

    def per_neuron(self, value: PerLayer) -> NDArray[np.float64]:
        """Return a value per layer as one per neuron, (neurons,)."""
        return np.repeat(spread_layers(value, len(self.widths), "value"), self.widths)

    @property
    def n_neurons(self) -> int:
        """Number of neurons of one member."""
        return sum(self.widths)

    @cached_property
    def exists(self) -> Tensor:
        """True where a neuron exists, bool, (layers, width)."""
        return torch.arange(max(self.widths)) < torch.tensor(self.widths)[:, None]

    @property
    def n_synapses(self) -> int:
        """Number of weights of one member: unmasked connections and the readout, no
        biases."""
        masks = (self.mask_in, self.mask_inter, self.mask_intra)
        return sum(int(mask[0].sum()) for mask in masks) + self.w_out[0].numel()

    def forward(self, u: Tensor, chip: Chip = IDEAL) -> Tensor:
        """Return the linear readout of the features of each series.

        Args:
            u: input, (batch, time, channels), the same for all members, or
                (members, batch, time, channels); each value is held for ``dt_ns``.
            chip: deviations of the neurons from the ideal.

        Returns:
            Logits, (members, batch, outputs).

        Raises:
            ValueError: ``u`` has another shape, or no time point.
        """
        read = self.read(u, 1, chip)[:, :, 0]
        return read @ self.w_out.mT + self.bias_out.unsqueeze(1)

    def series(
        self, u: Tensor, n_read: int, chip: Chip = IDEAL, noise: Noise | None = None
    ) -> Tensor:
        """Return the linear readout of the features after each of the last ``n_read``
        points.

        Args:
            u, chip: as for ``forward``.
            n_read: from 1 to ``time``.
            noise: as for ``read``.

        Returns:
            Predictions, (members, batch, n_read, outputs).

        Raises:
            ValueError: ``u`` has another shape, or fewer points.
        """
        read = self.read(u, n_read, chip, noise)
        return read @ self.w_out.mT.unsqueeze(1) + self.bias_out[:, None, None]

    def read(
        self, u: Tensor, n_read: int, chip: Chip = IDEAL, noise: Noise | None = None
    ) -> Tensor:
        """Return the features after each of the last points, (members, batch, n_read,
        features).

        Averaged features are computed once, from all points. ``noise`` adds noise to
        the values.
        """
        n_points = u.shape[-2] if self.features.averaged else n_read
        values = self.outputs(u, n_points, chip)
        return self.features.compute(noise(values) if noise else values)

    def output(self, u: Tensor) -> Tensor:
        """Return the values read after the last point, y or x, (members, batch,
        neurons)."""
        return self.outputs(u, 1)[:, :, 0]

    def outputs(self, u: Tensor, n_read: int, chip: Chip = IDEAL) -> Tensor:
        """Return the values read after the last points, (members, batch, n_read,
        neurons)."""
        self._check_input(u)
        if not 1 <= n_read <= u.shape[-2]:
            raise ValueError(
                f"layered network: expected `1 <= n_read <= {u.shape[-2]}`, the points"
                f" of the input, got n_read={n_read}. Read out fewer points, or use"
                " longer series."
            )
        if not self.computes_fused(u):
            return self._run_reference(u, n_read, chip)
        inputs = u.expand(len(self.bias), *u.shape[-3:])
        of_members = zip(
            inputs, self.w_in, self.w_inter, self.w_intra, self.bias, strict=True
        )
        how: Any = {"n_read": n_read, "threads": self.threads, "chip": chip}
        noisy = chip.normals is not None
        return torch.stack(
            [
                fused_series(self.kernel(m, noisy=noisy), u, weights, **how)
                for m, (u, *weights) in enumerate(of_members)
            ]
        )

    def _run_reference(self, u: Tensor, n_read: int, chip: Chip) -> Tensor:
        """Return ``outputs``, computed by the reference."""
        neurons, widths = self._neurons(chip), self.features.widths(self.widths)
        dynamics = self.make_dynamics(self._amplify(chip), neurons)
        state, past = dynamics.rest(batch=u.shape[-3]), Past()
        n_points, n_steps, read = u.shape[-2], self.physics.n_steps, []
        normals = None
        if chip.normals is not None:
            normals = self.layouts[0].noise(chip.normals, self.noise_parts)
        interval = (
            0
            if normals is None
            else steps_between_jumps(chip, len(normals), n_points, n_steps)
        )
        for t, point in enumerate(u.unbind(dim=-2)):
            for step in range(t * n_steps + 1, (t + 1) * n_steps + 1):
                state, past = self.physics.step(dynamics, state, past, point)
                if normals is not None and step % interval == 0:
                    normal = normals[(step // interval - 1) % len(normals)]
                    time_ns = self.physics.step_ns * interval
                    jump = self._jump(normal, neurons, u, time_ns)
                    state = dynamics.after_noise_kick(state, jump)
            if t >= n_points - n_read:
                last = dynamics.read(state)[:, -len(widths) :].unbind(dim=1)
                layers = [layer[..., :n] for layer, n in zip(last, widths, strict=True)]
                read.append(torch.cat(layers, dim=-1))
        return torch.stack(read, dim=2)

    def _as_factor(self, values: NDArray[np.float64] | None) -> Tensor | None:
        """Return values, (neurons,), as (1, layers, 1, width), with 1 where no neuron
        exists."""
        if values is None:
            return None
        factor = torch.ones(self.exists.shape, dtype=torch.float64)
        factor[self.exists] = torch.from_numpy(np.ascontiguousarray(values))
        return factor.to(self.bias)[None, :, None]

    def _neurons(self, chip: Chip) -> Neurons:
        if chip is IDEAL:
            return NOMINAL
        factors = {
            name: self._as_factor(values) for name, values in chip.factors.items()
        }
        return Neurons(
            factors={
                name: factor for name, factor in factors.items() if factor is not None
            },
            noise_per_sqrt_ns=self._as_factor(chip.noise_per_sqrt_ns),
        )

    def _amplify(self, chip: Chip) -> Synapses:
        """Return the synapses, each multiplied by the factor on S of its target
        neuron."""
        synapses, s = self.synapses(), self._as_factor(chip.s)
        if s is None:
            return synapses
        rows = s.mT  # (1, layers, width, 1)
        return Synapses(
            w_in=synapses.w_in * rows[:, 0],
            w_inter=synapses.w_inter * rows[:, 1:],
            w_intra=synapses.w_intra * rows,
            bias=synapses.bias * s[:, :, 0],
        )

    @property
    def floats_per_jump(self) -> int:
        """Normal numbers per jump of a block of series."""
        return self.noise_parts * self.layouts[0].row

    def _jump(
        self, normal: NDArray[np.float32], neurons: Neurons, u: Tensor, time_ns: float
    ) -> Tensor:
        """Return the jump for ``time_ns`` of noise, (1, parts, layers, batch, width).

        ``normal`` are its normal numbers, (parts, series, neurons).
        """
        assert neurons.noise_per_sqrt_ns is not None
        series = np.arange(u.shape[-3]) % normal.shape[1]
        size = neurons.noise_per_sqrt_ns * (time_ns**0.5 / self.noise_parts)
        spread = size.new_zeros(1, self.noise_parts, *self.exists.shape, len(series))
        spread[:, :, self.exists] = torch.from_numpy(normal[:, series]).mT.to(size)
        jump: Tensor = spread.mT * size
        return jump

    @torch.no_grad()
    def trajectories(self, u: Tensor) -> dict[str, Tensor]:
        """Return the time series of every neuron, computed by the reference, without
        gradients.

        Args:
            u: input, as for ``forward``.

        Returns:
            ``x`` and ``y``: state and output at the times ``k dt_ns``, k from 0 (no
            input) to ``time``, each (members, layers, batch, time + 1, width).
            ``drive``: drive per ns at the times ``k dt_ns`` under input point k, k from
            0 to ``time - 1``, (members, layers, batch, time, width).
        """
        self._check_input(u)
        dynamics = self.dynamics()
        states, drives, past = [dynamics.rest(batch=u.shape[-3])], [], Past()
        for u_point in u.unbind(dim=-2):
            drives.append(dynamics.drive(dynamics.output(states[-1]), u_point))
            state, past = self.physics.advance(dynamics, states[-1], past, u_point)
            states.append(state)
        series = {
            "x": [dynamics.amplitude(state) for state in states],
            "y": [dynamics.output(state) for state in states],
            "drive": drives,
        }
        return {name: torch.stack(values, dim=3) for name, values in series.items()}

    def synapses(self) -> Synapses:
        """Return the present weights, zero where they are masked."""
        return Synapses(
            w_in=self.w_in * self.mask_in,
            w_inter=self.w_inter * self.mask_inter,
            w_intra=self.w_intra * self.mask_intra,
            bias=self.bias,
        )

    @cached_property
    def layouts(self) -> list[Layout]:
        """The memory layout of each member, for the kernels."""
        masks = zip(self.mask_in, self.mask_inter, self.mask_intra, strict=True)
        return [Layout.from_masks(*member, widths=self.widths) for member in masks]

    def _check_input(self, u: Tensor) -> None:
        members, _, channels = self.w_in.shape
        fits = u.dim() in (3, 4) and u.shape[-1] == channels and u.shape[-2] >= 1
        if not fits or (u.dim() == 4 and len(u) != members):
            raise ValueError(
                "layered network: expected `u.shape == (batch, time >= 1,"
                f" {channels})`, or the same after {members} members, got"
                f" u.shape={tuple(u.shape)}. Use one series of points per example."
            )


def resolve_backend(
    backend: Backend, u: Tensor, parameter: Tensor, beyond_kernel: str
) -> Literal["reference", "fused"]:
    """Return the backend that computes: for "auto", "fused" if the kernel can, else
    "reference".

    Raises:
        ValueError: ``backend`` is "fused", but the kernel cannot compute this network.
    """
    on_cpu = u.device.type == parameter.device.type == "cpu"
    single = u.dtype == parameter.dtype == torch.float32
    if backend == "auto":
        return "fused" if on_cpu and single and not beyond_kernel else "reference"
    if backend == "fused" and not (on_cpu and single):
        raise ValueError(
            "layered network: expected float32 on the CPU for backend 'fused', got"
            f" dtype={parameter.dtype}, device={parameter.device}. Use backend"
            " 'reference'."
        )
    if backend == "fused" and beyond_kernel:
        raise ValueError(
            f"layered network: backend 'fused' has no kernel for {beyond_kernel}. Use"
            " backend 'reference'."
        )
    return backend
