"""Trained networks: ``hpo export --network`` and ``hpo trace``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import looking, show
from hpo.console import OPEN, STORAGE, STUDY, argument, at_least, command, one_of
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.worker.network import StudyNetwork

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


def _choose(arguments: argparse.Namespace) -> StudyNetwork:
    """The network that the options name.

    Raises:
        HpoError: there is no such study or network.
    """
    from hpo.worker import network

    which = {name: getattr(arguments, name) for name in ("trial", "member", "fresh_seed")}
    with looking(arguments) as ledger:
        return network.choose(ledger.result(arguments.study, curves=True), ledger, **which)


def export(arguments: argparse.Namespace) -> int:
    """``hpo export STUDY --network FILE``: write the kept network, or train it again.

    Raises:
        HpoError: there is no such network, or the file cannot be written.
    """
    from hpo.worker import network

    target: Path = arguments.network
    network.check_ending(target, f"--network {target}")
    chosen = _choose(arguments)
    _prepare(target)
    network.write(network.load(chosen), target)
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


@command(
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
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=".html, or .csv with every neuron (default: ./STUDY-trace.html)",
    ),
    OPEN,
    STORAGE,
)
def trace(arguments: argparse.Namespace) -> int:
    """Replay a network on series of the test part, and draw its neurons as one HTML file.

    That of a confirmed trial is kept; another one is trained again, which takes seconds to a
    minute. What is drawn: every channel of the input (at most eight), and of every layer the neuron
    that tells the series apart best.

    Examples:
        hpo trace seqdigits
            the best trial, one image of each of four classes
        hpo trace --study seqdigits --classes 0,1,5 --open
            other classes (digits)
        hpo trace seqdigits --trial 12 --images 0,7 -o trace.csv
            another trial, two images of the test part by position: state x, output y and drive of
            every neuron of every layer, as numbers
    """
    target: Path = arguments.output or Path(f"{arguments.study}-trace.html")
    if target.suffix not in (".html", ".csv"):
        raise HpoError(
            f"{target}: the ending must be .html or .csv, but got {target.suffix or 'none'}."
        )
    chosen = _choose(arguments)
    _prepare(target)
    from hpo.worker import network, replay, trace_page

    member = network.build(chosen)
    images = replay.pick(member, arguments.images, arguments.classes)
    loaded = network.load(chosen, member)
    shown = replay.Replay(network=loaded, member=member, trace=member.trace(images))
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with writing(target), draft.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        if target.suffix == ".csv":
            replay.write_csv(shown, stream)
        else:
            stream.write(trace_page.page(shown, arguments.command))
        os.replace(draft, target)
    print(target)
    show(arguments, target)
    return 0
