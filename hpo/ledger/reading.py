"""Reading a study: its row, its trials as suggestions see them, its networks, the best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    func,
    select,
)

from hpo.errors import StudyError, near_miss
from hpo.ledger.claims import Claim
from hpo.ledger.tables import (
    IS_RUNNING,
    NOW,
    members,
    networks,
    slots,
    slots_of,
    studies,
)
from hpo.study import pareto
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Amendment,
    Member,
    Past,
    Phase,
    SlotState,
    Suggestion,
    sampler_attrs,
)

T = TypeVar("T")
_MEMBER = ("slot_id", "member", "seed", "score", "diverged", "info", "seconds")
_CURVES = ("curve", "loss_curve")


def study(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A study's row, and what time it is; with ``lock``, locked until the transaction ends.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    query = select(studies, NOW.label("now")).where(studies.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise StudyError(no_such_study(connection, name))
    return row


def no_such_study(connection: Connection, name: str) -> str:
    """The message for an unknown study, listing those that exist."""
    names = list(connection.execute(select(studies.c.name).order_by(studies.c.name)).scalars())
    return (
        f"study {name!r}: the database must hold it, but it holds "
        f"{', '.join(names) or 'no study yet'}. {near_miss(name, names)}"
        f"Start one with: hpo launch NAME."
    )


def code_of(study: Row[Any]) -> list[dict[str, Any]]:
    """Which sources of its objective a study was computed with, the last one at the end."""
    kinds = {"since": int, "hash": str, "modules": dict}
    entries = (entry for entry in study.code if isinstance(entry, dict))
    return [e for e in entries if all(isinstance(e.get(name), t) for name, t in kinds.items())]


def history(connection: Connection, study_id: int, numbers: range) -> list[Past]:
    """Search trials by their numbers, as suggestions see them."""
    names = ("number", "state", "params", "attrs", "score", "costs", "steps", "amendments")
    asked = (slots.c.number >= numbers.start) & (slots.c.number < numbers.stop)
    query = select(*(slots.c[name] for name in names))
    query = query.where(slots_of(study_id, Phase.SEARCH), asked)
    return [checked(row, past) for row in connection.execute(query.order_by(slots.c.number))]


def opened(connection: Connection, study_id: int) -> int:
    """How many search slots were opened: the number of the next one."""
    count = select(func.count()).where(slots_of(study_id, Phase.SEARCH))
    return int(connection.execute(count).scalar_one())


def unbegun(connection: Connection, study_id: int, above: int = -1) -> int:
    """The first search trial that nobody has begun, of those above one.

    Mostly it is the next one; what was enqueued is there, but not begun.
    """
    waits = IS_RUNNING & (slots.c.attempts == 0) & slots.c.params.is_(None)
    first = select(func.min(slots.c.number)).where(
        slots_of(study_id, Phase.SEARCH), waits, slots.c.number > above
    )
    found = connection.scalar(first)
    return opened(connection, study_id) if found is None else int(found)


def outcomes(connection: Connection, study_id: int, n: int) -> list[Past]:
    """How the first ``n`` search trials ended; of their steps, only how many there are is told."""
    n_steps = func.cardinality(slots.c.steps).label("n_steps")
    query = select(slots.c.state, slots.c.score, slots.c.amendments, n_steps)
    query = query.where(slots_of(study_id, Phase.SEARCH), slots.c.number < n)
    untold: dict[str, Any] = {"params": None, "attrs": {}, "costs": ()}
    return [
        past(SimpleNamespace(**row._mapping, **untold, steps=(0.0,) * row.n_steps))
        for row in connection.execute(query.order_by(slots.c.number))
    ]


def unsuggested(connection: Connection, claim: Claim) -> tuple[int, int | None]:
    """Trials before this one that run without a suggestion: how many, and the first."""
    number = slots.c.number
    search = slots_of(claim.study_id, Phase.SEARCH)
    query = select(func.count(), func.min(number)).where(search, number < claim.number, IS_RUNNING)
    row = connection.execute(query.where(slots.c.params.is_(None))).one()
    return row[0], row[1]


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


def past(row: Any) -> Past:
    """A trial's row as suggestions see it."""
    params = row.params or {}
    before = []
    for amendment in map(Amendment.restored, row.amendments):
        attrs = amendment.attrs or sampler_attrs(row.attrs)
        outcome = Past(
            suggestion=Suggestion(params=params, attrs=attrs),
            state=amendment.state,
            score=amendment.score,
            costs=amendment.costs,
            steps=amendment.steps,
        )
        before.append((amendment.since, outcome))
    return Past(
        suggestion=Suggestion(params=params, attrs=row.attrs),
        state=SlotState(row.state),
        score=row.score,
        costs=tuple(row.costs),
        steps=tuple(row.steps),
        before=tuple(before),
    )


def members_of(connection: Connection, slot_id: int) -> tuple[Member, ...]:
    """The stored members of a slot, with their curves, in order."""
    return tuple(by_slot(member_rows(connection, slots.c.id == slot_id))[slot_id])


def network(connection: Connection, name: str, confirmation: int) -> bytes | None:
    """The network that is kept of a confirmation's training, by its number; None if none is."""
    of_it = slots_of(studies.c.id, Phase.CONFIRM) & (slots.c.number == confirmation)
    query = select(networks.c.data).select_from(networks.join(slots).join(studies))
    data: bytes | None = connection.scalar(query.where(studies.c.name == name, of_it))
    return data


def member_rows(
    connection: Connection, which: ColumnElement[bool], curves: bool = True
) -> Sequence[Row[Any]]:
    """The members of some slots, in order."""
    columns = (members.c[name] for name in (*_MEMBER, *_CURVES * curves))
    query = select(*columns).join(slots, slots.c.id == members.c.slot_id).where(which)
    return connection.execute(query.order_by(members.c.slot_id, members.c.member)).all()


def by_slot(rows: Iterable[Row[Any]]) -> dict[int, list[Member]]:
    """What such rows say, by slot."""
    found: defaultdict[int, list[Member]] = defaultdict(list)
    for row in rows:
        facts = dict(row._mapping)
        own = found[facts.pop("slot_id")]
        own.append(Member(**facts | {name: tuple(facts.get(name, ())) for name in _CURVES}))
    return found


def best(connection: Connection, study_id: int, spec: StudySpec, n: int) -> list[Any]:
    """Number, parameters and claim of the first ``n`` trials, as in ``StudySnapshot.ranking``."""
    score = slots.c.score
    complete = (slots.c.state == SlotState.COMPLETE) & score.is_not(None)
    query = select(slots.c.number, slots.c.params, score, slots.c.costs)
    query = query.where(slots_of(study_id, Phase.SEARCH), complete)
    if spec.costs:
        trials: list[Row[Any]] = [*connection.execute(query)]
        return pareto.order(spec, trials)[:n]
    if spec.confirm is not None and spec.confirm.by == "expected":
        return _best_expected(connection, study_id, spec)[:n]
    ordered = query.order_by(score.desc() if spec.maximize else score, slots.c.number)
    return list(connection.execute(ordered.limit(n)))


_orders: dict[tuple[int, str], tuple[Any, list[Any]]] = {}
"""By study and spec: what the order was made of, and the order. A study that is being confirmed is
asked for it again and again, and its trials do not change."""


def _best_expected(connection: Connection, study_id: int, spec: StudySpec) -> list[Any]:
    from hpo.search.kriging_believer import expected

    amended = select(studies.c.amendments).where(studies.c.id == study_id).scalar_subquery()
    ended = select(func.count(), func.max(slots.c.settled_at), amended).where(
        slots_of(study_id, Phase.SEARCH), slots.c.state != SlotState.RUNNING
    )
    made_of = tuple(connection.execute(ended).one())
    key = study_id, spec.hash
    if key not in _orders or _orders[key][0] != made_of:
        trials = history(connection, study_id, range(opened(connection, study_id)))
        known = expected(spec, trials)
        found = [
            SimpleNamespace(number=number, params=trials[number].suggestion.params, score=own.mean)
            for number, own in known.items()
        ]
        sign = -1.0 if spec.maximize else 1.0
        found.sort(key=lambda trial: (sign * trial.score, trial.number))
        _orders[key] = made_of, found
    return _orders[key][1]
