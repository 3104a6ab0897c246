"""``hpo delete``: a study is gone, and its name is free."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hpo.cli.common import opened, storage_option, tell
from hpo.console import Parser, answer
from hpo.errors import HpoError

_EXAMPLES = """\
hpo delete seqdigits
    asks first; what `hpo export seqdigits --backup seqdigits.jsonl.gz` kept can be imported again
hpo delete seqdigits --yes
    without asking, as scripts need
hpo stop seqdigits
    first, while workers are at work on it"""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hpo delete", "Delete a study with all its trials, in Optuna's tables, too.", _EXAMPLES
    )
    p.add_study()
    p.add_argument("--yes", action="store_true", help="do not ask")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, do it, and return the exit status."""
    arguments = parser().parse_with_study(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Ask, and delete it.

    Raises:
        HpoError: nobody can be asked.
    """
    from hpo.ledger import interventions
    from hpo.views import verdict

    name = arguments.study
    with opened(arguments) as ledger:
        if not arguments.yes:
            if not sys.stdin.isatty():
                raise HpoError(
                    f"study {name!r}: to delete it must be confirmed, but there is no terminal to "
                    f"ask on. Say so with: hpo delete {name}{storage_option(arguments)} --yes."
                )
            has = verdict.progress(ledger.snapshot(name))
            said = input(f"Delete {name} ({has}) for ever? Type its name: ")
            if said.strip() != name:
                raise HpoError(f"study {name!r}: kept, since you typed {said.strip()!r}.")
        interventions.delete_study(ledger, name)
    return tell(arguments, {"study": name, "deleted": True}, f"{name}: deleted")
