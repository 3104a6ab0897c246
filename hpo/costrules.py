"""The rules of ``[cost]``, which makes a search one of two objectives."""

from __future__ import annotations

from hpo.errors import SpecError
from hpo.spec import StudySpec
from hpo.specwords import did_you_mean


def check(spec: StudySpec, where: str) -> None:
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
