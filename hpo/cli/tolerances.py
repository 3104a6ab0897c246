"""``hpo tolerances``: what the confirmed networks of a study ask of hardware."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hpo.cli import devices
from hpo.cli.common import looking, tell, terminal_width
from hpo.console import JSON, STORAGE, STUDY_OR_ONLY, argument, at_least, command
from hpo.errors import StudyError

if TYPE_CHECKING:
    from hpo.study.networks import Confirmation
    from hpo.study.result import Result


@command(
    STUDY_OR_ONLY,
    argument(
        "--trial",
        type=at_least(0),
        metavar="K",
        help="the networks of this confirmed trial (default: those of the verdict)",
    ),
    argument(
        "--device",
        metavar="NAME",
        help=(
            "oscillator of `hpo guide`, or FILE.toml:NAME, whose threshold current"
            " gives drive and weights in mA, too"
        ),
    ),
    JSON,
    STORAGE,
)
def tolerances(arguments: argparse.Namespace) -> int:
    """Show what the confirmed networks of a study ask of hardware.

    First: how much of each imperfection, alone, costs one point of accuracy (or a
    tenth of the error of a prediction), as the median over the networks with its
    interval, beside what hardware has. An imperfection is a key of [variability], or
    a delay of the coupling, a non-linear damping, another thermal power. Second: the
    range of drive, weights and states; a drive of 1 γ is the current at which the
    oscillation begins. Workers measure it after each training of a confirmation, if
    the networks are of a device.

    Examples:
        hpo tolerances seqdigits
            show the networks of the verdict
        hpo tolerances seqdigits --device vortex-mtj
            show currents, too
        hpo tolerances seqdigits --json | jq '.limits.coupling_delay_ns.amount'
            print one number for a program: in ns, as fractions of 1, or in bits
    """
    from hpo.study import tolerances as of_networks
    from hpo.views.records import json_records
    from hpo.views.sentences import tolerances as words
    from hpo.views.terminal import text_tables

    threshold_ma = None
    if arguments.device is not None:
        threshold_ma = devices.threshold_ma("hpo tolerances", arguments.device)
    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study))
    item = _choose(result, arguments.trial)
    card = of_networks.of(item)
    if card is None:
        raise StudyError(_missing(result, item))
    record = json_records.card(card) or {}
    limits = words.limit_rows(result.spec, card)
    ranges = words.range_rows(card, threshold_ma)
    width = terminal_width()
    tables = []
    for rows in (limits, ranges):
        cells = [list(rows[0]), *(list(row.values()) for row in rows)]
        tables.append(text_tables.columns(cells, width=width))
    first, second = tables
    record = {"study": result.name, "trial": item.source, **record}
    return tell(arguments, record, words.how(card), "", *first, "", *second)


def _choose(result: Result, number: int | None) -> Confirmation:
    """Return the confirmed trial of that number, or the one of the verdict.

    Raises:
        StudyError: it was not confirmed.
    """
    for item in result.tested:
        if number == item.source:
            return item
    if number is None and result.confirmed is not None:
        return result.confirmed
    confirmed = ", ".join(str(item.source) for item in result.tested)
    what = "no trial is" if number is None else f"trial {number} is not"
    raise StudyError(
        f"study {result.name!r}: {what} confirmed, and only confirmed networks are"
        f" measured. Confirmed: {confirmed or 'none yet'}."
    )


def _missing(result: Result, item: Confirmation) -> str:
    """Say why confirmed networks have no tolerances, and what to do."""
    where = f"study {result.name!r}, trial {item.source}: "
    confirm = result.spec.confirm
    if confirm is not None and not confirm.tolerances:
        return (
            f"{where}the study file has `tolerances = false` in [confirm]. Remove that"
            " line, and confirm under another name: hpo launch FILE --name NEW."
        )
    return (
        f"{where}its networks have no tolerances. Networks of a device get them, if"
        " they have learned something; an objective of your own, with a method"
        " `tolerances` (hpo.contract.MeasuresTolerances)."
    )
