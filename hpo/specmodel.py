"""Values of a study file against a pydantic model, without conversions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hpo.spec import StudySpec

M = TypeVar("M", bound=BaseModel)


def strictly(model: type[M], values: Mapping[str, Any]) -> M:
    """Validate without conversions: neither "40" nor true is a number.

    By way of JSON, because only there a strict model takes a list for a tuple and a text for an
    enum; a study file holds nothing that JSON lacks: dates are refused.
    """
    return model.model_validate_json(json.dumps(values), strict=True)


def first_error(spec: StudySpec, *candidates: Mapping[str, Any]) -> ErrorDetails | None:
    """What the objective has against the first of these choices; None if one of them is right."""
    found = []
    for suggested in candidates:
        try:
            strictly(spec.objective_impl.Params, spec.values(suggested))
        except ValidationError as error:
            found.append(error.errors(include_url=False)[0])
    return found[0] if len(found) == len(candidates) else None
