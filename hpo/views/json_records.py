"""Studies as plain records: what every ``--json`` prints and ``hpo export`` writes.

Keys are stored names: programs read them, so they keep their meaning for ever.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hpo.study import caveats, edges, effort, endings
from hpo.study.confirmation import Confirmation
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.summary import ConfirmedSummary, StudySummary
from hpo.study.trials import SlotState, Trial
from hpo.views import verdict

_POINT = ("number", "score", "cost", "params")

_MEMBER = ("member", "seed", "score", "diverged", "seconds", "info")

_CONFIRMED = ("wanted", "failed", "scores", "checked", "step_scores", "step_mean", "step_std")

_TRIAL = (
    *("phase", "number", "source", "state", "score", "cost", "params", "members", "steps"),
    *("attempts", "losses", "worker", "started_at", "settled_at", "message", "lineage", "held"),
    *("enqueued", "amendments"),
)

_SUMMARY = ("name", "objective", "state", "reason", "trials", "settled", "running", "epochs")


def dumps(value: Any) -> str:
    """Strict JSON in one line: what is not finite becomes null."""
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _picked(item: object, *names: str) -> dict[str, Any]:
    """Some attributes, in that order, under their own names."""
    return {name: getattr(item, name) for name in names}


def _scored(spec: StudySpec, slot: Trial, names: Iterable[str]) -> dict[str, Any]:
    """The same of a trial; ``cost`` is what it costs, of several costs numbers by name."""
    found: dict[str, Any] = {**vars(slot), "cost": spec.told_costs(slot.costs)}
    return {name: found[name] for name in names}


def study(snapshot: StudySnapshot) -> dict[str, Any]:
    """A study in one record: progress, best, reported, confirmations."""
    spec, best = snapshot.spec, snapshot.best
    named = snapshot.confirmed if spec.selects else None
    confirmed = named.mean if named is not None else None
    return {
        "study": spec.name,
        "objective": spec.objective,
        "metric": spec.objective_impl.metric,
        "direction": spec.objective_impl.direction,
        "protocol": spec.protocol,
        "spec_hash": spec.hash,
        **_picked(snapshot, "state", "reason", "created_at", "trials", "search_end_reason"),
        "epochs": effort.of_search(snapshot),
        "confirmation_epochs": effort.of_confirmation(snapshot),
        "settled": snapshot.settled,
        **{str(state): snapshot.count(state) for state in SlotState},
        "verdict": verdict.verdict(snapshot),
        "best": best and {**_picked(best, "number", "score", "params"), **expected(snapshot, best)},
        "reported": spec.reported and spec.reported.model_dump(exclude_none=True),
        **_gap(spec, confirmed, snapshot.claimed(best) if best else None),
        "warning": caveats.warning(spec, named) if named else caveats.sweep_warning(snapshot),
        "edges": edges.edges(snapshot),
        "foreign_trials": snapshot.foreign_trials,
        "code_changes": snapshot.code_changes,
        "confirmations": [confirmation(spec, item) for item in snapshot.confirmations],
        **(_of_costs(snapshot) if spec.costs else {}),
    }


def expected(snapshot: StudySnapshot, slot: Trial) -> dict[str, float]:
    """What is expected of a trial, and how well it is known, where the study asks for it."""
    known = snapshot.expected.get(slot.number)
    return {} if known is None else {"expected": known.mean, "expected_std": known.std}


def _of_costs(snapshot: StudySnapshot) -> dict[str, Any]:
    """What a study with costs has besides: their names, the front, the trial it is named by."""
    spec, named, best = snapshot.spec, snapshot.confirmed, snapshot.best
    return {
        "cost": spec.costs if len(spec.costs) > 1 else spec.costs[0],
        "best": best and _scored(spec, best, _POINT),
        "front": [_scored(spec, slot, _POINT) for slot in snapshot.front],
        "confirmed": named and named.source,
    }


def _gap(spec: StudySpec, confirmed: float | None, best: float | None) -> dict[str, Any]:
    """The confirmed mean, else the best search score, minus the reported score."""
    score = best if confirmed is None else confirmed
    if spec.reported is None or score is None:
        return {"gap": None, "gap_of": None}
    of = "search" if confirmed is None else "confirmed"
    return {"gap": score - spec.reported.score, "gap_of": of}


def summary(item: StudySummary) -> dict[str, Any]:
    """A study in the record of an overview."""
    spec, confirmed = item.spec, item.confirmed
    known: dict[str, Any] = {"gap": None, "gap_of": None, "reported": None, "metric": None}
    if spec is not None:
        known = _gap(spec, confirmed.mean if confirmed else None, item.best_score)
        known["reported"] = spec.reported and spec.reported.model_dump(exclude_none=True)
        known["metric"] = spec.objective_impl.metric
    return {
        **_picked(item, *_SUMMARY),
        "best_score": item.best_score,
        "best_cost": spec.told_costs(item.best_costs) if spec else None,
        "confirmed": _tested(spec, confirmed) if spec and confirmed else None,
        "priority": item.priority,
        **known,
        "created_at": item.created_at,
    }


def _tested(spec: StudySpec, item: ConfirmedSummary) -> dict[str, Any]:
    facts = asdict(item)
    costs, facts["thermal"] = facts.pop("costs"), caveats.thermal_record(item.thermal)
    return {**facts, "cost": spec.told_costs(costs)}


def confirmation(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """A confirmed configuration: ``scores`` are claimed, on the solved equation if ``checked``."""
    cost = {"cost": spec.told_costs(item.costs), "costs": item.told} if item.costs else {}
    return {
        **cost,
        **_picked(item, "source", "params", "search_score", "mean", "std"),
        "n": len(item.scores),
        **_picked(item, *_CONFIRMED),
        "step_gap": item.step_gap if item.checked else None,
        **_picked(item, "unsettled", "steps_per_point", "trained_steps_per_point"),
        **caveats.record(spec, item),
        "warning": caveats.warning(spec, item),
    }


def trial(spec: StudySpec, slot: Trial, *, curves: bool = False) -> dict[str, Any]:
    """A slot with all its members; their curves on demand.

    ``epochs`` is what was trained of it; ``ended`` says in which way a trial was ended early.
    """
    names = (*_MEMBER, "curve", "loss_curve") if curves else _MEMBER
    return {
        **_scored(spec, slot, _TRIAL),
        "epochs": effort.of_slot(spec, slot),
        "ended": endings.ending(spec, slot),
        "members": [_picked(member, *names) for member in slot.members],
        "amendments": [item.stored() for item in slot.amendments],
    }
