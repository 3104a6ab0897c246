"""Studies as plain records: what every ``--json`` prints and ``hpo export`` writes.

Keys are stored names: programs read them, so they keep their meaning for ever.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hpo import words
from hpo.snapshot import Confirmation, Member, Slot, SlotState, StudySnapshot


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


def study(snapshot: StudySnapshot) -> dict[str, Any]:
    """A study in one record: progress, best, reported, confirmations."""
    spec, best = snapshot.spec, snapshot.best
    return {
        "study": spec.name,
        "objective": spec.objective,
        "metric": spec.objective_impl.metric,
        "direction": spec.objective_impl.direction,
        "protocol": spec.protocol,
        "spec_hash": spec.hash,
        "state": snapshot.state,
        "reason": snapshot.reason,
        "created_at": snapshot.created_at,
        "trials": spec.budget.trials,
        "settled": snapshot.settled,
        **{str(state): snapshot.count(state) for state in SlotState},
        "verdict": words.verdict(snapshot),
        "best": best and {"number": best.number, "score": best.score, "params": dict(best.params)},
        "reported": spec.reported and spec.reported.model_dump(exclude_none=True),
        "confirmations": [confirmation(item) for item in snapshot.confirmations],
    }


def confirmation(item: Confirmation) -> dict[str, Any]:
    """A confirmed configuration."""
    return {
        "source": item.source,
        "params": item.params,
        "search_score": item.search_score,
        "mean": item.mean,
        "std": item.std,
        "n": len(item.scores),
        "wanted": item.wanted,
        "failed": item.failed,
        "scores": item.scores,
    }


def trial(slot: Slot, *, curves: bool = False) -> dict[str, Any]:
    """A slot with all its members; their curves on demand."""
    return {
        "phase": slot.phase,
        "number": slot.number,
        "source": slot.source,
        "state": slot.state,
        "score": slot.score,
        "params": slot.params,
        "members": [member(item, curves=curves) for item in slot.members],
        "steps": slot.steps,
        "attempts": slot.attempts,
        "losses": slot.losses,
        "worker": slot.worker,
        "started_at": slot.started_at,
        "settled_at": slot.settled_at,
        "message": slot.message,
        "lineage": slot.lineage,
        "held": slot.held,
        "amendments": [item.stored() for item in slot.amendments],
    }


def member(item: Member, *, curves: bool) -> dict[str, Any]:
    """A trained network."""
    record: dict[str, Any] = {
        "member": item.member,
        "seed": item.seed,
        "score": item.score,
        "diverged": item.diverged,
        "seconds": item.seconds,
        "info": item.info,
    }
    if curves:
        record |= {"curve": item.curve, "loss_curve": item.loss_curve}
    return record
