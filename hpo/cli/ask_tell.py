"""The commands of studies that somebody outside evaluates: ask, tell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hpo.cli.common import opened_storage
from hpo.cli.common import tell as answer
from hpo.console import (
    JSON,
    STORAGE,
    STUDY,
    Parser,
    argument,
    command,
    seconds,
    storage_option,
)

if TYPE_CHECKING:
    from hpo.asktell.client import Asked, Client, Nothing
    from hpo.study.ask_and_tell import AskedSlot

LEASE_S = 3600.0
NOTHING_NOW = 3
"""Exit status of ``hpo ask`` if other trials must be told first."""
DONE = 4
"""Exit status of ``hpo ask`` if the study is done."""


def _slot(text: str) -> AskedSlot:
    """Convert an argument to the trial that it names."""
    from hpo.study.ask_and_tell import AskedSlot

    try:
        return AskedSlot.read(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a trial as hpo ask prints it, such as 17 or 7.3, got {text!r}"
        ) from None


def _number(text: str) -> float:
    """Convert an argument to a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


@contextmanager
def _client(options: argparse.Namespace, name: str | None) -> Iterator[Client]:
    from hpo.asktell.client import Client

    with opened_storage(options) as storage:
        yield Client(storage, options.study, name)


@command(
    STUDY,
    argument(
        "--renew",
        type=_slot,
        metavar="K",
        help="extend the lease on trial K, which this client has asked for",
    ),
    argument(
        "--lease",
        type=seconds,
        default=LEASE_S,
        metavar="SECONDS",
        help=(
            "give the trial to another client after this time without --renew"
            f" (default: {LEASE_S:g})"
        ),
    ),
    argument(
        "--client",
        metavar="NAME",
        help=(
            "name of this client, which holds one trial at a time (default: USER@HOST)"
        ),
    ),
    STORAGE,
    JSON,
)
def ask(options: argparse.Namespace) -> int:
    """Ask for the next trial of a study that you evaluate yourself, as an instrument.

    Its file has objective = "ask-and-tell" (docs/how-to/instrument.md); `hpo launch`
    registers it. Asked again before the value is told, a client gets the same trial: a
    loop that was killed just starts again. After the search, the best configuration is
    asked again if the file says so ([confirm]): such a trial is called 7.3, the third
    repetition of trial 7.

    Exit status: 0 a trial, 1 an error, 3 nothing to ask until other trials are told, 4
    the study is done.

    Examples:
        hpo ask bench
            show the parameters of the next trial
        hpo ask bench --json
            for a program: {"trial": 17, "params": {"current_ma": 5.8}, "lease_s": 3600}
        hpo ask bench --json --client left --lease 600
            one of several clients on this computer; another one gets its trial ten
            minutes after it has died
        hpo ask bench --renew 17 --lease 600
            trial 17 takes longer: keep it for ten more minutes
    """
    from hpo.asktell.client import Nothing

    with _client(options, options.client) as client:
        if options.renew is not None:
            client.renew(options.renew, options.lease)
            record = {"trial": options.renew.key, "lease_s": options.lease}
            return answer(options, record, f"{options.study}: {_renewed(options)}")
        asked = client.ask(options.lease)
    if isinstance(asked, Nothing):
        return _say_nothing(options, asked)
    return answer(options, _record(asked), *_lines(options, asked))


def _renewed(options: argparse.Namespace) -> str:
    return f"trial {options.renew} is yours for {options.lease:g} s more"


def _say_nothing(options: argparse.Namespace, nothing: Nothing) -> int:
    """Say that there is nothing to evaluate, and return the exit status."""
    if nothing.done:
        answer(options, {"done": True}, f"{nothing.reason}; nothing is left to ask")
        return DONE
    record = {"done": False, "reason": nothing.reason}
    answer(options, record, f"{nothing.reason}; ask again later")
    return NOTHING_NOW


def _record(asked: Asked) -> dict[str, Any]:
    return {
        "trial": asked.slot.key,
        "params": asked.params,
        "confirmation": asked.confirms,
        "again": asked.again,
        "lease_s": asked.lease_s,
    }


def _lines(options: argparse.Namespace, asked: Asked) -> Iterator[str]:
    which = f"trial {asked.slot}"
    if asked.confirms:
        repetition = f"repetition {asked.slot.repetition}"
        which += f", {repetition} of trial {asked.slot.number} to confirm it"
    if asked.again:
        which += ", asked before"
    yield f"{options.study}: {which}"
    for name, value in asked.params.items():
        yield f"  {name} = {value}"
    storage = storage_option(options.storage)
    yield f"next: hpo tell {options.study} {asked.slot} VALUE{storage}"


def _check(parser: Parser, options: argparse.Namespace) -> None:
    if options.state == "failed" and options.values:
        parser.error("a failed trial has no value: give one or --state failed")
    if options.state is None and not options.values:
        parser.error("tell a value, or --state failed")
    if options.sd is not None and not options.values:
        parser.error("--sd is that of a value, and there is none")


@command(
    argument("study", metavar="STUDY", help="name of the study"),
    argument("trial", type=_slot, metavar="K", help="trial, as hpo ask has printed it"),
    argument(
        "values",
        type=_number,
        nargs="*",
        metavar="VALUE",
        help="its value; several in the order of `metrics` in the study file",
    ),
    argument(
        "--sd",
        type=_number,
        metavar="SD",
        help="standard deviation of the first value, if you know it",
    ),
    argument(
        "--state",
        choices=["failed", "pruned"],
        help="how the trial has ended without a final value",
    ),
    STORAGE,
    JSON,
    check=_check,
)
def tell(options: argparse.Namespace) -> int:
    """Tell the value of a trial that you have asked for.

    It counts whoever has asked for the trial, also after the lease has run out, and it
    counts once: the same value again is accepted, another one is refused.

    Examples:
        hpo tell bench 17 39.2
            trial 17 has measured 39.2
        hpo tell bench 17 39.2 --sd 0.8
            the sampler kriging-believer counts the noise of this value
        hpo tell bench 17 39.2 -4.5
            a study of two values
        hpo tell bench 17 --state failed
            it has no value; later trials do not learn from it
    """
    from hpo.study.trials import SlotState

    state = SlotState(options.state or "complete")
    with _client(options, None) as client:
        before = client.tell(options.trial, options.values, sd=options.sd, state=state)
    told = " ".join(f"{value:.15g}" for value in options.values)
    if options.sd is not None:
        told += f" ± {options.sd:g}"
    line = f"{options.study}: trial {options.trial} {state} {told}".rstrip()
    if before:
        line += ", as told before"
    record = {
        "trial": options.trial.key,
        "state": state,
        "values": options.values,
        "sd": options.sd,
        "again": before,
    }
    return answer(options, record, line)
