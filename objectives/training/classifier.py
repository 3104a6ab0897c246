"""A network that classifies time series, from its seed to its file.

Training, replay and saving of one member of an objective on layered networks.
``predictor`` does the same for networks that predict series.
"""

from __future__ import annotations

import math
import statistics
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.contract import (
    NetworkMember,
    NetworkObjective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Protocol,
    Solved,
    TaskParams,
    Thermal,
    Trace,
    UnavailableError,
)

from ..data import load
from ..data.examples import Examples, Split
from ..hardware import physics
from ..hardware.variability import Variability
from ..networks.devices import Training
from ..networks.kernels.sizes import CHIPS
from ..networks.kernels.updates import Updates
from . import artifacts, thermal_check
from .scoring import SCORING_BATCH, Accuracy, Hardware, ideal_accuracy, is_finite, score
from .solved_equation import close, finer_steps, solve, solve_trial, solving_steps
from .train import Recipe, train

if TYPE_CHECKING:
    from ..networks.layered import LayeredNetwork


MEASURED_SPAN = 10.0
"""The widest ``thermal_span`` with a measured benefit (docs/how-to/thermal.md)."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a network is trained and scored; the defaults are for classification."""

    examples: Examples
    """Examples of an epoch."""
    score: Accuracy
    worst: float = 0.0
    """Score of a network with a weight that is not finite."""
    agree: Callable[[float, float], bool] = close
    """Returns whether scores at a coarse and at a fine integration step agree."""
    updates: Updates | None = None
    """How a batch changes the weights; by default, along the gradient."""
    relative: bool = False
    """Whether scores are compared by their ratio."""
    before_epoch: Callable[[], None] | None = None
    """Called before each epoch; depends on the weights alone."""


class LayeredMember(NetworkMember):
    """One member of an objective on layered networks.

    Args:
        objective: the objective.
        params: validated hyper-parameters.
        task: the task to learn.
        protocol: which data trains and which scores.
        member_seed: the seed.
        recipe: how to train.

    Raises:
        UnavailableError: this host lacks the data of the task, or the device.
        ValueError: the data are invalid.
    """

    def __init__(
        self,
        objective: NetworkObjective[Any, Any],
        params: ObjectiveParams,
        task: TaskParams,
        *,
        protocol: Protocol,
        member_seed: int,
        recipe: Recipe,
    ) -> None:
        """Load the data and draw the network."""
        self._objective, self._params, self._task = objective, params, task
        self._protocol, self._member_seed, self._recipe = protocol, member_seed, recipe
        self._split = self._load(protocol)
        self.network: LayeredNetwork = objective.network(
            params,
            [member_seed],
            channels=self._split.n_channels,
            outputs=self._split.n_classes,
        ).to(_device(params))
        self._n_steps = self.network.physics.n_steps  # in training
        _, self.n_layers, self.width = self.network.bias.shape
        self.widths = self.network.widths

    @abstractmethod
    def _load(self, protocol: Protocol) -> Split:
        """Load the data of the task."""

    @abstractmethod
    def _measure(self) -> Measure:
        """Return how the network is trained and scored."""

    @abstractmethod
    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        """Return the scores on simulated chips."""

    def _finish(self) -> None:
        """Finish the trained network, before its further tests."""

    def _extra_description(self) -> dict[str, Any]:
        """Return more entries on the data for the description in its file."""
        return {}

    def _extra_info(self, chips: tuple[float, ...]) -> dict[str, float]:
        """Return more entries of ``Outcome.info``; ``chips`` are the scores on
        chips."""
        return {}

    def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
        """Train and score the network, once; see ``Objective.evaluate``. It ends on the
        CPU."""
        measure = self._measure()
        outcome = train(
            self.network,
            replace(self._split, train=measure.examples),
            self._recipe,
            protocol=self._protocol,
            member_seed=self._member_seed,
            identity={
                "objective": self._objective.name,
                "protocol": self._protocol.value,
                "member_seed": self._member_seed,
                **_flatten(self._params.model_dump()),
                **{
                    f"task.{name}": value
                    for name, value in self._task.model_dump().items()
                },
            },
            on_epoch=on_epoch,
            resume=resume,
            accuracy=measure.score,
            worst=measure.worst,
            updates=measure.updates,
            before_epoch=measure.before_epoch,
            devices=self._training,
        )
        self._finish()
        solved, thermal = None, None

        def rescore() -> float:
            return score(self.network, self._split.score, measure.score, measure.worst)[
                0
            ]

        if self._protocol is Protocol.VALIDATION:
            solved = solve_trial(self.network, rescore, outcome.score, measure.agree)
        if self._protocol is Protocol.CONFIRM:
            solved = solve(self.network, rescore, measure.agree)
            thermal = self._thermal(solved, rescore, relative=measure.relative)
        with (
            finer_steps(self.network, solved.steps_per_point)
            if solved
            else nullcontext()
        ):
            chips = (
                () if self._variability is None else self._on_chips(self._variability)
            )
            extra = self._extra_info(chips)
        self.network.cpu()
        sizes = {"n_train": len(self._split.train), "n_scored": len(self._split.score)}
        s = getattr(self._params, "s", 1.0)  # networks without amplification
        drive = _cumulative_drive(self.network, s)
        info = {**self._costs(), **sizes, **drive, **outcome.info, **extra}
        checks: Any = {"solved": solved, "thermal": thermal, "chips": chips}
        data = self.to_bytes() if self._protocol is Protocol.CONFIRM else None
        return outcome.replace(info=info, network=data, **checks)

    def _thermal(
        self, solved: Solved, score: Callable[[], float], *, relative: bool
    ) -> Thermal | None:
        """Return the thermal check, with half the steps of the solved equation if
        converged."""
        if not hasattr(self._params, "thermal_span"):
            return None
        chips = Variability(draws=CHIPS)
        if (
            variability := self._variability
        ) is not None:  # with the noise of each thermal power
            chips = variability.model_copy(
                update={"oscillator_noise_per_sqrt_ns": None}
            )
            score = partial(self._mean_on_chips, chips)
        halved = solved.converged and solved.steps_per_point % (2 * self._n_steps) == 0
        with finer_steps(self.network, solved.steps_per_point // (2 if halved else 1)):
            return thermal_check.check(
                self.network,
                solved.score,
                score,
                lambda: self._on_chips(chips),
                relative=relative,
                remedy=self._remedy,
            )

    def _mean_on_chips(self, variability: Variability) -> float:
        return statistics.fmean(self._on_chips(variability))

    @property
    def _variability(self) -> Variability | None:
        """``[variability]``; None without it."""
        variability: Variability | None = getattr(self._params, "variability", None)
        return variability

    @property
    def _training(self) -> Training:
        """What training sees of devices: spread and noise."""
        variability, params = self._variability, cast(Any, self._params)
        seen = variability if variability and variability.in_training else None
        power = getattr(params, "thermal_power", 0.0)
        has_power = any(power) if isinstance(power, tuple) else bool(power)
        return Training(
            network=self.network,
            seed=self._member_seed,
            variability=seen,
            noise=seen is not None
            or getattr(params, "thermal_training", "mean") == "noise",
            span=getattr(params, "thermal_span", 1.0) if has_power else 1.0,
        )

    @property
    def _remedy(self) -> str:
        """Advice that makes the network depend less on its thermal power."""
        if getattr(self._params, "thermal_training", "mean") == "mean":
            return 'Train with thermal_training = "noise".'
        wide = getattr(self._params, "thermal_span", 1.0) >= MEASURED_SPAN
        return "Report the score with thermal noise." if wide else "Raise thermal_span."

    def _costs(self) -> dict[str, float]:
        """Return the costs of the network; see ``Objective.costs``."""
        counts = {
            "n_synapses": self.network.n_synapses,
            "n_neurons": self.network.n_neurons,
        }
        presentation_ns = physics.presentation_ns(
            points=self._points(), dt_ns=self.network.physics.dt_ns
        )
        costs: dict[str, float] = {**counts, "presentation_ns": presentation_ns}
        if "energy_pj" in self._objective.costs:
            powers = {n: v for n, v in self._params if n in ("neuron_uw", "synapse_uw")}
            costs["energy_pj"] = physics.energy_pj(
                **counts, presentation_ns=presentation_ns, **powers
            )
        return costs

    def _points(self) -> int:
        """Return the number of input points that costs are for."""
        return self._split.train.shape[1]

    @cached_property
    def _test(self) -> Examples:
        if self._protocol is not Protocol.VALIDATION:
            return self._split.score
        return self._load(Protocol.CONFIRM).score

    def to_bytes(self) -> bytes:
        """Return the network as safetensors; see ``NetworkMember.to_bytes``."""
        description = {
            "objective": self._objective.name,
            "parameters": self._params.model_dump(mode="json"),
            "task": self._task.model_dump(mode="json"),
            "classes": list(self.classes),
            "input_points": self._split.train.shape[1],
            "input_scaling": (
                asdict(scaling) if (scaling := self._split.scaling) else None
            ),
            "member_seed": self._member_seed,
            **self._extra_description(),
        }
        return artifacts.to_bytes(self.network, description)

    def restore(self, data: bytes) -> None:
        """Set the weights to stored ones; see ``NetworkMember.restore``."""
        artifacts.restore(self.network.cpu(), data)


class Classifier(LayeredMember):
    """A member that reads out the class of a series after its last point."""

    def __init__(self, *args: Any, **more: Any) -> None:
        """See ``LayeredMember``."""
        super().__init__(*args, **more)
        self._hardware = (
            self._simulate_chips(self._variability) if self._variability else None
        )
        self.classes = self._split.names

    def _load(self, protocol: Protocol) -> Split:
        return load(self._task, protocol=protocol, member_seed=self._member_seed)

    def _measure(self) -> Measure:
        accuracy = self._hardware.accuracy if self._hardware else ideal_accuracy
        return Measure(examples=self._split.train, score=accuracy)

    def _simulate_chips(self, variability: Variability, **kept: int) -> Hardware:
        return Hardware(variability, self._member_seed, self._n_steps, **kept)

    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        present = self._hardware if variability is self._variability else None
        hardware = present or self._simulate_chips(variability, n_kept=0)
        return hardware.accuracies(self.network, self._split.score)

    def _extra_info(self, chips: tuple[float, ...]) -> dict[str, float]:
        if not chips:
            return {}
        network, examples = self.network, self._split.score
        ideal = ideal_accuracy(network, examples)[0] if is_finite(network) else 0.0
        return {"ideal_accuracy": ideal, "worst_draw_accuracy": min(chips)}

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """Class of each series of the test part, (n,)."""
        return self._test.label

    def read(self) -> NDArray[np.int64]:
        """Return the class that it reads for each series of the test part, (n,)."""
        return np.concatenate(
            [self._read(part.x)[0] for part in self._test.batches(SCORING_BATCH)]
        )

    def _read(self, x: NDArray[np.float32]) -> tuple[NDArray[np.int64], int, bool]:
        """Return classes (-1: not finite), steps per point, and whether they solve the
        equation."""
        u = torch.from_numpy(x)
        steps, settled = solving_steps(self.network, u)
        with torch.no_grad(), finer_steps(self.network, steps):
            logits = self.network(u)[0]
        finite = logits.isfinite().all(dim=1)
        return torch.where(finite, logits.argmax(dim=1), -1).numpy(), steps, settled

    def trace(self, images: Sequence[int]) -> Trace:
        """Replay the network on series of the test part; see
        ``NetworkMember.trace``."""
        shown = self._test.take(np.asarray(images, dtype=np.intp))
        predicted, steps, settled = self._read(shown.x)
        with torch.no_grad(), finer_steps(self.network, steps):
            trajectories = self.network.trajectories(torch.from_numpy(shown.x))
        return Trace(
            **trace_fields(self.network, images, shown.x, trajectories),
            labels=shown.label,
            predicted=predicted,
            steps_per_point=steps if settled else None,
        )


def trace_fields(
    network: LayeredNetwork,
    images: Sequence[int],
    inputs: NDArray[np.float32],
    trajectories: Mapping[str, Tensor],
) -> dict[str, Any]:
    """Return the fields of a ``Trace`` that hold the trajectories of a network."""
    dt_ns, lacking = network.physics.dt_ns, ~network.exists[:, None, None]
    return {
        "images": np.asarray(images, dtype=np.int64),
        "dt_ns": dt_ns,
        "inputs": inputs,
        "time_ns": dt_ns * np.arange(inputs.shape[1] + 1, dtype=np.float64),
        **{
            name: (
                values[0]
                .masked_fill(lacking, math.nan)
                .transpose(2, 3)
                .contiguous()
                .numpy()
            )
            for name, values in trajectories.items()
        },
    }


def _cumulative_drive(
    network: LayeredNetwork, s: float | tuple[float, ...]
) -> dict[str, float]:
    """Return S <|W|> sqrt(N) dt of a trained network of one member, Eq. (9) and (11).

    <|W|> is the mean absolute weight of the connections between and within layers,
    without input, biases and readout. The fan-in N is their mean number per neuron, as
    below Eq. (9). Layers that differ are averaged over neurons. The result is {}
    without such connections, or if a weight is not finite.
    """
    masks = torch.cat(
        (network.mask_inter.flatten(), network.mask_intra.flatten())
    ).numpy()
    with torch.no_grad():
        weights = torch.cat(
            (network.w_inter.flatten(), network.w_intra.flatten())
        ).numpy()
    existing = np.abs(weights[masks].astype(np.float64))
    if not existing.size or not np.isfinite(existing).all():
        return {}
    widest, n_neurons = max(network.widths), network.n_neurons
    above = n_neurons - network.widths[0]
    mean = float(existing.mean())
    drive = physics.drive_per_ns(
        s=float(network.per_neuron(s).mean()) if isinstance(s, tuple) else s,
        mean_weight_per_ns=mean,
        fan_in=physics.fan_in(
            width=widest,
            density_inter=(
                int(network.mask_inter.sum()) / (above * widest) if above else 0.0
            ),
            density_intra=int(network.mask_intra.sum()) / (n_neurons * widest),
        ),
    )
    cumulative = physics.cumulative_drive(
        drive_per_ns=drive, dt_ns=network.physics.dt_ns
    )
    return {"mean_weight_per_ns": mean, "cumulative_drive": cumulative}


def _device(params: ObjectiveParams) -> torch.device:
    """Return PyTorch's device of ``params``.

    Raises:
        UnavailableError: this host has no such device.
    """
    name = getattr(params, "device", "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        built_for = torch.version.cuda or "the CPU alone"
        raise UnavailableError(
            f"device: this host has no CUDA device for PyTorch (built for {built_for}),"
            " got device='cuda'. Use device = \"cpu\", or run the workers on hosts"
            " with a GPU and its PyTorch."
        )
    return torch.device(name)


def _flatten(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters by dotted names, for the identity of a checkpoint."""
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    inner = {
        f"{name}.{key}": v for name, table in tables.items() for key, v in table.items()
    }
    return {name: value for name, value in values.items() if name not in tables} | inner
