"""``hpo params``: the hyper-parameters of an objective, as its own model tells them."""

from __future__ import annotations

import argparse
from typing import Any

from hpo.cli.common import tell, terminal_width
from hpo.console import JSON, argument, command
from hpo.errors import HpoError, near_miss

_RANGES = {"minimum": "≥ ", "exclusiveMinimum": "> ", "maximum": "≤ ", "exclusiveMaximum": "< "}
_COLUMNS = ("name", "unit", "default", "bounds", "meaning")


@command(
    argument("objective", metavar="OBJECTIVE", help="spintronic, ctrnn, or package.module:Class"),
    JSON,
)
def params(arguments: argparse.Namespace) -> int:
    """Show the hyper-parameters of an objective: what [space] and [fixed] of a study may name.

    Those of [variability] begin with its name.

    Examples:
        hpo params spintronic
            name, unit, default, bounds and meaning of each
        hpo params ctrnn --json | jq '.params[] | select(.unit == "ns").name'
            for a program
    """
    import objectives
    from hpo.views import formatting
    from hpo.views.terminal import tables

    name = arguments.objective
    try:
        objective = objectives.load(name)
    except LookupError as error:
        raise HpoError(f"{error}. {near_miss(name, objectives.BUILT_IN)}".rstrip()) from None
    found = _told(objective.Params)
    if objective.variability is not None:
        found += _told(objective.variability, "variability.")
    rows = [[*_COLUMNS]]
    for one in found:
        meaning = one["meaning"] + "; or one for each layer" * one["per_layer"]
        shown = [{**one, "meaning": meaning}[column] for column in _COLUMNS]
        rows.append(["–" if v in (None, "") else formatting.value_text(v) for v in shown])
    lines = tables.wrapped(rows, width=terminal_width() or 120, most=30)
    return tell(arguments, {"objective": name, "params": found}, *lines)


def _told(model: Any, prefix: str = "") -> list[dict[str, Any]]:
    """The fields of a model, as records."""
    from hpo.views import formatting

    found = []
    for name, schema in model.model_json_schema()["properties"].items():
        of_layers = schema.get("oneOf", ())  # of a value per layer: one, and a list of them
        kinds = [schema, *schema.get("anyOf", ()), *of_layers]  # of ``int | None``, both
        if name == "variability" and any("$ref" in kind for kind in kinds):  # a table of its own
            continue
        choices = next((kind["enum"] for kind in kinds if "enum" in kind), None)
        bounds = {key: kind[key] for key in _RANGES for kind in kinds if key in kind}
        words = [
            f"{sign}{formatting.value_text(bounds[key])}"
            for key, sign in _RANGES.items()
            if key in bounds
        ]
        found.append(
            {
                "name": f"{prefix}{name}",
                "unit": formatting.unit(name),
                "bounds": ", ".join(choices or words),
                **{key: bounds.get(key) for key in _RANGES},
                "choices": choices,
                "default": schema.get("default"),
                "per_layer": bool(of_layers),
                "meaning": schema.get("description", ""),
            }
        )
    return found
