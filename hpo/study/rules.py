"""The rules between the tables of a study file: which exclude each other, which need
each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hpo.contract import Protocol
from hpo.errors import expected
from hpo.study import grid_rules
from hpo.study.messages import Broken, did_you_mean
from hpo.study.parameters import check_known
from hpo.study.spec import StudySpec
from hpo.study.tables import UNLEARNING, Figure, Pruner

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
        ["cost", "stop", "transfer", "warm_start"],
        _UNSELECTED,
        "where no trial is selected",
    ),
    (["stop"], "[cost]", "as it compares scores alone"),
    (["transfer"], "[cost]", "of which earlier trials may know nothing"),
    (["constraints"], "a sweep", "which visits points of its own"),
    (["constraints", "warm_start"], "a grid", "which visits points of its own"),
)
"""Tables, what none of them may stand beside, and why."""


def check_tables(spec: StudySpec) -> Broken:
    """Check every rule between two tables, or between a table and the task."""
    for key in ("directions", "metrics", "arguments"):
        if spec.has_class and getattr(spec, key) is not None:
            of = f"objective {spec.objective!r} has its own"
            if key == "arguments":
                of = f"objective {spec.objective!r} takes none"
            yield f"{key}: only for a function of a script; {of}. Remove it."
    yield from _check_exclusions(spec)
    yield from _check_sampler(spec)
    if spec.sampler.is_grid:
        yield from grid_rules.check(spec)
    yield from _check_rungs(spec)
    folds = spec.about.task.folds
    if spec.budget.seeds % folds:
        rule = f"a multiple of task.validation_folds={folds}"
        do = "Each fold scores as many."
        yield expected("budget.seeds", rule, spec.budget.seeds, do)
    if spec.confirm is not None:
        yield from _check_accuracy(
            spec, "confirm.yield_above", spec.confirm.yield_above
        )
    yield from _check_costs(spec)
    if spec.figure is not None and spec.figure.kind == "map":
        yield from _check_map(spec, spec.figure)
    elif spec.figure is not None:
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
        "a grid": spec.sampler.is_grid,
    }
    for tables, other, why in _APART:
        for table in tables:
            given = getattr(spec, table) not in (None, Pruner())
            if given and present[other]:
                yield f"{table}: not allowed beside {other}, {why}. Remove one."


def _check_sampler(spec: StudySpec) -> Broken:
    """Check that the sampler can search this study."""
    if spec.sweep is None:
        for valid, why in _list_needs(spec):
            is_own = spec.sampler.is_own and valid != UNLEARNING
            if spec.sampler.name not in valid and not is_own:
                got = repr(spec.sampler.name)
                do = f"Valid: {', '.join(valid)}."
                yield expected("sampler.name", f"a sampler {why}", got, do)
    if spec.ranks_by_mean and (spec.costs or spec.sampler.name != "kriging-believer"):
        yield (
            'confirm.by: "posterior_mean", the posterior mean, needs the sampler'
            ' "kriging-believer" without [cost]. Change that, or write confirm.by ='
            ' "score".'
        )


def _list_needs(spec: StudySpec) -> Iterator[tuple[Sequence[str], str]]:
    """List the samplers that fit what a study needs, and what that is."""
    if spec.protocol == Protocol.CONFIRM:
        yield UNLEARNING, "that learns nothing from tests"
    if spec.costs:
        yield _OF_COSTS, "for several objectives, a score and costs"
    if spec.transfer is not None:
        yield ("kriging-believer",), "that learns from earlier studies"
    if spec.is_conditional:
        yield _OF_CONDITIONS, "for parameters that some trials lack"


def _check_rungs(spec: StudySpec) -> Broken:
    """Check that networks are scored at a pruner's rungs, which are multiples of the
    first one."""
    every = spec.budget.score_every or 1
    rung = spec.pruner.options.get("min_resource")
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
    for name in spec.costs:
        yield from _check_cost(spec, "cost.name", name)
    constraints = spec.constraints or {}
    for name in constraints:
        yield from _check_cost(spec, f"constraints.{name}", name)
    if spec.asks_costs and not spec.about.computes_costs:
        key = "constraints" if spec.constraints else "cost"
        yield (
            f"{key}: objective"
            f" {spec.objective!r} does not compute costs before training. Give it"
            " `costs_of`, or remove [constraints]; beside [cost], remove [pruner] and"
            " choose the sampler gp, nsga2 or tpe."
        )


def _check_cost(spec: StudySpec, key: str, name: str) -> Broken:
    costs = spec.about.costs
    if name not in costs:
        hint = did_you_mean(name, costs)
        yield f"{key}: objective {spec.objective!r} has no cost {name!r}. {hint}"


def _check_figure(spec: StudySpec, figure: Figure) -> Broken:
    if figure.kind == "curves" and spec.sweep is None:
        yield 'figure.kind: "curves" needs a [sweep]. Use kind = "scatter".'
    if spec.name in figure.overlay:
        yield expected("figure.overlay", "other studies", "this one", "Remove it.")
    known = sorted({*spec.searchable, *spec.parameters, "epochs"})
    if figure.parameter is not None:
        more = " Or info.NAME for what a training measured."
        yield from check_known(spec, "figure.x", figure.parameter, known, more)
    sides = figure.rule() or ()
    for side in sides:
        if isinstance(side, str):
            yield from _check_colour(spec, side, known)
    if figure.reference and _has_names(spec, figure):
        yield (
            "figure.reference: needs a numeric x axis, but this one has names."
            " Remove it."
        )
    for index, reference in enumerate(figure.reference or ()):
        for name in ("y", "std"):
            values = getattr(reference, name) or ()
            key = f"figure.reference.{index}.{name}"
            for value in values:
                yield from _check_accuracy(spec, key, value)


def _check_map(spec: StudySpec, figure: Figure) -> Broken:
    if len(spec.mapped) != 2:
        rule = 'sampler.name = "grid" and two parameters of several values'
        yield f'figure.kind: "map" needs {rule}. Use kind = "scatter".'
    if figure.x is not None and figure.x not in spec.mapped:
        rule = f"{spec.mapped[0]} or {spec.mapped[1]}"
        yield expected("figure.x", rule, repr(figure.x), "Change it.")
    for key in ("log_x", "marks", "overlay", "reference", "colour", "colour_labels"):
        if getattr(figure, key):
            yield f"figure.{key}: not for a map. Remove it."


def _check_colour(spec: StudySpec, name: str, known: Sequence[str]) -> Broken:
    key = "figure.colour"
    yield from check_known(spec, key, name, known)
    if not spec.parameter(name).is_number:
        yield expected(key, "numeric parameters", repr(name), "Name others.")


def _has_names(spec: StudySpec, figure: Figure) -> bool:
    """Return whether the x axis of a figure has names instead of numbers."""
    if figure.kind == "scatter":
        name = figure.parameter
        return name is not None and not spec.parameter(name).is_number
    return spec.sweep is not None and spec.sweep.named


def _check_reported_costs(
    spec: StudySpec, name: str, value: float | Mapping[str, float] | None
) -> Broken:
    key = f"reported.{name}"
    if value is None:
        return
    if not spec.costs:
        yield f"{key}: the study has no [cost]. Add it, or remove the key."
    if len(spec.costs) == 1:
        if isinstance(value, Mapping):
            rule = "a number, for one cost"
            yield expected(key, rule, value, f"Write {name} = ...")
        return
    if not isinstance(value, Mapping) or not value:
        rule = "numbers by name, for several costs"
        names = ", ".join(f"{cost} = ..." for cost in spec.costs)
        yield expected(key, rule, value, f"Write {name} = {{ {names} }}")
        return
    for cost in value:
        if cost not in spec.costs:
            hint = did_you_mean(cost, spec.costs)
            yield f"{key}.{cost}: [cost] has no {cost!r}. {hint}"
