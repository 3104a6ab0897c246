"""What the holder of a slot writes down while it works: suggestion, members, checkpoints.

Every write is one statement, which first checks that the slot is still its writer's: a worker that
was silent beyond its lease finds its successor there and is refused. One statement each, since its
round trips are what a trial costs a database that serves many workers.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from sqlalchemy import Connection, Row, TextClause, and_, func, null, select, text, update

from hpo import mirror
from hpo.errors import HpoError
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, SlotState, Suggestion
from hpo.tables import SCHEMA, slots

MAX_LOSSES = 3
"""A slot that loses so many workers in a row fails: it may be what kills them.

A stored member or checkpoint begins the count anew: a long trial on hosts that come and go is lost
often, but never at the same place.
"""
NOW = func.clock_timestamp()


MINE = "id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token"
"""SQL: the row of ``slots`` is held under the claim that ``whose`` gives the values of."""
_HELD = f"""
held AS (
  SELECT id, optuna_trial_id, losses_in_a_row FROM {SCHEMA}.slots
  WHERE {MINE} AND state = 'running' FOR UPDATE),
progressed AS (
  UPDATE {SCHEMA}.slots SET losses_in_a_row = 0 FROM held
  WHERE slots.id = held.id AND held.losses_in_a_row > 0)"""
_STORE_SUGGESTION = text(f"""
WITH suggested AS (
  UPDATE {SCHEMA}.slots SET params = CAST(:params AS json), attrs = CAST(:attrs AS json)
  WHERE {MINE} AND state = 'running' RETURNING id, optuna_trial_id),
{mirror.SUGGESTED}
SELECT id FROM suggested""")
STORED = f"""
stored AS (
  INSERT INTO {SCHEMA}.members (slot_id, member, seed, score, curve, loss_curve, diverged, info,
                                seconds, worker)
  SELECT id, :m_member, :m_seed, :m_score, CAST(:m_curve AS float8[]),
         CAST(:m_loss_curve AS float8[]), :m_diverged, CAST(:m_info AS json), :m_seconds, :worker
  FROM held ON CONFLICT DO NOTHING)"""
"""SQL that stores a member of the slot ``held``, with the values of ``member_of``."""
_STORE_MEMBER = text(f"""
WITH {_HELD}, {STORED},
needless AS (DELETE FROM {SCHEMA}.checkpoints USING held WHERE slot_id = held.id)
SELECT id FROM held""")
_STORE_CHECKPOINT = text(f"""
WITH {_HELD},
stored AS (
  INSERT INTO {SCHEMA}.checkpoints (slot_id, member, curve, seconds, data)
  SELECT id, :member, CAST(:curve AS float8[]), :seconds, :data FROM held
  ON CONFLICT (slot_id) DO UPDATE SET member = excluded.member, curve = excluded.curve,
    seconds = excluded.seconds, data = excluded.data)
SELECT id FROM held""")


class LeaseLostError(HpoError):
    """The slot is no longer its worker's, which was silent for longer than its lease."""


class Held(Protocol):
    """A slot in a worker's hands, as far as ownership goes."""

    @property
    def slot_id(self) -> int:
        """The slot."""

    @property
    def worker(self) -> str:
        """Its holder."""

    @property
    def attempt(self) -> int:
        """Which claim of the slot this is."""

    @property
    def token(self) -> str:
        """What tells its holder from others of the same name, living or dead."""


def after(seconds: float) -> Any:
    """The database's time, so many seconds from now."""
    return NOW + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def is_mine(held: Held) -> Any:
    """The condition that a slot is held under this claim, or was settled under it."""
    return and_(
        slots.c.id == held.slot_id,
        slots.c.worker == held.worker,
        slots.c.attempts == held.attempt,
        slots.c.token == held.token,
    )


def lost(connection: Connection, held: Held) -> LeaseLostError:
    """The refusal of a late write, and what became of the slot."""
    query = select(slots.c.token, slots.c.state).where(slots.c.id == held.slot_id)
    slot = connection.execute(query).one_or_none()
    if slot is None:
        return LeaseLostError(f"{held}: it was deleted while {held.worker} was at work on it")
    if slot.token is None and slot.state == SlotState.FAILED:
        return LeaseLostError(
            f"{held}: the lease of {held.worker} ran out as the {MAX_LOSSES}rd in a row, and the "
            f"slot has failed. Its late result is not taken: `hpo retry` runs it again"
        )
    return LeaseLostError(f"{held}: the lease of {held.worker} has passed to another worker")


def lock(connection: Connection, held: Held) -> Row[Any]:
    """The running slot's row, locked.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    mine = is_mine(held) & (slots.c.state == SlotState.RUNNING)
    slot = connection.execute(select(slots).where(mine).with_for_update()).one_or_none()
    if slot is None:
        raise lost(connection, held)
    return slot


def free(connection: Connection, slot_id: int) -> None:
    """Give a slot back, to be claimed by the next worker."""
    connection.execute(update(slots).where(slots.c.id == slot_id).values(lease_until=null()))


def whose(held: Held) -> dict[str, Any]:
    """The values of ``MINE``."""
    return {
        "slot_id": held.slot_id,
        "worker": held.worker,
        "attempt": held.attempt,
        "token": held.token,
    }


def _write(connection: Connection, statement: TextClause, held: Held, **values: Any) -> None:
    """Write something down for the holder of a running slot.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    if connection.execute(statement, {**whose(held), **values}).first() is None:
        raise lost(connection, held)


def store_suggestion(
    connection: Connection, held: Held, spec: StudySpec, suggestion: Suggestion
) -> None:
    """Write down what was suggested for a trial, in the ledger and in Optuna's tables alike.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    params, attrs = json.dumps(dict(suggestion.params)), json.dumps(dict(suggestion.attrs))
    shown = mirror.params_of(spec, suggestion)
    _write(connection, _STORE_SUGGESTION, held, params=params, attrs=attrs, **shown)


def store_member(connection: Connection, held: Held, member: Member) -> None:
    """Write down a finished training; its checkpoint is no longer needed.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    _write(connection, _STORE_MEMBER, held, **member_of(member))


def member_of(member: Member) -> dict[str, Any]:
    """The values of ``STORED``."""
    return {
        "m_member": member.member,
        "m_seed": member.seed,
        "m_score": member.score,
        "m_curve": list(member.curve),
        "m_loss_curve": list(member.loss_curve),
        "m_diverged": member.diverged,
        "m_info": json.dumps(dict(member.info)),
        "m_seconds": member.seconds,
    }


def store_checkpoint(connection: Connection, held: Held, **values: Any) -> None:
    """Keep an unfinished training safe: ``member``, ``curve``, ``seconds`` and ``data``.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    _write(connection, _STORE_CHECKPOINT, held, **values)
