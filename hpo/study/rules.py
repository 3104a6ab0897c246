"""The rules between the tables of a study file: which exclude each other, which need
each other."""

from __future__ import annotations

from collections.abc import Mapping

from hpo.contract import KnowsCosts, Protocol
from hpo.study.messages import Broken, did_you_mean, expected
from hpo.study.parameters import unknown
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, Pruner

_PLAIN_SAMPLERS = ("random", "qmc")
_OF_CONDITIONS = ("kriging-believer", "qmc", "random", "tpe")
_OF_COSTS = ("gp", "kriging-believer", "nsga2", "qmc", "random", "tpe")
_UNSELECTED = 'a sweep or protocol = "confirm"'
_APART = (
    (["pruner"], 'protocol = "confirm"', "which scores nothing before the last epoch"),
    (
        ["confirm"],
        'protocol = "confirm"',
        "which tests every trial on the test part already",
    ),
    (
        ["cost", "stop", "warm_start"],
        _UNSELECTED,
        "where no trial is selected",
    ),
    (["stop"], "[cost]", "as it compares scores alone"),
    (["constraints"], "a sweep", "which visits points of its own"),
)
"""Tables, what none of them may stand beside, and why."""


def between_tables(spec: StudySpec) -> Broken:
    """Check every rule between two tables, or between a table and the task."""
    yield from _check_exclusions(spec)
    yield from _check_sampler(spec)
    yield from _check_rungs(spec)
    if spec.budget.members % (folds := spec.task_params.folds):
        rule, do = (
            f"a multiple of task.validation_folds={folds}",
            "Each fold scores as many.",
        )
        yield expected("budget.members", rule, spec.budget.members, do)
    if spec.confirm is not None:
        yield from _check_accuracy(
            spec, "confirm.yield_above", spec.confirm.yield_above
        )
    yield from _check_costs(spec)
    if spec.figure is not None:
        yield from _check_figure(spec, spec.figure)
    if spec.reported is not None:
        yield from _check_accuracy(spec, "reported.score", spec.reported.score)
        yield from _check_reported_costs(spec, "cost", spec.reported.cost)
        yield from _check_reported_costs(spec, "cost_here", spec.reported.cost_here)


def _check_exclusions(spec: StudySpec) -> Broken:
    present = {
        'protocol = "confirm"': spec.protocol == Protocol.CONFIRM,
        _UNSELECTED: not spec.selects,
        "[cost]": bool(spec.costs),
        "a sweep": spec.sweep is not None,
    }
    for tables, other, why in _APART:
        for table in tables if present[other] else ():
            if getattr(spec, table) not in (None, Pruner()):
                yield f"{table}: not allowed beside {other}, {why}. Remove one."


def _check_sampler(spec: StudySpec) -> Broken:
    """Check that the sampler can search this study."""
    for needs, valid, why in (
        (
            spec.protocol == Protocol.CONFIRM,
            _PLAIN_SAMPLERS,
            "that learns nothing from tests",
        ),
        (bool(spec.costs), _OF_COSTS, "for several objectives, a score and costs"),
        (spec.is_conditional, _OF_CONDITIONS, "for parameters that some trials lack"),
    ):
        allowed = spec.sampler.name in valid or (
            spec.sampler.is_own and valid != _PLAIN_SAMPLERS
        )
        if needs and spec.sweep is None and not allowed:
            got, do = repr(spec.sampler.name), f"Valid: {', '.join(valid)}."
            yield expected("sampler.name", f"a sampler {why}", got, do)
    by_mean = spec.confirm is not None and spec.confirm.by == "expected"
    if by_mean and (spec.costs or spec.sampler.name != "kriging-believer"):
        yield (
            'confirm.by: "expected", the posterior mean, needs the sampler'
            ' "kriging-believer" without [cost]. Change that, or write confirm.by ='
            ' "score".'
        )


def _check_rungs(spec: StudySpec) -> Broken:
    """Check that networks are scored at a pruner's rungs, which are multiples of the
    first one."""
    every, rung = spec.budget.score_every or 1, spec.pruner.options.get("min_resource")
    if isinstance(rung, int) and rung % every:
        rule = f"a multiple of budget.score_every={every}"
        yield expected("pruner.min_resource", rule, rung, "Change one of them.")


def _check_accuracy(spec: StudySpec, key: str, value: float | None) -> Broken:
    if value is not None and spec.is_accuracy and not 0 <= value <= 1:
        yield expected(
            key, "an accuracy from 0 to 1", value, "Write 89.83 % as 0.8983."
        )


def _check_costs(spec: StudySpec) -> Broken:
    """Check ``[cost]`` and ``[constraints]``, whose names are those of costs."""
    known, places = (
        spec.objective_impl.costs,
        [("cost.name", name) for name in spec.costs],
    )
    places += [(f"constraints.{name}", name) for name in spec.constraints or ()]
    for key, name in places:
        if name not in known:
            hint = did_you_mean(name, known)
            yield f"{key}: objective {spec.objective!r} has no cost {name!r}. {hint}"
    if spec.asks_costs and not isinstance(spec.objective_impl, KnowsCosts):
        yield (
            f"{'constraints' if spec.constraints else 'cost'}: objective"
            f" {spec.objective!r} does not compute costs before training. Give it"
            " `costs_of`, or remove [constraints]; beside [cost], remove [pruner] and"
            " choose the sampler gp, nsga2 or tpe."
        )


def _check_figure(spec: StudySpec, figure: Figure) -> Broken:
    if figure.kind == "curves" and spec.sweep is None:
        yield 'figure.kind: "curves" needs a [sweep]. Use kind = "scatter".'
    if spec.name in figure.overlay:
        yield expected("figure.overlay", "other studies", "this one", "Remove it.")
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
                yield expected(
                    "figure.colour", "numeric parameters", repr(side), "Name others."
                )
    named = spec.sweep is not None and spec.sweep.named
    if figure.kind == "scatter":
        named = not measured and not spec.parameter(x).is_number
    if named and figure.reference:
        yield (
            "figure.reference: needs a numeric x axis, but this one has names."
            " Remove it."
        )
    for index, reference in enumerate(figure.reference or ()):
        for key, values in (("y", reference.y), ("std", reference.std)):
            for value in values or ():
                yield from _check_accuracy(
                    spec, f"figure.reference.{index}.{key}", value
                )


def _check_reported_costs(
    spec: StudySpec, name: str, value: float | Mapping[str, float] | None
) -> Broken:
    key, by_name = f"reported.{name}", isinstance(value, Mapping)
    if value is None:
        return
    if not spec.costs:
        yield f"{key}: the study has no [cost]. Add it, or remove the key."
    if by_name != (several := len(spec.costs) > 1) or value == {}:
        names = f"{{ {', '.join(f'{cost} = ...' for cost in spec.costs)} }}"
        rule = (
            "numbers by name, for several costs"
            if several
            else "a number, for one cost"
        )
        yield expected(
            key, rule, value, f"Write {name} = {names if several else '...'}"
        )
    for cost in value if isinstance(value, Mapping) else ():
        if cost not in spec.costs:
            yield (
                f"{key}.{cost}: [cost] has no {cost!r}."
                f" {did_you_mean(cost, spec.costs)}"
            )
