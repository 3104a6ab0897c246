"""What an objective may tell beside training: costs, that data are too few, and baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from hpo.objectives import contract


@runtime_checkable
class KnowsCosts(Protocol):
    """An objective with this method takes ``[constraints]``, and a pruner beside ``[cost]``.

    Any class has it that has the method: there is nothing to derive from.
    """

    def costs_of(self, params: Any, task: Any) -> Mapping[str, float]:
        """The costs of a network, by the names of ``Objective.costs``, from its parameters alone.

        Pure and quick: it is asked for thousands of parameter sets before a network is trained.
        The numbers are those that ``Outcome.info`` holds after the training of any seed.

        Args:
            params: validated hyper-parameters, an instance of ``Objective.Params``.
            task: the validated ``[task]`` table.

        Raises:
            ValueError: data of the task that it needs are not there.
        """


@runtime_checkable
class ChecksTask(Protocol):
    """An objective with this method has parameters that not all data can train."""

    def check_task(self, params: Any, task: Any, protocol: contract.Protocol) -> None:
        """Refuse parameters for which there is not enough of the data.

        A launch asks of draws of the space, with every range at its upper end.

        Args:
            params: validated hyper-parameters, an instance of ``Objective.Params``.
            task: the validated ``[task]`` table.
            protocol: which data trains.

        Raises:
            ValueError: they are such ones, or the data is not there.
        """


@runtime_checkable
class GivesBaselines(Protocol):
    """An objective with this method has baselines of its own, in place of those of its task."""

    def baselines(self, params: Any, task: Any, seed: int) -> Iterable[contract.Baseline]:
        """What simple things score on the task, measured as a confirmation is.

        A worker asks once per study, before the first trial; told to stop, it waits until this
        returns, so take seconds. An exception is a warning in its log, and the study goes on.

        Args:
            params: validated hyper-parameters of the largest network of the study.
            task: the validated ``[task]`` table.
            seed: the study's, from which all that is random follows.
        """
