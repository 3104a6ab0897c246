"""The plan of a launch: what would run, and its record for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpo.objectives.data import Contents, SeriesContents
from hpo.objectives.data.uncertainty import Uncertainty
from hpo.search import constraints
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.views.sentences.untaken import untaken_text


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a launch would run."""

    spec: StudySpec
    """The study, as it would be registered."""
    where: str
    """The file of the study."""
    data: Contents | SeriesContents | None
    uncertainty: Uncertainty | None
    """The sampling error of a trial's score, if that is an accuracy."""
    database: str
    workers: int
    executor: str
    jobs: str
    """Where the workers would start."""
    script: str | None
    """The script of jobs, if any."""
    uncompiled: Sequence[str] = ()
    """What of its networks no compiled kernel computes, as ``name=value``."""

    @property
    def fit(self) -> constraints.Fit | None:
        """The part of the space that satisfies the constraints, if there are any."""
        return constraints.fit(self.spec) if self.spec.constraints else None

    @property
    def epochs_at_least(self) -> int | None:
        """Epochs of a search with the earliest pruning; None if ``[stop]`` may end
        it."""
        if self.spec.stop is not None:
            return None
        return self.spec.budget.trials * effort.soonest(self.spec)


def record(plan: Plan) -> dict[str, Any]:
    """Return the plan for ``hpo launch --dry-run --json``."""
    spec = plan.spec
    return {
        "event": "dry-run",
        "study": spec.name,
        "file": plan.where,
        "spec_hash": spec.hash,
        "spec": spec.stored(),
        "data": plan.data,
        "sampled": plan.uncertainty,
        "constraints": plan.fit,
        "storage": plan.database,
        "workers": plan.workers,
        "executor": plan.executor,
        "epochs_at_most": effort.largest(spec),
        "epochs_at_least": plan.epochs_at_least,
        "confirmation_epochs": effort.confirmation_epochs(spec),
        "script": plan.script,
        "uncompiled": plan.uncompiled,
        "not_taken": untaken_text(spec) or None,
    }
