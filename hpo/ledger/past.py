"""The history that a trial is suggested from, and that ends a search, as it is read.

What trials come to depends on this file, so it counts in the fingerprint of a study: see ``pins``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from hpo.errors import StudyError
from hpo.ledger.schema import ask
from hpo.study.spec import StudySpec
from hpo.study.trials import Amendment, Past, SlotState, Suggestion, sampler_attrs

T = TypeVar("T")
_TRIALS = """
SELECT number, state, params, attrs, score, costs, steps, amendments FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND number >= :start AND number < :stop
ORDER BY number"""


def read(connection: Connection, study_id: int, numbers: range) -> list[Past]:
    """Search trials by their numbers, as suggestions see them."""
    asked = {"study_id": study_id, "start": numbers.start, "stop": numbers.stop}
    return [checked(row, restored) for row in ask(connection, _TRIALS, **asked)]


class Known:
    """What a process has read of the trials of studies.

    A settled trial never changes but by an amendment, which counts for trials that are claimed
    later: those before the first running one are read once.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._settled: dict[int, tuple[int, list[Past]]] = {}

    def first(
        self, n: int, of: tuple[int, int], read: Callable[[int, range], list[Past]]
    ) -> list[Past]:
        """Trials 0 .. n-1 of a study, by its number and how often it was amended."""
        study_id, amendments = of
        before, settled = self._settled.get(study_id, (amendments, []))
        settled = settled if before == amendments else []
        self._settled[study_id] = amendments, settled
        known = [*settled[:n], *read(study_id, range(min(len(settled), n), n))]
        while len(settled) < len(known) and known[len(settled)].state != SlotState.RUNNING:
            settled.append(known[len(settled)])
        return known


def why_ended(spec: StudySpec, number: int, first: Callable[[int], Sequence[Past]]) -> str | None:
    """Why ``[stop]`` ends a search before trial ``number``; None if it goes on.

    ``first`` reads so many trials: those that the window shows to that trial.
    """
    from hpo.search.history import why_over  # which takes long to import

    n_seen = number - spec.budget.window + 1
    if n_seen < 1 or number >= spec.budget.trials:
        return None
    seen = [past.seen_by(number) for past in first(n_seen)]
    if any(past.state == SlotState.RUNNING for past in seen):
        return None  # the next trial must wait for it
    return why_over(spec, seen)


def checked(row: Any, build: Callable[[Any], T]) -> T:
    """What is built of a slot's row, in whose JSON the worker role may have written anything.

    Raises:
        StudyError: it does not hold what workers write.
    """
    try:
        return build(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"trial {row.number}: its row must hold what workers write, but got "
            f"{type(error).__name__}: {str(error)[:80]}. Somebody has changed it by hand: restore "
            "a backup under another name: hpo import FILE --name NEW."
        ) from error


def restored(row: Any) -> Past:
    """A trial's row as suggestions see it."""
    params, before = row.params or {}, []
    for amendment in map(Amendment.restored, row.amendments):
        attrs = amendment.attrs or sampler_attrs(row.attrs)
        before.append((amendment.since, _outcome(amendment, params, attrs)))
    return _outcome(row, params, row.attrs, before)


def _outcome(
    of: Any, params: Mapping[str, Any], attrs: Mapping[str, Any], before: Sequence[Any] = ()
) -> Past:
    return Past(
        suggestion=Suggestion(params=params, attrs=attrs),
        state=SlotState(of.state),
        score=of.score,
        costs=tuple(of.costs),
        steps=tuple(of.steps),
        before=tuple(before),
    )
