"""``hpo publish``: figures and notes of studies for the dashboard, now."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpo.cli.common import opened_storage, tell
from hpo.console import Parser, answer

_EXAMPLES = """\
hpo publish
    every study whose figures on the dashboard are not of its present state
hpo publish seqdigits
    one study

A launch and `hpo dashboard` publish what they watch by themselves. This is for Optuna's own
dashboard, where neither runs: after an import, or for studies of an older version."""


def parser() -> Parser:
    """The command line."""
    p = Parser("hpo publish", "Show studies on the dashboard as they are now.", _EXAMPLES)
    p.add_argument("study", nargs="?", metavar="STUDY", help="name (default: all)")
    p.add_storage()
    p.add_json()
    return p


def main(argv: Sequence[str]) -> int:
    """Parse, publish, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Publish them.

    Raises:
        StudyError: there is no such study, or Optuna's tables have lost it.
    """
    from hpo.dashboard.publish import Publisher

    with opened_storage(arguments) as storage:
        publisher = Publisher(storage)
        if arguments.study is None:
            names = [found.study for found in publisher.stale()]
        else:
            names = [arguments.study]
        written = {name: publisher.publish(name, least_s=0.0) for name in names}
    lines = [
        f"{name}: {'published' if new else 'nothing to publish: its state is shown'}"
        for name, new in written.items()
    ]
    return tell(arguments, {"published": written}, *(lines or ["every study is shown as it is"]))
