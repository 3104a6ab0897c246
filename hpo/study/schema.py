"""The parameters of an objective, as the JSON schema of its own model describes
them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from hpo.study.tables import ParamValue

BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
"""The names of bounds in JSON schemas."""


class Parameter:
    """A parameter of an objective."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take the schema of its field."""
        kinds = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
        open_kinds = [kind for kind in kinds if not {"enum", "const"} & kind.keys()]
        types = {kind.get("type") for kind in open_kinds}
        self.per_layer = "array" in types
        """Whether it may have a value for each layer."""
        self.whole = "integer" in types
        """Whether it is a whole number."""
        self.is_number = self.whole or "number" in types
        self.is_table = "object" in types or any("$ref" in kind for kind in kinds)
        self.is_hardware = bool(schema.get("hardware"))
        """Whether it describes the device: then it is given, not searched."""
        self.bounds: dict[str, float] = {}
        """Its bounds, by their names in JSON schemas."""
        for kind in kinds:
            self.bounds |= {key: kind[key] for key in BOUNDS if key in kind}

    def typed(self, value: ParamValue) -> ParamValue:
        """Return a number in its type: 1 as 1.0 where the objective takes a float."""
        if isinstance(value, bool | str) or not self.is_number:
            return value
        if self.whole:
            return int(value)
        return float(value)


@lru_cache(maxsize=32)
def read_parameters(model: type[BaseModel]) -> dict[str, Parameter]:
    """Return the parameters of a model by name."""
    schema = model.model_json_schema()
    return {name: Parameter(field) for name, field in schema["properties"].items()}
