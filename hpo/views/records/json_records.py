"""Studies as plain records, which every ``--json`` prints and ``hpo export`` writes.

Keys are stored names: programs read them, so their meaning never changes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from hpo.contract import QUANTILES, Baseline, Thermal
from hpo.statistics import intervals
from hpo.study import effort, networks, splits, tolerances
from hpo.study.networks import Confirmation, Yield
from hpo.study.replication import Replication
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.splits import SplitScores
from hpo.study.tolerances import Card, Limit
from hpo.study.trials import Amendment, Listed, SlotState, Trial
from hpo.views.sentences import caveats, verdict
from hpo.views.sentences import replication as sentences

_MEMBER = ("member", "seed", "score", "diverged", "seconds", "info")
_CONFIRMED = ("failed", "scores", "checked", "step_scores", "step_mean", "step_std")
_STEPS = ("not_converged", "steps_per_point", "trained_steps_per_point")
_TRIAL = (
    "phase",
    "number",
    "source",
    "state",
    "score",
    "cost",
    "params",
    "members",
    "steps",
    "attempts",
    "losses",
    "worker",
    "started_at",
    "finished_at",
    "message",
    "lineage",
    "held",
    "enqueued",
    "amendments",
)
_SNAPSHOT = ("state", "reason", "created_at", "trials", "search_end_reason")
_LISTED = (
    "name",
    "objective",
    "state",
    "reason",
    "finished",
    "running",
    "priority",
    "created_at",
)
_OF_RESULT = (
    "tags",
    "epochs",
    "best_score",
    "best_cost",
    "confirmed",
    "reported",
    "metric",
    "gap",
    "gap_of",
    "gap_test",
)
"""The keys of a study's result in an overview."""
_VALUES = 6
"""The most values listed for a key of the lineage."""


def dumps(value: Any) -> str:
    """Return strict JSON in one line; numbers that are not finite become null."""
    plain = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
    return json.dumps(plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _picked(item: object, names: Iterable[str]) -> dict[str, Any]:
    """Return some attributes by name, in that order."""
    return {name: getattr(item, name) for name in names}


def study(result: Result) -> dict[str, Any]:
    """Return the record of a study: progress, best, reported, confirmations."""
    spec = result.spec
    at = result.progress
    states = Counter(trial.state for trial in result.search)
    record = {
        "study": spec.name,
        "objective": spec.objective,
        "metric": spec.about.metric,
        "direction": spec.about.direction,
        "protocol": spec.protocol,
        "spec_hash": spec.hash,
        **_picked(result.snapshot, _SNAPSHOT),
        "epochs": at.epochs,
        "confirmation_epochs": at.confirmation_epochs,
        "finished": at.finished,
        **{str(state): states[state] for state in SlotState},
        "verdict": verdict.verdict(result),
        "best": _best(result),
        "estimate": result.headline and result.headline.estimate.record(),
        "reported": _reported(spec),
        **_gap(result),
        "baselines": [_beside(result, one) for one in result.baselines],
        "warning": caveats.warning(result),
        "bounds_reached": result.bounds_reached,
        "foreign_trials": result.snapshot.foreign_trials,
        "code_changes": result.snapshot.code_changes,
        "confirmations": [confirmation(spec, item) for item in result.confirmations],
    }
    if result.costs:
        named = result.confirmed
        record["cost"] = result.costs
        if len(result.costs) == 1:
            record["cost"] = result.costs[0]
        record["front"] = [_point(spec, trial) for trial in result.front]
        record["confirmed"] = named and named.source
    return record


def _best(result: Result) -> dict[str, Any] | None:
    best = result.best
    if best is None:
        return None
    if result.costs:
        return _point(result.spec, best)
    record = _picked(best, ("number", "score", "params"))
    return record | posterior(result, best)


def _point(spec: StudySpec, trial: Trial) -> dict[str, Any]:
    """Return a trial of a front."""
    return {
        "number": trial.number,
        "score": trial.score,
        "cost": spec.cost_record(trial.costs),
        "params": trial.params,
    }


def _reported(spec: StudySpec) -> dict[str, Any] | None:
    if spec.reported is None:
        return None
    return spec.reported.model_dump(exclude_none=True)


def _beside(result: Result, baseline: Baseline) -> dict[str, Any]:
    """Return a baseline, and the margin of the confirmed score."""
    record = baseline.model_dump()
    margin = result.beside(baseline)
    if margin is not None:
        record |= asdict(margin)
    return record


def posterior(result: Result, trial: Trial) -> dict[str, float]:
    """Return posterior mean and deviation of a trial, if the study ranks by them."""
    posterior = result.posterior(trial)
    if posterior is None:
        return {}
    return {"posterior_mean": posterior.mean, "posterior_std": posterior.std}


def _gap(result: Result) -> dict[str, Any]:
    """Return the headline score minus the reported score."""
    score = result.headline
    if score is None or score.reported is None:
        return {"gap": None, "gap_of": None, "gap_test": None}
    maximize = result.spec.maximize
    return {
        "gap": score.score - score.reported.mean,
        "gap_of": "confirmed" if score.confirmed else "search",
        "gap_test": intervals.compare(
            score.estimate, score.reported, maximize=maximize
        ),
    }


def summary(item: Listed, result: Result | None) -> dict[str, Any]:
    """Return the record of a study in an overview; without a result it is unreadable
    here."""
    record = _picked(item, _LISTED)
    if result is None:
        return {**record, "trials": item.finished, **dict.fromkeys(_OF_RESULT)}
    spec = result.spec
    best = None
    named = None
    if not result.snapshot.lacks_means:
        best = next(iter(result.ranking), None)
        named = result.confirmed
    return {
        **record,
        "trials": result.progress.trials,
        "tags": spec.tags,
        "epochs": result.progress.epochs,
        "best_score": best and result.claimed(best),
        "best_cost": best and spec.cost_record(best.costs),
        "confirmed": named and _tested(spec, named),
        "reported": _reported(spec),
        "metric": spec.about.metric,
        **_gap(result),
    }


def _tested(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    return {
        "source": item.source,
        "mean": item.mean,
        "std": item.std,
        "n": len(item.scores),
        "checked": item.checked,
        "step_mean": item.step_mean,
        "thermal": _thermal(item.thermal),
        "cost": spec.cost_record(item.costs),
    }


def confirmation(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """Return a confirmation; ``scores`` are the claim, on the solved equation if
    ``checked``."""
    cost: dict[str, Any] = {"costs": item.all_costs}
    if item.costs:
        cost["cost"] = spec.cost_record(item.costs)
    return {
        **cost,
        **_picked(item, ("source", "params", "search_score", "mean", "std")),
        "n": len(item.scores),
        "estimate": item.estimate(spec).record() if item.scores else None,
        "wanted": item.n_seeds,
        **_splits(item.splits),
        **_picked(item, _CONFIRMED),
        "step_gap": item.step_mean - item.mean if item.checked else None,
        **_picked(item, _STEPS),
        "failed_trainings": _failed_trainings(item),
        "thermal": _thermal(item.thermal),
        "chips": item.chips or None,
        "yield": _yield(networks.chip_yield(spec, item.simulated)),
        "warning": caveats.of(spec, item).warning,
        "tolerances": card(tolerances.of(item)),
    }


def card(tolerated: Card | None) -> dict[str, Any] | None:
    """Return what the networks of a configuration ask of hardware."""
    if tolerated is None:
        return None
    limits = {limit.name: _limit(limit) for limit in tolerated.limits}
    return {**vars(tolerated), "limits": limits, "quantiles": QUANTILES}


def _limit(limit: Limit) -> dict[str, Any]:
    about = limit.about
    return {
        **limit.median.model_dump(),
        "low": limit.low.model_dump(),
        "high": limit.high.model_dump(),
        **_picked(about, ("label", "unit", "hardware", "source")),
        "beyond_hardware": limit.beyond_hardware,
    }


def _splits(found: Sequence[SplitScores]) -> dict[str, Any]:
    """Return the scores by split of the data; empty where there is one split."""
    if not found:
        return {}
    names = ("number", "mean", "std", "scores")
    record = {
        "std_between": splits.std_between(found),
        "std_within": splits.std_within(found),
        "each": [_picked(split, names) for split in found],
    }
    return {"splits": record}


def _failed_trainings(item: Confirmation) -> dict[str, Any] | None:
    found = item.failed_trainings
    if found is None:
        return None
    return {**asdict(found), "mean": found.mean, "std": found.std}


def _yield(chips: Yield | None) -> dict[str, Any] | None:
    if chips is None:
        return None
    low, high = chips.interval
    return {**asdict(chips), "share": chips.share, "low": low, "high": high}


def _thermal(thermal: Thermal | None) -> dict[str, Any] | None:
    """Return scores at other thermal powers, with mean and deviation of the chips."""
    if thermal is None:
        return None
    noisy = thermal.noisy
    return {
        **thermal.model_dump(),
        "noisy_mean": networks.mean_of(noisy),
        "noisy_std": networks.std_of(noisy),
    }


def trial(spec: StudySpec, slot: Trial, *, curves: bool = False) -> dict[str, Any]:
    """Return a trial with all its members; with their curves on demand.

    ``epochs`` counts the trained ones; ``ended`` says where a trial was pruned.
    """
    names = [*_MEMBER]
    if curves:
        names += ["curve", "loss_curve"]
    values: dict[str, Any] = {
        **vars(slot),
        "cost": spec.cost_record(slot.costs),
        "members": [_picked(member, names) for member in slot.members],
        "steps": [step.score for step in slot.steps],
        "amendments": [_amendment(item) for item in slot.amendments],
    }
    return {
        **{name: values[name] for name in _TRIAL},
        "epochs": slot.epochs,
        "ended": effort.ending(spec, slot),
    }


def _amendment(item: Amendment) -> dict[str, Any]:
    return {**item.stored(), "steps": [step.score for step in item.steps]}


# --- several searches ---


def replication(repeated: Replication) -> dict[str, Any]:
    """Return the record of the same search with several study seeds: distributions of
    scores, and every search."""
    searches = []
    for result in repeated.results:
        named = result.confirmed
        record = {"study": result.name, "seed": result.spec.seed, "confirmed": None}
        if named is not None:
            record["confirmed"] = confirmation(result.spec, named)
        searches.append(record)
    return {
        "study": repeated.name,
        "verdict": sentences.verdict(repeated),
        "confirmed": repeated.scores,
        "simulated": repeated.simulated,
        "on_first_split": repeated.on_first_split,
        "claimed": repeated.claimed,
        "searches": searches,
    }


# --- lineage ---


def lineage(result: Result) -> dict[str, str]:
    """Return the common lineage of all trials: a value per key, or the count of each
    value.

    Durations are omitted.
    """
    values: dict[str, Counter[str]] = {}
    shared = {id(one.lineage): one.lineage for one in result.all_trials}
    numbers = Counter(id(one.lineage) for one in result.all_trials)
    for place, lineage in shared.items():
        for key, value in _flat(lineage):
            values.setdefault(key, Counter())[str(value)] += numbers[place]
    return {key: _counted(values[key]) for key in sorted(values)}


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
    if len(counts) > _VALUES:
        common.append("…")
    return ", ".join(common)
