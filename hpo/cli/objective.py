"""Commands about objectives: ``hpo params``, ``hpo new`` and ``hpo guide``."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli.common import tell, terminal_width
from hpo.console import JSON, Add, Parser, argument, at_least, command, group
from hpo.errors import HpoError, near_miss

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hpo.objectives.hardware.thermal import Device


def _number(name: str, text: str, default: float | None = None) -> Add:
    text += "" if default is None else f" (default: {default})"
    kind = int if isinstance(default, int) else float
    return argument(
        f"--{name.replace('_', '-')}",
        type=kind,
        default=default,
        metavar="X",
        help=text,
    )


# --- hpo params ---

_RANGES = {
    "minimum": "≥ ",
    "exclusiveMinimum": "> ",
    "maximum": "≤ ",
    "exclusiveMaximum": "< ",
}
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
        raise HpoError(
            f"{error}. {near_miss(name, objectives.BUILT_IN)}".rstrip()
        ) from None
    fields = _fields(objective.Params)
    if objective.variability is not None:
        fields += _fields(objective.variability, "variability.")
    if arguments.json:
        return tell(arguments, {"objective": name, "params": fields})
    from rich import console, table

    from hpo.views.sentences import formatting

    rows = table.Table(*_COLUMNS, box=None, pad_edge=False)
    for field in fields:
        meaning = field["meaning"] + "; or one for each layer" * field["per_layer"]
        cells = [{**field, "meaning": meaning}[column] for column in _COLUMNS]
        rows.add_row(
            *("–" if v in (None, "") else formatting.value_text(v) for v in cells)
        )
    console.Console(width=terminal_width() or 120, markup=False).print(rows)
    return 0


def _fields(model: Any, prefix: str = "") -> list[dict[str, Any]]:
    """Describe the fields of a model as records."""
    from hpo.views.sentences import formatting

    fields = []
    for name, schema in model.model_json_schema()["properties"].items():
        per_layer = schema.get("oneOf", ())  # one value, or a list with one per layer
        kinds = [
            schema,
            *schema.get("anyOf", ()),
            *per_layer,
        ]  # both types of ``int | None``
        if name == "variability" and any(
            "$ref" in kind for kind in kinds
        ):  # its own table
            continue
        choices = next((kind["enum"] for kind in kinds if "enum" in kind), None)
        bounds = {key: kind[key] for key in _RANGES for kind in kinds if key in kind}
        words = [
            f"{sign}{formatting.value_text(bounds[key])}"
            for key, sign in _RANGES.items()
            if key in bounds
        ]
        fields.append(
            {
                "name": f"{prefix}{name}",
                "unit": formatting.unit(name),
                "bounds": ", ".join(map(str, choices or words)),
                **{key: bounds.get(key) for key in _RANGES},
                "choices": choices,
                "default": schema.get("default"),
                "per_layer": bool(per_layer),
                "meaning": schema.get("description", ""),
            }
        )
    return fields


# --- hpo new ---

_FILES = {"{}.py": "{}.py.j2", "{}.toml": "{}.toml.j2", "test_{}.py": "{}_test.py.j2"}
"""File name, of NAME -> template, of ``device`` or ``objective``."""


def _check_new(parser: Parser, arguments: argparse.Namespace) -> None:
    if (arguments.what == "study") != (arguments.data is not None):
        parser.error(
            "a study needs data, and only a study: hpo new study NAME --data PATH"
        )


@command(
    argument("what", choices=["study", "device", "objective"], help="what to write"),
    argument(
        "name",
        metavar="NAME",
        help="name of the study, or of a Python module, such as gru",
    ),
    group(
        "of a study",
        argument(
            "--data", metavar="PATH", help="an .npz, CSV or .ts file, or a directory"
        ),
        argument(
            "--task",
            choices=["classify", "predict"],
            help="default: follows from the data",
        ),
        _number(
            "dt_ns",
            "time between points on the device, ns (default: that of the data, or 1)",
        ),
        argument(
            "--inputs", metavar="A,B", default="", help="input columns of a CSV file"
        ),
        argument(
            "--targets", metavar="C", default="", help="target columns of a CSV file"
        ),
        argument(
            "--horizon", type=at_least(0), default=0, metavar="N", help="points ahead"
        ),
    ),
    check=_check_new,
)
def new(arguments: argparse.Namespace) -> int:
    """Write a study for your data, or the template of a device or an objective.

    All of them run as they are. The study of your data is one file, NAME.toml, in the
    working directory: ranges, batches, epochs and budget follow from the number of
    series, their length and channels, and comments explain them. Data are labelled
    series (.npz, .ts, directories of CSV or IDX files), or a series to predict (.npz,
    CSV): docs/how-to/own-data.md.

    Examples:
        hpo new study gunpoint --data sets/GunPoint read sets/GunPoint_TRAIN.ts and
            _TEST.ts, describe them, and write gunpoint.toml
        hpo launch gunpoint.toml search, confirm the best on the held-out test set, and
            compare with simple baselines
        hpo new study plant --data plant.csv --inputs power,valve --targets temperature
            --horizon 5 predict a series five rows ahead
        hpo new device my_node write my_node.py, my_node.toml and test_my_node.py: a
            neuron by its differential equation; docs/how-to/own-device.md explains each
            part
        hpo new objective gru
            write the same for any other training, docs/how-to/own-objective.md
    """
    return (
        _new_study(arguments) if arguments.what == "study" else _new_module(arguments)
    )


def _new_study(arguments: argparse.Namespace) -> int:
    """Inspect the data, write the study, and check it as a launch does."""
    from hpo.objectives.data import look
    from hpo.objectives.data.own_series import OwnSeriesParams
    from hpo.study import file
    from hpo.views.terminal import text_tables

    path = Path(f"{arguments.name}.toml")
    columns = {
        name: getattr(arguments, name) for name in ("inputs", "targets", "horizon")
    }
    with _refusing("hpo new study", OwnSeriesParams):
        data = look.look(Path(arguments.data), arguments.task, **columns)
        study = look.study(data, dt_ns=arguments.dt_ns)
    text = _render(f"{data.what}.toml.j2", name=arguments.name, data=data, study=study)
    file.read(
        {"name": arguments.name, **tomllib.loads(text)}, base=Path(), where=str(path)
    )
    _write({path: text})
    print("\n".join(text_tables.columns(data.rows)))
    print(f"\n{path}: run it with hpo launch {path}, about {study.time} on two cores")
    return 0


def _new_module(arguments: argparse.Namespace) -> int:
    name = arguments.name
    valid = name.isidentifier() and not keyword.iskeyword(name) and name != "hpo"
    if not valid or (
        not Path(f"{name}.py").exists() and importlib.util.find_spec(name)
    ):
        raise HpoError(
            f"hpo new: expected the name of a new Python module, got {name!r}. Use"
            " letters, digits and underscores, and no name of an installed module, as"
            " in my_network."
        )
    title = "".join(word.title() for word in name.split("_"))
    files = {
        Path(to.format(name)): of.format(arguments.what) for to, of in _FILES.items()
    }
    _write({path: _render(of, name=name, title=title) for path, of in files.items()})
    module, study, test = files
    print(
        f"{module}, {study}, {test}: run it with hpo launch {study}, test it with"
        f" pytest {test}"
    )
    return 0


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader

    templates = Environment(loader=PackageLoader("hpo.cli"), keep_trailing_newline=True)
    return templates.get_template(template).render(**values)


def _write(texts: Mapping[Path, str]) -> None:
    for path in texts:
        if path.exists():
            raise HpoError(
                f"{path}: the file exists already. Move it, or take another name."
            )
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


# --- hpo guide ---

_OPTIONS = tomllib.loads(
    (Path(__file__).parents[1] / "objectives/guide.toml").read_text("utf-8")
)
_NUMBERS, _DEVICE = _OPTIONS["numbers"], _OPTIONS["device"]


@command(
    *(_number(name, text, default) for name, (default, text) in _NUMBERS.items()),
    argument(
        "--device",
        metavar="NAME",
        default="nano-oscillator",
        help=(
            "oscillator for the thermal power, by name or as FILE.toml:NAME "
            "(default: nano-oscillator, 0.001)"
        ),
    ),
    *(_number(name, text) for name, text in _DEVICE.items()),
    JSON,
)
def guide(arguments: argparse.Namespace) -> int:
    """Explain how to choose the hyper-parameters of a spintronic network for your time
    scale.

    Prints the design rules of arXiv:2408.02835, Eq. (9)-(11), with your numbers, the
    energy consumption of the network, the thermal power of your oscillators, and a
    study with a [space] to search. Choose an oscillator of docs/how-to/thermal.md or of
    your own table (--device FILE.toml:NAME), or give its volume, magnetisation and
    frequency, or its linewidth.

    Examples:
        hpo guide --dt-ns 10 --points 100 --channels 2 --classes 3
            for your own recording: 100 time points, 10 ns apart, of two channels
        hpo guide --device vortex-mtj --temperature-k 77
            for an oscillator of known thermal power, cooled
        hpo guide --dt-ns 0.5 --json | jq .tau_ns.best
            print one number for a program
    """
    from hpo import objectives
    from hpo.objectives import guide as rules

    numbers = {name: getattr(arguments, name) for name in _NUMBERS}
    device = _device(
        arguments.device, {name: getattr(arguments, name) for name in _DEVICE}
    )
    model = objectives.load("spintronic").Params
    with _refusing("hpo guide", model):
        result = rules.guide(**numbers, device=device)
        shared = {
            key: value
            for key, value in asdict(result).items()
            if key in model.model_fields
        }
        model(
            **{**shared, "tau_ns": result.tau_ns["best"]}
        )  # check that the objective accepts it
    return tell(arguments, asdict(result), rules.page(result, device))


@contextmanager
def _refusing(where: str, model: type[BaseModel]) -> Iterator[None]:
    """Turn errors of the model, or of the physics, into a message.

    Raises:
        HpoError: a value is invalid.
    """
    from pydantic import ValidationError

    from hpo.study.messages import explain

    try:
        yield
    except ValidationError as error:
        raise HpoError(explain(error, model, where)) from None
    except (OverflowError, ValueError) as error:
        raise HpoError(f"{where}: {error}") from None


def _device(device: str, options: Mapping[str, float | None]) -> Device:
    """Return the device of this name, changed by options.

    Raises:
        HpoError: the name is unknown, or a value is invalid.
    """
    from hpo.objectives.hardware import thermal
    from hpo.study.messages import did_you_mean

    file, _, name = device.rpartition(":")
    changes = {key: value for key, value in options.items() if value is not None}
    with _refusing("hpo guide", thermal.Device):
        tables = thermal.devices(Path(file)) if file else thermal.devices()
    table = tables.get(name)
    if not isinstance(table, dict):
        raise HpoError(
            f"hpo guide: unknown device {device!r}. {did_you_mean(name, tables)}"
        )
    kind = thermal.kind(changes, table)
    base = table if thermal.kind(table) is kind else {}
    if base and changes and "source" in base:
        base = {**base, "source": f"{base['source']}; {', '.join(changes)} by you"}
    with _refusing(f"hpo guide: {device}" if base else "hpo guide", kind):
        return kind(**{**base, **changes})
