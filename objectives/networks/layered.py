"""Layers of dynamical neurons: sparse synapses, the pass through time, and the readout.

The common part of the networks of arXiv:2408.02835 (Fig. 1a):
docs/explanation/equations.md, "Network" (with W for W_ext and V for W_int) and
"Readout". Layer 0 receives the input, every other layer the outputs of the layer below;
the neurons of a layer receive each other's outputs, too. ``dynamics`` has the response
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

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..hardware.physics import at_least_one, spread_layers
from .drawing import Architecture, antisymmetrise
from .dynamics import NOMINAL, DeviceDynamics, Neurons, Synapses
from .integrators import Past, Stepping, delayed
from .kernels.autograd import fused_series
from .kernels.chips import IDEAL, Chip, scale_values, steps_between_jumps
from .kernels.kernel import Kernel, NeuronValues, Pointwise
from .kernels.layout import Layout
from .per_layer import PerLayer

Array = NDArray[np.float64]
Backend = Literal["auto", "reference", "fused"]
Noise = Callable[[Tensor], Tensor]
"""A function that adds noise to the values that are read."""


class LayeredNetwork(nn.Module, ABC):
    """Members of a multilayer network with a linear readout, trained side by side.

    Masks and initial weights of each member come from its own seed, so members give the
    same results together as alone. Masked weights are zero and receive no gradient.

    Args:
        seeds: seed of each member, non-negative, at least one.
        architecture: sizes and first weights.
        physics: the device of the neurons, and its integration.
        dtype: type of the parameters.
        backend: "reference" computes by the equations of the module, "fused" by the CPU
            kernel, "auto" by the kernel where it can.
        threads: cores among which the kernel divides the series of a batch.
        batch_size: series of an update, for which the kernel lays out the weights.

    Raises:
        ValueError: there are no seeds, a density is outside [0, 1], or a parameter of
            the device is a tuple of another length than the number of layers.
    """

    w_in: nn.Parameter
    w_inter: nn.Parameter
    w_intra: nn.Parameter
    bias: nn.Parameter
    w_out: nn.Parameter
    bias_out: nn.Parameter
    mask_in: Tensor
    mask_inter: Tensor
    mask_intra: Tensor

    def __init__(
        self,
        seeds: Sequence[int],
        architecture: Architecture,
        *,
        physics: Stepping,
        dtype: torch.dtype = torch.float32,
        backend: Backend = "auto",
        threads: int = 1,
        batch_size: int = 120,
    ) -> None:
        """Draw a member for each of ``seeds``."""
        super().__init__()
        at_least_one("layered network", members=len(seeds))
        self.physics = physics
        self.features = architecture.features
        self.widths = architecture.widths
        """Neurons of each layer."""
        self.backend: Backend = backend
        self.threads = threads
        self.batch_size = batch_size
        layers = len(self.widths)
        for name, value in {**physics.device.values(), "s": physics.device.s}.items():
            spread_layers(value, layers, name)
        for name, mask in architecture.draw_masks(seeds).items():
            self.register_buffer(name, mask)
        weights = architecture.draw_weights(seeds, dtype)
        gain = architecture.weight_gain
        rotation = architecture.rotation
        weights["w_in"] = weights["w_in"] * self.mask_in
        weights["w_inter"] = weights["w_inter"] * gain * self.mask_inter
        weights["w_intra"] = weights["w_intra"] * gain * self.mask_intra
        if rotation is not None:
            turns = [
                s * physics.point_ns for s in spread_layers(physics.s, layers, "s")
            ]
            fastest = [rotation / turn if turn else 0.0 for turn in turns]
            weights["w_intra"] = antisymmetrise(weights["w_intra"], fastest)
        for name, weight in weights.items():
            self.register_parameter(name, nn.Parameter(weight))

    def dynamics(self) -> DeviceDynamics:
        """Return the vector field with the present weights; masked weights get no
        gradient."""
        return self.make_dynamics(self.synapses(), NOMINAL)

    def make_dynamics(self, synapses: Synapses, neurons: Neurons) -> DeviceDynamics:
        """Return the vector field with these synapses and neurons."""
        return DeviceDynamics(physics=self.physics, synapses=synapses, neurons=neurons)

    @property
    def trained(self) -> tuple[nn.Parameter, ...]:
        """The trained tensors: of the network, then of the readout."""
        network = (self.w_in, self.w_inter, self.w_intra, self.bias)
        return (*network, self.w_out, self.bias_out)

    @property
    def beyond_kernel(self) -> str:
        """The option that the kernel does not support, as ``name=value``; else
        empty."""
        return str(self.physics.device.beyond_kernel(self.physics.integrator))

    def kernel(self, member: int, *, noisy: bool = False) -> Kernel:
        """Return the kernel of one member; ``noisy`` for chips with noise."""
        return Kernel(
            layout=self.layouts[member],
            pointwise=self.pointwise(noisy),
            neurons=self.neurons,
            n_steps=self.physics.n_steps,
            point_ns=self.physics.point_ns,
            delay=delayed(self.physics.integrator, self.physics.delay_steps),
            reads=self.physics.device.reads,
            features=self.features,
        )

    @abstractmethod
    def pointwise(self, noisy: bool) -> Pointwise:
        """Return the compiled steps of the neurons."""

    @abstractmethod
    def neurons(self, chip: Chip) -> NeuronValues:
        """Return the parameters of the neurons on a chip, for ``pointwise``."""

    @property
    def noise_parts(self) -> int:
        """Normal numbers per neuron and jump of noise; see ``simulated_chips``."""
        return int(self.physics.device.noise_parts)

    def noise_per_sqrt_ns(self, factors: Mapping[str, Array]) -> Array:
        """Return the default noise of each neuron in 1/√ns, (neurons,).

        ``factors`` multiply its parameters.
        """
        device = self.physics.device
        zeros = np.zeros(self.n_neurons)
        if device.noise_per_sqrt_ns is None:
            return zeros
        on_chip = device.with_values(**scale_values(self.per_neuron_values(), factors))
        noise: Array = zeros + on_chip.noise_per_sqrt_ns()
        return noise

    def computes_fused(self, u: Tensor) -> bool:
        """Tell whether the kernel computes the output for ``u``; see
        ``resolve_backend``."""
        backend = resolve_backend(self.backend, u, self.bias, self.beyond_kernel)
        return backend == "fused"

    def per_neuron(self, value: PerLayer) -> NDArray[np.float64]:
        """Return a value per layer as one per neuron, (neurons,)."""
        return np.repeat(spread_layers(value, len(self.widths), "value"), self.widths)

    def per_neuron_values(self) -> dict[str, Array]:
        """Return the parameters of the device by name, (neurons,) each."""
        values = self.physics.device.values()
        return {name: self.per_neuron(value) for name, value in values.items()}

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
                (members, batch, time, channels); each value is held for ``point_ns``.
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
        if chip.reading is not None:
            values = chip.reading.read(values)
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
        members = zip(
            inputs, self.w_in, self.w_inter, self.w_intra, self.bias, strict=True
        )
        how: Any = {"n_read": n_read, "threads": self.threads, "chip": chip}
        values = []
        for member, (own, *weights) in enumerate(members):
            kernel = self.kernel(member, noisy=chip.normals is not None)
            values.append(fused_series(kernel, own, weights, **how))
        return torch.stack(values)

    def _run_reference(self, u: Tensor, n_read: int, chip: Chip) -> Tensor:
        """Return ``outputs``, computed by the reference."""
        dynamics = self.make_dynamics(self._amplify(chip), self._neurons(chip))
        physics = self.physics.at_clock(chip.clock)
        state = dynamics.rest(batch=u.shape[-3])
        past = Past()
        jumps = self._jumps(u, chip)
        existing = self.exists[-len(self.features.widths(self.widths)) :]
        read = []
        for t, point in enumerate(u.unbind(dim=-2)):
            for _ in range(physics.n_steps):
                state, past = physics.step(dynamics, state, past, point)
                jump = next(jumps)
                if jump is not None:
                    state = dynamics.add_noise(state, jump)
            if t >= u.shape[-2] - n_read:
                layers = dynamics.read(state)[:, -len(existing) :].transpose(1, 2)
                read.append(layers[:, :, existing])
        return torch.stack(read, dim=2)

    def _jumps(self, u: Tensor, chip: Chip) -> Iterator[Tensor | None]:
        """Yield the jump after each step, (1, parts, layers, batch, width); None: no
        jump."""
        if chip.normals is None or chip.noise_per_sqrt_ns is None:
            yield from itertools.repeat(None)
            return
        normals = self.layouts[0].noise(chip.normals, self.noise_parts)
        n_steps = self.physics.n_steps
        interval = steps_between_jumps(chip, len(normals), u.shape[-2], n_steps)
        series = np.arange(u.shape[-3]) % normals.shape[2]
        step_ns = self.physics.at_clock(chip.clock).step_ns
        root = (step_ns * interval) ** 0.5
        size = self._as_factor(chip.noise_per_sqrt_ns) * (root / self.noise_parts)
        for number in itertools.count():
            yield from itertools.repeat(None, interval - 1)
            normal = normals[number % len(normals)][:, series]
            spread = size.new_zeros(1, *normal.shape[:2], *self.exists.shape)
            spread[..., self.exists] = torch.from_numpy(normal).to(size)
            yield spread.transpose(2, 3) * size

    def _as_factor(self, values: Array) -> Tensor:
        """Return values, (neurons,), as (1, layers, 1, width), with 1 where no neuron
        exists."""
        factor = torch.ones(self.exists.shape, dtype=torch.float64)
        factor[self.exists] = torch.from_numpy(np.ascontiguousarray(values))
        return factor.to(self.bias)[None, :, None]

    def _neurons(self, chip: Chip) -> Neurons:
        factors = {name: self._as_factor(own) for name, own in chip.factors.items()}
        neurons = Neurons(factors=factors)
        if chip.fixed_drive is not None:
            neurons = replace(neurons, fixed_drive=chip.fixed_drive)
        noise = chip.noise_per_sqrt_ns
        if noise is None:
            return neurons
        return replace(neurons, noise_per_sqrt_ns=self._as_factor(noise))

    def _amplify(self, chip: Chip) -> Synapses:
        """Return the synapses, each multiplied by the factor on S of its target
        neuron."""
        synapses = self.synapses()
        if chip.s is None:
            return synapses
        s = self._as_factor(chip.s)
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

    @torch.no_grad()
    def trajectories(self, u: Tensor) -> dict[str, Tensor]:
        """Return the time series of every neuron, computed by the reference, without
        gradients.

        Args:
            u: input, as for ``forward``.

        Returns:
            ``x`` and ``y``: state and output at the times ``k point_ns``, k from 0 (no
            input) to ``time``, each (members, layers, batch, time + 1, width).
            ``drive``: drive per ns at the times ``k point_ns`` under input point k, k
            from 0 to ``time - 1``, (members, layers, batch, time, width).
        """
        self._check_input(u)
        dynamics = self.dynamics()
        states = [dynamics.rest(batch=u.shape[-3])]
        drives = []
        past = Past()
        for u_point in u.unbind(dim=-2):
            y = self.physics.delayed_output(dynamics, states[-1], past)
            drives.append(dynamics.drive(y, u_point))
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
        return [
            Layout.from_masks(*member, widths=self.widths, batch_size=self.batch_size)
            for member in masks
        ]

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
