"""Utilisation of the workers of a study, from the lineage of its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.study.trials import Phase, Trial


@dataclass(frozen=True, kw_only=True)
class Utilisation:
    """Duration of search or confirmation, and the share of it that its workers trained."""

    seconds: float
    """From the first claim to the last result."""
    workers: int
    """Number of workers that had trials."""
    training: float
    """Share of their time in which they trained and scored networks."""


def utilisation(trials: Sequence[Trial]) -> dict[Phase, Utilisation]:
    """Return the utilisation by phase, from trials whose training time is known.

    A worker was there from its first claim to its last result, and to the end of a phase if it was
    when its last trial began.
    """
    trials = [t for t in trials if t.settled_at is not None and "training_seconds" in t.lineage]
    by_worker: dict[str | None, list[Trial]] = {}
    for trial in trials:
        by_worker.setdefault(trial.worker, []).append(trial)
    phases = {}
    for phase in Phase:
        own = sorted((trial for trial in trials if trial.phase == phase), key=_ended)
        if not own:
            continue
        first, end, times = min(map(_began, own)), _ended(own[-1]), []
        for settled in by_worker.values():
            begin, until = max(first, min(map(_began, settled))), max(map(_ended, settled))
            until = end if until > _began(own[-1]) else until
            times += [until - begin] * (begin < min(until, end))
        trained = math.fsum(trial.lineage["training_seconds"] for trial in own)
        share = trained / (math.fsum(times) or 1.0)
        phases[phase] = Utilisation(
            seconds=end - first, workers=len(times), training=min(1.0, share)
        )
    return phases


def _ended(trial: Trial) -> float:
    assert trial.settled_at is not None
    return trial.settled_at.timestamp()


def _began(trial: Trial) -> float:
    """Return the time of the claim by the worker that settled it."""
    return _ended(trial) - float(trial.lineage["seconds"])
