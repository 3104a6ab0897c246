"""Studies as a list has them: a line, and their result."""

from __future__ import annotations

from typing import Any

import snapshots

from hpo.study.result import Result
from hpo.study.trials import Listed, StudySnapshot


def listed(name: str = "toy-study", **changes: Any) -> Listed:
    """The line of a study."""
    values: dict[str, Any] = {
        "name": name,
        "number": 1,
        "objective": "toy_objective:ToyObjective",
        "state": "open",
        "reason": None,
        "priority": 0,
        "finished": 41,
        "running": 4,
        "created_at": snapshots.START,
    }
    return Listed(**{**values, **changes})


def known(snapshot: StudySnapshot, **changes: Any) -> tuple[Listed, Result]:
    """The line of a study in some snapshot, with its result."""
    own = {
        "state": snapshot.state,
        "reason": snapshot.reason,
        "finished": snapshot.finished,
    }
    return listed(**{"name": snapshot.spec.name, **own, **changes}), Result.of(snapshot)
