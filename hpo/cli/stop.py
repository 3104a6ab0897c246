"""``hpo stop``: no worker goes on with a study until it is resumed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened, storage_option, tell
from hpo.console import Parser, answer

_EXAMPLES = """\
hpo stop seqdigits
    from any host: trials at work are saved at their next epoch and given up, nothing is lost
hpo resume seqdigits
    the other way round; until then `hpo launch` and workers leave the study alone"""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo stop",
        "Stop a study everywhere: its workers keep their training safe and leave it.",
        _EXAMPLES,
    )
    p.add_study()
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, do it, and return the exit status."""
    arguments = parser().parse_with_study(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Stop it."""
    from hpo.ledger import interventions

    with opened(arguments) as ledger:
        held = interventions.stop(ledger, arguments.study)
    name, storage = arguments.study, storage_option(arguments)
    saving = f"; {held} trials at work are saved at their next epoch and given up" if held else ""
    record = {"study": name, "state": "stopped", "held": held}
    return tell(
        arguments, record, f"{name}: stopped{saving}", f"go on with: hpo resume {name}{storage}"
    )
