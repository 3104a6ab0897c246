"""Whether a task has data enough for what a study may train: asked before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pydantic import ValidationError

from hpo.errors import SpecError
from hpo.search import constraints
from hpo.study.spec import StudySpec
from objectives.capabilities import ChecksTask

DRAWS = 1000
"""Uniform draws of the space that are looked at."""


def check(spec: StudySpec, where: str) -> None:
    """Refuse a study with parameters that its data cannot train.

    Raises:
        SpecError: it has; the text begins with ``where``. Or the data is not there.
    """
    objective = spec.objective_impl
    if not isinstance(objective, ChecksTask):
        return
    for params in _extremes(spec):
        try:
            objective.check_task(spec.params(params), spec.task_params, spec.protocol)
        except ValidationError:
            continue  # a trial of its own, which fails
        except ValueError as error:
            raise SpecError(f"{where}: {error}") from None


def _extremes(spec: StudySpec) -> Iterator[dict[str, Any]]:
    """The points of a sweep; of a search, draws in which every range is at its upper end."""
    if spec.sweep is not None:
        yield from map(spec.point, range(spec.sweep.size))
        return
    for params in islice(constraints.draws(spec, spec.seed, {}), DRAWS):
        ends = {name: own.high for name, own in spec.in_order.items() if name in params}
        yield {
            name: params[name] if high is None else spec.as_param(name, high)
            for name, high in ends.items()
        }
