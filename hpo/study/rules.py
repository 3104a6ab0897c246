"""The rules between the tables of a study file: what must not stand beside what."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hpo.study.messages import Broken, did_you_mean, must
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, Racing, WarmStart
from objectives.capabilities import KnowsCosts
from objectives.contract import Protocol

MAX_GRID = 100_000
"""Points of a grid: Optuna makes them all before the first trial."""

_PLAIN_SAMPLERS = ("random", "qmc", "grid")
_OF_CONDITIONS = ("kriging-believer", "qmc", "random", "tpe")
_OF_ONE_OBJECTIVE = ("cmaes", "kriging-believer")


def between_tables(spec: StudySpec) -> Broken:
    """What stands beside what it must not stand beside."""
    if spec.protocol == Protocol.CONFIRM:
        yield from _of_confirm(spec)
    for table in ("cost", "racing", "stop", "warm_start"):
        if getattr(spec, table) is not None and not spec.selects:
            rule = "a study must look for a best trial to have this table"
            got = "a sweep" if spec.sweep is not None else 'protocol="confirm"'
            yield must(table, rule, got, f"Remove [{table}].")
    if spec.confirm is not None:
        if spec.confirm.by == "expected":
            yield from _of_expectation(spec)
        yield from _of_accuracy(spec, "confirm.yield_above", spec.confirm.yield_above)
    if spec.racing is not None:
        yield from _of_racing(spec, spec.racing)
    if spec.warm_start is not None:
        yield from _of_warm_start(spec, spec.warm_start)
    if spec.costs:
        yield from _of_costs(spec)
    if spec.constraints is not None:
        yield from _of_constraints(spec, spec.constraints)
    if spec.is_conditional and spec.sampler.name not in _OF_CONDITIONS:
        yield must(
            "sampler.name",
            f"a space of which trials lack some must be searched by one of "
            f"{', '.join(_OF_CONDITIONS)}",
            f"name={spec.sampler.name!r}, which searches what all trials have alone",
            "Choose another, remove `when`, or fix `layers`.",
        )
    if spec.sampler.name == "grid":
        yield from _of_grid(spec)
    if spec.figure is not None:
        yield from _of_figure(spec, spec.figure)
    if spec.reported is not None:
        for key in ("cost", "cost_here"):
            yield from _of_reported_costs(spec, key, getattr(spec.reported, key))
        yield from _of_accuracy(spec, "reported.score", spec.reported.score)


def _of_accuracy(spec: StudySpec, key: str, value: float | None) -> Broken:
    if value is not None and spec.objective_impl.metric == "accuracy" and not 0 <= value <= 1:
        got = f"{key.rpartition('.')[2]}={value}"
        yield must(key, "an accuracy must lie within 0 and 1", got, "Write 89.83 % as 0.8983.")


def _of_confirm(spec: StudySpec) -> Broken:
    """Under ``protocol = "confirm"`` a trial is tested once, and nothing may learn from it."""
    confirms, name = 'protocol = "confirm" must have', spec.sampler.name
    if spec.pruner.name != "none":
        got = f"name={spec.pruner.name!r}: nothing is scored before the last epoch"
        yield must("pruner", f"{confirms} no pruner", got, "Remove it.")
    if spec.sweep is None and name not in _PLAIN_SAMPLERS:
        rule = f"{confirms} a sampler that learns nothing from the test part"
        yield must("sampler.name", rule, f"name={name!r}", f"Valid: {', '.join(_PLAIN_SAMPLERS)}.")
    if spec.confirm is not None:
        rule = f"{confirms} no [confirm]: every trial is tested on the test part already"
        yield must("confirm", rule, do="Remove it.")


def _of_expectation(spec: StudySpec) -> Broken:
    known = 'confirm.by: "expected" is what the process of the sampler "kriging-believer" expects'
    if spec.sweep is not None or spec.sampler.name != "kriging-believer":
        yield (
            f"{known}, but got sampler.name={spec.sampler.name!r}. Take that sampler, or write "
            'confirm.by = "score".'
        )
    if spec.costs:
        yield f"{known} of one objective, but got a [cost]. Remove one of them."


def _of_racing(spec: StudySpec, racing: Racing) -> Broken:
    budget, rungs = spec.budget, list(racing.rungs)
    if rungs != sorted(set(rungs)) or rungs[-1] >= budget.members:
        yield must(
            "racing.rungs",
            "numbers of networks must increase and stay below budget.members",
            f"rungs={rungs}, members={budget.members}",
            f"Whoever passes the last rung trains all {budget.members}.",
        )
    if racing.reduction_factor > budget.trials - budget.window + 1:
        yield must(
            "racing.reduction_factor",
            "budget.trials - budget.window + 1 must be at least as large",
            f"reduction_factor={racing.reduction_factor}, trials={budget.trials}, "
            f"window={budget.window}: nobody but trial 0 would go on",
            "Lower it, or add trials.",
        )
    if spec.pruner.name == "wilcoxon":
        yield (
            'pruner.name: "wilcoxon" compares networks one by one, as [racing] does rung by rung. '
            "Remove [racing], or choose another pruner, which then judges the learning curve of "
            "the first network alone."
        )


def _of_warm_start(spec: StudySpec, warm: WarmStart) -> Broken:
    if spec.sampler.name == "grid":
        rule, do = "a grid must visit its own points, each once", "Take another sampler, or remove"
        yield must("warm_start", rule, 'sampler.name="grid"', f"{do} [warm_start].")
    if warm.points is None and warm.study == spec.name:
        rule = "a study must not begin with its own trials"
        do = "Name another study, or give this one another name: --name NEW."
        yield must("warm_start.study", rule, f"study={warm.study!r}", do)
    if warm.count > spec.budget.trials:
        key = f"warm_start.{'top' if warm.points is None else 'points'}"
        got = f"{warm.count} points where budget.trials={spec.budget.trials}"
        yield must(key, "there must be a trial for every point", got, "Take fewer points.")


def _of_costs(spec: StudySpec) -> Broken:
    yield from _of_unknown_costs(spec, {name: "cost.name" for name in spec.costs})
    sampler, pruner = spec.sampler.name, spec.pruner.name
    if sampler in _OF_ONE_OBJECTIVE:
        rule = "a sampler for a score and a cost must be one of gp, grid, nsga2, qmc, random, tpe"
        got = f'name="{sampler}", which knows one objective alone'
        yield must("sampler.name", rule, got, "Choose another.")
    if pruner != "none" and not isinstance(spec.objective_impl, KnowsCosts):
        yield must(
            "pruner.name",
            'name = "none" must hold beside [cost]',
            f'name="{pruner}": a pruner compares a trial with those that cost no more, and '
            f"{spec.objective!r} does not tell costs before training",
            "Give it `costs_of`, or remove [pruner].",
        )
    for table in ("racing", "stop"):
        if getattr(spec, table) is not None:
            rule = "[cost] must stand without this table, which compares scores alone"
            yield must(table, rule, "both", f"Remove [{table}].")


def _of_unknown_costs(spec: StudySpec, places: Mapping[str, str]) -> Broken:
    """``places`` has the key of each name."""
    known = spec.objective_impl.costs
    for name, key in places.items():
        if name not in known:
            hint = did_you_mean(name, known)
            yield f"{key}: objective {spec.objective!r} tells no cost {name!r}. {hint}"


def _of_constraints(spec: StudySpec, constraints: Mapping[str, float]) -> Broken:
    yield from _of_unknown_costs(spec, {name: f"constraints.{name}" for name in constraints})
    if not isinstance(spec.objective_impl, KnowsCosts):
        rule = "an objective must tell costs before training to have this table"
        got = f"{spec.objective!r}, which does not"
        yield must("constraints", rule, got, "Give it `costs_of`, or remove [constraints].")
    if spec.sweep is not None or spec.sampler.name == "grid":
        rule = "a study must not visit points of its own to have this table"
        got = f"a {'sweep' if spec.sweep is not None else 'grid'}"
        do = "Leave those out that cost too much, and remove [constraints]."
        yield must("constraints", rule, got, do)


def _of_grid(spec: StudySpec) -> Broken:
    for name, dimension in spec.space.items():
        if dimension.choices is None and dimension.step is None and dimension.points is None:
            do = "Give `points`, `step` or `choices`."
            yield must(f"space.{name}", "a grid must know its points", do=do)
    size, trials = math.prod(own.size for own in spec.dimensions.values()), spec.budget.trials
    if size > MAX_GRID:
        rule = f"a grid must have at most {MAX_GRID:,} points"
        yield must("sampler.name", rule, f"{size:,}", "Take fewer points, or another sampler.")
    size = math.prod(len(spec.grid(name)) for name in spec.dimensions)
    if trials > size:
        rule = f"a grid of {size} points must not be run more often than that"
        yield must("budget.trials", rule, f"trials={trials}", f"Set trials = {size}.")


def _of_figure(spec: StudySpec, figure: Figure) -> Broken:
    if figure.kind == "curves" and spec.sweep is None:
        rule = 'kind = "curves" must have a [sweep]'
        yield must("figure.kind", rule, "a search", 'Use kind = "scatter".')
    if spec.name in figure.overlay:
        yield must("figure.overlay", "other studies must be named", "this one", "Remove it.")
    known = sorted({*spec.searchable, *spec.parameters, "epochs"})
    x = figure.x or "info.x"
    unknown = f"objective {spec.objective!r} has no parameter "
    if not x.removeprefix("info.") or (not x.startswith("info.") and x not in known):
        more = "Or info.NAME for what a training measured."
        yield f"figure.x: {unknown}{x!r}. {did_you_mean(x, known)} {more}"
    for side in figure.rule() or ():
        if isinstance(side, str) and side not in known:
            yield f"figure.colour: {unknown}{side!r}. {did_you_mean(side, known)}"
        if isinstance(side, str) and not spec.parameter(side).is_number:
            got = f"the parameter {side!r}"
            yield must("figure.colour", "numbers must be compared", got, "Compare others.")
    named = spec.sweep is not None and spec.sweep.named
    if figure.kind == "scatter":
        named = not x.startswith("info.") and not spec.parameter(x).is_number
    for index, reference in enumerate(figure.reference or ()):
        key = f"figure.reference.{index}"
        if named:
            rule = "a reference must stand on an axis of numbers"
            yield must(key, rule, "one of names", "Remove it.")
        for name in ("y", "std"):
            for value in getattr(reference, name) or ():
                yield from _of_accuracy(spec, f"{key}.{name}", value)


def _of_reported_costs(
    spec: StudySpec, name: str, value: float | Mapping[str, float] | None
) -> Broken:
    key, by_name = f"reported.{name}", isinstance(value, Mapping)
    if value is None:
        return
    if not spec.costs:
        rule, do = "a study must have a [cost] to be held against one", "Add [cost], or remove"
        yield must(key, rule, f"{name}={value} without it", f"{do} the key.")
    if len(spec.costs) > 1 and not by_name:
        do = f"Write {name} = {{ {', '.join(f'{cost} = ...' for cost in spec.costs)} }}."
        yield must(key, "of several costs each must be named", f"{name}={value}", do)
    if len(spec.costs) == 1 and by_name:
        rule = "of one cost a number must be given"
        yield must(key, rule, f"{name}={value}", f"Write {name} = ...")
    if value == {}:
        yield must(key, "one cost at least must be named", "{}", "Remove the key.")
    for cost in value if isinstance(value, Mapping) else ():
        if cost not in spec.costs:
            hint = f"[cost] has no {cost!r}. {did_you_mean(cost, spec.costs)}"
            yield f"{key}.{cost}: a cost of the study must be named, but {hint}"
