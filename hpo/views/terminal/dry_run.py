"""The plan of a launch as text: ``hpo launch --dry-run``."""

from __future__ import annotations

from collections.abc import Iterator

from hpo.search.constraints import Fit
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.views.records.plan import Plan
from hpo.views.sentences import formatting, task_data, uncompiled, untaken, verdict
from hpo.views.terminal import text_tables


def lines(plan: Plan) -> list[str]:
    """Return what would run: its facts, and the space or the curves."""
    rows = [[name, text] for name, text in _facts(plan) if text]
    if plan.spec.is_function:
        return text_tables.columns(rows)
    table = _curves(plan.spec) if plan.spec.curves else _space(plan.spec)
    return [*text_tables.columns(rows), "", *table]


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    spec = plan.spec
    budget = spec.budget
    yield "study", f"{spec.name} (from {plan.where}, hash {spec.hash})"
    yield "objective", _objective(spec)
    yield "not taken", untaken.untaken_text(spec)
    name = "data"
    for line in task_data.describe(spec, plan.data, plan.uncertainty):
        yield name, line
        name = ""
    each = f" × {formatting.plural(budget.seeds, 'network')} × {budget.epochs} epochs"
    if spec.is_function:
        each = f" × {formatting.plural(budget.seeds, 'call')}"
    if spec.is_ask_and_tell:
        each = ""
    in_flight = f"{budget.window} trials in flight at most"
    if budget.clock:
        in_flight += ", by the virtual clock"
    yield "budget", f"{budget.trials:,} trials{each}, {in_flight}"
    yield "parameters", _parameters(spec)
    if not spec.curves:
        yield from _searching(spec, plan.fit)
    if spec.has_class:
        yield "training", _training(plan)
    reported = formatting.reported_text(spec).removeprefix("reported ")
    yield "reported", reported or "nothing"
    yield "beginning", formatting.beginning_text(spec)
    if spec.has_class:
        yield "fixed", formatting.params_text(spec.fixed) or "nothing"
    yield "slow", uncompiled.uncompiled_text(plan.uncompiled)
    yield "score", verdict.hardware_text(spec)
    yield "storage", plan.database
    if spec.is_ask_and_tell:
        yield "workers", f"none: ask for trials with `hpo ask {spec.name}`"
        return
    yield "workers", str(plan.workers)
    if plan.workers and plan.executor != "local":
        yield "jobs", plan.jobs


def _objective(spec: StudySpec) -> str:
    if spec.has_class:
        task = spec.about.task.name
        return f"{spec.objective}, {task}, protocol {spec.protocol}"
    return formatting.function_text(spec)


def _parameters(spec: StudySpec) -> str:
    """Return how the parameters of a function are found; of other studies nothing."""
    if not spec.is_function:
        return ""
    return "those that the function asks for; to see them: hpo check"


def _searching(spec: StudySpec, fit: Fit | None) -> Iterator[tuple[str, str]]:
    yield "sampler", _choice(spec.sampler.name, spec.sampler.options)
    yield "pruner", _choice(spec.pruner.name, spec.pruner.options)
    if spec.cost:
        yield "cost", f"{' and '.join(spec.cost.name)}, as little as possible"
    if fit is not None:
        yield "constraints", _constraints(spec, fit)
    if spec.stop:
        rules = spec.stop.model_dump(exclude_none=True)
        yield "stop", formatting.params_text(rules)
    yield "confirm", _confirm(spec)


def _choice(name: str, options: dict[str, object]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in options.items())])


def _constraints(spec: StudySpec, fit: Fit) -> str:
    """Return the bounds, and the part of the space that satisfies them."""
    bounds = []
    for name, most in (spec.constraints or {}).items():
        bound = f"{name} ≤ {formatting.value_text(most)}"
        least = formatting.quantity(name, fit.least[name])
        bounds.append(f"{bound} (smallest draw: {least})")
    share = 100.0 * fit.fitting / fit.draws
    draws = f"{share:.3g} % of {fit.draws:,} uniform draws are feasible"
    return f"{', '.join(bounds)}; {draws}"


def _confirm(spec: StudySpec) -> str:
    confirm = spec.confirm
    if confirm is None:
        return "nothing"
    best = "the best trial" if confirm.top == 1 else f"the best {confirm.top} trials"
    if spec.ranks_by_mean:
        best += " by posterior mean"
    if spec.is_ask_and_tell:
        return f"{best}, asked {confirm.seeds} times more"
    text = f"{best}, on {confirm.seeds} fresh seeds each"
    if confirm.splits > 1:
        text += f" of {confirm.splits} splits"
    if spec.is_function:
        return text
    return f"{text}, {spec.confirm_epochs} epochs"


def _training(plan: Plan) -> str:
    """Return the number of training epochs, as far as it is known before the study
    runs."""
    spec = plan.spec
    most = effort.largest(spec)
    least = plan.epochs_at_least
    text = f"{most:,} epochs in the {'sweep' if spec.curves else 'search'}"
    if least is None:
        text = f"at most {text}; [stop] may end it earlier"
    elif least < most:
        soonest = effort.soonest(spec)
        ends = formatting.plural(soonest, "epoch")
        text = f"at most {text}, at least {least:,} (a trial can end after {ends})"
    confirming = effort.confirmation_epochs(spec)
    if confirming:
        text += f"; {confirming:,} in the confirmation"
    return text


def _space(spec: StudySpec) -> list[str]:
    reported = spec.reported_params
    rows = [["parameter", "searched", "unit", "reported"]]
    for name, dimension in spec.dimensions.items():
        searched = dimension.allowed
        if dimension.log:
            searched += ", log"
        if spec.is_integer(name):
            searched += ", whole numbers"
        searched = f"{searched} {formatting.condition_text(dimension)}".rstrip()
        value = formatting.value_cell(reported.get(name))
        rows.append([name, searched, formatting.unit(name), value])
    return text_tables.columns(rows, right=[3])


def _curves(spec: StudySpec) -> list[str]:
    rows = [["curve", "varies", "points", "from", "to", "fixed"]]
    for curve in spec.curves:
        names = " = ".join(curve.names)
        first = formatting.value_text(curve.at[0])
        last = formatting.value_text(curve.at[-1])
        fixed = formatting.params_text(curve.fixed) or formatting.NOTHING
        rows.append([curve.label, names, str(len(curve.at)), first, last, fixed])
    return text_tables.columns(rows, right=[2])
