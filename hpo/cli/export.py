"""Studies as files: ``hpo export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hpo.cli import chip, networks
from hpo.cli.common import looking, opened_storage
from hpo.console import STORAGE, STUDY, Parser, argument, at_least, command, one_of
from hpo.files import check_ending, writing


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options of one kind of file where another is written."""
    others = (arguments.backup, arguments.network, arguments.chip)
    if any(others) and arguments.curves:
        parser.error(
            "argument --curves: only allowed with a table, not a backup or network"
        )
    if arguments.format is not None and arguments.output is None:
        parser.error("argument --format: needs -o FILE")
    if arguments.trial is not None and not (arguments.network or arguments.chip):
        parser.error("argument --trial: only allowed with --network or --chip")
    for name in ("bits", "device"):
        if getattr(arguments, name) is not None and not arguments.chip:
            parser.error(f"argument --{name}: only allowed with --chip")


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
        argument(
            "--chip",
            type=Path,
            metavar="FILE",
            help="one network as values to programme into a chip, to FILE.csv",
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
    argument(
        "--bits",
        type=at_least(2, 16),
        metavar="N",
        help="--chip: round weights to N bits, and measure the score that is left",
    ),
    argument(
        "--device",
        metavar="NAME",
        help="--chip: currents in mA for this oscillator (docs/how-to/thermal.md)",
    ),
    STORAGE,
    check=_check,
)
def export(arguments: argparse.Namespace) -> int:
    """Write a study as a table or a backup, or one of its trained networks.

    `hpo import` reads a backup, also into another database, where the study continues
    as if it had never moved. It holds the source of modules of your own, such as a
    device. A table is for other programs.

    The database keeps of each confirmed trial the network of least training loss. Its
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
        hpo export seqdigits --chip weights.csv --bits 6 --device spin-hall-mtj
            write every weight and bias with sign and unit (S included), rounded to 6
            bits, in units of the damping and in mA; print the accuracy that is left
    """
    if arguments.network is not None:
        return networks.export(arguments)
    if arguments.chip is not None:
        return chip.export(arguments)
    if arguments.backup is not None:
        return _write_backup(arguments)
    if arguments.format is not None:
        return _write_format(arguments)
    return _write_table(arguments)


def _write_backup(arguments: argparse.Namespace) -> int:
    """Write a backup of the study to a file, and print its name."""
    from hpo.ledger import backup
    from hpo.ledger.reader import LedgerReader
    from hpo.views.sentences import progress

    with opened_storage(arguments, creates=False) as storage:
        sources = backup.export(storage, arguments.study, arguments.backup)
        result = LedgerReader(storage).result(arguments.study)
    print(arguments.backup, *progress.held_so_far(result), sep="\n")
    for own in sources.found:
        print(f"with the source of {own.path}")
    for name, why in sources.missing.items():
        print(f"without the source of {name}: {why}")
    return 0


def _write_format(arguments: argparse.Namespace) -> int:
    """Let the exporter of a package write the study, and print where."""
    from hpo.views.records import exporters
    from hpo.views.sentences import progress

    write = exporters.load(arguments.format)
    with looking(arguments) as ledger:
        result = ledger.result(arguments.study, curves=arguments.curves)
    write(result, arguments.output)
    print(arguments.output, *progress.held_so_far(result), sep="\n")
    return 0


def _write_table(arguments: argparse.Namespace) -> int:
    """Write the table of trials to a file and print its name, or write it to
    stdout."""
    from hpo.views.records import trial_tables
    from hpo.views.sentences import progress

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
    print(output, *progress.held_so_far(result), sep="\n")
    return 0
