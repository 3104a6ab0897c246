"""Samplers of trials whose parameters are known, in part or as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    json_to_distribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from hpo.functions import history
from hpo.study.trials import Suggestion


class DecidedSampler(BaseSampler):
    """A sampler whose joint parameters are decided already."""

    def __init__(self, sampler: BaseSampler, suggestion: Suggestion) -> None:
        """Take the sampler of the other parameters, and what ``decide`` returned."""
        self._sampler = sampler
        self._suggestion = suggestion.decided

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the distributions of the decided parameters."""
        texts = self._suggestion.distributions.items()
        return {name: json_to_distribution(text) for name, text in texts}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the decided parameters."""
        return dict(self._suggestion.params)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample another parameter."""
        return self._sampler.sample_independent(
            study, trial, param_name, param_distribution
        )


class FixedSampler(BaseSampler):
    """Gives a trial the parameters of another one."""

    def __init__(self, suggestion: Suggestion) -> None:
        """Take the parameters."""
        self._params = history.internal_params(suggestion)
        self._values = suggestion.params

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: each parameter stands for itself."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return nothing, likewise."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the parameter of that trial.

        Raises:
            ValueError: that trial lacks it.
        """
        if param_name not in self._params:
            raise ValueError(
                f"the function asks for {param_name!r}, which this trial of the search"
                " does not have. Name the function that made the trial. Its parameters"
                " must not depend on the seed."
            )
        if isinstance(param_distribution, CategoricalDistribution):
            return self._choose(param_name, param_distribution.choices)
        return param_distribution.to_external_repr(self._params[param_name])

    def _choose(self, name: str, choices: Sequence[Any]) -> Any:
        """Return the choice of that trial; of a list or tuple, which JSON does not tell
        apart, the one with the same elements.

        Raises:
            ValueError: there is no such choice.
        """
        value = self._values[name]
        for choice in choices:
            if choice == value or _elements(choice) == _elements(value):
                return choice
        raise ValueError(
            f"the trial has {name}={value!r}, but the function offers"
            f" {', '.join(map(repr, choices))}. Give the function that made the trial."
        )


def _elements(choice: Any) -> Any:
    """Return the text of a list or tuple without its brackets; another choice as it
    is."""
    if isinstance(choice, str) and choice[:1] + choice[-1:] in ("[]", "()"):
        return choice[1:-1].rstrip(",")
    return choice
