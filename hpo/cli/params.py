"""``hpo params``: the hyper-parameters of an objective."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hpo.cli.common import tell, terminal_width
from hpo.console import JSON, argument, command
from hpo.errors import HpoError, near_miss

if TYPE_CHECKING:
    from pydantic import BaseModel

_SIGNS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
}
"""Key of a JSON schema -> its sign."""
_COLUMNS = ("name", "unit", "default", "bounds", "meaning")


@command(
    argument(
        "objective",
        metavar="OBJECTIVE",
        help="spintronic, ctrnn, or package.module:Class",
    ),
    JSON,
)
def params(arguments: argparse.Namespace) -> int:
    """List the hyper-parameters of an objective, for [space] and [fixed] of a study.

    Those of [variability] begin with `variability.`.

    Examples:
        hpo params spintronic
            list name, unit, default, bounds and meaning of each
        hpo params ctrnn --json | jq '.params[] | select(.unit == "ns").name'
            print them for a program
    """
    from hpo import objectives

    name = arguments.objective
    try:
        objective = objectives.load(name)
    except LookupError as error:
        hint = near_miss(name, objectives.BUILT_IN)
        raise HpoError(f"{error}. {hint}".rstrip()) from None
    fields = _fields(objective.Params)
    if objective.variability is not None:
        fields += _fields(objective.variability, "variability.")
    if arguments.json:
        return tell(arguments, {"objective": name, "params": fields})
    _print_table(fields)
    return 0


def _print_table(fields: list[dict[str, Any]]) -> None:
    from rich import console, table

    from hpo.views.sentences import formatting

    rows = table.Table(*_COLUMNS, box=None, pad_edge=False)
    for field in fields:
        shown = dict(field)
        if field["per_layer"]:
            shown["meaning"] += "; or one for each layer"
        cells = []
        for column in _COLUMNS:
            value = shown[column]
            if value in (None, ""):
                value = "–"
            cells.append(formatting.value_text(value))
        rows.add_row(*cells)
    console.Console(width=terminal_width() or 120, markup=False).print(rows)


def _fields(model: type[BaseModel], prefix: str = "") -> list[dict[str, Any]]:
    """Describe the fields of a model as records."""
    properties = model.model_json_schema()["properties"]
    properties.pop("variability", None)  # a table of its own
    return [_field(name, schema, prefix) for name, schema in properties.items()]


def _field(name: str, schema: dict[str, Any], prefix: str) -> dict[str, Any]:
    from hpo.views.sentences import formatting

    merged: dict[str, Any] = {}
    for kind in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), schema):
        merged |= kind  # both types of ``int | None``, or one value and one per layer
    bounds = [
        f"{sign} {formatting.value_text(merged[key])}"
        for key, sign in _SIGNS.items()
        if key in merged
    ]
    choices = merged.get("enum")
    return {
        "name": f"{prefix}{name}",
        "unit": formatting.unit(name),
        "bounds": ", ".join(map(str, choices or bounds)),
        **{key: merged.get(key) for key in _SIGNS},
        "choices": choices,
        "default": schema.get("default"),
        "per_layer": "oneOf" in schema,
        "meaning": schema.get("description", ""),
    }
