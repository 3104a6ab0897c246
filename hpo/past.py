"""An earlier trial, as suggestions and judgements see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hpo.snapshot import SlotState
from hpo.spec import ParamValue


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a sampler decided for one trial."""

    params: Mapping[str, ParamValue]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """The sampler's and pruner's memory (Optuna's system attributes), replayed to them later."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """An earlier trial, as far as the history knows it."""

    suggestion: Suggestion
    state: SlotState = SlotState.RUNNING
    score: float | None = None
    cost: float | None = None
    """What ``[cost]`` names, of a complete trial of a study that has one."""
    steps: tuple[float, ...] = ()
    """Values it reported, step 1 first."""
    before: tuple[tuple[int, Past], ...] = ()
    """Outcomes that a retry or an exclusion replaced, each with the first trial that no longer sees
    it, in order."""

    def seen_by(self, number: int) -> Past:
        """The outcome that trial ``number`` sees: amendments count for later trials alone."""
        return next((outcome for until, outcome in self.before if number < until), self)

    def suggested(self, suggestion: Suggestion) -> Past:
        """The same trial with its suggestion, where that was not written down."""
        before = tuple((until, outcome.suggested(suggestion)) for until, outcome in self.before)
        own = self.suggestion if self.suggestion.params else suggestion
        return replace(self, suggestion=own, before=before)
