"""Trained networks: ``hpo export --network`` and ``hpo trace``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import OPEN, STORAGE, STUDY, argument, command, looking, one_of, show
from hpo.console import Parser, at_least
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.worker.network import Choice
    from hpo.worker.replay import Replay
    from objectives.inspection import NetworkMember, Trace


_ENDINGS = (".html", ".csv", ".json")
_MAX_COLUMNS = 6

WHICH_NETWORK = (
    argument("--trial", type=at_least(0), metavar="K", help="its search trial (default: the best)"),
    one_of(
        argument("--member", type=at_least(0), metavar="M", help="network M of the trial, from 0"),
        argument(
            "--fresh-seed",
            type=at_least(1),
            metavar="F",
            help="network F of its confirmation, from 1 (default: the first one if the trial was "
            "confirmed, else member 0; never the luckiest)",
        ),
    ),
)


def _choose(arguments: argparse.Namespace) -> Choice:
    """The network that the options name.

    Raises:
        HpoError: there is no such study or network.
    """
    from hpo.worker import network

    which = {name: getattr(arguments, name) for name in ("trial", "member", "fresh_seed")}
    with looking(arguments) as ledger:
        return network.find(ledger, arguments.study, **which)


def export(arguments: argparse.Namespace) -> int:
    """``hpo export STUDY --network FILE``: write the kept network, or train it again.

    Raises:
        HpoError: there is no such network, or the file cannot be written.
    """
    target: Path = arguments.network
    if target.suffix != ".safetensors":
        raise HpoError(
            f"--network {target}: the ending must be .safetensors, but got "
            f"{target.suffix or 'none'}. The description goes beside it, as .json."
        )
    choice = _choose(arguments)
    _prepare(target)
    from hpo.worker import network
    from objectives import network_file

    found = network.load(choice)
    with writing(target):
        network_file.write(target, found.data, network.about(found))
    print(target)
    print(target.with_suffix(".json"))
    return 0


def _prepare(target: Path) -> None:
    """Make sure, before a training, that a file can be written.

    Raises:
        HpoError: it cannot.
    """
    with writing(target):
        if target.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        target.parent.mkdir(parents=True, exist_ok=True)
        probe = target.with_name(f".{target.name}.probe")
        probe.touch()
        probe.unlink()


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Whatever goes wrong with a file while it is written becomes a message about it.

    Raises:
        HpoError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise HpoError(f"{target}: cannot be written: {error.strerror or error}.") from error


# --- traces ---------------------------------------------------------------------------------------


def _numbers(text: str) -> list[int]:
    """An argparse type: whole numbers from 0 with commas between them."""
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers as in 0,1,5 are needed, not {text!r}") from None
    if min(found) < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, but got {min(found)}")
    return found


def _names(text: str) -> list[str]:
    """An argparse type: words with commas between them."""
    return [word.strip() for word in text.split(",")]


def _neurons(text: str) -> list[int] | str:
    """An argparse type: ``auto``, ``all``, or numbers."""
    return text if text in ("auto", "all") else _numbers(text)


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.per_class > 1 and arguments.classes is None:
        parser.error("argument --per-class: goes with argument --classes")


@command(
    "Replay a network of a study on series of the test part, and draw the time series of its "
    "neurons as one HTML file. That of a confirmed trial is kept; another one is trained again, "
    "which takes seconds to a minute.",
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
    *WHICH_NETWORK,
    one_of(
        argument(
            "--images", type=_numbers, metavar="I,J", help="series by position in the test part"
        ),
        argument(
            "--classes",
            type=_names,
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
        "--layer", type=_names, default=["all"], metavar="L", help="0,1 … or last or all (default)"
    ),
    argument(
        "--neurons",
        type=_neurons,
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
    """Check what is asked for, load the network or train it, draw.

    Raises:
        HpoError: there is no such network, series, layer or neuron, or no file can be written.
    """
    target: Path = arguments.output or Path(f"{arguments.study}-trace.html")
    if target.suffix not in _ENDINGS:
        raise HpoError(
            f"{target}: the ending must be one of {', '.join(_ENDINGS)}, but got "
            f"{target.suffix or 'none'}. Choose one."
        )
    choice = _choose(arguments)
    _prepare(target)
    from hpo.worker import network, replay

    member = network.build(choice)
    if arguments.classes is not None:
        images = replay.pick_classes(member, arguments.classes, arguments.per_class)
    else:
        images = replay.pick_images(member, arguments.images)
    layers = replay.pick_layers(member, arguments.layer)
    select = _selector(member, layers, arguments.neurons, drawn=target.suffix == ".html")
    found = network.load(choice, member)
    seen = member.trace(images, arguments.quantity)
    neurons = tuple(select(seen, layer) for layer in layers)
    shown = replay.Replay(found=found, member=member, trace=seen, layers=layers, neurons=neurons)
    _write(shown, target, arguments.command)
    print(target)
    show(arguments, target)
    return 0


def _selector(
    member: NetworkMember, layers: Sequence[int], wanted: list[int] | str | None, *, drawn: bool
) -> Callable[[Trace, int], tuple[int, ...]]:
    """What picks the neurons of a layer; numbers are checked now, before any training."""
    from hpo.worker import replay

    if wanted is None:
        wanted = "auto" if drawn else "all"
    if wanted == "auto":
        return lambda trace, layer: (replay.telling_neuron(trace, layer),)
    if isinstance(wanted, list):
        replay.check_neurons(member, layers, wanted)
        given = list(dict.fromkeys(wanted))
    else:
        given = list(range(max(member.widths[layer] for layer in layers)))
    if drawn and len(given) > _MAX_COLUMNS:
        raise HpoError(
            f"--neurons: at most {_MAX_COLUMNS} must hold for a figure, but got {len(given)}. "
            f"Choose some, or write all of them with -o FILE.csv."
        )
    return lambda trace, layer: tuple(n for n in given if n < member.widths[layer])


def _write(shown: Replay, target: Path, command: str) -> None:
    """Write the file, whole or not at all."""
    from hpo.worker import replay, trace_page

    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with writing(target):
        with draft.open("w", encoding="utf-8", errors="replace", newline="") as stream:
            if target.suffix == ".html":
                stream.write(trace_page.page(shown, command))
            elif target.suffix == ".csv":
                replay.write_csv(shown, stream)
            else:
                replay.write_json(shown, stream)
        os.replace(draft, target)
