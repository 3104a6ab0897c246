"""What service and views know of an objective without its class: stored with a study.

``describe`` makes it from a class. Of an objective without one, such as a function
whose parameters are not known before it runs, it can be written down: a metric is
enough.
"""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from hpo.contract.capabilities import KnowsCosts
from hpo.contract.inspection import NetworkObjective
from hpo.contract.objective import Objective
from hpo.contract.params import TaskParams
from hpo.errors import printable

BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
"""The names of bounds in JSON schemas."""

Direction = Literal["maximize", "minimize"]


def _clean(text: str) -> str:
    line = " ".join(text.split())
    return line if line.isprintable() else printable(line)


Text = Annotated[str, AfterValidator(_clean)]
"""A text on one line, without characters that a terminal would obey."""


class Described(BaseModel):
    """A part of a description; what has its default need not be stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(Described):
    """A parameter of an objective."""

    whole: bool = False
    """Whether it is a whole number."""
    is_number: bool = False
    per_layer: bool = False
    """Whether it may have a value for each layer."""
    is_table: bool = False
    is_hardware: bool = False
    """Whether it describes the device: then it is given, not searched."""
    bounds: dict[str, int | float] = {}
    """Its bounds, by their names in JSON schemas; see ``BOUNDS``."""
    choices: tuple[Any, ...] | None = None
    required: bool = False
    """Whether it has no default."""
    default: Any = None
    """Its default, as JSON has it."""
    description: Text = ""

    def typed(self, value: float | str | bool) -> float | int | str | bool:
        """Return a number in its type: 1 as 1.0 where the objective takes a float."""
        if isinstance(value, bool | str) or not self.is_number:
            return value
        if self.whole:
            return int(value)
        return float(value)


class Cost(Described):
    """A cost of a network, or a further value of a trial."""

    description: Text = ""
    direction: Direction = "minimize"


class Task(Described):
    """The task of a study."""

    name: Text = ""
    folds: int = 1
    """See ``TaskParams.folds``."""
    places: tuple[str, ...] = ()
    """Keys of ``[task]`` with the place of data that another key pins."""
    values: dict[str, Any] = {}
    """All of its values, as JSON has them, without ``places``."""


class Hardware(Described):
    """The simulated hardware of an objective, the model of ``[variability]``."""

    parameters: dict[str, Parameter]
    places: tuple[str, ...] = ()
    """Keys of ``[variability]`` with the place of data that another key pins."""


class Description(Described):
    """What service and views know of an objective without its class."""

    metric: Text
    direction: Direction = "maximize"
    system: Text = "equation"
    """What its networks stand for, as views call it; see ``Objective.system``."""
    parameters: dict[str, Parameter] = {}
    """Its parameters, in the order of its class; empty where they are unknown."""
    hardware: Hardware | None = None
    """None of an objective that refuses ``[variability]``."""
    costs: dict[Text, Cost] = {}
    """Costs of a network, or further values of a trial, by name with unit."""
    task: Task = Task()
    computes_costs: bool = False
    """Whether its class computes costs before training; see ``KnowsCosts``."""
    shows_networks: bool = False
    """Whether its class can show trained networks; see ``NetworkObjective``."""
    defines_by_run: bool = False
    """Whether parameters and ranges become known only as each trial runs."""

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Defaults of the parameters that have one, as JSON has them."""
        return {
            name: parameter.default
            for name, parameter in self.parameters.items()
            if not parameter.required
        }

    def stored(self) -> dict[str, Any]:
        """Return the JSON form, without what has its default."""
        tree: dict[str, Any] = json.loads(self.model_dump_json(exclude_defaults=True))
        return tree


def describe(objective: Objective[Any, Any], task: TaskParams) -> Description:
    """Describe an objective by its class.

    Args:
        objective: an instance of the class.
        task: the validated ``[task]`` table of the study.
    """
    hardware = None
    if objective.variability is not None:
        hardware = Hardware(
            parameters=read_parameters(objective.variability),
            places=_list_places(objective.variability),
        )
    places = _list_places(type(task))
    costs = {}
    for name, description in objective.costs.items():
        costs[name] = Cost(description=description)
    return Description(
        metric=objective.metric,
        direction=objective.direction,
        system=objective.system,
        parameters=read_parameters(objective.Params),
        hardware=hardware,
        costs=costs,
        task=Task(
            name=task.name,
            folds=task.folds,
            places=places,
            values=task.model_dump(mode="json", exclude=set(places)),
        ),
        computes_costs=isinstance(objective, KnowsCosts),
        shows_networks=isinstance(objective, NetworkObjective),
    )


def _list_places(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(sorted(getattr(model, "places", ())))


@lru_cache(maxsize=32)
def read_parameters(model: type[BaseModel]) -> dict[str, Parameter]:
    """Return the parameters of a model by name, from its JSON schema."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    return {
        name: _read_parameter(field, required=name in required)
        for name, field in schema["properties"].items()
    }


def _read_parameter(schema: dict[str, Any], *, required: bool) -> Parameter:
    """Return a parameter by the JSON schema of its field."""
    kinds = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    open_kinds = [kind for kind in kinds if not {"enum", "const"} & kind.keys()]
    types = {kind.get("type") for kind in open_kinds}
    choices = None
    bounds: dict[str, int | float] = {}
    for kind in kinds:
        bounds |= {key: kind[key] for key in BOUNDS if key in kind}
        if "enum" in kind:
            choices = tuple(kind["enum"])
    return Parameter(
        whole="integer" in types,
        is_number=bool({"integer", "number"} & types),
        per_layer="array" in types,
        is_table="object" in types or any("$ref" in kind for kind in kinds),
        is_hardware=bool(schema.get("hardware")),
        bounds=bounds,
        choices=choices,
        required=required,
        default=schema.get("default"),
        description=schema.get("description", ""),
    )
