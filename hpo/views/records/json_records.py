"""Studies as plain records, which every ``--json`` prints and ``hpo export`` writes.

Keys are stored names: programs read them, so their meaning never changes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from hpo.contract import Baseline
from hpo.statistics import intervals
from hpo.study import effort, networks
from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Listed, SlotState, Trial
from hpo.views.sentences import caveats, verdict

_POINT = ("number", "score", "cost", "params")

_MEMBER = ("member", "seed", "score", "diverged", "seconds", "info")

_CONFIRMED = ("failed", "scores", "checked", "step_scores", "step_mean", "step_std")

_TRIAL = (
    *(
        "phase",
        "number",
        "source",
        "state",
        "score",
        "cost",
        "params",
        "members",
        "steps",
    ),
    *(
        "attempts",
        "losses",
        "worker",
        "started_at",
        "settled_at",
        "message",
        "lineage",
        "held",
    ),
    *("enqueued", "amendments"),
)

_VALUES = 6
"""The most values listed for a key of the lineage."""

_OF_RESULT = (
    *("tags", "epochs", "best_score", "best_cost", "confirmed"),
    *("reported", "metric", "gap", "gap_of", "gap_test"),
)
"""The keys of a study's result in an overview."""


def dumps(value: Any) -> str:
    """Return strict JSON in one line; numbers that are not finite become null."""
    plain = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
    return json.dumps(plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _picked(item: object, *names: str) -> dict[str, Any]:
    """Return some attributes by name, in that order."""
    return {name: getattr(item, name) for name in names}


def _scored(spec: StudySpec, slot: Trial, names: Iterable[str]) -> dict[str, Any]:
    """Return some attributes of a trial; ``cost`` is a number, or several numbers by
    name."""
    values: dict[str, Any] = {**vars(slot), "cost": spec.cost_record(slot.costs)}
    return {name: values[name] for name in names}


def study(result: Result) -> dict[str, Any]:
    """Return the record of a study: progress, best, reported, confirmations."""
    spec, best, at = result.spec, result.best, result.progress
    counts = {
        str(state): sum(t.state == state for t in result.search) for state in SlotState
    }
    return {
        "study": spec.name,
        "objective": spec.objective,
        "metric": spec.objective_impl.metric,
        "direction": spec.objective_impl.direction,
        "protocol": spec.protocol,
        "spec_hash": spec.hash,
        **_picked(
            result.snapshot,
            "state",
            "reason",
            "created_at",
            "trials",
            "search_end_reason",
        ),
        "epochs": at.epochs,
        "confirmation_epochs": at.confirmation_epochs,
        "settled": at.settled,
        **counts,
        "verdict": verdict.verdict(result),
        "best": (
            best
            and {**_picked(best, "number", "score", "params"), **expected(result, best)}
        ),
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
    """Return a baseline, and the margin of the confirmed score."""
    margin = result.beside(baseline)
    return baseline.model_dump() | (asdict(margin) if margin else {})


def expected(result: Result, slot: Trial) -> dict[str, float]:
    """Return posterior mean and deviation of a trial, if the study ranks by them."""
    posterior = result.snapshot.expected.get(slot.number)
    return (
        {}
        if posterior is None
        else {"expected": posterior.mean, "expected_std": posterior.std}
    )


def _of_front(result: Front) -> dict[str, Any]:
    """Return the further keys of a front: names of its costs, its trials, the headline
    trial."""
    spec, named, best = result.spec, result.confirmed, result.best
    return {
        "cost": result.costs if len(result.costs) > 1 else result.costs[0],
        "best": best and _scored(spec, best, _POINT),
        "front": [_scored(spec, trial, _POINT) for trial in result.front],
        "confirmed": named and named.source,
    }


def _gap(result: Result) -> dict[str, Any]:
    """Return the headline score minus the reported score."""
    score = result.headline
    if score is None or score.reported is None:
        return {"gap": None, "gap_of": None, "gap_test": None}
    of = "confirmed" if score.confirmed else "search"
    test = intervals.compare(
        score.estimate, score.reported, maximize=result.spec.maximize
    )
    return {"gap": score.score - score.reported.mean, "gap_of": of, "gap_test": test}


def summary(item: Listed, result: Result | None) -> dict[str, Any]:
    """Return the record of a study in an overview; without a result it is unreadable
    here."""
    values: dict[str, Any] = dict.fromkeys(_OF_RESULT)
    if result is not None:
        spec, best, confirmed = (
            result.spec,
            next(iter(result.ranking), None),
            result.confirmed,
        )
        values = {
            "tags": spec.tags,
            "epochs": result.progress.epochs,
            "best_score": best and result.claimed(best),
            "best_cost": best and spec.cost_record(best.costs),
            "confirmed": confirmed and _tested(spec, confirmed),
            "reported": spec.reported and spec.reported.model_dump(exclude_none=True),
            "metric": spec.objective_impl.metric,
            **_gap(result),
        }
    trials = result.progress.trials if result else item.settled
    names = (
        "name",
        "objective",
        "state",
        "reason",
        "settled",
        "running",
        "priority",
        "created_at",
    )
    return {**_picked(item, *names), "trials": trials, **values}


def _tested(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    return {
        **_picked(item, "source", "mean"),
        "std": item.std if len(item.scores) > 1 else None,
        "n": len(item.scores),
        **_picked(item, "checked", "step_mean"),
        "thermal": networks.thermal_record(item.thermal),
        "cost": spec.cost_record(item.costs),
    }


def confirmation(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """Return a confirmation; ``scores`` are the claim, on the solved equation if
    ``checked``."""
    cost = (
        {"cost": spec.cost_record(item.costs), "costs": item.all_costs}
        if item.costs
        else {}
    )
    chips = networks.chip_yield(spec, item.simulated)
    low, high = chips.interval if chips else (None, None)
    share = chips and {**asdict(chips), "share": chips.share, "low": low, "high": high}
    return {
        **cost,
        **_picked(item, "source", "params", "search_score", "mean", "std"),
        "n": len(item.scores),
        "estimate": item.estimate(spec).record() if item.scores else None,
        "wanted": item.n_seeds,
        **_picked(item, *_CONFIRMED),
        "step_gap": item.step_mean - item.mean if item.checked else None,
        **_picked(item, "unsettled", "steps_per_point", "trained_steps_per_point"),
        "thermal": networks.thermal_record(item.thermal),
        "chips": item.chips or None,
        "yield": share,
        "warning": caveats.of(spec, item).warning,
    }


def trial(spec: StudySpec, slot: Trial, *, curves: bool = False) -> dict[str, Any]:
    """Return a trial with all its members; with their curves on demand.

    ``epochs`` counts the trained ones; ``ended`` says how a trial ended early.
    """
    names = (*_MEMBER, "curve", "loss_curve") if curves else _MEMBER
    return {
        **_scored(spec, slot, _TRIAL),
        "epochs": effort.slot_epochs(spec, slot),
        "ended": effort.ending(spec, slot),
        "members": [_picked(member, *names) for member in slot.members],
        "amendments": [item.stored() for item in slot.amendments],
    }


# --- lineage ---


def lineage(result: Result) -> dict[str, str]:
    """Return the common lineage of all trials: a value per key, or the count of each
    value.

    Durations are omitted.
    """
    values: dict[str, Counter[str]] = {}
    for trial in result.all_trials:
        for key, value in _flat(trial.lineage):
            values.setdefault(key, Counter())[str(value)] += 1
    return {key: _counted(counts) for key, counts in sorted(values.items())}


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
