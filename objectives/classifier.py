"""A network that classifies time series, from its seed to its file.

What every objective on layered networks does with one member: training, replay, saving;
``predictor`` has what is different where series are predicted.
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

from hpo.objectives import artifacts, physics, thermal_check
from hpo.objectives.contract import (
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Protocol,
    Solved,
    TaskParams,
    Thermal,
    UnavailableError,
)
from hpo.objectives.inspection import NetworkMember, NetworkObjective, Trace
from hpo.objectives.networks.devices import Training
from hpo.objectives.networks.kernels.sizes import CHIPS
from hpo.objectives.networks.kernels.updates import Updates
from hpo.objectives.scoring import (
    SCORING_BATCH,
    Accuracy,
    Hardware,
    ideal_accuracy,
    is_finite,
    score,
)
from hpo.objectives.solved_equation import close, refined, solve, solve_trial, solving_steps
from hpo.objectives.tasks import load
from hpo.objectives.tasks.data import Examples, Split
from hpo.objectives.training import Recipe, train
from hpo.objectives.variability import Variability

if TYPE_CHECKING:
    from hpo.objectives.networks.layered import LayeredNetwork


MEASURED_SPAN = 10.0
"""The widest ``thermal_span`` that was seen to help (docs/how-to/thermal.md)."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a network is trained and scored; the defaults are those of classes."""

    examples: Examples
    """What an epoch goes through."""
    score: Accuracy
    worst: float = 0.0
    """Of a network that is not finite."""
    agree: Callable[[float, float], bool] = close
    """Whether scores at a coarse and at a fine integration step are the same."""
    updates: Updates | None = None
    """How a batch changes the weights; by default, along the gradient."""
    relative: bool = False
    """Whether scores are compared by their ratio."""
    before_epoch: Callable[[], None] | None = None
    """What is done with the network before each epoch, by its weights alone."""


class LayeredMember(NetworkMember):
    """One member of an objective on layered networks.

    Args:
        objective: what the network belongs to.
        params: its validated hyper-parameters.
        task: what it learns.
        protocol: which data trains and which scores.
        member_seed: its seed.
        recipe: how it is trained.

    Raises:
        UnavailableError: the data of the task, or the device, is not there.
        ValueError: the data are not what they should be.
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
        self._n_steps = self.network.physics.n_steps  # with which it is trained
        _, self.n_layers, self.width = self.network.bias.shape
        self.widths = self.network.widths

    @abstractmethod
    def _load(self, protocol: Protocol) -> Split:
        """The data of the task."""

    @abstractmethod
    def _measure(self) -> Measure:
        """How the network is trained and scored."""

    @abstractmethod
    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        """Its scores on simulated chips."""

    def _finish(self) -> None:
        """What is done with the network once it is trained, before it is tested any further."""

    def _described(self) -> dict[str, Any]:
        """What its file tells of the data besides."""
        return {}

    def _told(self, chips: tuple[float, ...]) -> dict[str, float]:
        """What ``Outcome.info`` tells of the trained network, which scored so on chips."""
        return {}

    def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
        """Train and score it, once, and leave it on the CPU; see ``Objective.evaluate``."""
        how = self._measure()
        outcome = train(
            self.network,
            replace(self._split, train=how.examples),
            self._recipe,
            protocol=self._protocol,
            member_seed=self._member_seed,
            identity={
                "objective": self._objective.name,
                "protocol": self._protocol.value,
                "member_seed": self._member_seed,
                **_flat(self._params.model_dump()),
                **{f"task.{name}": value for name, value in self._task.model_dump().items()},
            },
            on_epoch=on_epoch,
            resume=resume,
            accuracy=how.score,
            worst=how.worst,
            updates=how.updates,
            before_epoch=how.before_epoch,
            devices=self._training,
        )
        self._finish()
        solved, thermal = None, None

        def scored() -> float:
            return score(self.network, self._split.score, how.score, how.worst)[0]

        if self._protocol is Protocol.VALIDATION:
            solved = solve_trial(self.network, scored, outcome.score, how.agree)
        if self._protocol is Protocol.CONFIRM:
            solved = solve(self.network, scored, how.agree)
            thermal = self._thermal(solved, scored, relative=how.relative)
        # beside what is claimed
        with refined(self.network, solved.steps_per_point) if solved else nullcontext():
            chips = () if self._variability is None else self._on_chips(self._variability)
            told = self._told(chips)
        self.network.cpu()
        sizes = {"n_train": len(self._split.train), "n_scored": len(self._split.score)}
        s = getattr(self._params, "s", 1.0)  # networks without amplification
        drive = _cumulative_drive(self.network, s)
        info = {**self._costs(), **sizes, **drive, **outcome.info, **told}
        checks: Any = {"solved": solved, "thermal": thermal, "chips": chips}
        kept = self.packed() if self._protocol is Protocol.CONFIRM else None
        return outcome.replace(info=info, network=kept, **checks)

    def _thermal(
        self, solved: Solved, score: Callable[[], float], *, relative: bool
    ) -> Thermal | None:
        """Its thermal check; with half the steps of the solved equation, which agree with it."""
        if not hasattr(self._params, "thermal_span"):
            return None
        given = self._variability
        chips = Variability(draws=CHIPS)
        if given is not None:  # with the noise of each thermal power, whatever noise is given
            chips = given.model_copy(update={"oscillator_noise_per_sqrt_ns": None})
            score = partial(self._mean_on_chips, chips)
        halved = solved.converged and solved.steps_per_point % (2 * self._n_steps) == 0
        with refined(self.network, solved.steps_per_point // (2 if halved else 1)):
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
        """The chips on which it is scored."""
        found: Variability | None = getattr(self._params, "variability", None)
        return found

    @property
    def _training(self) -> Training:
        """What its training sees of devices."""
        variability, params = self._variability, cast(Any, self._params)
        seen = variability if variability and variability.in_training else None
        power = getattr(params, "thermal_power", 0.0)
        has_power = any(power) if isinstance(power, tuple) else bool(power)
        return Training(
            network=self.network,
            seed=self._member_seed,
            variability=seen,
            noise=seen is not None or getattr(params, "thermal_training", "mean") == "noise",
            span=getattr(params, "thermal_span", 1.0) if has_power else 1.0,
        )

    @property
    def _remedy(self) -> str:
        """What makes it depend less on its thermal power."""
        if getattr(self._params, "thermal_training", "mean") == "mean":
            return 'Train with thermal_training = "noise".'
        wide = getattr(self._params, "thermal_span", 1.0) >= MEASURED_SPAN
        return "Report the score with thermal noise." if wide else "Raise thermal_span."

    def _costs(self) -> dict[str, float]:
        """What the objective can tell of the network's costs: see ``Objective.costs``."""
        counts = {"n_synapses": self.network.n_synapses, "n_neurons": self.network.n_neurons}
        presentation_ns = physics.presentation_ns(
            points=self._points(), dt_ns=self.network.physics.dt_ns
        )
        costs: dict[str, float] = {**counts, "presentation_ns": presentation_ns}
        if "energy_pj" in self._objective.costs:
            given = {n: v for n, v in self._params if n in ("neuron_uw", "synapse_uw")}
            costs["energy_pj"] = physics.energy_pj(
                **counts, presentation_ns=presentation_ns, **given
            )
        return costs

    def _points(self) -> int:
        """Input points that costs are told for."""
        return self._split.train.shape[1]

    @cached_property
    def _test(self) -> Examples:
        if self._protocol is not Protocol.VALIDATION:
            return self._split.score
        return self._load(Protocol.CONFIRM).score

    def packed(self) -> bytes:
        """Return it as safetensors; see ``NetworkMember.packed``."""
        description = {
            "objective": self._objective.name,
            "parameters": self._params.model_dump(mode="json"),
            "task": self._task.model_dump(mode="json"),
            "classes": list(self.classes),
            "input_points": self._split.train.shape[1],
            "input_scaling": asdict(scaling) if (scaling := self._split.scaling) else None,
            "member_seed": self._member_seed,
            **self._described(),
        }
        return artifacts.packed(self.network, description)

    def restore(self, data: bytes) -> None:
        """Take the weights of what ``packed`` gave; see ``NetworkMember.restore``."""
        artifacts.restore(self.network.cpu(), data)


class Classifier(LayeredMember):
    """A member that tells the class of a series after its last point."""

    def __init__(self, *args: Any, **more: Any) -> None:
        """See ``LayeredMember``."""
        super().__init__(*args, **more)
        self._hardware = self._chips(self._variability) if self._variability else None
        self.classes = self._split.names

    def _load(self, protocol: Protocol) -> Split:
        return load(self._task, protocol=protocol, member_seed=self._member_seed)

    def _measure(self) -> Measure:
        accuracy = self._hardware.accuracy if self._hardware else ideal_accuracy
        return Measure(examples=self._split.train, score=accuracy)

    def _chips(self, variability: Variability, **kept: int) -> Hardware:
        return Hardware(variability, self._member_seed, self._n_steps, **kept)

    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        own = self._hardware if variability is self._variability else None
        hardware = own or self._chips(variability, n_kept=0)
        return hardware.accuracies(self.network, self._split.score)

    def _told(self, chips: tuple[float, ...]) -> dict[str, float]:
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
        """Return what it reads of the test part, without what its neurons do meanwhile."""
        return np.concatenate([self._read(part.x)[0] for part in self._test.batches(SCORING_BATCH)])

    def _read(self, x: NDArray[np.float32]) -> tuple[NDArray[np.int64], int, bool]:
        """Classes that are read, -1 of what is not finite; the steps, and if they solve it."""
        u = torch.from_numpy(x)
        steps, settled = solving_steps(self.network, u)
        with torch.no_grad(), refined(self.network, steps):
            logits = self.network(u)[0]
        finite = logits.isfinite().all(dim=1)
        return torch.where(finite, logits.argmax(dim=1), -1).numpy(), steps, settled

    def trace(self, images: Sequence[int]) -> Trace:
        """Replay it on series of the test part; see ``NetworkMember.trace``."""
        shown = self._test.take(np.asarray(images, dtype=np.intp))
        predicted, steps, settled = self._read(shown.x)
        with torch.no_grad(), refined(self.network, steps):
            found = self.network.trajectories(torch.from_numpy(shown.x))
        return Trace(
            **traced(self.network, images, shown.x, found),
            labels=shown.label,
            predicted=predicted,
            steps_per_point=steps if settled else None,
        )


def traced(
    network: LayeredNetwork,
    images: Sequence[int],
    inputs: NDArray[np.float32],
    trajectories: Mapping[str, Tensor],
) -> dict[str, Any]:
    """What every ``Trace`` tells of the ``trajectories`` of a network."""
    dt_ns, lacking = network.physics.dt_ns, ~network.exists[:, None, None]
    return {
        "images": np.asarray(images, dtype=np.int64),
        "dt_ns": dt_ns,
        "inputs": inputs,
        "time_ns": dt_ns * np.arange(inputs.shape[1] + 1, dtype=np.float64),
        **{
            name: values[0].masked_fill(lacking, math.nan).transpose(2, 3).contiguous().numpy()
            for name, values in trajectories.items()
        },
    }


def _cumulative_drive(network: LayeredNetwork, s: float | tuple[float, ...]) -> dict[str, float]:
    """S <|W|> sqrt(N) dt of a trained network of one member, Eq. (9) and the left of Eq. (11).

    <|W|> is the mean absolute value of the connections that exist between and within layers: those
    which the fan-in N counts, the mean number of them into a neuron as the paper counts it below
    Eq. (9). Weights from the input, biases and readout are left out. Of layers that differ, it is
    the mean over neurons. Nothing is said of a network without such connections, or with a weight
    that is not finite.
    """
    masks = torch.cat((network.mask_inter.flatten(), network.mask_intra.flatten())).numpy()
    with torch.no_grad():
        weights = torch.cat((network.w_inter.flatten(), network.w_intra.flatten())).numpy()
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
            density_inter=int(network.mask_inter.sum()) / (above * widest) if above else 0.0,
            density_intra=int(network.mask_intra.sum()) / (n_neurons * widest),
        ),
    )
    cumulative = physics.cumulative_drive(drive_per_ns=drive, dt_ns=network.physics.dt_ns)
    return {"mean_weight_per_ns": mean, "cumulative_drive": cumulative}


def _device(params: ObjectiveParams) -> torch.device:
    """The device that ``params`` ask for.

    Raises:
        UnavailableError: it is not there.
    """
    name = getattr(params, "device", "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        built_for = torch.version.cuda or "the CPU alone"
        raise UnavailableError(
            f"device: this host has no CUDA device for PyTorch (built for {built_for}), got "
            "device='cuda'. Use device = \"cpu\", or run the workers on hosts with a GPU and its "
            "PyTorch."
        )
    return torch.device(name)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters by dotted names, as a checkpoint's identity wants them."""
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    inner = {f"{name}.{key}": v for name, table in tables.items() for key, v in table.items()}
    return {name: value for name, value in values.items() if name not in tables} | inner
