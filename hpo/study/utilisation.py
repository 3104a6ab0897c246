"""How busy the workers that had trials of a study were, by the lineage of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.study.trials import Phase, Trial


@dataclass(frozen=True, kw_only=True)
class Utilisation:
    """How long search or confirmation took, and what its workers did meanwhile."""

    seconds: float
    """From the first claim to the last result."""
    workers: int
    """Those that had trials; others do not show."""
    training: float
    """Share of their time in which they trained and scored networks."""


def utilisation(trials: Sequence[Trial]) -> dict[Phase, Utilisation]:
    """That of a study with these trials, as far as it is known.

    A worker was there from its first claim to its last result, and to the end of a phase if it was
    when its last trial began.
    """
    told = [t for t in trials if t.settled_at is not None and "training_seconds" in t.lineage]
    of_worker: dict[str | None, list[Trial]] = {}
    for trial in told:
        of_worker.setdefault(trial.worker, []).append(trial)
    found = {}
    for phase in Phase:
        own = sorted((trial for trial in told if trial.phase == phase), key=_ended)
        if not own:
            continue
        first, end, times = min(map(_began, own)), _ended(own[-1]), []
        for settled in of_worker.values():
            begin, until = max(first, min(map(_began, settled))), max(map(_ended, settled))
            until = end if until > _began(own[-1]) else until
            times += [until - begin] * (begin < min(until, end))
        trained = math.fsum(trial.lineage["training_seconds"] for trial in own)
        share = trained / (math.fsum(times) or 1.0)
        found[phase] = Utilisation(
            seconds=end - first, workers=len(times), training=min(1.0, share)
        )
    return found


def _ended(trial: Trial) -> float:
    assert trial.settled_at is not None
    return trial.settled_at.timestamp()


def _began(trial: Trial) -> float:
    """When the worker that settled it had claimed it."""
    return _ended(trial) - float(trial.lineage["seconds"])
