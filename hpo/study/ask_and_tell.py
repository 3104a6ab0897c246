"""Studies whose trials somebody outside evaluates: ``objective = "ask-and-tell"``.

A person, a script or the program of an instrument asks for the parameters of a trial,
and tells its values. The study file says all that is known of it: ``[space]``, the name
of each value, and its direction. As with a function, further values are costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from hpo.contract import MAX_SCORE, Description, Protocol, facts
from hpo.errors import StudyError, advise, expected
from hpo.study import functions
from hpo.study.messages import Broken
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.trials import VALUE_SD

_NOT_HERE = ("constraints", "cost", "fixed", "sweep", "task", "variability")
"""Tables that such a study has no use for: nothing here knows what is evaluated."""
_ONE_VALUE = ("cmaes", "kriging-believer")
"""Samplers of one value."""


def complete(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of such a study with what follows from the others."""
    return {"confirm": False, **functions.complete(tree)}


def check(spec: StudySpec) -> Broken:
    """Check what such a study needs, and refuse what it has no use for."""
    for table in _NOT_HERE:
        if getattr(spec, table):
            yield (
                f"{table}: not allowed with ask-and-tell, where somebody outside"
                " evaluates the parameters of [space]. Remove it."
            )
    if spec.pruner.prunes:
        yield (
            "pruner: not allowed with ask-and-tell, which is told final values. Remove"
            " it, and tell a trial that you end early with --state pruned."
        )
    if spec.protocol != Protocol.VALIDATION:
        yield "protocol: not allowed with ask-and-tell. Remove it."
    if spec.budget.clock:
        yield "budget.clock: ask-and-tell has no epochs, which it counts. Remove it."
    if spec.stop is not None and spec.stop.max_epochs is not None:
        yield "stop.max_epochs: ask-and-tell has no epochs. Give target or patience."
    if spec.confirm is not None and spec.confirm.splits > 1:
        yield "confirm.splits: ask-and-tell has no data to split. Remove it."
    if spec.budget.seeds != 1:
        do = "For repeated readings, tell their mean and its --sd."
        yield expected("budget.seeds", "1", spec.budget.seeds, do)
    yield from functions.check_values(spec)
    if spec.several_values and spec.sampler.name in _ONE_VALUE:
        valid = "Use tpe, nsga2, qmc or random."
        yield f"sampler.name: {spec.sampler.name} takes one value alone. {valid}"


def describe(spec: StudySpec) -> Description:
    """Return what the study file says of what is evaluated.

    A range whose ends are whole numbers is one of whole numbers.
    """
    values = functions.describe(spec, spec.space)
    return values.model_copy(update={"system": "instrument", "defines_by_run": False})


@dataclass(frozen=True)
class AskedSlot:
    """Which trial was asked: one of the search, or a repetition of the best one."""

    number: int
    """Number of the trial of the search."""
    repetition: int | None = None
    """In the confirmation, which repetition, from 1."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a text names: ``17``, or ``7.3`` for the third repetition of
        trial 7.

        Raises:
            ValueError: it names none.

        Examples:
            >>> AskedSlot.read("7.3")
            AskedSlot(number=7, repetition=3)
        """
        number, dot, repetition = text.partition(".")
        if not dot:
            return cls(int(number))
        return cls(int(number), int(repetition))

    @classmethod
    def of(cls, spec: StudySpec, number: int, source: int | None) -> Self:
        """Return the slot of a number, which is one of the confirmation if it has a
        source."""
        if source is None or spec.confirm is None:
            return cls(number)
        return cls(source, spec.confirm.fresh_seed(number) + 1)

    def slot_number(self, spec: StudySpec) -> int:
        """Return its number among the slots of its phase."""
        if self.repetition is None or spec.confirm is None:
            return self.number
        return spec.confirm.numbers(self.number)[self.repetition - 1]

    @property
    def key(self) -> int | str:
        """What identifies it in records: ``17``, or ``"7.3"``."""
        return self.number if self.repetition is None else str(self)

    def __str__(self) -> str:
        """Return what ``read`` reads."""
        if self.repetition is None:
            return str(self.number)
        return f"{self.number}.{self.repetition}"


def check_told(
    spec: StudySpec, slot: AskedSlot, values: Sequence[float], sd: float | None
) -> None:
    """Check the values that somebody tells of a trial, and their standard deviation.

    Raises:
        StudyError: they are too many or too few, or one of them cannot be a value.
    """
    where = f"study {spec.name!r}, trial {slot}"
    failed = advise(
        f"hpo tell {spec.name} {slot} --state failed",
        "study.tell(trial, state='failed')",
    )
    again = f"Measure again, or tell that it failed: {failed}."
    names = spec.metrics or ()
    if len(values) != len(names):
        rule = f"{len(names)} values ({', '.join(names)})"
        if len(names) == 1:
            rule = f"one value ({names[0]})"
        do = "Give as many values, in this order."
        raise StudyError(expected(where, rule, len(values), do))
    for name, value in zip(names, values, strict=True):
        if not math.isfinite(value):
            rule = f"a finite number for {name}"
            raise StudyError(expected(where, rule, value, again))
        if abs(value) > MAX_SCORE:
            rule = f"a number between -{MAX_SCORE:g} and {MAX_SCORE:g} for {name}"
            raise StudyError(expected(where, rule, f"{value:g}", again))
    if spec.is_accuracy and not 0.0 <= values[0] <= 1.0:
        do = f"Tell {values[0] / 100:.3g} for {values[0]:g} %."
        raise StudyError(expected(where, "a fraction from 0 to 1", values[0], do))
    if sd is not None and not 0.0 <= sd <= MAX_SCORE:
        rule = "a standard deviation of at least 0"
        raise StudyError(expected(where, rule, sd, "Leave it out if it is unknown."))


def build_member(
    spec: StudySpec, values: Sequence[float], sd: float | None, *, seconds: float
) -> Member:
    """Return the values of a trial as they are stored.

    Args:
        spec: the study.
        values: one for each of its metrics, checked.
        sd: standard deviation of the first, if it is known.
        seconds: since the trial was asked.
    """
    score, *others = spec.change_signs(values)
    info: dict[str, Any] = spec.named_costs(others)
    if sd is not None:
        info[facts.VALUE_SD] = sd
    return Member(
        member=0,
        seed=0,
        score=score,
        epochs=0,
        curve=(),
        scored_at=(),
        loss_curve=(),
        diverged=False,
        info=info,
        seconds=seconds,
    )


def add_sd(attrs: Mapping[str, Any], sd: float | None) -> dict[str, Any]:
    """Return the attributes of a trial with the standard deviation of its value, which
    later suggestions see."""
    if sd is None:
        return dict(attrs)
    return {**attrs, VALUE_SD: sd}
