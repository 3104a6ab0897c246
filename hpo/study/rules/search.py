"""The rules of the tables that steer a search: racing, stopping, cost, variability, warm start."""

from __future__ import annotations

from pydantic import ValidationError

from hpo.errors import SpecError
from hpo.study.messages import did_you_mean, explain, first_error, rule, strictly
from hpo.study.sections import WarmStart
from hpo.study.spec import VARIABILITY, Racing, StudySpec
from hpo.study.warm_start import fitted, point, range_text


def check_search(spec: StudySpec, where: str) -> None:
    """Check both tables.

    Raises:
        SpecError: the first broken rule, located.
    """
    for table, given in (("racing", spec.racing), ("stop", spec.stop)):
        if given is not None and not spec.selects:
            raise SpecError(
                f"{where}: {table}: a study must look for a best trial to have this table, but a "
                f'sweep, and protocol = "confirm", do not. Remove [{table}].'
            )
    if spec.racing is not None:
        _check_racing(spec, spec.racing, where)
    if spec.stop is not None and not spec.stop.model_dump(exclude_none=True):
        raise SpecError(
            f"{where}: stop: `target`, `patience` or `max_epochs` must be given. Add one, or "
            f"remove [stop]."
        )


def _check_racing(spec: StudySpec, racing: Racing, where: str) -> None:
    members, rungs = spec.budget.members, racing.rungs
    if list(rungs) != sorted(set(rungs)) or rungs[-1] >= members:
        raise SpecError(
            f"{where}: racing.rungs: numbers of networks must increase and stay below "
            f"budget.members, but got rungs={list(rungs)}, members={members}. Whoever passes the "
            f"last rung trains all {members}."
        )
    seen = spec.budget.trials - spec.budget.window + 1
    if racing.reduction_factor > seen:
        raise SpecError(
            f"{where}: racing.reduction_factor: budget.trials - budget.window + 1 must be at least "
            f"as large, but got reduction_factor={racing.reduction_factor}, "
            f"trials={spec.budget.trials}, window={spec.budget.window}: nobody but trial 0 would "
            f"go on. Lower it, or add trials."
        )
    if spec.pruner.name == "wilcoxon":
        raise SpecError(
            f'{where}: pruner.name: "wilcoxon" compares networks one by one, as [racing] does '
            f"rung by rung. Remove [racing], or choose another pruner, which then judges the "
            f"learning curve of the first network alone."
        )


def check_cost(spec: StudySpec, where: str) -> None:
    """Check the table against the objective and against the other tables.

    Raises:
        SpecError: the first broken rule, located.
    """
    if spec.cost is None:
        for key in ("cost", "cost_here"):
            value = getattr(spec.reported, key, None)
            if value is not None:
                raise SpecError(
                    f"{where}: reported.{key}: a study must have a [cost] to be held against one, "
                    f"but got {key}={value} without it. Add [cost], or remove the key."
                )
        return
    known = spec.objective_impl.costs
    if spec.cost.name not in known:
        raise SpecError(
            f"{where}: cost.name: objective {spec.objective!r} tells no cost "
            f"{spec.cost.name!r}. {did_you_mean(spec.cost.name, known)}"
        )
    if not spec.selects:
        raise SpecError(
            f"{where}: cost: a study must search to have this table, but a sweep, and "
            f'protocol = "confirm", select nothing. Remove [cost].'
        )
    if spec.sampler.name == "cmaes":
        raise SpecError(
            f"{where}: sampler.name: a sampler for a score and a cost must be one of gp, grid, "
            f'nsga2, qmc, random, tpe, but got name="cmaes", which knows one objective alone. '
            f"Choose another."
        )
    if spec.pruner.name != "none":
        raise SpecError(
            f'{where}: pruner.name: name = "none" must hold beside [cost], but got '
            f'name="{spec.pruner.name}": a pruner compares scores alone, and would end what is '
            f"cheap. Remove [pruner]."
        )
    for table, given in (("racing", spec.racing), ("stop", spec.stop)):
        if given is not None:
            raise SpecError(
                f"{where}: {table}: [cost] must stand without this table, which compares scores "
                f"alone, but got both. Remove [{table}]."
            )


def check_variability(spec: StudySpec, where: str) -> None:
    """Check the table against the objective, and that nothing of it is searched.

    Raises:
        SpecError: the first broken rule, located.
    """
    model = spec.objective_impl.variability
    if spec.variability is not None and model is None:
        raise SpecError(
            f"{where}: variability: an objective that is scored on simulated hardware must be "
            f"given, but got objective={spec.objective!r}, which is not. Remove [variability]."
        )
    if model is None:
        return
    try:
        strictly(model, spec.variability or {})
    except ValidationError as error:
        raise SpecError(explain(error, model, where, "variability")) from None
    reported = spec.reported.params if spec.reported else {}
    for table, keys in (
        ("space", list(spec.space)),
        ("fixed", list(spec.fixed)),
        ("reported.params", list(reported)),
    ):
        for key in keys:
            if key == "variability" or key.startswith(VARIABILITY):
                raise SpecError(
                    f"{where}: {table}.{key}: the hardware must be the same for the whole search, "
                    f"which would otherwise choose the kindest. Give it in [variability], or vary "
                    f"it in a [sweep]."
                )


def check_warm_start(spec: StudySpec, where: str) -> None:
    """Check the table against the rest of the study file.

    Raises:
        SpecError: the first broken rule, located.
    """
    warm = spec.warm_start
    if warm is None:
        return
    _check_search(spec, where)
    if warm.study is None and warm.points is None:
        raise SpecError(f"{where}: warm_start: `study` or `points` must be given. Add one.")
    if warm.study is None and warm.top is not None:
        raise SpecError(
            f"{where}: warm_start.top: it must stand beside `study`, but got top={warm.top} with "
            f"points alone. Remove it."
        )
    if warm.points is None and warm.study == spec.name:
        raise SpecError(
            f"{where}: warm_start.study: a study must not begin with its own trials, but got "
            f"study={warm.study!r}. Name another study, or give this one another name: --name NEW."
        )
    if warm.count > spec.budget.trials:
        key = "top" if warm.points is None else "points"
        raise SpecError(
            f"{where}: warm_start.{key}: there must be a trial for every point, but got "
            f"{warm.count} points where budget.trials={spec.budget.trials}. Take fewer points."
        )
    for number in range(len(warm.points or ())):
        _check_point(spec, warm, number, where)


def _check_search(spec: StudySpec, where: str) -> None:
    if not spec.selects:
        raise SpecError(
            f"{where}: warm_start: a study must look for a best trial to have this table, but a "
            f'sweep, and protocol = "confirm", do not. Remove [warm_start].'
        )
    if spec.sampler.name == "grid":
        raise SpecError(
            f"{where}: warm_start: a grid must visit its own points, each once, but got "
            f'sampler.name="grid". Take another sampler, or remove [warm_start].'
        )


def _check_point(spec: StudySpec, warm: WarmStart, number: int, where: str) -> None:
    assert warm.points is not None
    for name, value in warm.points[number].items():
        key = f"{where}: warm_start.points.{number}.{name}"
        if name not in spec.space:
            raise SpecError(
                f"{key}: a point must name searched parameters, but got {name}={value!r}. "
                f"{did_you_mean(name, spec.space)}"
            )
        if fitted(spec, name, value) is None:
            raise SpecError(
                f"{key}: a value must lie in the space, but got {name}={value!r} where "
                f"space.{name} is {range_text(spec.space[name])}. Widen that, or change the point."
            )
    own = point(spec, number)
    problem = first_error(spec, own) if own.keys() == spec.space.keys() else None
    if problem is not None:
        raise SpecError(
            f"{where}: warm_start.points.{number}: {rule(problem).rstrip('.')}. Change the point."
        )
