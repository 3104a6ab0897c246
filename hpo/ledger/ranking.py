"""The ranking of a study's complete trials, by which some are confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from hpo.ledger import snapshots
from hpo.ledger.schema import Row, ask
from hpo.ledger.statements.studies import COUNT_PROGRESS
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec
from hpo.study.trials import Posterior


class Ranking(NamedTuple):
    """A study's complete trials, the best first."""

    key: tuple[Any, ...]
    """What the ranking depends on."""
    best: Sequence[tuple[int, Mapping[str, Any]]]
    """Number and parameters."""
    chosen: Sequence[tuple[int, Mapping[str, Any]]]
    """Those that are confirmed."""
    posterior: Mapping[int, Posterior]


_rankings: dict[int, Ranking] = {}
"""Cache by study: a study that is being confirmed needs its ranking often, and its
trials do not change."""


def look_up(connection: Connection, study: Row, spec: StudySpec) -> Ranking | None:
    """Return the current ranking of a study; None if ``compute`` must compute it."""
    ranking = _rankings.get(study.id)
    if ranking is not None and ranking.key == _key(connection, study, spec):
        return ranking
    return None


def compute(connection: Connection, study: Row, spec: StudySpec) -> Ranking:
    """Return a study's ranking, and keep it for ``look_up``.

    Computing it may take long. The connection is in autocommit.
    """
    ranking = look_up(connection, study, spec)
    if ranking is None:
        key = _key(connection, study, spec)
        snapshot = snapshots.build(snapshots.fetch(connection, study.name))
        result = Result.of(snapshot)
        if not result.selects:
            result = Search(snapshot)
        best = [(trial.number, trial.params) for trial in result.ranking]
        chosen = [(trial.number, trial.params) for trial in result.to_confirm]
        ranking = Ranking(key, best, chosen, snapshot.posterior)
        _rankings[study.id] = ranking
    return ranking


def _key(connection: Connection, study: Row, spec: StudySpec) -> tuple[Any, ...]:
    now = ask(connection, COUNT_PROGRESS, study_id=study.id, above=-1).one()
    return now.finished, now.latest, study.timeline, study.amendments, spec
