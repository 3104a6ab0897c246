"""``hpo import``: a backup, or a finished study of Optuna."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.cli.common import next_step, opened_storage, tell
from hpo.console import (
    JSON,
    STORAGE,
    Parser,
    argument,
    command,
    storage_option,
)
from hpo.errors import StudyError

if TYPE_CHECKING:
    from hpo.ledger.backup_lines import Backup
    from hpo.ledger.optuna_trials import FinishedStudy


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    if arguments.write_source is not None and arguments.dry_run:
        parser.error("argument --write-source: not allowed with --dry-run")
    is_url = "://" in arguments.source
    is_there = is_url or Path(arguments.source).exists()
    if arguments.optuna_study is not None and not is_there:
        parser.error(f"{arguments.source}: no such file")


@command(
    argument(
        "source",
        metavar="SOURCE",
        help=(
            "a backup, see `hpo export --help`; or a storage of Optuna: a URL, a SQLite"
            " or a journal file; or the name of a study that Optuna has made in this"
            " database"
        ),
    ),
    argument(
        "optuna_study",
        nargs="?",
        metavar="STUDY",
        help="name of the study in a storage of Optuna (default: the only one)",
    ),
    argument("--name", metavar="NEW", help="another name for the study"),
    argument(
        "--dry-run",
        action="store_true",
        help="only check the file, or the study of Optuna",
    ),
    argument(
        "--write-source",
        type=Path,
        metavar="FOLDER",
        help="of a backup, write the source of its own modules alone; import nothing",
    ),
    STORAGE,
    JSON,
    check=_check,
)
def import_(arguments: argparse.Namespace) -> int:
    """Import a study from a backup of `hpo export --backup`, or from Optuna.

    A truncated or changed backup is refused, and nothing is imported. An unfinished
    study continues in its new database with the same results as if it had never moved.

    A backup may hold the source of a device, an objective or a sampler of somebody's
    own. It is never run by an import, and written only if you say so: at a terminal you
    are asked, else nothing is written without --write-source.

    Of a study of Optuna, its finished trials are copied, with parameters,
    distributions, values, reported values and attributes; Optuna sees the copy, too. A
    study that Optuna has made in this database stays where it is. `hpo best` then says
    which trial is likely best, and `hpo confirm` trains it again.

    Examples:
        hpo import seqdigits.jsonl.gz --storage postgresql://me@server/hpo
            move a study from your machine to the shared database
        hpo import seqdigits.jsonl.gz --name seqdigits-copy
            import it under another name
        hpo import seqdigits.jsonl.gz --dry-run
            check that the file is complete and unchanged, without a database
        hpo import sqlite:///mine.db tuning
            import the study "tuning" of Optuna; likewise from journal.log or mine.db
    """
    for name in ("OMP", "OPENBLAS"):  # threads would wait for each other longer
        os.environ.setdefault(f"{name}_NUM_THREADS", "1")
    from hpo.ledger import optuna_source

    path = Path(arguments.source)
    if arguments.write_source is not None:
        return _write_source(arguments, path)
    if optuna_source.is_source(arguments.source):
        return _import_optuna(arguments)
    if path.exists() or path.suffix in (".jsonl", ".gz") or path.parent != Path():
        return _import_backup(arguments, path)
    return _adopt(arguments)


# --- backups ---


def _import_backup(arguments: argparse.Namespace, path: Path) -> int:
    from hpo.ledger import backup
    from hpo.ledger.ledger import Ledger

    if arguments.dry_run:
        study = backup.check(path, arguments.name)
        valid = f"{path} is valid: {_summary(study)}"
        return tell(arguments, _record(study), valid, *_list_sources(study))
    with opened_storage(arguments) as storage:
        study = backup.restore(storage, path, arguments.name)
        result = Ledger(storage).result(study.spec.name)
    return tell(
        arguments,
        _record(study),
        f"imported {_summary(study)}",
        f"show it: hpo status {study.spec.name}{storage_option(arguments.storage)}",
        *next_step(arguments, result),
        *_list_sources(study),
        *_offer_sources(arguments, path, study),
    )


def _write_source(arguments: argparse.Namespace, path: Path) -> int:
    """Write the source of a study's own modules, and nothing else."""
    from hpo.ledger import backup, backup_sources

    study = backup.check(path, arguments.name)
    sources = study.header.sources
    if not sources:
        raise StudyError(f"{path}: it holds no source of modules of its own.")
    written = backup_sources.write(sources, arguments.write_source)
    record = {"study": study.spec.name, "written": list(map(str, written))}
    return tell(arguments, record, *written)


def _list_sources(study: Backup) -> list[str]:
    """Return a line per module whose source a backup holds."""
    return [
        f"it holds the source of {own.path}, {len(own.text.splitlines())} lines"
        for own in study.header.sources
    ]


def _offer_sources(
    arguments: argparse.Namespace, path: Path, study: Backup
) -> list[str]:
    """Ask at a terminal whether to write the source of a study's own modules; return
    lines on what was done."""
    from hpo.ledger import backup_sources

    sources = study.header.sources
    if not sources:
        return []
    if sys.stdin.isatty() and sys.stdout.isatty() and not arguments.json:
        names = ", ".join(str(own.path) for own in sources)
        question = f"Write somebody's code into this folder: {names}? [y/N] "
        if input(question).strip().lower() in ("y", "yes"):
            written = backup_sources.write(sources, Path())
            return [f"written, not run: {own}" for own in written]
    do = f"hpo import {shlex.quote(str(path))} --write-source FOLDER"
    return [f"it is not written; read it before you run it: {do}"]


def _record(study: Backup) -> dict[str, Any]:
    from hpo.study.trials import SlotState

    return {
        "study": study.spec.name,
        "state": study.header.study.state,
        "trials": study.spec.budget.trials,
        "finished": study.states.total() - study.states[SlotState.RUNNING],
        **{str(state): study.states[state] for state in SlotState},
    }


def _summary(study: Backup) -> str:
    text = "{study}, {finished:,} of {trials:,} trials finished".format_map(
        _record(study)
    )
    return f"{text} ({_kinds(study.states) or 'none begun'})"


def _kinds(states: Counter[str]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))


# --- studies of Optuna ---


def _import_optuna(arguments: argparse.Namespace) -> int:
    from hpo.ledger import imports, optuna_source, optuna_trials

    source = optuna_source.read_source(arguments.source, arguments.optuna_study)
    if arguments.dry_run:
        study = optuna_trials.finish(source, arguments.name)
        return tell(arguments, _optuna_record(study), _optuna_summary(study))
    with opened_storage(arguments) as storage:
        study = imports.copy(storage, source, arguments.name)
    return _tell_imported(arguments, study)


def _adopt(arguments: argparse.Namespace) -> int:
    """Import a study that Optuna has made in this database."""
    from hpo.ledger import imports, optuna_trials

    name = arguments.source
    with opened_storage(arguments) as storage:
        source = imports.find_native(storage, name)
        if source is None:
            raise StudyError(
                f"{name}: neither a file, nor a URL, nor a study that Optuna has made"
                f" in {storage.place()}."
            )
        if arguments.dry_run:
            study = optuna_trials.finish(source, arguments.name)
            return tell(arguments, _optuna_record(study), _optuna_summary(study))
        study = imports.adopt(storage, source, arguments.name)
    return _tell_imported(arguments, study)


def _tell_imported(arguments: argparse.Namespace, study: FinishedStudy) -> int:
    name = shlex.quote(study.spec.name)
    storage = storage_option(arguments.storage)
    return tell(
        arguments,
        _optuna_record(study),
        f"imported {_optuna_summary(study)}",
        f"which is likely best: hpo best {name}{storage}",
        f"confirm it: hpo confirm {name} --objective train.py:objective{storage}",
    )


def _optuna_record(study: FinishedStudy) -> dict[str, Any]:
    return {
        "study": study.spec.name,
        "state": "done",
        "trials": study.spec.budget.trials,
        "left_out": study.left_out,
        **study.states,
    }


def _optuna_summary(study: FinishedStudy) -> str:
    text = f"{study.spec.name}, {len(study.trials):,} trials ({_kinds(study.states)})"
    if study.left_out:
        text += f"; {study.left_out} that run or wait are left out"
    return text
