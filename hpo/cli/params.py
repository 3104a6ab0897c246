"""``hpo params``: the hyper-parameters of an objective."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hpo.cli.common import tell, terminal_width
from hpo.console import JSON, argument, command
from hpo.errors import HpoError, near_miss

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hpo.contract import Parameter

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
    from hpo.script import is_script

    name = arguments.objective
    if is_script(name):
        raise HpoError(
            f"{name} is a function, which names its parameters as it runs. To see them:"
            f" hpo check {name}."
        )
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
    from hpo.contract import read_parameters

    return [
        _field(f"{prefix}{name}", parameter)
        for name, parameter in read_parameters(model).items()
        if name != "variability"  # a table of its own
    ]


def _field(name: str, parameter: Parameter) -> dict[str, Any]:
    from hpo.views.sentences import formatting

    own = parameter.bounds
    bounds = [
        f"{sign} {formatting.value_text(own[key])}"
        for key, sign in _SIGNS.items()
        if key in own
    ]
    return {
        "name": name,
        "unit": formatting.unit(name),
        "bounds": ", ".join(map(str, parameter.choices or bounds)),
        **{key: own.get(key) for key in _SIGNS},
        "choices": parameter.choices,
        "default": parameter.default,
        "per_layer": parameter.per_layer,
        "meaning": parameter.description,
    }
