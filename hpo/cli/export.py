"""Studies as files: ``hpo export`` and ``hpo import``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli import networks
from hpo.cli.common import looking, next_step, opened_storage, tell
from hpo.console import (
    JSON,
    STORAGE,
    STUDY,
    Parser,
    argument,
    command,
    one_of,
    storage_option,
)
from hpo.files import check_ending, writing

if TYPE_CHECKING:
    from hpo.ledger.backup_lines import Backup


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options of one kind of file where another is written."""
    if (arguments.backup or arguments.network) and arguments.curves:
        parser.error(
            "argument --curves: only allowed with a table, not a backup or network"
        )
    if arguments.format is not None and arguments.output is None:
        parser.error("argument --format: needs -o FILE")
    if arguments.trial is not None and not arguments.network:
        parser.error("argument --trial: only allowed with --network")


@command(
    STUDY,
    one_of(
        argument(
            "-o",
            "--output",
            type=Path,
            metavar="FILE",
            help=".csv or .jsonl (else stdout)",
        ),
        argument(
            "--backup",
            type=Path,
            metavar="FILE",
            help="whole study, to FILE.jsonl[.gz]",
        ),
        argument(
            "--network",
            type=Path,
            metavar="FILE",
            help="one network, to FILE.safetensors",
        ),
    ),
    argument(
        "--format",
        metavar="NAME",
        help="format of an installed package; -o is a file or a folder",
    ),
    argument(
        "--curves", action="store_true", help="include score and loss after every epoch"
    ),
    networks.TRIAL,
    STORAGE,
    check=_check,
)
def export(arguments: argparse.Namespace) -> int:
    """Write a study as a table of trials, as a backup, or one of its trained networks.

    `hpo import` reads a backup, also into another database, where the study continues
    as if it had never moved. A table is for other programs.

    The database keeps the network of the first fresh seed of each confirmed trial. Its
    description is written beside it as .json:
    `hpo.objectives.training.artifacts.load_network(FILE)` reads both.

    Examples:
        hpo export seqdigits -o seqdigits.csv
            write one row per trained network: parameters, seed, score, seconds; with
            .jsonl one JSON object per trial
        hpo export seqdigits --backup seqdigits.jsonl.gz
            write the whole study: specification, trials, networks, curves, lineage,
            checkpoints
        hpo export seqdigits --network t7.safetensors --trial 7
            write the network of confirmed trial 7 (default: of the best trial)
    """
    if arguments.network is not None:
        return networks.export(arguments)
    if arguments.backup is not None:
        return _write_backup(arguments)
    if arguments.format is not None:
        return _write_format(arguments)
    return _write_table(arguments)


def _write_backup(arguments: argparse.Namespace) -> int:
    """Write a backup of the study to a file, and print its name."""
    from hpo.ledger import backup

    with opened_storage(arguments) as storage:
        backup.export(storage, arguments.study, arguments.backup)
    print(arguments.backup)
    return 0


def _write_format(arguments: argparse.Namespace) -> int:
    """Let the exporter of a package write the study, and print where."""
    from hpo.views.records import exporters

    write = exporters.load(arguments.format)
    with looking(arguments) as ledger:
        result = ledger.result(arguments.study, curves=arguments.curves)
    write(result, arguments.output)
    print(arguments.output)
    return 0


def _write_table(arguments: argparse.Namespace) -> int:
    """Write the table of trials to a file and print its name, or write it to
    stdout."""
    from hpo.views.records import trial_tables

    output: Path | None = arguments.output
    write = trial_tables.write_csv
    if output is not None:
        check_ending(output, ".csv", ".jsonl")
        if output.suffix == ".jsonl":
            write = trial_tables.write_jsonl
    with looking(arguments) as ledger:
        result = ledger.result(arguments.study, curves=arguments.curves)
    if output is None:
        write(result, sys.stdout, curves=arguments.curves)
        return 0
    with (
        writing(output) as draft,
        draft.open("w", encoding="utf-8", newline="") as stream,
    ):
        write(result, stream, curves=arguments.curves)
    print(output)
    return 0


# --- hpo import ---


@command(
    argument(
        "file", type=Path, metavar="FILE", help="a backup; see `hpo export --help`"
    ),
    argument("--name", metavar="NEW", help="another name for the study"),
    argument("--dry-run", action="store_true", help="only check the file"),
    STORAGE,
    JSON,
)
def import_(arguments: argparse.Namespace) -> int:
    """Import a study from a backup file of `hpo export --backup` into the database.

    A truncated or changed file is refused, and nothing is imported. An unfinished study
    continues in its new database with the same results as if it had never moved.

    Examples:
        hpo import seqdigits.jsonl.gz --storage postgresql://me@server/hpo
            move a study from your machine to the shared database
        hpo import seqdigits.jsonl.gz --name seqdigits-copy
            import it under another name
        hpo import seqdigits.jsonl.gz --dry-run
            check that the file is complete and unchanged, without a database
    """
    from hpo.ledger import backup
    from hpo.ledger.ledger import Ledger

    if arguments.dry_run:
        study = backup.check(arguments.file, arguments.name)
        return tell(
            arguments, _record(study), f"{arguments.file} is valid: {_summary(study)}"
        )
    with opened_storage(arguments) as storage:
        study = backup.restore(storage, arguments.file, arguments.name)
        result = Ledger(storage).result(study.spec.name)
    return tell(
        arguments,
        _record(study),
        f"imported {_summary(study)}",
        f"show it: hpo status {study.spec.name}{storage_option(arguments.storage)}",
        *next_step(arguments, result),
    )


def _record(study: Backup) -> dict[str, Any]:
    from hpo.study.trials import SlotState

    return {
        "study": study.spec.name,
        "state": study.header.study.state,
        "trials": study.spec.budget.trials,
        "settled": study.states.total() - study.states[SlotState.RUNNING],
        **{str(state): study.states[state] for state in SlotState},
    }


def _summary(study: Backup) -> str:
    kinds = ", ".join(
        f"{count:,} {state}" for state, count in sorted(study.states.items())
    )
    text = "{study}, {settled:,} of {trials:,} trials settled".format_map(
        _record(study)
    )
    return f"{text} ({kinds or 'none begun'})"
