"""Tables of a study file: how much is searched, how, from where, and what is confirmed
and shown.

A rule between the keys of one table is a validator of its model. Its message is a whole
sentence, after the key that it is about where that is one (``.step: a step must ...``).
``dimensions`` has the tables of what varies: ``[space]`` and ``[sweep]``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)

from hpo.errors import expected
from hpo.study.messages import ONE_LINE, matching

ParamValue = float | int | str | bool
"""A suggested value, as Optuna's distributions give it."""
Values = dict[str, ParamValue | tuple[ParamValue, ...]]
"""Parameters as people write them: of one with a value per layer, one number or a
list."""


ASIDE = Field(json_schema_extra={"aside": True})
"""Marks a key on which no trial depends: it is not in the hash, and may be changed
later."""


class StudyTable(BaseModel):
    """One table of a study file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=True
    )


def check_list(
    key: str, what: str, values: Sequence[ParamValue], add: str = "Add some"
) -> None:
    """Refuse a list that is empty or holds a value twice."""
    if not values:
        raise ValueError(f".{key}: expected at least one {what}. {add}.")
    if len({(isinstance(value, bool), value) for value in values}) < len(values):
        raise ValueError(f".{key}: the same {what} twice. Remove one.")


Label = Annotated[str, Field(min_length=1), ONE_LINE]


class Budget(StudyTable):
    """``[budget]``: how much work the study is."""

    trials: Annotated[int, Field(ge=1, le=100_000)]
    """Exact number of search trials."""
    window: Annotated[int, Field(ge=1, le=1024)] = 8
    """Trials in flight at most: trial k is suggested from trials 0..k-window, so that
    results do not depend on the number of workers."""
    clock: bool | None = None
    """Whether trial k is suggested from what has ended when it begins on ``window``
    virtual workers, in virtual time; default: no. Real workers then wait less."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    """Networks per trial, each from its own seed."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 60
    """Passes over the training data per member."""
    score_every: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs from one score of a network in training to the next; default 1. The last
    epoch is always scored. The objective must have a parameter of this name."""

    @field_validator("clock")
    @classmethod
    def _leave_out_false(cls, clock: bool | None) -> bool | None:
        return clock or None

    def n_visible(self, number: int) -> int:
        """Return how many trials, from 0 on, trial ``number`` is suggested from."""
        return max(0, number - self.window + 1)

    @property
    def most_epochs(self) -> int:
        """Epochs of a trial that trains all its networks to their end."""
        return self.seeds * self.epochs


def _is_finite(value: Any) -> bool:
    """Return whether no number in a value of a file is infinite or NaN, which JSON
    lacks."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


class _Choice(BaseModel):
    """A sampler or pruner by name; the other keys are its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, value in self.options.items():
            if not _is_finite(value):
                raise ValueError(
                    expected(f".{name}", "a finite number", value, "Change it.")
                )
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for its class."""
        return dict(self.model_extra or {})


SAMPLERS = "tpe|random|qmc|grid|gp|cmaes|nsga2|kriging-believer"
UNLEARNING = ("random", "qmc", "grid")
"""Samplers that learn nothing from earlier trials."""
_SAMPLER = (
    f'one of {SAMPLERS.replace("|", ", ")}, or your own as "package.module:Class"'
)


class Sampler(_Choice):
    """``[sampler]``: one of Optuna's, ours, ``kriging-believer``, or your own."""

    name: Annotated[str, matching(rf"{SAMPLERS}|[^:]+:[^:]+", _SAMPLER)] = "tpe"

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own, at ``package.module:Class``."""
        return ":" in self.name

    @property
    def is_grid(self) -> bool:
        """Whether it visits all combinations of values."""
        return self.name == "grid"

    @property
    def learns(self) -> bool:
        """Whether a trial depends on earlier ones."""
        return self.name not in UNLEARNING


class Pruner(_Choice):
    """``[pruner]``: an Optuna pruner."""

    name: Literal["none", "median", "percentile", "successive-halving"] = "none"

    @property
    def prunes(self) -> bool:
        """Whether it may end a trial early."""
        return self.name != "none"


class Stop(StudyTable):
    """``[stop]``: when the search ends before ``budget.trials``; see ``history``."""

    target: float | None = None
    """A complete trial has this score, or a better one."""
    patience: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of trials in a row without an improvement."""
    max_epochs: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Number of epochs trained in the search."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.target is None and self.patience is None and self.max_epochs is None:
            raise ValueError(
                "give `target`, `patience` or `max_epochs`, or remove [stop]."
            )
        return self


class Confirm(StudyTable):
    """``[confirm]``: retrain the best from fresh seeds, test once on the held-out test
    set."""

    top: Annotated[int, Field(ge=1, le=100)] = 1
    """Best configurations to confirm."""
    seeds: Annotated[int, Field(ge=2, le=1000)] = 10
    """Fresh seeds of each, on every split."""
    splits: Annotated[int, Field(ge=1, le=100)] = 1
    """Splits of the data: those of ``task.split_seed``, ``split_seed + 1`` ... The
    search uses the first one alone, so the test sets of the others contain series that
    it has seen."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of a confirmation training; default: as many as in the search."""
    by: Literal["score", "posterior_mean", "both"] | None = None
    """How trials are ranked: by ``score``, the default, or ``posterior_mean``;
    ``both``: by the posterior mean, and the best scores are confirmed, too."""
    yield_above: Annotated[float | None, ASIDE] = None
    """Score that a simulated chip must reach to count in the yield; default: the
    reported score. It changes no trial."""
    tolerances: Annotated[bool, ASIDE] = True
    """Whether each network of a device is tested for what it asks of hardware, which
    takes seconds."""

    @property
    def trainings(self) -> int:
        """Number of trainings, if the search has ``top`` complete trials."""
        return self.top * self.networks

    @property
    def networks(self) -> int:
        """Number of trainings of one configuration, each from a fresh seed."""
        return self.splits * self.seeds

    def numbers(self, source: int) -> range:
        """Return the numbers of the trainings of a trial, the first split's first."""
        return range(source * self.networks, (source + 1) * self.networks)

    def fresh_seed(self, number: int) -> int:
        """Return which fresh seed a training has, from 0; no two splits share one."""
        return number % self.networks

    def split(self, number: int) -> int:
        """Return which split of the data a training has, from 0."""
        return self.fresh_seed(number) // self.seeds


TOP = 5
"""Default of ``warm_start.top``."""
_Point = Annotated[Values, Field(min_length=1)]


class WarmStart(StudyTable):
    """Trials 0 .. n-1 get these points; what a point leaves out, the sampler draws.

    A study file gives ``study``, or ``points`` by hand. When the study is registered,
    its points are looked up once and pinned beside ``study``: from then on, only they
    count.
    """

    study: Annotated[str, Field(min_length=1)] | None = None
    """Another study of the same database, whose best trials are the points."""
    top: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many trials of ``study``."""
    points: (
        Annotated[tuple[_Point, ...], Field(min_length=1, max_length=1000)] | None
    ) = None
    """Parameters by name, one table for each trial."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.study is None and self.points is None:
            raise ValueError("give `study` or `points`.")
        return self

    @property
    def count(self) -> int:
        """Limit on the trials that begin at a given point."""
        if self.points is not None:
            return len(self.points)
        return self.top or TOP


def _names(name: Any) -> tuple[Any, ...]:
    if isinstance(name, str):
        return (name,)
    if isinstance(name, list | tuple):
        return tuple(name)
    raise ValueError("a text, or a list of texts")


class SourceTrial(StudyTable):
    """A trial of an earlier study."""

    params: Annotated[dict[str, ParamValue], Field(min_length=1)]
    """Its parameters, as far as this study searches them."""
    score: float
    """On the validation part; of a pruned trial, extrapolated."""
    vague: Annotated[float, Field(ge=0)] = 0.0
    """log(epochs of the longest curves / epochs trained) of an extrapolated score."""


class Source(StudyTable):
    """What an earlier study has found."""

    study: str
    trials: Annotated[tuple[SourceTrial, ...], Field(min_length=1, max_length=1000)]


class Transfer(StudyTable):
    """``[transfer]``: earlier studies that the search learns from.

    A study file gives ``studies``, or ``sources`` by hand. When the study is
    registered, their trials are looked up once and pinned as ``sources``: from then on,
    only they count.
    """

    studies: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        BeforeValidator(_names),
        Field(max_length=8),
    ] = ()
    """Studies of the same database."""
    sources: Annotated[tuple[Source, ...], Field(max_length=8)] | None = None
    """Their trials."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.studies and not self.sources:
            raise ValueError("give `studies`.")
        return self


class Cost(StudyTable):
    """``[cost]``: one objective more, or several; as little as possible, beside the
    score."""

    name: Annotated[tuple[str, ...], BeforeValidator(_names)]
    """Names from ``Objective.costs``: a text, or a list; the first decides what is
    cheapest."""

    @field_serializer("name")
    def _as_written(self, name: tuple[str, ...]) -> str | list[str]:
        return name[0] if len(name) == 1 else list(name)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_list("name", "cost", self.name, "Name one")
        return self


def _positive(value: Any) -> Any:
    """Refuse costs that are not above 0; of several, the message has the name of the
    cost."""
    rule = "a number above 0"
    if isinstance(value, Mapping):
        for name, cost in value.items():
            if not _is_number(cost) or not 0 < cost < math.inf:
                raise ValueError(expected(f".{name}", rule, repr(cost), "Change it."))
    elif _is_number(value) and value <= 0:
        raise ValueError(rule)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Published = Annotated[float | dict[str, float], BeforeValidator(_positive)]
"""A published cost: a number, or of several costs numbers by name."""


class Reported(StudyTable):
    """``[reported]``: the published optimum to compare with; the search does not begin
    there."""

    score: float
    std: Annotated[float, Field(ge=0)] | None = None
    cost: Published | None = None
    """Its published cost, in the unit of ``[cost]``; a table by name if there are
    several."""
    cost_here: Published | None = None
    """Cost of the reported configuration as the objective computes it, if it
    differs."""
    n: Annotated[int, Field(ge=1)] | None = None
    source: str
    params: Values = Field(default_factory=dict)


class Reference(StudyTable):
    """One entry of ``[[figure.reference]]``: published values beside the measured ones.

    Either values (``x``, ``y``), a ``window`` or a ``mark``.
    """

    label: Label
    """Text of the legend."""
    x: Annotated[tuple[float, ...] | None, Field(min_length=1)] = None
    """Positions of the values."""
    y: tuple[float, ...] | None = None
    """The score at each ``x``, written as ``reported.score`` is: 0.8983 for 89.83 %."""
    std: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """The standard deviation of each ``y``, drawn as an error bar."""
    window: tuple[float, float] | None = None
    """In place of values: first and last x of a band."""
    mark: float | None = None
    """In place of values: position of a vertical line."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [
            key for key in ("x", "window", "mark") if getattr(self, key) is not None
        ]
        if len(given) != 1:
            rule = "one of `x` with `y`, `window` and `mark`"
            got = ", ".join(given) or "none"
            do = "Make another one a reference of its own."
            raise ValueError(expected("", rule, got, do))
        if self.window is not None and not self.window[0] < self.window[1]:
            rule = "a start below its end"
            do = "Swap them, or give a `mark`."
            raise ValueError(expected(".window", rule, list(self.window), do))
        self._check_count("y", self.y or ())
        if self.std is not None:
            self._check_count("std", self.std)
        return self

    def _check_count(self, key: str, values: Sequence[float]) -> None:
        count = len(self.x or ())
        if len(values) != count:
            rule = f"{count} values, as many as in `x`"
            got = len(values)
            raise ValueError(expected(f".{key}", rule, got, "Give one for each."))

    @property
    def places(self) -> tuple[float, ...]:
        """Every x of it."""
        return self.x or self.window or (self.mark or 0.0,)


_COMPARISON = re.compile(r"([A-Za-z_]\w*) < ([A-Za-z_]\w*|[0-9.eE+-]+)")


class Figure(StudyTable):
    """The ``[figure]`` table."""

    kind: Literal["curves", "scatter", "map"]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    marks: tuple[float | int, ...] = ()
    """Positions of vertical lines without a label."""
    overlay: tuple[str, ...] = ()
    """Other studies to draw into the same figure, if they exist."""
    reference: Annotated[tuple[Reference, ...] | None, Field(min_length=1)] = None
    """Published values, drawn beside the measured ones: one table for each."""
    x: Annotated[str, Field(min_length=1)] | None = None
    """Scatter: a parameter, or the fact ``info.NAME`` of a network, median over
    members. Map: one of its two parameters."""
    colour: str | None = None
    """Scatter: a rule ``A < B`` between parameters or numbers that divides the points
    in two."""
    colour_labels: tuple[str, str] | None = None
    """Scatter: labels of the points for which the rule holds, and of the others."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "scatter" and self.x is None:
            raise ValueError(".x is missing. Name a parameter, or info.NAME.")
        self.rule()
        return self

    def rule(self) -> tuple[str, str | float] | None:
        """The two sides of ``colour``: a parameter, and a parameter or a number."""
        if self.colour is None:
            return None
        match = _COMPARISON.fullmatch(self.colour.strip())
        if match is not None:
            left, right = match.groups()
            if right.isidentifier():
                return left, right
            with suppress(ValueError):
                return left, float(right)
        rule = "a rule `A < B` between parameters or numbers"
        do = 'Write for instance colour = "point_ns < tau_ns".'
        raise ValueError(expected(".colour", rule, repr(self.colour), do))

    @property
    def parameter(self) -> str | None:
        """The parameter that ``x`` names; None where it is a fact of a network."""
        if self.x is None or (self.x.startswith("info.") and self.x != "info."):
            return None
        return self.x
