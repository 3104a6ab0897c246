"""``hpo new``: write a study for data, or the template of a device or an objective."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
from pathlib import Path

from hpo.console import Parser, argument, at_least, command, group
from hpo.errors import HpoError
from hpo.files import render, write_new


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
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
            "--data",
            metavar="PATH",
            help="a file or a directory; docs/how-to/own-data.md lists the formats",
        ),
        argument(
            "--task",
            choices=["classify", "predict"],
            help="default: follows from the data",
        ),
        argument(
            "--point-ns",
            type=float,
            metavar="X",
            help=(
                "time between points on the device, ns (default: that of the data, or"
                " 1)"
            ),
        ),
        argument(
            "--inputs",
            metavar="A,B",
            default="",
            help="columns or arrays that a network receives",
        ),
        argument(
            "--labels", metavar="C", default="", help="the column or array of labels"
        ),
        argument(
            "--series",
            metavar="C",
            default="",
            help="the column that tells series apart; row: each row is a series",
        ),
        argument(
            "--targets", metavar="C", default="", help="columns or arrays to predict"
        ),
        argument(
            "--horizon", type=at_least(0), default=0, metavar="N", help="points ahead"
        ),
    ),
    check=_check,
)
def new(arguments: argparse.Namespace) -> int:
    """Write a study for your data, or the template of a device or an objective.

    All of them run as they are. The study of your data is one file, NAME.toml, in the
    working directory: ranges, batches, epochs and budget follow from the number of
    series, their length and channels, and comments explain them. Data are labelled
    series, or a series to predict. NumPy, CSV, Parquet, HDF5, NetCDF, MATLAB and other
    files are read (docs/how-to/own-data.md). The command prints how it read them, and
    asks where there are two ways.

    Examples:
        hpo new study gunpoint --data sets/GunPoint
            read sets/GunPoint_TRAIN.ts and _TEST.ts, describe them, and write
            gunpoint.toml
        hpo launch gunpoint.toml
            search, confirm the best on the held-out test set, and compare with simple
            baselines
        hpo new study my --data my.csv --inputs power,valve --targets heat --horizon 5
            predict a series five rows ahead
        hpo new study gait --data gait.parquet --labels activity --series walk
            classify series; rows of a table with the same walk are one
        hpo new device my_node
            write my_node.py, my_node.toml and test_my_node.py: a neuron by its
            differential equation; docs/how-to/own-device.md explains each part
        hpo new objective gru
            write the same for any other training, docs/how-to/own-objective.md
    """
    if arguments.what == "study":
        return _new_study(arguments)
    return _new_module(arguments.what, arguments.name)


def _new_study(arguments: argparse.Namespace) -> int:
    """Inspect the data, write the study, and check it as a launch does."""
    from hpo.launch import from_data
    from hpo.objectives.data.look import Request

    request = Request(
        what=arguments.task,
        inputs=arguments.inputs,
        targets=arguments.targets,
        labels=arguments.labels,
        series=arguments.series,
        horizon=arguments.horizon,
    )
    draft = from_data.draft(
        "hpo new study",
        arguments.name,
        Path(arguments.data),
        request,
        arguments.point_ns,
    )
    draft.write()
    print(*draft.lines(f"hpo launch {draft.path}"), sep="\n")
    return 0


def _new_module(what: str, name: str) -> int:
    _check_module_name(name)
    title = "".join(word.title() for word in name.split("_"))
    templates = {
        f"{name}.py": f"{what}.py.j2",
        f"{name}.toml": f"{what}.toml.j2",
        f"test_{name}.py": f"{what}_test.py.j2",
    }
    write_new(
        {
            Path(path): render("hpo.cli", template, name=name, title=title)
            for path, template in templates.items()
        }
    )
    print(
        f"{', '.join(templates)}: run it with hpo launch {name}.toml, test it with"
        f" python -m pytest test_{name}.py (once: pip install pytest)"
    )
    return 0


def _check_module_name(name: str) -> None:
    valid = name.isidentifier() and not keyword.iskeyword(name) and name != "hpo"
    if valid and not Path(f"{name}.py").exists():
        valid = importlib.util.find_spec(name) is None
    if not valid:
        raise HpoError(
            f"hpo new: expected the name of a new Python module, got {name!r}. Use"
            " letters, digits and underscores, and no name of an installed module, as"
            " in my_network."
        )
