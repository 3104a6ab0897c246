"""The rules of ``[racing]`` and ``[stop]`` that need more than one key of a study file."""

from __future__ import annotations

from hpo.errors import SpecError
from hpo.spec import Racing, StudySpec


def check(spec: StudySpec, where: str) -> None:
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
