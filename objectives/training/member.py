"""One member of an objective on layered networks, from its seed to its file.

``classifier`` and ``predictor`` know what it reads out.
"""

from __future__ import annotations

import math
import statistics
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.contract import (
    KnowsCosts,
    NetworkObjective,
    OnEpoch,
    Outcome,
    ProgrammableMember,
    Protocol,
    Solved,
    TaskParams,
    Thermal,
    Tolerances,
    UnavailableError,
)

from ..data.examples import Examples, Scaling, Split
from ..hardware.variability import Variability
from ..networks.input_errors import InputErrors
from ..networks.kernels.chips import Chip
from ..networks.kernels.sizes import CHIPS
from ..networks.programming import quantise_network
from ..networks.simulated_chips import Training
from . import artifacts, chip_table, thermal_check, tolerances
from .checkpoint import identify
from .drive import measure_drive
from .params import LayeredParams
from .recipe import Measure, Recipe
from .scoring import score
from .solved_equation import finer_steps, solve, solve_trial
from .train import train

if TYPE_CHECKING:
    from ..networks.layered import LayeredNetwork
    from .chip_table import ChipTable


MEASURED_SPAN = 10.0
"""The widest ``thermal_span`` with a measured benefit (docs/how-to/thermal.md)."""


class LayeredMember(ProgrammableMember):
    """One member of an objective on layered networks.

    Args:
        objective: the objective.
        params: validated hyper-parameters.
        task: the task to learn.
        protocol: which data trains and which scores.
        member_seed: the seed.

    Raises:
        UnavailableError: this host lacks the data of the task, or the device.
        ValueError: the data are invalid.
    """

    def __init__(
        self,
        objective: NetworkObjective[Any, Any],
        params: LayeredParams,
        task: TaskParams,
        *,
        protocol: Protocol,
        member_seed: int,
    ) -> None:
        """Load the data and draw the network."""
        self._objective = objective
        self._params = params
        self._task = task
        self._protocol = protocol
        self._member_seed = member_seed
        self._split = self._load(protocol)
        self.classes = self._split.names
        self.network: LayeredNetwork = objective.network(
            params,
            [member_seed],
            channels=self._split.n_channels,
            outputs=self._split.n_classes,
        ).to(_device(params))
        self._n_steps = self.network.physics.n_steps  # in training
        _, self.n_layers, self.width = self.network.bias.shape
        self.widths = self.network.widths
        self.has_threshold = params.has_threshold

    @abstractmethod
    def _load(self, protocol: Protocol) -> Split:
        """Load the data of the task."""

    @abstractmethod
    def _measure(self) -> Measure:
        """Return how the network is trained and scored."""

    @abstractmethod
    def _on_chips(self, variability: Variability) -> tuple[float, ...]:
        """Return the scores on simulated chips."""

    @abstractmethod
    def solved_score(self) -> float:
        """Return the score of the test part: ideal devices, the solved equation."""

    @cached_property
    def _examples(self) -> Examples:
        """Examples of an epoch."""
        return self._split.train

    @abstractmethod
    def _measure_chip(
        self, network: Any, examples: Examples, chip: Chip, errors: InputErrors
    ) -> tuple[float, bool]:
        """Return the score on a chip, and whether every output is finite."""

    @abstractmethod
    def _allowed_loss(self, score: float) -> float | None:
        """Return the loss of score that counts as one; None of a network that has
        learned nothing."""

    @abstractmethod
    def _few_series(self, examples: Examples) -> Examples:
        """Return the series on which tolerances are measured."""

    @abstractmethod
    def _n_scored(self, examples: Examples) -> int:
        """Return how many series or points of ``examples`` are scored."""

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
        assert isinstance(self._objective, KnowsCosts)
        measure = self._measure()
        outcome = train(
            self.network,
            replace(self._split, train=self._examples),
            Recipe.from_params(self._params, measure),
            protocol=self._protocol,
            member_seed=self._member_seed,
            identity=identify(
                self._objective.name,
                self._params,
                task=self._task,
                protocol=self._protocol,
                member_seed=self._member_seed,
            ),
            on_epoch=on_epoch,
            resume=resume,
        )
        self._finish()
        solved, thermal = self._check(outcome.score, measure)
        steps = finer_steps(self.network, solved.steps_per_point) if solved else None
        with steps or nullcontext():
            variability = self._params.variability
            chips = self._on_chips(variability) if variability else ()
            extra = self._extra_info(chips)
        self.network.cpu()
        info = {
            **self._objective.costs_of(self._params, self._task),
            "n_train": len(self._split.train),
            "n_scored": len(self._split.score),
            **measure_drive(self.network, getattr(self._params, "s", 1.0)),
            **outcome.info,
            **extra,
        }
        data = self.to_bytes() if self._protocol is Protocol.CONFIRM else None
        return outcome.replace(
            info=info, network=data, solved=solved, thermal=thermal, chips=chips
        )

    def _check(
        self, trained_score: float, measure: Measure
    ) -> tuple[Solved | None, Thermal | None]:
        """Check the time step and the thermal power, as the protocol asks."""

        def rescore() -> float:
            examples = self._split.score
            return score(self.network, examples, measure.score, measure.worst)[0]

        if self._protocol is Protocol.VALIDATION:
            solved = solve_trial(self.network, rescore, trained_score, measure.agree)
            return solved, None
        if self._protocol is Protocol.CONFIRM:
            solved = solve(self.network, rescore, measure.agree)
            return solved, self._check_thermal(solved, rescore, measure.relative)
        return None, None

    def _check_thermal(
        self, solved: Solved, score: Callable[[], float], relative: bool
    ) -> Thermal | None:
        """Return the thermal check, with half the steps of the solved equation if
        converged."""
        if not hasattr(self._params, "thermal_span"):
            return None
        chips = Variability(draws=CHIPS)
        variability = self._params.variability
        if variability is not None:  # with the noise of each thermal power
            without = {"oscillator_noise_per_sqrt_ns": None}
            chips = variability.model_copy(update=without)
            score = partial(self._mean_on_chips, chips)
        steps = solved.steps_per_point
        if solved.converged and steps % (2 * self._n_steps) == 0:
            steps //= 2
        with finer_steps(self.network, steps):
            return thermal_check.check(
                self.network,
                solved.score,
                score,
                partial(self._on_chips, chips),
                relative=relative,
                remedy=self._remedy,
            )

    def tolerances(self, outcome: Outcome) -> Tolerances | None:
        """Return what the trained network asks of hardware.

        None if its equation was not solved, if it has learned nothing, or if the
        kernels cannot compute it.
        """
        examples = self._few_series(self._split.score)
        u = torch.from_numpy(examples.x)
        network = self.network.cpu()
        solved = outcome.solved
        if solved is None or outcome.diverged or not network.computes_fused(u):
            return None
        allowed = self._allowed_loss(solved.score)
        if allowed is None:
            return None
        objective: Any = self._objective
        bench = tolerances.Bench(
            network=network,
            examples=examples,
            measure=self._measure_chip,
            variability=self._params.variability or objective.variability(),
            seed=self._member_seed,
            sign=-1.0 if self._measure().relative else 1.0,
            allowed=allowed,
            n_series=self._n_scored(examples),
        )
        return tolerances.measure(bench, u, solved.steps_per_point)

    def _mean_on_chips(self, variability: Variability) -> float:
        return statistics.fmean(self._on_chips(variability))

    @property
    def _training(self) -> Training:
        """What training sees of devices: spread and noise."""
        variability = self._params.variability
        seen = variability if variability and variability.in_training else None
        has_power = np.any(getattr(self._params, "thermal_power", 0.0))
        return Training(
            network=self.network,
            seed=self._member_seed,
            variability=seen,
            noise=seen is not None or self._thermal_training == "noise",
            span=self._thermal_span if has_power else 1.0,
        )

    @property
    def _thermal_training(self) -> str:
        return getattr(self._params, "thermal_training", "mean")

    @property
    def _thermal_span(self) -> float:
        return getattr(self._params, "thermal_span", 1.0)

    @property
    def _remedy(self) -> str:
        """Advice that makes the network depend less on its thermal power."""
        if self._thermal_training == "mean":
            return 'Train with thermal_training = "noise".'
        if self._thermal_span < MEASURED_SPAN:
            return "Raise thermal_span."
        return "Report the score with thermal noise."

    @cached_property
    def _test(self) -> Examples:
        if self._protocol is not Protocol.VALIDATION:
            return self._split.score
        return self._load(Protocol.CONFIRM).score

    def to_bytes(self) -> bytes:
        """Return the network as safetensors; see ``NetworkMember.to_bytes``."""
        description = artifacts.describe_member(
            self._objective.name,
            self._params,
            self._task,
            split=self._split,
            member_seed=self._member_seed,
        )
        description |= self._extra_description()
        return artifacts.to_bytes(self.network, description)

    def chip_table(
        self, *, bits: int | None = None, threshold_ma: float | None = None
    ) -> ChipTable:
        """Return the table to programme a chip by, with the scores as trained and with
        ``bits``, and the test part.

        Args:
            bits, threshold_ma: see ``chip_table``.
        """
        scaling = self._split.scaling
        if scaling is None and self._split.pixel_scale is not None:
            scaling = Scaling(shift=(0.0,), scale=(self._split.pixel_scale,))
        scores = {"as trained": self.solved_score()}
        if bits is not None:
            with quantise_network(self.network, bits):
                scores[f"with {bits} bits"] = self.solved_score()
        return chip_table.chip_table(
            self.network,
            self._params,
            scaling=asdict(scaling) if scaling else None,
            bits=bits,
            threshold_ma=threshold_ma,
            scores=scores,
            metric=self._objective.metric,
            test=self._test if self.classes else None,
        ).with_seed(self._member_seed)

    def restore(self, data: bytes) -> None:
        """Set the weights to stored ones; see ``NetworkMember.restore``."""
        artifacts.restore(self.network.cpu(), data)


def trace_fields(
    network: LayeredNetwork,
    images: Sequence[int],
    inputs: NDArray[np.float32],
    trajectories: Mapping[str, Tensor],
) -> dict[str, Any]:
    """Return the fields of a ``Trace`` that hold the trajectories of a network."""
    point_ns = network.physics.point_ns
    lacking = ~network.exists[:, None, None]
    trace: dict[str, Any] = {
        "images": np.asarray(images, dtype=np.int64),
        "point_ns": point_ns,
        "inputs": inputs,
        "time_ns": point_ns * np.arange(inputs.shape[1] + 1, dtype=np.float64),
    }
    for name, values in trajectories.items():
        existing = values[0].masked_fill(lacking, math.nan)
        trace[name] = existing.transpose(2, 3).contiguous().numpy()
    return trace


def _device(params: LayeredParams) -> torch.device:
    """Return PyTorch's device of ``params``.

    Raises:
        UnavailableError: this host has no such device.
    """
    if params.device == "cuda" and not torch.cuda.is_available():
        built_for = torch.version.cuda or "the CPU alone"
        raise UnavailableError(
            f"device: this host has no CUDA device for PyTorch (built for {built_for}),"
            " got device='cuda'. Use device = \"cpu\", or run the workers on hosts"
            " with a GPU and its PyTorch."
        )
    return torch.device(params.device)
