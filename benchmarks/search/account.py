"""Trainings of a peer's search and its best networks: the same account for every
library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from benchmarks.search.simulate import Params, Step, World
from benchmarks.search.surrogate import Array
from hpo.search.space import distributions
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec

Range = FloatDistribution | IntDistribution


class _EnoughError(Exception):
    """The network has the epochs that it was to have."""


@dataclass(kw_only=True)
class Account:
    """A search of a library: what it trains goes through ``train``, what it finds to
    ``best``."""

    spec: StudySpec
    world: World
    budget: int
    """Epochs of all networks together; the training that exceeds it is the last."""
    spent: int = 0
    networks: int = 0
    suggested: dict[str, float] = field(default_factory=dict)
    """True accuracies of all configurations, in the order in which they were first
    trained."""
    steps: list[Step] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """Of the library's own random state."""
        return derive_seed(self.spec.seed, "suggest", 0)

    @property
    def whole(self) -> int:
        """Epochs of a whole training."""
        return self.spec.budget.epochs

    @property
    def goes_on(self) -> bool:
        """Whether another network may be trained."""
        return self.spent < self.budget

    @property
    def ranges(self) -> dict[str, Range]:
        """The space by name."""
        by_name: dict[str, Range] = {}
        for name, distribution in distributions(self.spec).items():
            if not isinstance(distribution, Range):
                raise ValueError(
                    f"space.{name}: the peers search numbers, but it has choices"
                )
            by_name[name] = distribution
        return by_name

    def train(
        self,
        params: Params,
        *,
        epochs: int | None = None,
        seed: int | None = None,
        report: Callable[[int, float], None] | None = None,
    ) -> float:
        """Train a network.

        Args:
            params: by name.
            epochs: number of epochs; None: a whole training.
            seed: what the library calls the seed; None: another one for every network.
            report: gets epoch and accuracy after every scored epoch; an exception of it
                ends the training.

        Returns:
            What a trial would count by; of a training that ended early, the last
            accuracy.
        """
        member = self.networks if seed is None else seed
        self.networks += 1
        self.suggested.setdefault(str(sorted(params.items())), self.world.true(params))
        n_epochs = 0
        last = 0.0

        def tell(accuracy: float | None) -> None:
            nonlocal n_epochs, last
            self.spent += 1
            n_epochs += 1
            if accuracy is not None:
                last = accuracy
                if report is not None:
                    report(n_epochs, accuracy)
            if n_epochs == epochs and n_epochs < self.whole:
                raise _EnoughError

        seed = derive_seed(self.spec.seed, "member", member)
        with suppress(_EnoughError):
            last = self.world.train(self.spec, params, seed, tell)
        return last

    def best(self, params: Params, claimed: float) -> None:
        """What the library would return now: a step if it is another one, or claims
        otherwise."""
        if self.steps and (self.steps[-1].params, self.steps[-1].claimed) == (
            params,
            claimed,
        ):
            return
        self.steps.append(
            Step(
                trial=self.networks - 1,
                epochs=self.spent,
                claimed=claimed,
                true=self.world.true(params),
                params=dict(params),
            )
        )

    def params(self, unit: Sequence[float] | Array) -> dict[str, float | int]:
        """A point of the unit cube (d,), axes in the order of ``ranges``, as
        parameters."""
        values: dict[str, float | int] = {}
        for (name, own), u in zip(self.ranges.items(), unit, strict=True):
            low, high = _edges(own)
            value = low + float(u) * (high - low)
            value = float(np.exp(value)) if own.log else value
            value = min(max(value, own.low), own.high)
            values[name] = round(value) if isinstance(own, IntDistribution) else value
        return values

    def unit(self, params: Params) -> Array:
        """The inverse of ``params``: (d,)."""
        coordinates = []
        for name, own in self.ranges.items():
            low, high = _edges(own)
            value = np.log(params[name]) if own.log else params[name]
            coordinates.append((value - low) / (high - low))
        return np.array(coordinates)


def _edges(own: Range) -> tuple[float, float]:
    """Where an axis begins and ends: integers have half a step on either side."""
    half = 0.5 if isinstance(own, IntDistribution) else 0.0
    low = own.low - half
    high = own.high + half
    return (float(np.log(low)), float(np.log(high))) if own.log else (low, high)
