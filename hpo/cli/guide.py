"""``hpo guide``: how to choose the hyper-parameters of a spintronic network."""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import asdict
from pathlib import Path

from hpo.cli import devices
from hpo.cli.common import tell
from hpo.console import JSON, Add, argument, command

_FILE = Path(__file__).parents[1] / "objectives" / "guide.toml"
_OPTIONS = tomllib.loads(_FILE.read_text(encoding="utf-8"))


def _numbers() -> list[Add]:
    """Return an option per number of the network."""
    return [
        argument(
            _option(name),
            type=type(default),
            default=default,
            metavar="X",
            help=f"{text} (default: {default})",
        )
        for name, (default, text) in _OPTIONS["numbers"].items()
    ]


def _device_numbers() -> list[Add]:
    """Return an option per number of the oscillator."""
    return [
        argument(_option(name), type=float, metavar="X", help=text)
        for name, text in _OPTIONS["device"].items()
    ]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@command(
    *_numbers(),
    argument(
        "--device",
        metavar="NAME",
        default="nano-oscillator",
        help=("oscillator, by name or as FILE.toml:NAME (default: nano-oscillator)"),
    ),
    *_device_numbers(),
    JSON,
)
def guide(arguments: argparse.Namespace) -> int:
    """Explain how to choose hyper-parameters for your input and your oscillators.

    Prints what works for these oscillators: relaxation time, range of drives, thermal
    power, learning rate; then the design rules of arXiv:2408.02835, Eq. (9)-(11), and
    what a limited drive leaves of them; then a study with a [space] to search. Choose
    an oscillator of docs/how-to/thermal.md or of your own table (--device
    FILE.toml:NAME), or give its relaxation time, range of drives, volume, magnetisation
    and frequency, or its linewidth.

    Examples:
        hpo guide --point-ns 10 --points 100 --channels 2 --classes 3
            for your own recording: 100 time points, 10 ns apart, of two channels
        hpo guide --device vortex-mtj --temperature-k 77 --point-ns 15
            for a known oscillator, cooled
        hpo guide --tau-ns 3 --drive-high 2.5
            for the default oscillator with your relaxation time and range of drives
        hpo guide --point-ns 0.5 --json | jq .tau_ns
            print one number for a program
    """
    from hpo import objectives
    from hpo.objectives import guide as rules
    from hpo.objectives import guide_page
    from hpo.study.messages import explained

    given = vars(arguments)
    numbers = {name: given[name] for name in _OPTIONS["numbers"]}
    changes = {name: given[name] for name in _OPTIONS["device"]}
    device = devices.read(
        "hpo guide",
        arguments.device,
        {name: value for name, value in changes.items() if value is not None},
    )
    model = objectives.load("spintronic").Params
    with explained("hpo guide", model):
        result = rules.guide(rules.Sizes(**numbers), device)
        values = asdict(result)
        shared = {name: values[name] for name in values if name in model.model_fields}
        shared["drive_limit"] = "smooth"
        model(**shared)  # check that the objective accepts it
    return tell(arguments, values, guide_page.page(result, device))
