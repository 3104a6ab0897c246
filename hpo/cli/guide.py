"""``hpo guide``: the paper's design rules for a given input time scale, with the numbers put in."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from hpo.cli.common import JSON, argument, command, tell
from hpo.errors import HpoError

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


@command(
    "Explain how to choose the hyper-parameters of a spintronic network for inputs of a given "
    "time scale: the design rules of arXiv:2408.02835, Eq. (9)-(11), with your numbers, the "
    "energy that the network would consume, and a [space] to search.",
    """\
hpo guide
    the network of the paper: input points 1 ns apart
hpo guide --dt-ns 0.5
    inputs twice as fast: relaxation time, weights, learning rate, and what to search
hpo guide --dt-ns 10 --points 100 --channels 2 --classes 3
    a recording of your own: 100 time points, 10 ns apart, of two channels
hpo guide --layers 2 --width 64 --density-intra 0.1
    another architecture, and its energy
hpo guide --dt-ns 0.5 --json | jq .tau_ns.best
    one number for a program""",
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
    JSON,
)
def guide(arguments: argparse.Namespace) -> int:
    """Compute and print the guide.

    Raises:
        HpoError: a number lies outside what the rules allow.
    """
    from pydantic import ValidationError

    import objectives
    from hpo.study.messages import explain
    from objectives import guide as rules

    numbers = {name: getattr(arguments, name) for name in _NUMBERS}
    model = objectives.load("spintronic").Params
    try:
        found = rules.guide(**numbers)
        params = {
            name: value for name, value in asdict(found).items() if name in model.model_fields
        }
        model(**{**params, "tau_ns": found.tau_ns["best"]})  # a study that the objective accepts
    except ValidationError as error:
        raise HpoError(explain(error, model, "hpo guide")) from None
    except ValueError as error:
        raise HpoError(f"hpo guide: {error}") from None
    except OverflowError as error:
        raise HpoError(
            f"hpo guide: numbers that a float can hold must be given, but got {error}. "
            "Give smaller ones."
        ) from None
    return tell(arguments, asdict(found), rules.page(found))
