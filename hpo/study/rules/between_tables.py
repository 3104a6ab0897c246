"""The rules between the tables of a study file: what must not stand beside what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from hpo.errors import SpecError
from hpo.study.messages import did_you_mean
from hpo.study.search_tables import Racing
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, WarmStart
from objectives.capabilities import KnowsCosts
from objectives.contract import Protocol

MAX_GRID = 100_000
"""Points of a grid: Optuna makes them all before the first trial."""

_PLAIN_SAMPLERS = ("random", "qmc", "grid")
_OF_CONDITIONS = ("kriging-believer", "qmc", "random", "tpe")
_OF_ONE_OBJECTIVE = ("cmaes", "kriging-believer")

Rules = Iterator[tuple[object, str]]
"""Rows of a table: what must not be, and what is said if it is (key, rule, what to do)."""


def check(spec: StudySpec) -> None:
    """Refuse the first table or key that must not stand beside others.

    Raises:
        SpecError: it does; the text begins with the key.
    """
    for broken, message in _rules(spec):
        if broken:
            raise SpecError(message)


def _rules(spec: StudySpec) -> Rules:
    if spec.protocol == Protocol.CONFIRM:
        yield from _of_confirm(spec)
    for table in ("racing", "stop", "warm_start"):
        yield (
            getattr(spec, table) is not None and not spec.selects,
            f"{table}: a study must look for a best trial to have this table, but a sweep, and "
            f'protocol = "confirm", do not. Remove [{table}].',
        )
    if spec.confirm is not None and spec.confirm.by == "expected":
        yield from _of_expectation(spec)
    if spec.confirm is not None and spec.confirm.yield_above is not None:
        yield _of_accuracy(spec, "confirm.yield_above", spec.confirm.yield_above)
    if spec.racing is not None:
        yield from _of_racing(spec, spec.racing)
    if spec.warm_start is not None:
        yield from _of_warm_start(spec, spec.warm_start)
    if spec.costs:
        yield from _of_costs(spec)
    if spec.constraints is not None:
        yield from _of_constraints(spec, spec.constraints)
    yield (
        spec.is_conditional and spec.sampler.name not in _OF_CONDITIONS,
        f"sampler.name: a space of which trials lack some must be searched by one of "
        f"{', '.join(_OF_CONDITIONS)}, but got name={spec.sampler.name!r}, which searches what all "
        f"trials have alone. Choose another, remove `when`, or fix `layers`.",
    )
    if spec.sampler.name == "grid":
        yield from _of_grid(spec)
    if spec.figure is not None:
        yield from _of_figure(spec, spec.figure)
    if spec.reported is not None:
        for key in ("cost", "cost_here"):
            yield from _of_reported_costs(spec, key, getattr(spec.reported, key))
        yield _of_accuracy(spec, "reported.score", spec.reported.score)


def _of_reported_costs(spec: StudySpec, key: str, value: float | Mapping[str, float]) -> Rules:
    yield (
        not spec.costs and value is not None,
        f"reported.{key}: a study must have a [cost] to be held against one, but got "
        f"{key}={value} without it. Add [cost], or remove the key.",
    )
    yield (
        len(spec.costs) > 1 and isinstance(value, int | float),
        f"reported.{key}: of several costs each must be named, but got {key}={value}. Write "
        f"{key} = {{ {', '.join(f'{name} = ...' for name in spec.costs)} }}.",
    )
    yield (
        len(spec.costs) == 1 and isinstance(value, Mapping),
        f"reported.{key}: of one cost a number must be given, but got {key}={value}. Write "
        f"{key} = ...",
    )
    yield (
        value == {},
        f"reported.{key}: one cost at least must be named, but got {{}}. Remove the key.",
    )
    for name in value if isinstance(value, Mapping) else ():
        yield (
            name not in spec.costs,
            f"reported.{key}.{name}: a cost of the study must be named, but [cost] has no "
            f"{name!r}. {did_you_mean(name, spec.costs)}",
        )


def _of_accuracy(spec: StudySpec, key: str, value: float) -> tuple[bool, str]:
    return (
        spec.objective_impl.metric == "accuracy" and not 0 <= value <= 1,
        f"{key}: an accuracy must lie within 0 and 1, but got {key.rpartition('.')[2]}={value}. "
        f"Write 89.83 % as 0.8983.",
    )


def _of_confirm(spec: StudySpec) -> Rules:
    """Under ``protocol = "confirm"`` a trial is tested once, and nothing may learn from it."""
    yield (
        spec.pruner.name != "none",
        f'pruner: protocol = "confirm" must have no pruner, but got name={spec.pruner.name!r}: '
        f"nothing is scored before the last epoch. Remove it.",
    )
    yield (
        spec.sweep is None and spec.sampler.name not in _PLAIN_SAMPLERS,
        f'sampler.name: protocol = "confirm" must have a sampler that learns nothing from the test '
        f"part, but got name={spec.sampler.name!r}. Valid: {', '.join(_PLAIN_SAMPLERS)}.",
    )
    yield (
        spec.confirm is not None,
        'confirm: protocol = "confirm" must have no [confirm]: every trial is tested on the test '
        "part already. Remove it.",
    )


def _of_expectation(spec: StudySpec) -> Rules:
    known = 'confirm.by: "expected" is what the process of the sampler "kriging-believer" expects'
    yield (
        spec.sweep is not None or spec.sampler.name != "kriging-believer",
        f"{known}, but got sampler.name={spec.sampler.name!r}. Take that sampler, or write "
        'confirm.by = "score".',
    )
    yield (
        bool(spec.costs),
        f"{known} of one objective, but got a [cost]. Remove one of them.",
    )


def _of_racing(spec: StudySpec, racing: Racing) -> Rules:
    members, rungs, budget = spec.budget.members, list(racing.rungs), spec.budget
    yield (
        rungs != sorted(set(rungs)) or rungs[-1] >= members,
        f"racing.rungs: numbers of networks must increase and stay below budget.members, but got "
        f"rungs={rungs}, members={members}. Whoever passes the last rung trains all {members}.",
    )
    yield (
        racing.reduction_factor > budget.trials - budget.window + 1,
        f"racing.reduction_factor: budget.trials - budget.window + 1 must be at least as large, "
        f"but got reduction_factor={racing.reduction_factor}, trials={budget.trials}, "
        f"window={budget.window}: nobody but trial 0 would go on. Lower it, or add trials.",
    )
    yield (
        spec.pruner.name == "wilcoxon",
        'pruner.name: "wilcoxon" compares networks one by one, as [racing] does rung by rung. '
        "Remove [racing], or choose another pruner, which then judges the learning curve of the "
        "first network alone.",
    )


def _of_warm_start(spec: StudySpec, warm: WarmStart) -> Rules:
    yield (
        spec.sampler.name == "grid",
        "warm_start: a grid must visit its own points, each once, but got "
        'sampler.name="grid". Take another sampler, or remove [warm_start].',
    )
    yield (
        warm.points is None and warm.study == spec.name,
        f"warm_start.study: a study must not begin with its own trials, but got "
        f"study={warm.study!r}. Name another study, or give this one another name: --name NEW.",
    )
    yield (
        warm.count > spec.budget.trials,
        f"warm_start.{'top' if warm.points is None else 'points'}: there must be a trial for every "
        f"point, but got {warm.count} points where budget.trials={spec.budget.trials}. "
        f"Take fewer points.",
    )


def _of_costs(spec: StudySpec) -> Rules:
    for name in spec.costs:
        yield _of_unknown_cost(spec, "cost.name", name)
    yield (
        not spec.selects,
        "cost: a study must search to have this table, but a sweep, and "
        'protocol = "confirm", select nothing. Remove [cost].',
    )
    yield (
        spec.sampler.name in _OF_ONE_OBJECTIVE,
        "sampler.name: a sampler for a score and a cost must be one of gp, grid, nsga2, qmc, "
        f'random, tpe, but got name="{spec.sampler.name}", which knows one objective alone. Choose '
        f"another.",
    )
    yield (
        spec.pruner.name != "none" and not isinstance(spec.objective_impl, KnowsCosts),
        f'pruner.name: name = "none" must hold beside [cost], but got name="{spec.pruner.name}": '
        f"a pruner compares a trial with those that cost no more, and {spec.objective!r} does not "
        f"tell costs before training. Give it `costs_of`, or remove [pruner].",
    )
    for table in ("racing", "stop"):
        yield (
            getattr(spec, table) is not None,
            f"{table}: [cost] must stand without this table, which compares scores alone, but got "
            f"both. Remove [{table}].",
        )


def _of_unknown_cost(spec: StudySpec, key: str, name: str) -> tuple[bool, str]:
    known = spec.objective_impl.costs
    return (
        name not in known,
        f"{key}: objective {spec.objective!r} tells no cost {name!r}. {did_you_mean(name, known)}",
    )


def _of_constraints(spec: StudySpec, constraints: Mapping[str, float]) -> Rules:
    for name in constraints:
        yield _of_unknown_cost(spec, f"constraints.{name}", name)
    yield (
        not isinstance(spec.objective_impl, KnowsCosts),
        f"constraints: an objective that tells costs before training must be given, but "
        f"{spec.objective!r} does not. Give it `costs_of`, or remove [constraints].",
    )
    for kind, given in (("sweep", spec.sweep is not None), ("grid", spec.sampler.name == "grid")):
        yield (
            given,
            f"constraints: a study must not visit points of its own to have this table, but it is "
            f"a {kind}. Leave those out that cost too much, and remove [constraints].",
        )


def _of_grid(spec: StudySpec) -> Rules:
    for name, dimension in spec.space.items():
        yield (
            dimension.choices is None and dimension.step is None and dimension.points is None,
            f"space.{name}: a grid must know its points. Give `points`, `step` or `choices`.",
        )
    size = math.prod(own.size for own in spec.dimensions.values())
    yield (
        size > MAX_GRID,
        f"sampler.name: a grid must have at most {MAX_GRID:,} points, but got {size:,}. "
        f"Take fewer points, or another sampler.",
    )
    size = math.prod(len(spec.grid(name)) for name in spec.dimensions)
    yield (
        spec.budget.trials > size,
        f"budget.trials: a grid of {size} points must not be run more often than that, but got "
        f"trials={spec.budget.trials}. Set trials = {size}.",
    )


def _of_figure(spec: StudySpec, figure: Figure) -> Rules:
    yield (
        figure.kind == "curves" and spec.sweep is None,
        'figure.kind: kind = "curves" must have a [sweep], but got a search. Use kind = "scatter".',
    )
    yield (
        spec.name in figure.overlay,
        "figure.overlay: other studies must be named, but got this one. Remove it.",
    )
    known = sorted({*spec.searchable, *spec.parameters, "epochs"})
    x = figure.x or "info.x"
    unknown = f"objective {spec.objective!r} has no parameter "
    yield (
        not x.removeprefix("info.") or (not x.startswith("info.") and x not in known),
        f"figure.x: {unknown}{x!r}. {did_you_mean(x, known)} "
        f"Or info.NAME for what a training measured.",
    )
    for side in figure.rule() or ():
        if isinstance(side, str):
            yield (
                side not in known,
                f"figure.colour: {unknown}{side!r}. {did_you_mean(side, known)}",
            )
            yield (
                not spec.accepted_types(side) & {int, float},
                f"figure.colour: only numbers are smaller than others, but got the parameter "
                f"{side!r}. Compare others.",
            )
    named = spec.sweep is not None and spec.sweep.named
    if figure.kind == "scatter":
        named = not x.startswith("info.") and not spec.accepted_types(x) & {int, float}
    for index, reference in enumerate(figure.reference or ()):
        key = f"figure.reference.{index}"
        yield (
            named,
            f"{key}: a reference must stand on an axis of numbers, but got one of names. "
            f"Remove it.",
        )
        for name in ("y", "std"):
            for value in getattr(reference, name) or ():
                yield _of_accuracy(spec, f"{key}.{name}", value)
