"""The rules between the tables of a study file: what must not stand beside what."""

from __future__ import annotations

from collections.abc import Mapping

from hpo.objectives.capabilities import KnowsCosts
from hpo.objectives.contract import Protocol
from hpo.study.messages import Broken, did_you_mean, must
from hpo.study.parameters import unknown
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, Pruner, Racing

_PLAIN_SAMPLERS = ("random", "qmc")
_OF_CONDITIONS = ("kriging-believer", "qmc", "random", "tpe")
_OF_COSTS = ("gp", "kriging-believer", "nsga2", "qmc", "random", "tpe")
_UNSELECTED = 'a sweep or protocol = "confirm"'
_APART = (
    (["pruner"], 'protocol = "confirm"', "which scores nothing before the last epoch"),
    (["confirm"], 'protocol = "confirm"', "which tests every trial on the test part already"),
    (["cost", "racing", "stop", "warm_start"], _UNSELECTED, "where no trial is selected"),
    (["racing", "stop"], "[cost]", "as it compares scores alone"),
    (["constraints"], "a sweep", "which visits points of its own"),
)
"""Tables, what none of them may stand beside, and why."""


def between_tables(spec: StudySpec) -> Broken:
    """What stands beside what it must not stand beside."""
    yield from _apart(spec)
    yield from _of_sampler(spec)
    yield from _of_rungs(spec)
    if spec.budget.members % (folds := spec.task_params.folds):
        rule = f"every fold of task.validation_folds = {folds} must score as many networks"
        do = f"Set members = {folds}, or a multiple of it."
        yield must("budget.members", rule, f"members={spec.budget.members}", do)
    if spec.confirm is not None:
        yield from _of_accuracy(spec, "confirm.yield_above", spec.confirm.yield_above)
    if spec.racing is not None:
        yield from _of_racing(spec, spec.racing)
    yield from _of_costs(spec)
    if spec.figure is not None:
        yield from _of_figure(spec, spec.figure)
    if spec.reported is not None:
        yield from _of_accuracy(spec, "reported.score", spec.reported.score)
        yield from _of_reported_costs(spec, "cost", spec.reported.cost)
        yield from _of_reported_costs(spec, "cost_here", spec.reported.cost_here)


def _apart(spec: StudySpec) -> Broken:
    there = {
        'protocol = "confirm"': spec.protocol == Protocol.CONFIRM,
        _UNSELECTED: not spec.selects,
        "[cost]": bool(spec.costs),
        "a sweep": spec.sweep is not None,
    }
    for tables, other, why in _APART:
        for table in tables if there[other] else ():
            if getattr(spec, table) not in (None, Pruner()):
                rule = f"it must not stand beside {other}, {why}"
                yield must(table, rule, do="Remove one of them.")


def _of_sampler(spec: StudySpec) -> Broken:
    """Which samplers a study cannot have, and why."""
    for needs, valid, why in (
        (spec.protocol == Protocol.CONFIRM, _PLAIN_SAMPLERS, "that learns nothing from tests"),
        (bool(spec.costs), _OF_COSTS, "of several objectives, a score and costs,"),
        (spec.is_conditional, _OF_CONDITIONS, "of parameters that some trials lack"),
    ):
        allowed = spec.sampler.name in valid or (spec.sampler.is_own and valid != _PLAIN_SAMPLERS)
        if needs and spec.sweep is None and not allowed:
            rule, got = f"a sampler {why} must be given", f"name={spec.sampler.name!r}"
            yield must("sampler.name", rule, got, f"Valid: {', '.join(valid)}.")
    expects = spec.confirm is not None and spec.confirm.by == "expected"
    if expects and (spec.costs or spec.sampler.name != "kriging-believer"):
        yield (
            'confirm.by: "expected" is what the process of the sampler "kriging-believer" expects, '
            f"of the score alone, but got sampler.name={spec.sampler.name!r}"
            f"{' beside [cost]' * bool(spec.costs)}. Take that sampler without [cost], or write "
            'confirm.by = "score".'
        )


def _of_rungs(spec: StudySpec) -> Broken:
    """Whether networks are scored at a pruner's rungs, which are multiples of the first one."""
    every, rung = spec.budget.score_every or 1, spec.pruner.options.get("min_resource")
    if isinstance(rung, int) and rung % every:
        rule = "rungs must be epochs after which networks are scored, multiples of score_every"
        do = "Change one of them."
        yield must("pruner.min_resource", rule, f"min_resource={rung}, score_every={every}", do)


def _of_accuracy(spec: StudySpec, key: str, value: float | None) -> Broken:
    if value is not None and spec.is_accuracy and not 0 <= value <= 1:
        got = f"{key.rpartition('.')[2]}={value}"
        yield must(key, "an accuracy must lie within 0 and 1", got, "Write 89.83 % as 0.8983.")


def _of_racing(spec: StudySpec, racing: Racing) -> Broken:
    budget, rungs = spec.budget, list(racing.rungs)
    if rungs != sorted(set(rungs)) or rungs[-1] >= budget.members:
        rule = "numbers of networks must increase and stay below budget.members"
        do = f"Whoever passes the last rung trains all {budget.members}."
        yield must("racing.rungs", rule, f"rungs={rungs}, members={budget.members}", do)
    if racing.reduction_factor > budget.trials - budget.window + 1:
        rule = "budget.trials - budget.window + 1 must be at least as large"
        got = f"{racing.reduction_factor} and {budget.trials} - {budget.window} + 1"
        do = "Only trial 0 would go on: lower it, or add trials."
        yield must("racing.reduction_factor", rule, got, do)


def _of_costs(spec: StudySpec) -> Broken:
    """Of ``[cost]`` and ``[constraints]``, whose names are those of costs."""
    known, places = spec.objective_impl.costs, [("cost.name", name) for name in spec.costs]
    places += [(f"constraints.{name}", name) for name in spec.constraints or ()]
    for key, name in places:
        if name not in known:
            hint = did_you_mean(name, known)
            yield f"{key}: objective {spec.objective!r} tells no cost {name!r}. {hint}"
    if spec.asks_costs and not isinstance(spec.objective_impl, KnowsCosts):
        rule = "an objective must tell costs before training where they decide what is trained"
        do = "Give it `costs_of`, or remove [constraints]; beside [cost], remove [pruner] and take"
        do += " another sampler than kriging-believer: gp, nsga2, tpe."
        key = "constraints" if spec.constraints else "cost"
        yield must(key, rule, f"{spec.objective!r}, which does not", do)


def _of_figure(spec: StudySpec, figure: Figure) -> Broken:
    if figure.kind == "curves" and spec.sweep is None:
        rule = 'kind = "curves" must have a [sweep]'
        yield must("figure.kind", rule, "a search", 'Use kind = "scatter".')
    if spec.name in figure.overlay:
        yield must("figure.overlay", "other studies must be named", "this one", "Remove it.")
    known = sorted({*spec.searchable, *spec.parameters, "epochs"})
    x = figure.x or "info.x"
    measured = x.startswith("info.") and x != "info."
    if not measured:
        yield from unknown(
            spec, "figure.x", x, known, " Or info.NAME for what a training measured."
        )
    for side in figure.rule() or ():
        if isinstance(side, str):
            yield from unknown(spec, "figure.colour", side, known)
            if not spec.parameter(side).is_number:
                got = f"the parameter {side!r}"
                yield must("figure.colour", "numbers must be compared", got, "Compare others.")
    named = spec.sweep is not None and spec.sweep.named
    if figure.kind == "scatter":
        named = not measured and not spec.parameter(x).is_number
    if named and figure.reference:
        rule = "references must stand on an axis of numbers"
        yield must("figure.reference", rule, "one of names", "Remove them.")
    for index, reference in enumerate(figure.reference or ()):
        for key, values in (("y", reference.y), ("std", reference.std)):
            for value in values or ():
                yield from _of_accuracy(spec, f"figure.reference.{index}.{key}", value)


def _of_reported_costs(
    spec: StudySpec, name: str, value: float | Mapping[str, float] | None
) -> Broken:
    key, by_name = f"reported.{name}", isinstance(value, Mapping)
    if value is None:
        return
    if not spec.costs:
        rule, do = "a study must have a [cost] to be held against one", "Add [cost], or remove"
        yield must(key, rule, f"{name}={value} without it", f"{do} the key.")
    if by_name != (len(spec.costs) > 1) or value == {}:
        rule = "one cost must be a number, several numbers by name"
        several = f"{{ {', '.join(f'{cost} = ...' for cost in spec.costs)} }}"
        do = f"Write {name} = {several if len(spec.costs) > 1 else '...'}"
        yield must(key, rule, f"{name}={value}", do)
    for cost in value if isinstance(value, Mapping) else ():
        if cost not in spec.costs:
            hint = f"[cost] has no {cost!r}. {did_you_mean(cost, spec.costs)}"
            yield f"{key}.{cost}: a cost of the study must be named, but {hint}"
