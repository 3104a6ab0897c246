"""Trained networks: ``hpo export --network`` and ``hpo trace``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hpo.cli.common import looking, show
from hpo.console import OPEN, STORAGE, STUDY, argument, at_least, command, one_of
from hpo.errors import HpoError
from hpo.files import check_ending, check_writable, writing

if TYPE_CHECKING:
    from hpo.contract import NetworkMember
    from hpo.views.records.kept_network import KeptNetwork

T = TypeVar("T", int, str)

TRIAL = argument(
    "--trial",
    type=at_least(0),
    metavar="K",
    help="the network of this confirmed trial (default: the best)",
)
_DEFAULT_CLASSES = 4
"""Number of classes shown by default, with one series each."""


def choose(arguments: argparse.Namespace) -> KeptNetwork:
    """Return the network that the options name.

    Raises:
        HpoError: there is no such study or network.
    """
    from hpo.worker import network

    with looking(arguments) as ledger:
        result = ledger.result(arguments.study, curves=True)
        return network.choose(result, ledger, arguments.trial)


def export(arguments: argparse.Namespace) -> int:
    """``hpo export STUDY --network FILE``: write a kept network.

    Raises:
        HpoError: there is no such network, or the file cannot be written.
    """
    from hpo.worker import network

    target: Path = arguments.network
    check_ending(target, ".safetensors")
    kept = choose(arguments)
    network.write(kept, target)
    print(target, target.with_suffix(".json"), origin(kept), sep="\n")
    return 0


def origin(kept: KeptNetwork) -> str:
    """Return a line on which of the confirmed networks it is, and on its seed."""
    from hpo.views.sentences import progress

    counted = progress.fresh_seeds(kept.result, kept.trial.number)
    return (
        f"{kept.name}, random seed {kept.measured.seed}: of least training loss;"
        f" {counted}"
    )


# --- traces ---


@command(
    STUDY,
    TRIAL,
    one_of(
        argument(
            "--images",
            type=lambda text: [at_least(0)(number) for number in text.split(",")],
            metavar="I,J",
            help="series by position in the test set, from 0",
        ),
        argument(
            "--classes",
            type=lambda text: [word.strip() for word in text.split(",")],
            metavar="A,B",
            help=(
                "first series of these classes in the test set (default: of four"
                " classes)"
            ),
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
    """Plot the neurons of a network over time, on series of the test set.

    The database keeps of each confirmed trial the network of least training loss. The
    plot shows the input channels (at most eight), and in every layer the neuron that
    separates the series best.

    Examples:
        hpo trace seqdigits
            plot the best trial on one image of each of four classes
        hpo trace --study seqdigits --classes 0,1,5 --open
            plot other classes (digits)
        hpo trace seqdigits --images 0,7 -o trace.csv
            write numbers for two images, chosen by position: state x, output y and
            drive of every neuron of every layer
    """
    target: Path = arguments.output or Path(f"{arguments.study}-trace.html")
    check_ending(target, ".html", ".csv")
    kept = choose(arguments)
    check_writable(target)
    from hpo.views.pages import traces
    from hpo.views.records.kept_network import Replay, csv_text
    from hpo.worker import network

    member = network.restore(kept)
    images = _pick(member, arguments.images, arguments.classes)
    replay = Replay(network=kept, member=member, trace=member.trace(images))
    if target.suffix == ".csv":
        text = csv_text(replay)
    else:
        text = traces.page(replay, arguments.command)
    with writing(target) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace", newline="")
    print(target)
    show(arguments, target)
    return 0


def _pick(
    member: NetworkMember, images: list[int] | None, classes: list[str] | None
) -> list[int]:
    """Return positions in the test part: ``images`` themselves, else the first of each
    class.

    The default is the first four classes, or the first window if the network predicts.

    Raises:
        HpoError: the test part has no such position, or no series of that class.
    """
    labels = member.test_labels.tolist()
    if images is not None:
        known = {place: place for place in range(len(labels))}
        return _places("--images", images, known, f"0 to {len(labels) - 1}")
    first = {}
    if member.classes:
        first = {
            member.classes[label]: labels.index(label) for label in sorted(set(labels))
        }
    if classes is None:
        return list(first.values())[:_DEFAULT_CLASSES] or [0]
    valid = ", ".join(first) or "none, since the network predicts; use --images"
    return _places("--classes", classes, first, valid)


def _places(
    option: str, choices: list[T], known: dict[T, int], valid: str
) -> list[int]:
    """Return the position of each choice, without repetitions."""
    for choice in choices:
        if choice not in known:
            raise HpoError(f"{option} {choice}: not in the test part. Valid: {valid}.")
    return [known[choice] for choice in dict.fromkeys(choices)]
