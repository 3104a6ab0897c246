"""Optional methods of an objective: costs, checks of the task, kernels, baselines, and
tolerances."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any, runtime_checkable

from hpo.contract.baseline import Baseline
from hpo.contract.outcome import Outcome, Tolerances
from hpo.contract.params import Protocol


@runtime_checkable
class KnowsCosts(typing.Protocol):
    """An objective with this method takes ``[constraints]``, and a pruner beside
    ``[cost]``.

    A class that defines the method needs no base class.
    """

    def costs_of(self, params: Any, task: Any) -> Mapping[str, float]:
        """Return the costs of a network, by the names of ``Objective.costs``, from its
        parameters.

        Keep it pure and quick: it is called for thousands of parameter sets before a
        training. The numbers are those of ``Outcome.info`` after training, whatever the
        seed.

        Args:
            params: validated hyper-parameters, an instance of ``Objective.Params``.
            task: the validated ``[task]`` table.

        Raises:
            ValueError: this host lacks the data of the task.
        """


@runtime_checkable
class ChecksTask(typing.Protocol):
    """An objective with this method has parameters that need enough data."""

    def check_task(self, params: Any, task: Any, protocol: Protocol) -> None:
        """Refuse parameters for which the task has too few data.

        A launch calls it for draws of the space, with every range at its upper end.

        Args:
            params: validated hyper-parameters, an instance of ``Objective.Params``.
            task: the validated ``[task]`` table.
            protocol: the data that trains.

        Raises:
            ValueError: the data are too few, or missing.
        """


@runtime_checkable
class HasKernels(typing.Protocol):
    """An objective with this method computes most of its networks by compiled
    kernels."""

    def beyond_kernel(self, params: Any) -> str:
        """Return the feature of these parameters that kernels lack, as
        ``name=value``; else empty.

        A launch and a check call it for draws of the space, before any training.

        Args:
            params: validated hyper-parameters, an instance of ``Objective.Params``.
        """


@runtime_checkable
class GivesBaselines(typing.Protocol):
    """An objective with this method replaces the baselines of its task."""

    def baselines(self, params: Any, task: Any, seed: int) -> Iterable[Baseline]:
        """Return scores of simple models on the task, measured as a confirmation is.

        A worker calls it once per study, before the first trial. It cannot be
        interrupted, so take seconds. An exception is logged as a warning, and the study
        continues.

        Args:
            params: validated hyper-parameters of the largest network of the study.
            task: the validated ``[task]`` table.
            seed: seed of the study; the only source of randomness.
        """


@runtime_checkable
class MeasuresTolerances(typing.Protocol):
    """An objective with this method tells what its trained networks ask of hardware."""

    def tolerances(
        self, params: Any, task: Any, member_seed: int, outcome: Outcome
    ) -> Tolerances | None:
        """Return how much of each imperfection of hardware a trained network tolerates.

        A worker calls it after every confirmation training, unless ``[confirm]`` has
        ``tolerances = false``. It cannot be interrupted, so take seconds.

        Args:
            params: validated hyper-parameters, an instance of ``Objective.Params``.
            task: the validated ``[task]`` table.
            member_seed: the only source of randomness.
            outcome: of the training, with its network.

        Returns:
            The tolerances; None of a network that has learned nothing.
        """
