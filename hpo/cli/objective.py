"""Objectives: ``hpo params`` (what one takes), ``hpo new`` (one, or a study), ``hpo guide``."""

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

    from hpo.objectives.thermal import Device


def _number(name: str, text: str, default: float | None = None) -> Add:
    text += "" if default is None else f" (default: {default})"
    kind = int if isinstance(default, int) else float
    return argument(
        f"--{name.replace('_', '-')}", type=kind, default=default, metavar="X", help=text
    )


# --- hpo params -----------------------------------------------------------------------------------

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
    from hpo import objectives

    name = arguments.objective
    try:
        objective = objectives.load(name)
    except LookupError as error:
        raise HpoError(f"{error}. {near_miss(name, objectives.BUILT_IN)}".rstrip()) from None
    found = _fields(objective.Params)
    if objective.variability is not None:
        found += _fields(objective.variability, "variability.")
    if arguments.json:
        return tell(arguments, {"objective": name, "params": found})
    from rich import console, table

    from hpo.views import formatting

    shown = table.Table(*_COLUMNS, box=None, pad_edge=False)
    for one in found:
        meaning = one["meaning"] + "; or one for each layer" * one["per_layer"]
        cells = [{**one, "meaning": meaning}[column] for column in _COLUMNS]
        shown.add_row(*("–" if v in (None, "") else formatting.value_text(v) for v in cells))
    console.Console(width=terminal_width() or 120, markup=False).print(shown)
    return 0


def _fields(model: Any, prefix: str = "") -> list[dict[str, Any]]:
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
                "bounds": ", ".join(map(str, choices or words)),
                **{key: bounds.get(key) for key in _RANGES},
                "choices": choices,
                "default": schema.get("default"),
                "per_layer": bool(of_layers),
                "meaning": schema.get("description", ""),
            }
        )
    return found


# --- hpo new --------------------------------------------------------------------------------------

_FILES = {"{}.py": "{}.py.j2", "{}.toml": "{}.toml.j2", "test_{}.py": "{}_test.py.j2"}
"""What is written, by NAME -> its template, by what it is."""


def _of_a_study(parser: Parser, arguments: argparse.Namespace) -> None:
    if (arguments.what == "study") != (arguments.data is not None):
        parser.error("a study is written for data: hpo new study NAME --data PATH")


@command(
    argument("what", choices=["study", "device", "objective"], help="what to write"),
    argument("name", metavar="NAME", help="of the study, or of a Python module, such as gru"),
    group(
        "of a study",
        argument("--data", metavar="PATH", help="an .npz, CSV or .ts file, or a directory"),
        argument("--task", choices=["classify", "predict"], help="default: what the data are for"),
        _number("dt_ns", "ns from point to point on the device (default: the data's, or 1)"),
        argument("--inputs", metavar="A,B", default="", help="input columns of a CSV file"),
        argument("--targets", metavar="C", default="", help="columns of it that are predicted"),
        argument("--horizon", type=at_least(0), default=0, metavar="N", help="points ahead"),
    ),
    check=_of_a_study,
)
def new(arguments: argparse.Namespace) -> int:
    """Write a study for your data, or a device or an objective of your own, to be changed.

    What is written runs as it is. A study of data is one file, NAME.toml, in the working directory:
    ranges, batches, epochs and budget follow from the number of series, their length and their
    channels, and comments say why. Data are labelled series (.npz, .ts, directories of CSV or of
    IDX files), or a series to predict (.npz, CSV): docs/how-to/own-data.md.

    Examples:
        hpo new study gunpoint --data sets/GunPoint
            reads sets/GunPoint_TRAIN.ts and _TEST.ts, says what they are, writes gunpoint.toml
        hpo launch gunpoint.toml
            searches, confirms the best on the test part, and sets simple baselines beside it
        hpo new study plant --data plant.csv --inputs power,valve --targets temperature --horizon 5
            a series to predict, five rows ahead
        hpo new device my_node
            my_node.py, my_node.toml and test_my_node.py: a neuron by its differential equation;
            docs/how-to/own-device.md explains each part
        hpo new objective gru
            the same of any other training, docs/how-to/own-objective.md
    """
    return _new_study(arguments) if arguments.what == "study" else _new_module(arguments)


def _new_study(arguments: argparse.Namespace) -> int:
    """Look at the data, write the study, and check it as a launch does."""
    from hpo.objectives import look
    from hpo.objectives.tasks.own_series import OwnSeriesParams
    from hpo.study import file
    from hpo.views.terminal import text_tables

    path = Path(f"{arguments.name}.toml")
    columns = {name: getattr(arguments, name) for name in ("inputs", "targets", "horizon")}
    with _told("hpo new study", OwnSeriesParams):
        data = look.look(Path(arguments.data), arguments.task, **columns)
        study = look.study(data, dt_ns=arguments.dt_ns)
    text = _rendered(f"{data.what}.toml.j2", name=arguments.name, data=data, study=study)
    file.read({"name": arguments.name, **tomllib.loads(text)}, base=Path(), where=str(path))
    _write({path: text})
    print("\n".join(text_tables.columns(data.rows)))
    print(f"\n{path}: run it with hpo launch {path}, about {study.time} on two cores")
    return 0


def _new_module(arguments: argparse.Namespace) -> int:
    name = arguments.name
    is_one = name.isidentifier() and not keyword.iskeyword(name) and name != "hpo"
    if not is_one or (not Path(f"{name}.py").exists() and importlib.util.find_spec(name)):
        raise HpoError(
            "hpo new: NAME must be that of a Python module that there is not yet, but got "
            f"{name!r}. Take one of letters, digits and underscores, such as my_network."
        )
    title = "".join(word.title() for word in name.split("_"))
    chosen = {Path(to.format(name)): of.format(arguments.what) for to, of in _FILES.items()}
    _write({path: _rendered(of, name=name, title=title) for path, of in chosen.items()})
    module, study, test = chosen
    print(f"{module}, {study}, {test}: run it with hpo launch {study}, test it with pytest {test}")
    return 0


def _rendered(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader

    templates = Environment(loader=PackageLoader("hpo.cli"), keep_trailing_newline=True)
    return templates.get_template(template).render(**values)


def _write(texts: Mapping[Path, str]) -> None:
    for path in texts:
        if path.exists():
            raise HpoError(f"{path}: no file of this name must be there, but one is. Move it.")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


# --- hpo guide ------------------------------------------------------------------------------------

_NUMBERS: dict[str, tuple[float, str]] = {
    "dt_ns": (1.0, "time between two input points, in ns"),
    "s": (0.5, "amplification S of the weights"),
    "density_inter": (0.5, "fraction of connections kept between layers"),
    "density_intra": (0.5, "fraction of connections kept within a layer"),
    "width": (32, "neurons per layer"),
    "layers": (3, "layers of neurons"),
    "points": (64, "input points of one series"),
    "channels": (1, "input values per point"),
    "classes": (10, "classes to tell apart"),
}
"""Option -> its default, and what it is."""
_DEVICE = {
    "temperature_k": "temperature, in K (default: 300)",
    "volume_nm3": "volume of the magnet that oscillates, in nm³",
    "ms_ka_per_m": "its saturation magnetisation, in kA/m",
    "frequency_ghz": "its frequency, in GHz",
    "linewidth_mhz": "full width of its line at half maximum, in MHz; takes the place of the four",
    "tau_ns": "its relaxation time, in ns; a linewidth needs it",
    "power": "power x at which the line was measured, over saturation (default: 0.5)",
    "nu": "non-linear frequency shift ν of that line (default: 0, the cautious one)",
}
"""Option -> what it is of an oscillator; it replaces what the device's table says."""


@command(
    *(_number(name, text, default) for name, (default, text) in _NUMBERS.items()),
    argument(
        "--device",
        metavar="NAME",
        default="nano-oscillator",
        help="oscillator whose thermal power is printed, by its name or as FILE.toml:NAME "
        "(default: nano-oscillator, 0.001)",
    ),
    *(_number(name, text) for name, text in _DEVICE.items()),
    JSON,
)
def guide(arguments: argparse.Namespace) -> int:
    """Explain how to choose the hyper-parameters of a spintronic network for your time scale.

    The design rules of arXiv:2408.02835, Eq. (9)-(11), with your numbers, the energy that the
    network would consume, the thermal power of your oscillators, and a study with a [space] to
    search. The oscillator is one listed in docs/how-to/thermal.md, of a table of yours (--device
    FILE.toml:NAME), or described by its volume, magnetisation and frequency, or by its linewidth.

    Examples:
        hpo guide --dt-ns 10 --points 100 --channels 2 --classes 3
            a recording of your own: 100 time points, 10 ns apart, of two channels
        hpo guide --device vortex-mtj --temperature-k 77
            an oscillator with a known thermal power, cooled
        hpo guide --dt-ns 0.5 --json | jq .tau_ns.best
            one number for a program
    """
    from hpo import objectives
    from hpo.objectives import guide as rules

    numbers = {name: getattr(arguments, name) for name in _NUMBERS}
    device = _device(arguments.device, {name: getattr(arguments, name) for name in _DEVICE})
    model = objectives.load("spintronic").Params
    with _told("hpo guide", model):
        found = rules.guide(**numbers, device=device)
        shared = {name: own for name, own in asdict(found).items() if name in model.model_fields}
        model(**{**shared, "tau_ns": found.tau_ns["best"]})  # a study that the objective accepts
    return tell(arguments, asdict(found), rules.page(found, device))


@contextmanager
def _told(where: str, model: type[BaseModel]) -> Iterator[None]:
    """Whatever breaks a rule of the model, or of the physics, becomes a message.

    Raises:
        HpoError: something does.
    """
    from pydantic import ValidationError

    from hpo.study.messages import explain

    try:
        yield
    except ValidationError as error:
        raise HpoError(explain(error, model, where)) from None
    except (OverflowError, ValueError) as error:
        raise HpoError(f"{where}: {error}") from None


def _device(named: str, given: Mapping[str, float | None]) -> Device:
    """The device of this name, changed by options.

    Raises:
        HpoError: there is none, or it breaks a rule.
    """
    from hpo.objectives import thermal
    from hpo.study.messages import did_you_mean

    file, _, name = named.rpartition(":")
    changes = {key: value for key, value in given.items() if value is not None}
    with _told("hpo guide", thermal.Device):
        tables = thermal.devices(Path(file)) if file else thermal.devices()
    table = tables.get(name)
    if not isinstance(table, dict):
        raise HpoError(f"hpo guide: unknown device {named!r}. {did_you_mean(name, tables)}")
    kind = thermal.kind(changes, table)
    kept = table if thermal.kind(table) is kind else {}
    if kept and changes and "source" in kept:
        kept = {**kept, "source": f"{kept['source']}; {', '.join(changes)} by you"}
    with _told(f"hpo guide: {named}" if kept else "hpo guide", kind):
        return kind(**{**kept, **changes})
