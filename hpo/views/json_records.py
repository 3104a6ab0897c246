"""Studies as plain records: what every ``--json`` prints and ``hpo export`` writes.

Keys are stored names: programs read them, so they keep their meaning for ever.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from hpo.objectives import intervals
from hpo.objectives.contract import Baseline
from hpo.study import effort, networks
from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Listed, SlotState, Trial
from hpo.views import caveats, verdict

_POINT = ("number", "score", "cost", "params")

_MEMBER = ("member", "seed", "score", "diverged", "seconds", "info")

_CONFIRMED = ("wanted", "failed", "scores", "checked", "step_scores", "step_mean", "step_std")

_TRIAL = (
    *("phase", "number", "source", "state", "score", "cost", "params", "members", "steps"),
    *("attempts", "losses", "worker", "started_at", "settled_at", "message", "lineage", "held"),
    *("enqueued", "amendments"),
)

_VALUES = 6
"""So many values of a key of the lineage are told apart."""

_OF_RESULT = (
    *("epochs", "best_score", "best_cost", "confirmed"),
    *("reported", "metric", "gap", "gap_of", "gap_test"),
)
"""What an overview tells of a study's result."""


def dumps(value: Any) -> str:
    """Strict JSON in one line: what is not finite becomes null."""
    plain = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
    return json.dumps(plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _picked(item: object, *names: str) -> dict[str, Any]:
    """Some attributes, in that order, under their own names."""
    return {name: getattr(item, name) for name in names}


def _scored(spec: StudySpec, slot: Trial, names: Iterable[str]) -> dict[str, Any]:
    """The same of a trial; ``cost`` is what it costs, of several costs numbers by name."""
    found: dict[str, Any] = {**vars(slot), "cost": spec.told_costs(slot.costs)}
    return {name: found[name] for name in names}


def study(result: Result) -> dict[str, Any]:
    """A study in one record: progress, best, reported, confirmations."""
    spec, best, at = result.spec, result.best, result.progress
    counts = {str(state): sum(t.state == state for t in result.search) for state in SlotState}
    return {
        "study": spec.name,
        "objective": spec.objective,
        "metric": spec.objective_impl.metric,
        "direction": spec.objective_impl.direction,
        "protocol": spec.protocol,
        "spec_hash": spec.hash,
        **_picked(result.snapshot, "state", "reason", "created_at", "trials", "search_end_reason"),
        "epochs": at.epochs,
        "confirmation_epochs": at.confirmation_epochs,
        "settled": at.settled,
        **counts,
        "verdict": verdict.verdict(result),
        "best": best and {**_picked(best, "number", "score", "params"), **expected(result, best)},
        "estimate": result.headline and result.headline.estimate.record(),
        "reported": spec.reported and spec.reported.model_dump(exclude_none=True),
        **_gap(result),
        "baselines": [_beside(result, one) for one in result.baselines],
        "warning": caveats.warning(result),
        "edges": result.edges,
        "foreign_trials": result.snapshot.foreign_trials,
        "code_changes": result.snapshot.code_changes,
        "confirmations": [confirmation(spec, item) for item in result.confirmations],
        **(_of_front(result) if isinstance(result, Front) else {}),
    }


def _beside(result: Result, baseline: Baseline) -> dict[str, Any]:
    """A baseline, and how the confirmed score stands beside it."""
    found = result.beside(baseline)
    return baseline.model_dump() | (asdict(found) if found else {})


def expected(result: Result, slot: Trial) -> dict[str, float]:
    """What is expected of a trial, and how well it is known, where the study asks for it."""
    known = result.snapshot.expected.get(slot.number)
    return {} if known is None else {"expected": known.mean, "expected_std": known.std}


def _of_front(result: Front) -> dict[str, Any]:
    """What a front has besides: names of its costs, its trials, the one that it is named by."""
    spec, named, best = result.spec, result.confirmed, result.best
    return {
        "cost": result.costs if len(result.costs) > 1 else result.costs[0],
        "best": best and _scored(spec, best, _POINT),
        "front": [_scored(spec, trial, _POINT) for trial in result.front],
        "confirmed": named and named.source,
    }


def _gap(result: Result) -> dict[str, Any]:
    """The confirmed mean, else the best search score, minus the reported score."""
    found = result.headline
    if found is None or found.reported is None:
        return {"gap": None, "gap_of": None, "gap_test": None}
    of = "confirmed" if found.confirmed else "search"
    test = intervals.compare(found.estimate, found.reported, maximize=result.spec.maximize)
    return {"gap": found.score - found.reported.mean, "gap_of": of, "gap_test": test}


def summary(item: Listed, result: Result | None) -> dict[str, Any]:
    """A study in the record of an overview; without a result, of one that cannot be read here."""
    known: dict[str, Any] = dict.fromkeys(_OF_RESULT)
    if result is not None:
        spec, best, confirmed = result.spec, next(iter(result.ranking), None), result.confirmed
        known = {
            "epochs": result.progress.epochs,
            "best_score": best and result.claimed(best),
            "best_cost": best and spec.told_costs(best.costs),
            "confirmed": confirmed and _tested(spec, confirmed),
            "reported": spec.reported and spec.reported.model_dump(exclude_none=True),
            "metric": spec.objective_impl.metric,
            **_gap(result),
        }
    trials = result.progress.trials if result else item.settled
    names = ("name", "objective", "state", "reason", "settled", "running", "priority", "created_at")
    return {**_picked(item, *names), "trials": trials, **known}


def _tested(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    return {
        **_picked(item, "source", "mean"),
        "std": item.std if len(item.scores) > 1 else None,
        "n": len(item.scores),
        **_picked(item, "checked", "step_mean"),
        "thermal": networks.thermal_record(item.thermal),
        "cost": spec.told_costs(item.costs),
    }


def confirmation(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """A confirmed configuration: ``scores`` are claimed, on the solved equation if ``checked``."""
    cost = {"cost": spec.told_costs(item.costs), "costs": item.told} if item.costs else {}
    found = networks.chip_yield(spec, item.simulated)
    low, high = found.interval if found else (None, None)
    share = found and {**asdict(found), "share": found.share, "low": low, "high": high}
    return {
        **cost,
        **_picked(item, "source", "params", "search_score", "mean", "std"),
        "n": len(item.scores),
        "estimate": item.estimate(spec).record() if item.scores else None,
        **_picked(item, *_CONFIRMED),
        "step_gap": item.step_mean - item.mean if item.checked else None,
        **_picked(item, "unsettled", "steps_per_point", "trained_steps_per_point"),
        "thermal": networks.thermal_record(item.thermal),
        "chips": item.chips or None,
        "yield": share,
        "warning": caveats.of(spec, item).warning,
    }


def trial(spec: StudySpec, slot: Trial, *, curves: bool = False) -> dict[str, Any]:
    """A slot with all its members; their curves on demand.

    ``epochs`` is what was trained of it; ``ended`` says in which way a trial was ended early.
    """
    names = (*_MEMBER, "curve", "loss_curve") if curves else _MEMBER
    return {
        **_scored(spec, slot, _TRIAL),
        "epochs": effort.of_slot(spec, slot),
        "ended": effort.ending(spec, slot),
        "members": [_picked(member, *names) for member in slot.members],
        "amendments": [item.stored() for item in slot.amendments],
    }


# --- lineage --------------------------------------------------------------------------------------


def lineage(result: Result) -> dict[str, str]:
    """What the trials ran on, a line per key: the value where all agree, else how often which.

    Durations, which are each trial's own, are left out.
    """
    values: dict[str, Counter[str]] = {}
    for trial in result.every:
        for key, value in _flat(trial.lineage):
            values.setdefault(key, Counter())[str(value)] += 1
    return {key: _counted(found) for key, found in sorted(values.items())}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif not isinstance(value, float):
            yield f"{prefix}{key}", value


def _counted(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    common = [f"{value} ({n:,})" for value, n in counts.most_common(_VALUES)]
    return ", ".join(common) + ", …" * (len(counts) > _VALUES)
