"""Studies as files: ``hpo report``, ``hpo export``, and back again ``hpo import``."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hpo.cli import networks
from hpo.cli.common import looking, next_step, opened_storage, show, tell
from hpo.console import (
    JSON,
    OPEN,
    STORAGE,
    STUDY,
    STUDY_OR_ONLY,
    Parser,
    argument,
    command,
    one_of,
    storage_option,
)
from hpo.errors import HpoError
from hpo.files import check_ending, writing

if TYPE_CHECKING:
    from hpo.ledger.backup import Backup
    from hpo.study.result import Result
    from hpo.study.trials import StudySnapshot

_FACTS = ("phase", "number", "source", "state", "score", "attempts", "losses", "worker")
_TIMES = ("started_at", "settled_at", "message")
_MEMBER = ("member", "seed", "score", "diverged", "seconds")
_SOLVED = ("solved_score", "solved_converged", "solved_steps_per_point", "trained_steps_per_point")
"""In the ``info`` of a member whose time step was checked; columns where a member has them."""


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options of one kind of file where another is written."""
    if (arguments.backup or arguments.network) and arguments.curves:
        parser.error("argument --curves: goes with a table, not a backup or network")
    for option in ("trial", "member", "fresh_seed"):
        if not arguments.network and getattr(arguments, option) is not None:
            parser.error(f"argument --{option.replace('_', '-')}: goes with argument --network")


@command(
    STUDY,
    one_of(
        argument(
            "-o", "--output", type=Path, metavar="FILE", help=".csv, .jsonl (default: stdout)"
        ),
        argument(
            "--backup", type=Path, metavar="FILE", help="all of it, to FILE.jsonl or FILE.jsonl.gz"
        ),
        argument("--network", type=Path, metavar="FILE", help="one network, to FILE.safetensors"),
    ),
    argument("--curves", action="store_true", help="with score and loss after every epoch"),
    *networks.WHICH_NETWORK,
    STORAGE,
    check=_check,
)
def export(arguments: argparse.Namespace) -> int:
    """Write a study: trials as a table, all of it as a backup, or one trained network.

    A backup is for `hpo import`, also into another database: it holds one moment of the study,
    which goes on there as if it had never moved. A table is for other programs.

    Of a confirmed trial the network of the first fresh seed is kept; others are trained again. The
    description goes beside it, as .json: `hpo.objectives.artifacts.load_network(FILE)` reads both.

    Examples:
        hpo export seqdigits -o seqdigits.csv
            one row per trained network: parameters, seed, score, seconds; as .jsonl one JSON object
            per trial
        hpo export seqdigits --backup seqdigits.jsonl.gz
            the whole study: specification, trials, networks, curves, lineage, checkpoints
        hpo export seqdigits --network t7.safetensors --trial 7 --member 2
            network 2 of trial 7; without --trial, of the best
    """
    if arguments.network is not None:
        return networks.export(arguments)
    if arguments.backup is not None:
        from hpo.ledger import backup

        with opened_storage(arguments) as storage:
            backup.export(storage, arguments.study, arguments.backup)
        print(arguments.backup)
        return 0
    output: Path | None = arguments.output
    if output is not None:
        check_ending(output, ".csv", ".jsonl")
    write = _write_jsonl if output and output.suffix == ".jsonl" else _write_csv
    with looking(arguments) as ledger:
        snapshot = ledger.snapshot(arguments.study, curves=arguments.curves)
    if output is None:
        write(snapshot, sys.stdout, arguments.curves)
        return 0
    with writing(output) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        write(snapshot, stream, arguments.curves)
    print(output)
    return 0


def _write_jsonl(snapshot: StudySnapshot, stream: TextIO, curves: bool) -> None:
    from hpo.views import json_records

    for slot in (*snapshot.search, *snapshot.confirm):
        record = json_records.trial(snapshot.spec, slot, curves=curves)
        stream.write(json_records.dumps({"study": snapshot.spec.name, **record}) + "\n")


def _write_csv(snapshot: StudySnapshot, stream: TextIO, curves: bool) -> None:
    """One row per member; a slot without any has one row without member."""
    from hpo.objectives.facts import CHIP_SCORES, THERMAL
    from hpo.views import json_records

    spec, slots = snapshot.spec, (*snapshot.search, *snapshot.confirm)
    costs = spec.cost_columns
    own = [f"member_{name}" if name == "score" else name for name in _MEMBER]
    kept = ("curve", "loss_curve") if curves else ()
    told = {name for slot in slots for member in slot.members for name in member.info}
    thermal = [name for field, name in THERMAL.items() if field != "remedy"]
    checked = [name for name in (*_SOLVED, *thermal, CHIP_SCORES) if name in told]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_FACTS, *costs, *own, *spec.parameters, *kept, *_TIMES, *checked])
    for slot in slots:
        record = json.loads(json_records.dumps(json_records.trial(spec, slot, curves=curves)))
        facts = [*(record[name] for name in _FACTS), *(slot.costs or [None] * len(costs))]
        params = [record["params"].get(name) for name in spec.parameters]
        times = [record[name] for name in _TIMES]
        for member in record["members"] or [{}]:
            of_member = [member.get(name) for name in _MEMBER]
            learning = [_cell(member.get(name)) for name in kept]
            checks = [_cell(member.get("info", {}).get(name)) for name in checked]
            writer.writerow([*facts, *of_member, *params, *learning, *times, *checks])


def _cell(value: Any) -> Any:
    """A value of a column that may hold lists, which are JSON there."""
    return json.dumps(value) if isinstance(value, list) else value


# --- hpo import -----------------------------------------------------------------------------------


@command(
    argument("file", type=Path, metavar="FILE", help="a backup; see `hpo export --help`"),
    argument("--name", metavar="NEW", help="another name for the study"),
    argument("--dry-run", action="store_true", help="check the file, touch no database"),
    STORAGE,
    JSON,
)
def import_(arguments: argparse.Namespace) -> int:
    """Bring a study from a backup file into the database, as `hpo export --backup` wrote it.

    All of it is imported, or nothing: a file that was cut short or changed is refused. A study that
    was not finished goes on there: its table ends as if it had never moved.

    Examples:
        hpo import seqdigits.jsonl.gz --storage postgresql://me@server/hpo
            from your own machine to the shared database
        hpo import seqdigits.jsonl.gz --name seqdigits-copy
            under another name
        hpo import seqdigits.jsonl.gz --dry-run
            check that the file is whole and sound, without a database
    """
    from hpo.ledger import backup
    from hpo.ledger.ledger import Ledger

    if arguments.dry_run:
        found = backup.check(arguments.file, arguments.name)
        return tell(arguments, _record(found), f"{arguments.file} is sound: {_told(found)}")
    with opened_storage(arguments) as storage:
        found = backup.restore(storage, arguments.file, arguments.name)
        result = Ledger(storage).result(found.spec.name)
    return tell(
        arguments,
        _record(found),
        f"imported {_told(found)}",
        f"look at it: hpo status {found.spec.name}{storage_option(arguments.storage)}",
        *next_step(arguments, result),
    )


def _record(found: Backup) -> dict[str, Any]:
    from hpo.study.trials import SlotState

    return {
        "study": found.spec.name,
        "state": found.header.study.state,
        "trials": found.spec.budget.trials,
        "settled": found.states.total() - found.states[SlotState.RUNNING],
        **{str(state): found.states[state] for state in SlotState},
    }


def _told(found: Backup) -> str:
    kinds = ", ".join(f"{count:,} {state}" for state, count in sorted(found.states.items()))
    text = "{study}, {settled:,} of {trials:,} trials settled".format_map(_record(found))
    return f"{text} ({kinds or 'none begun'})"


# --- hpo report -----------------------------------------------------------------------------------


@command(
    STUDY_OR_ONLY,
    one_of(
        argument("-o", "--output", type=Path, metavar="FILE", help="default: ./STUDY-report.html"),
        argument(
            "--picture",
            type=Path,
            metavar="FILE",
            help="instead of the report, draw one figure as FILE.svg, .pdf or .png",
        ),
    ),
    OPEN,
    STORAGE,
    JSON,
)
def report(arguments: argparse.Namespace) -> int:
    """Write a study as one HTML file, or its figure as a picture, and print the path.

    Studies that are running have reports, too. The figure is what the study's file declares in
    [figure]; without one its convergence, with a [cost] its front.

    Examples:
        hpo report seqdigits --open
            writes ./seqdigits-report.html, which needs no network, and opens it in the browser
        hpo report seqdigits --picture seqdigits.svg
            a figure for a paper
    """
    from hpo.views import pictures, verdict
    from hpo.views.report import write
    from hpo.worker import replay

    picture: Path | None = arguments.picture
    if picture is not None:
        check_ending(picture, *pictures.ENDINGS)
    with looking(arguments) as ledger:
        result = ledger.result(ledger.named(arguments.study), curves=True)
        others = ledger.overlays(result.spec)
        matrix = None if picture else replay.confusion(ledger, result)
    if picture is not None:
        path = _draw(result, others, picture)
        record = {"picture": str(path)}
    else:
        target = arguments.output or Path(f"{result.name}-report.html")
        path = write(result, target, others, matrix)
        record = {"report": str(path), "verdict": verdict.verdict(result)}
    tell(arguments, record, path)
    show(arguments, path)
    return 0


def _draw(result: Result, others: list[Result], path: Path) -> Path:
    """The study's ``[figure]``; without one its front if it has a cost, else its convergence."""
    from hpo.views import pictures, verdict
    from hpo.views.figures import declared

    if result.spec.drawn is None and (found := declared.of_study(result, others)):
        return pictures.write(found, path)
    chart = declared.chart(result, others)
    if chart is None:
        raise HpoError(
            f"study {result.spec.name!r}: a [figure] in its file must say what to draw, but "
            f"there is none. Add one and launch the study again: its trials are kept."
        )
    if not chart.groups:
        raise HpoError(
            f"study {result.spec.name!r}: a trial must have its place on the x axis "
            f"({chart.x_label}), but got none: {verdict.progress(result)}. Wait for one, or "
            f"change `x` of its [figure]."
        )
    return pictures.write(declared.figure(chart), path)
