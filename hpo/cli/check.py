"""``hpo check``: rehearse one trial."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from hpo.cli.findings import Finding, line
from hpo.console import EXIT_ERROR, JSON, argument, command, script_arguments, study_of

if TYPE_CHECKING:
    from hpo.check import Rehearsal


@command(
    study_of(
        "a function of a script: train.py:objective; or a study file by name or path"
    ),
    argument(
        "--direction",
        dest="directions",
        action="append",
        choices=["minimize", "maximize"],
        help=(
            "of the value (default: that of the script's create_study, else minimize);"
            " repeated, of each value"
        ),
    ),
    script_arguments,
    JSON,
)
def check(arguments: argparse.Namespace) -> int:
    """Run one trial twice, and say whether a study is reproducible.

    It calls the function in two processes with the same seed and parameters, and once
    with another seed. Of a study file it trains the first network, for three epochs.
    No database is read or written.

    Exit status: 0 if the study is reproducible, 1 if not.

    Examples:
        hpo check train.py:objective
            does it repeat, does its seed matter, what parameters does it ask for, how
            long does a trial take?
        hpo check train.py:objective -- --data x.csv
            give the script its arguments
        hpo check seqdigits
            check the objective of a study file
        hpo check train.py:objective --json | jq .reproducible
            print the findings for a program
    """
    from hpo.check import Rehearsal
    from hpo.cli import rehearsing
    from hpo.study import file

    options = {
        "directions": arguments.directions,
        "arguments": arguments.script_arguments or None,
    }
    values = {key: value for key, value in options.items() if value is not None}
    spec = file.load(arguments.study, values=values)
    rehearsal = Rehearsal(spec)
    findings = []
    for finding in rehearsing.examine(spec, rehearsal):
        findings.append(finding)
        if not arguments.json:
            print(line(finding), flush=True)
    is_reproducible = rehearsal.is_reproducible
    if arguments.json:
        from hpo.views.records import json_records

        print(json_records.dumps(_record(rehearsal, findings)))
    elif is_reproducible:
        print(f"\nreproducible: {_launch(arguments)}")
    elif rehearsal.differences:
        print("\nnot reproducible")
    else:
        print("\nfailed")
    return 0 if is_reproducible else EXIT_ERROR


def _launch(arguments: argparse.Namespace) -> str:
    """Return the command that launches what was checked."""
    words = ["hpo", "launch", arguments.study]
    if arguments.directions:
        for direction in arguments.directions:
            words += ["--direction", direction]
    if arguments.script_arguments:
        words += ["--", *arguments.script_arguments]
    return shlex.join(words)


def _record(rehearsal: Rehearsal, findings: list[Finding]) -> dict[str, Any]:
    """Return what was measured, and the findings, for a program."""
    first = rehearsal.first
    parameters = {}
    for name, dimension in rehearsal.space.items():
        parameters[name] = dimension.model_dump(exclude_none=True)
        n_with, n_calls = rehearsal.count_calls(name)
        parameters[name] |= {"asked_in": n_with, "calls": n_calls}
    return {
        "reproducible": rehearsal.is_reproducible,
        "differs": rehearsal.differences,
        "seed_has_effect": rehearsal.seed_has_effect,
        "state": first.state,
        "values": first.values,
        "message": first.message,
        "parameters": parameters,
        "reports": len(first.reports),
        "asks_to_prune": first.asks_to_prune,
        "seconds": rehearsal.seconds,
        "epoch_seconds": first.epoch_s,
        "peak_bytes": first.peak_bytes,
        "findings": findings,
    }
