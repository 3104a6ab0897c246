"""``hpo guide``: the paper's design rules for a given input time scale, with the numbers put in."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli.common import tell
from hpo.console import JSON, argument, command
from hpo.errors import HpoError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from objectives.thermal import Device

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
    *(
        argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            default=default,
            metavar="X" if isinstance(default, float) else "N",
            help=f"{text} (default: {default})",
        )
        for name, (default, text) in _NUMBERS.items()
    ),
    argument(
        "--device",
        metavar="NAME",
        default="nano-oscillator",
        help="oscillator whose thermal power is printed, by its name or as FILE.toml:NAME "
        "(default: nano-oscillator, 0.001)",
    ),
    argument("--devices", action="store_true", help="list the oscillators that have a name"),
    *(
        argument(f"--{name.replace('_', '-')}", type=float, metavar="X", help=text)
        for name, text in _DEVICE.items()
    ),
    JSON,
)
def guide(arguments: argparse.Namespace) -> int:
    """Explain how to choose the hyper-parameters of a spintronic network for your time scale.

    The design rules of arXiv:2408.02835, Eq. (9)-(11), with your numbers, the energy that the
    network would consume, the thermal power of your oscillators, and a study with a [space] to
    search. The oscillator is one of --devices, of a table of yours (--device FILE.toml:NAME), or
    described by its volume, magnetisation and frequency, or by its linewidth.

    Examples:
        hpo guide --dt-ns 10 --points 100 --channels 2 --classes 3
            a recording of your own: 100 time points, 10 ns apart, of two channels
        hpo guide --device vortex-mtj --temperature-k 77
            an oscillator with a known thermal power, cooled
        hpo guide --dt-ns 0.5 --json | jq .tau_ns.best
            one number for a program
    """
    import objectives
    from objectives import guide as rules

    if arguments.devices:
        return _list_devices(arguments)
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
    except OverflowError as error:
        rule = f"numbers that a float can hold must be given, but got {error}. Give smaller ones."
        raise HpoError(f"{where}: {rule}") from None
    except ValueError as error:
        raise HpoError(f"{where}: {error}") from None


def _device(named: str, given: Mapping[str, float | None]) -> Device:
    """The device of this name, changed by options.

    Raises:
        HpoError: there is none, or it breaks a rule.
    """
    from hpo.study.messages import did_you_mean
    from objectives import thermal

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


def _list_devices(arguments: argparse.Namespace) -> int:
    """Print the devices that have a name, and their thermal powers."""
    from textwrap import fill, indent

    from objectives import thermal

    found = {name: _device(name, {}) for name in thermal.devices()}
    record: dict[str, Any] = {
        name: {**device.model_dump(exclude_none=True), "thermal_power": device.at_rest()}
        for name, device in found.items()
    }
    lines = [
        f"{name}: {device.at_rest():.2g}\n" + indent(fill(device.source, 90), "    ")
        for name, device in found.items()
    ]
    return tell(arguments, record, *lines)
