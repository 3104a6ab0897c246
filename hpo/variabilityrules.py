"""The rules of ``[variability]``: whether the objective has hardware, and what it may vary.

Form of every message: ``<file>: <key>: <rule> must hold, but got <name>=<value>. <what to do>``.
"""

from __future__ import annotations

from pydantic import ValidationError

from hpo.errors import SpecError
from hpo.spec import VARIABILITY, StudySpec
from hpo.specmodel import strictly
from hpo.specwords import explain


def check(spec: StudySpec, where: str) -> None:
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
