"""What the commands share that train a stored network again: its options, and ``--network``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import opened
from hpo.console import Parser, at_least
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.worker.artifacts.retrain import Choice, Retrained
    from objectives.inspection import NetworkMember


def add_options(p: Parser) -> None:
    """``--trial``, ``--member`` and ``--fresh-seed``: which network."""
    p.add_argument(
        "--trial", type=at_least(0), metavar="K", help="its search trial (default: the best)"
    )
    one = p.add_mutually_exclusive_group()
    one.add_argument(
        "--member", type=at_least(0), metavar="M", help="network M of the trial, from 0"
    )
    one.add_argument(
        "--fresh-seed",
        type=at_least(1),
        metavar="F",
        help="network F of its confirmation, from 1 (default: the first one if the trial was "
        "confirmed, else member 0; never the luckiest)",
    )


def choose(arguments: argparse.Namespace, study: str) -> Choice:
    """The network that the options name.

    Raises:
        HpoError: there is no such study or network.
    """
    with opened(arguments) as ledger:
        snapshot = ledger.snapshot(study, curves=True)
    from hpo.worker.artifacts import retrain

    return retrain.choose(
        snapshot,
        trial=arguments.trial,
        member=arguments.member,
        fresh_seed=arguments.fresh_seed,
    )


def train(choice: Choice, network: NetworkMember) -> Retrained:
    """Train it again, with a line of progress and a check against the ledger on stderr."""
    from hpo.worker.artifacts import retrain

    with progress() as say:
        retrained = retrain.train(choice, network, say)
    print(f"{retrained.check} ({retrained.seconds:.1f} s)", file=sys.stderr)
    return retrained


def export(arguments: argparse.Namespace) -> int:
    """``hpo export STUDY --network FILE``: train the network again and write it.

    Raises:
        HpoError: there is no such network, or the file cannot be written.
    """
    target: Path = arguments.network
    if target.suffix != ".safetensors":
        raise HpoError(
            f"--network {target}: the ending must be .safetensors, but got "
            f"{target.suffix or 'none'}. The description goes beside it, as .json."
        )
    choice = choose(arguments, arguments.study)
    prepare(target)
    from hpo.worker.artifacts import retrain

    network = retrain.build(choice)
    retrained = train(choice, network)
    with writing(target):
        network.save(target, retrain.about(retrained))
    print(target)
    print(target.with_suffix(".json"))
    return 0


def prepare(target: Path) -> None:
    """Make sure, before the training, that a file can be written.

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


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """One line on stderr: rewritten on a terminal; in a log it says once what is going on."""
    terminal, said = sys.stderr.isatty(), False

    def say(text: str) -> None:
        nonlocal said
        if terminal:
            sys.stderr.write(f"\r\033[K{text}")
        elif not said:
            sys.stderr.write(f"{text}\n")
        said = True
        sys.stderr.flush()

    try:
        yield say
    finally:
        if terminal:
            sys.stderr.write("\r\033[K")
