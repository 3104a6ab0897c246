"""``hpo export``: trials as a table, a study as a backup, one network."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hpo.cli import networks
from hpo.cli.common import looking, opened_storage
from hpo.console import STORAGE, STUDY, Parser, argument, command, one_of
from hpo.files import check_ending, writing

if TYPE_CHECKING:
    from hpo.study.trials import StudySnapshot


_FACTS = ("phase", "number", "source", "state", "score", "attempts", "losses", "worker")
_TIMES = ("started_at", "settled_at", "message")
_MEMBER = ("member", "seed", "score", "diverged", "seconds")
_SOLVED = ("solved_score", "solved_converged", "solved_steps_per_point", "trained_steps_per_point")
"""In the ``info`` of a member whose time step was checked; columns where a member has them."""


def _check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options of one kind of file beside another."""
    other = next((kind for kind in ("backup", "network") if getattr(arguments, kind)), None)
    for option in ("format", "curves"):
        if other and getattr(arguments, option):
            parser.error(f"argument --{option}: not allowed with argument --{other}")
    for option in ("trial", "member", "fresh_seed"):
        if not arguments.network and getattr(arguments, option) is not None:
            parser.error(f"argument --{option.replace('_', '-')}: goes with argument --network")


@command(
    STUDY,
    one_of(
        argument("-o", "--output", type=Path, metavar="FILE", help="the table (default: stdout)"),
        argument(
            "--backup", type=Path, metavar="FILE", help="all of it, to FILE.jsonl or FILE.jsonl.gz"
        ),
        argument("--network", type=Path, metavar="FILE", help="one network, to FILE.safetensors"),
    ),
    argument(
        "--format",
        choices=["csv", "jsonl"],
        help="of the table (default: by the file's ending, .csv or .jsonl, else csv)",
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
    description goes beside it, as .json, and `objectives.artifacts.load_network(FILE)` reads both.

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
    write = {".csv": _write_csv, ".jsonl": _write_jsonl}[_ending(arguments.format, output)]
    with looking(arguments) as ledger:
        snapshot = ledger.snapshot(arguments.study, curves=arguments.curves)
    if output is None:
        write(snapshot, sys.stdout, arguments.curves)
        return 0
    with writing(output) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        write(snapshot, stream, arguments.curves)
    print(output)
    return 0


def _ending(given: str | None, output: Path | None) -> str:
    if given or output is None:
        return f".{given or 'csv'}"
    check_ending(output, ".csv", ".jsonl")
    return output.suffix


def _write_jsonl(snapshot: StudySnapshot, stream: TextIO, curves: bool) -> None:
    from hpo.views import json_records

    for slot in (*snapshot.search, *snapshot.confirm):
        record = json_records.trial(snapshot.spec, slot, curves=curves)
        stream.write(json_records.dumps({"study": snapshot.spec.name, **record}) + "\n")


def _write_csv(snapshot: StudySnapshot, stream: TextIO, curves: bool) -> None:
    """One row per member; a slot without any has one row without member."""
    from hpo.study.thermal_power import CHIP_SCORES, STORED
    from hpo.views import json_records

    spec, slots = snapshot.spec, (*snapshot.search, *snapshot.confirm)
    costs = spec.cost_columns
    own = [f"member_{name}" if name == "score" else name for name in _MEMBER]
    kept = ("curve", "loss_curve") if curves else ()
    told = {name for slot in slots for member in slot.members for name in member.info}
    thermal = [name for field, name in STORED.items() if field != "remedy"]
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
