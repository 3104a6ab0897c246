"""What of a study's networks no compiled kernel computes."""

from __future__ import annotations

from itertools import islice

from pydantic import ValidationError

from hpo.contract import HasKernels
from hpo.search.options import extremes
from hpo.study.spec import StudySpec

_DRAWS = 64


def name_uncompiled(spec: StudySpec) -> list[str]:
    """Return the features without a kernel in draws of the space, as ``name=value``."""
    if not spec.has_class or not isinstance(spec.objective_impl, HasKernels):
        return []
    found = []
    for values in islice(extremes(spec), _DRAWS):
        try:
            params = spec.params(values)
        except ValidationError:
            continue  # a trial of its own, which fails
        found.append(spec.objective_impl.beyond_kernel(params))
    return sorted({name for name in found if name})
