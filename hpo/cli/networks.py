"""Trained networks: ``hpo export --network`` and ``hpo trace``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import looking, show
from hpo.console import OPEN, STORAGE, STUDY, argument, at_least, command, one_of
from hpo.files import check_ending, check_writable, writing

if TYPE_CHECKING:
    from hpo.worker.network import StudyNetwork

WHICH_NETWORK = (
    argument(
        "--trial",
        type=at_least(0),
        metavar="K",
        help="its search trial (default: the best)",
    ),
    one_of(
        argument(
            "--member",
            type=at_least(0),
            metavar="M",
            help="network M of the trial, from 0",
        ),
        argument(
            "--fresh-seed",
            type=at_least(1),
            metavar="F",
            help=(
                "network F of its confirmation, from 1 (default: 1 if the trial was"
                " confirmed, else member 0; never the network with the best score)"
            ),
        ),
    ),
)


def _choose(arguments: argparse.Namespace) -> StudyNetwork:
    """Return the network that the options name.

    Raises:
        HpoError: there is no such study or network.
    """
    from hpo.worker import network

    which = {
        name: getattr(arguments, name) for name in ("trial", "member", "fresh_seed")
    }
    with looking(arguments) as ledger:
        return network.choose(
            ledger.result(arguments.study, curves=True), ledger, **which
        )


def export(arguments: argparse.Namespace) -> int:
    """``hpo export STUDY --network FILE``: write the kept network, or train it again.

    Raises:
        HpoError: there is no such network, or the file cannot be written.
    """
    from hpo.worker import network

    target: Path = arguments.network
    check_ending(target, ".safetensors")
    choice = _choose(arguments)
    check_writable(target)
    network.write(network.load(choice), target)
    print(target, target.with_suffix(".json"), sep="\n")
    return 0


# --- traces ---


@command(
    STUDY,
    *WHICH_NETWORK,
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
    """Plot the neurons of a network over time on series of the test set, as an HTML
    file.

    The network of a confirmed trial is stored; another one is trained again, which
    takes seconds to a minute. The plot shows the input channels (at most eight), and in
    every layer the neuron that separates the series best.

    Examples:
        hpo trace seqdigits
            plot the best trial on one image of each of four classes
        hpo trace --study seqdigits --classes 0,1,5 --open
            plot other classes (digits)
        hpo trace seqdigits --trial 12 --images 0,7 -o trace.csv write another trial on
            two images, chosen by position: state x, output y and drive of every neuron
            of every layer, as numbers
    """
    target: Path = arguments.output or Path(f"{arguments.study}-trace.html")
    check_ending(target, ".html", ".csv")
    choice = _choose(arguments)
    check_writable(target)
    from hpo.worker import network, replay, trace_page

    member = network.build(choice)
    images = replay.pick(member, arguments.images, arguments.classes)
    loaded = network.load(choice, member)
    run = replay.Replay(network=loaded, member=member, trace=member.trace(images))
    table = target.suffix == ".csv"
    text = replay.csv_text(run) if table else trace_page.page(run, arguments.command)
    with writing(target) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace", newline="")
    print(target)
    show(arguments, target)
    return 0
