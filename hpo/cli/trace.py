"""``hpo trace``: the time series of a trained network's neurons, as a figure or as numbers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli import networks
from hpo.cli.common import OPEN, STORAGE, STUDY, argument, command, one_of, show
from hpo.console import Parser, at_least
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.worker.artifacts.replay import Replay
    from objectives.inspection import NetworkMember, Trace


_ENDINGS = (".html", ".csv", ".json")
_MAX_COLUMNS = 6


def numbers(text: str) -> list[int]:
    """An argparse type: whole numbers from 0 with commas between them."""
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers as in 0,1,5 are needed, not {text!r}") from None
    if min(found) < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, but got {min(found)}")
    return found


def names(text: str) -> list[str]:
    """An argparse type: words with commas between them."""
    return [word.strip() for word in text.split(",")]


def neurons(text: str) -> list[int] | str:
    """An argparse type: ``auto``, ``all``, or numbers."""
    return text if text in ("auto", "all") else numbers(text)


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.per_class > 1 and arguments.classes is None:
        parser.error("argument --per-class: goes with argument --classes")


@command(
    "Train a network of a study again, which takes seconds to a minute, replay it on series of "
    "the test part, and draw the time series of its neurons as one HTML file.",
    """\
hpo trace seqdigits
    the best trial: every channel of the input (at most eight) and one neuron of every layer, one
    image of each of four classes
hpo trace --study seqdigits --classes 0,1,5 --per-class 2 --layer last
    other classes (digits), two images of each, the last layer alone
hpo trace seqdigits --trial 12 --images 0,7 --neurons 3,8,30 --quantity y -o y.html --open
    the outputs of three neurons of every layer, for two images of the test part by position
hpo trace seqdigits --fresh-seed 2 -o trace.csv
    every neuron of another network of the same trial, as numbers (or .json)""",
    STUDY,
    *networks.WHICH_NETWORK,
    one_of(
        argument(
            "--images", type=numbers, metavar="I,J", help="series by position in the test part"
        ),
        argument(
            "--classes",
            type=names,
            metavar="A,B",
            help="series by class: the first of each in the test part (default: of four classes)",
        ),
    ),
    argument(
        "--per-class",
        type=at_least(1),
        default=1,
        metavar="N",
        help="how many of each of --classes",
    ),
    argument(
        "--layer", type=names, default=["all"], metavar="L", help="0,1 … or last or all (default)"
    ),
    argument(
        "--neurons",
        type=neurons,
        metavar="I,J",
        help="of each layer, a column each; or auto, the one that tells the series apart best; "
        "or all (default: auto for .html, else all)",
    ),
    argument(
        "--quantity",
        choices=("x", "y", "drive"),
        default="x",
        help="state x, output y, or drive (default: x)",
    ),
    argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=".html, .csv or .json (default: ./STUDY-trace.html)",
    ),
    OPEN,
    STORAGE,
    check=_check,
)
def trace(arguments: argparse.Namespace) -> int:
    """Check what is asked for, train, draw.

    Raises:
        HpoError: there is no such network, series, layer or neuron, or no file can be written.
    """
    target: Path = arguments.output or Path(f"{arguments.study}-trace.html")
    if target.suffix not in _ENDINGS:
        raise HpoError(
            f"{target}: the ending must be one of {', '.join(_ENDINGS)}, but got "
            f"{target.suffix or 'none'}. Choose one."
        )
    choice = networks.choose(arguments)
    networks.prepare(target)
    from hpo.worker.artifacts import replay, retrain

    network = retrain.build(choice)
    if arguments.classes is not None:
        images = replay.pick_classes(network, arguments.classes, arguments.per_class)
    else:
        images = replay.pick_images(network, arguments.images)
    layers = replay.pick_layers(network, arguments.layer)
    select = _selector(network, layers, arguments.neurons, target)
    retrained = retrain.train_shown(choice, network)
    trace = network.trace(images, arguments.quantity)
    chosen = tuple(select(trace, layer) for layer in layers)
    _write(
        replay.Replay(retrained=retrained, trace=trace, layers=layers, neurons=chosen),
        target,
        arguments.command,
    )
    print(target)
    show(arguments, target)
    return 0


def _selector(
    network: NetworkMember,
    layers: Sequence[int],
    wanted: list[int] | str | None,
    target: Path,
) -> Callable[[Trace, int], tuple[int, ...]]:
    """What picks the neurons of a layer; numbers are checked now, before any training."""
    from hpo.worker.artifacts import replay

    if wanted == "all" and target.suffix == ".html":
        wanted = list(range(max(network.widths[layer] for layer in layers)))
    if isinstance(wanted, list):
        given = replay.check_neurons(network, layers, wanted)
        if target.suffix == ".html" and len(given) > _MAX_COLUMNS:
            raise HpoError(
                f"--neurons: at most {_MAX_COLUMNS} must hold for a figure, but got {len(given)}. "
                f"Choose some, or write all of them with -o FILE.csv."
            )
        return lambda trace, layer: tuple(n for n in given if n < network.widths[layer])
    if wanted == "auto" or (wanted is None and target.suffix == ".html"):
        return lambda trace, layer: (replay.telling_neuron(trace, layer),)
    return lambda trace, layer: tuple(range(network.widths[layer]))


def _write(shown: Replay, target: Path, command: str) -> None:
    """Write the file, whole or not at all."""
    from hpo.worker.artifacts import replay, traces

    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with networks.writing(target):
        with draft.open("w", encoding="utf-8", errors="replace", newline="") as stream:
            if target.suffix == ".html":
                stream.write(traces.page(shown, command))
            elif target.suffix == ".csv":
                replay.write_csv(shown, stream)
            else:
                replay.write_json(shown, stream)
        os.replace(draft, target)
