"""Reading the history that suggestions and ``[stop]`` depend on.

Results of trials depend on this file, so it counts in a study's fingerprint; see
``pins``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from hpo.errors import StudyError
from hpo.ledger.schema import ask
from hpo.search import clock
from hpo.search.stopping import why_over
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Amendment,
    Past,
    SlotState,
    Step,
    Suggestion,
    read_steps,
    sampler_attrs,
)

T = TypeVar("T")
SELECT_PAST = """
SELECT number, state, params, attrs, score, costs, steps, amendments, ends_at
FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND number >= :start AND number < :stop
ORDER BY number"""


def read(connection: Connection, study_id: int, numbers: range) -> list[Past]:
    """Return the search trials of these numbers, as suggestions see them."""
    rows = ask(
        connection,
        SELECT_PAST,
        study_id=study_id,
        start=numbers.start,
        stop=numbers.stop,
    )
    return [check_row(row, _restore_placed) for row in rows]


class StudyVersion(NamedTuple):
    """What a study's finished trials depend on, beside their numbers."""

    study_id: int
    timeline: str
    """Of the database; another one may be in another state."""
    amendments: int
    """Number of interventions by hand."""


class Known:
    """Cache of the trials that a process has read.

    A finished trial changes only by an amendment, which counts for trials claimed
    later, or in a database that came back in another state. So trials before the first
    running one are read once, and the last of these again, to see that it is there.
    """

    def __init__(self) -> None:
        """Create an empty cache."""
        self._finished: dict[int, tuple[StudyVersion, list[Past]]] = {}

    def first(
        self, n: int, of: StudyVersion, read: Callable[[int, range], list[Past]]
    ) -> list[Past]:
        """Return trials 0 .. n-1 of a study."""
        version, finished = self._finished.get(of.study_id, (None, []))
        if version != of:
            finished = []
        known = finished[:n]
        last = known[-1:]
        rest = read(of.study_id, range(len(known) - len(last), n))
        if rest[: len(last)] != last:
            finished = []
            known = []
            last = []
            rest = read(of.study_id, range(n))
        trials = [*known, *rest[len(last) :]]
        self._finished[of.study_id] = (of, finished)
        for trial in trials[len(finished) :]:
            if not trial.state.is_finished:
                break
            finished.append(trial)
        return trials


def explain_end(
    spec: StudySpec, number: int, first: Callable[[int], Sequence[Past]]
) -> str | None:
    """Return why ``[stop]`` ends a search before trial ``number``; None if it
    continues.

    ``first(n)`` reads the first n trials. What the trial sees of them is finished: it
    may begin.
    """
    n_seen = spec.budget.n_visible(number)
    if n_seen == 0 or number >= spec.budget.trials:
        return None
    trials = first(number if spec.budget.clock else n_seen)
    numbers = list(range(n_seen))
    if spec.budget.clock:
        numbers = clock.order(spec, number, trials)[:n_seen]
    return why_over(spec, {k: trials[k].seen_by(number) for k in numbers})


def check_row(row: Any, build: Callable[[Any], T]) -> T:
    """Build an object from a slot's row, and check it: the worker role may write any
    JSON.

    Raises:
        StudyError: the row does not hold what workers write.
    """
    try:
        return build(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"trial {row.number}: cannot read its row ({type(error).__name__}:"
            f" {str(error)[:80]}). Somebody has changed it by hand; restore a backup"
            " under another name: hpo import FILE --name NEW."
        ) from error


def _restore_placed(row: Any) -> Past:
    """Return a trial's row as suggestions see it, with its place in virtual time."""
    ends_at = math.inf if row.ends_at is None else row.ends_at
    return replace(restore_past(row), ends_at=ends_at)


def restore_past(row: Any, steps: tuple[Step, ...] | None = None) -> Past:
    """Return a trial's row as suggestions see it; ``steps`` are its steps, if they have
    been read already."""
    params = row.params or {}
    before = []
    for amendment in map(Amendment.restore, row.amendments):
        attrs = amendment.attrs or sampler_attrs(row.attrs)
        earlier = _build_past(amendment, amendment.steps, params, attrs)
        before.append((amendment.since, earlier))
    if steps is None:
        steps = read_steps(row.steps)
    return _build_past(row, steps, params, row.attrs, tuple(before))


def _build_past(
    outcome: Any,
    steps: tuple[Step, ...],
    params: Mapping[str, Any],
    attrs: Mapping[str, Any],
    before: tuple[tuple[int, Past], ...] = (),
) -> Past:
    return Past(
        suggestion=Suggestion(params=params, attrs=attrs),
        state=SlotState(outcome.state),
        score=outcome.score,
        costs=tuple(outcome.costs),
        steps=steps,
        before=before,
    )
