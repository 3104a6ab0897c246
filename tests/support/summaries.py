"""Summaries of studies, as the list of studies shows them."""

from __future__ import annotations

from typing import Any

import snapshots

from hpo.study.snapshot import StudyState
from hpo.study.summary import ConfirmedSummary, StudySummary

CONFIRMED = ConfirmedSummary(source=3, mean=0.8913, std=0.012, n=10, step_mean=0.8913)


def summary(name: str = "toy-study", **changes: Any) -> StudySummary:
    values: dict[str, Any] = {
        "name": name,
        "spec": snapshots.spec(),
        "objective": "toy_objective:ToyObjective",
        "state": StudyState.OPEN,
        "reason": None,
        "trials": 60,
        "settled": 41,
        "epochs": 4711,
        "running": 4,
        "best_score": 0.9051,
        "confirmed": None,
        "created_at": snapshots.START,
    }
    return StudySummary(**{**values, **changes})
