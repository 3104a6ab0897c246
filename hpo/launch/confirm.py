"""``hpo confirm``: train the likely best of a finished study of Optuna again, by the
function that made it.

This module declares the command line, so that ``--help`` is fast; the work is a launch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.console import (
    JSON_LINES,
    REPORT,
    STORAGE,
    STUDY,
    argument,
    at_least,
    command,
    script_arguments,
    seconds,
)
from hpo.errors import StudyError

if TYPE_CHECKING:
    from hpo.postgres.connect import Storage
    from hpo.study.spec import StudySpec

SEEDS = 10
"""Default of ``--seeds``."""


@command(
    STUDY,
    argument(
        "--objective",
        metavar="SCRIPT",
        help="the function that made the trials: train.py:objective",
    ),
    argument(
        "--seeds",
        type=at_least(2, 1000),
        metavar="N",
        help=f"fresh seeds of each trial (default: {SEEDS})",
    ),
    argument(
        "--top",
        type=at_least(1, 100),
        metavar="N",
        help=(
            "confirm the best N by posterior mean, and the best N by value (default: 1)"
        ),
    ),
    script_arguments,
    argument(
        "--workers",
        type=at_least(0),
        metavar="N",
        help="worker processes on this machine (default: one per core)",
    ),
    argument("--timeout", type=seconds, metavar="SECONDS", help="stop after this time"),
    STORAGE,
    JSON_LINES,
    REPORT,
)
def confirm(arguments: argparse.Namespace) -> int:
    """Confirm the likely best trial of an imported study, from fresh seeds.

    The likely best trial has the best posterior mean; the one with the best value, if
    it is another, is confirmed beside it. The function gets the stored parameters. A
    study that Optuna has made in this database is imported first, in its place. Run it
    again to resume. Until a confirmation succeeds, it may name another function, other
    seeds or arguments.

    Exit status: 0 done, 1 failed (also if every call fails) or timed out, 130 after
    Ctrl-C.

    Examples:
        hpo confirm tuning --objective train.py:objective
            call the function with 10 fresh seeds for each
        hpo confirm tuning --objective train.py:objective --seeds 5 -- --data x.csv
            with 5 seeds; the script gets arguments
    """
    from hpo import config
    from hpo.launch.options import ChosenStudy, LaunchOptions
    from hpo.launch.run import Launch, sigterm_as_interrupt
    from hpo.postgres.connect import open_storage

    options = LaunchOptions(
        command=arguments.command,
        site=config.load({"workers": arguments.workers, "executor": "local"}),
        storage=arguments.storage,
        timeout_s=arguments.timeout,
        json=arguments.json,
        report=arguments.report,
        writes_report=not arguments.no_report,
    )
    with sigterm_as_interrupt(), open_storage(options.storage) as storage:
        spec = _prepare(storage, arguments)
        study = ChosenStudy(spec=spec, where=spec.name)
        return Launch(options, study, storage).run()


def _prepare(storage: Storage, arguments: argparse.Namespace) -> StudySpec:
    """Give the study what a confirmation needs, and return its spec.

    Raises:
        StudyError: there is no such study, or it is none to be confirmed so.
        SpecError: the function cannot be called.
    """
    from hpo.ledger import confirming, imports, optuna_trials
    from hpo.ledger.ledger import Ledger

    ledger = Ledger(storage)
    source = imports.find_native(storage, arguments.study)
    if source is not None:
        known = optuna_trials.finish(source).spec
        spec = _amend(known, arguments)
        imports.adopt(storage, source, None)
    else:
        snapshot = ledger.snapshot(arguments.study)
        known = snapshot.spec
        if not snapshot.awaits_function:
            return _resume(known, arguments)
        spec = _amend(known, arguments)
        if spec.stored() == known.stored() and not snapshot.failed_to_confirm:
            return known
    confirming.confirm(ledger, spec)
    return spec


def _amend(known: StudySpec, arguments: argparse.Namespace) -> StudySpec:
    """Return the spec of an imported study with function and ``[confirm]``.

    What is not asked for stays as an earlier command has set it; a function that is
    named again comes with its arguments.
    """
    from hpo.study import file, functions
    from hpo.study.spec import StudyKind

    where = f"study {known.name!r}"
    if arguments.objective is None and known.is_imported:
        raise StudyError(
            f"{where}: name the function that made its trials: --objective"
            " train.py:objective."
        )
    tree = known.stored()
    if arguments.objective is not None:
        tree["objective"] = arguments.objective
        tree.pop("arguments", None)
    else:
        tree["objective"] = str(Path(known.folder or "") / known.objective)
    if arguments.script_arguments:
        tree["arguments"] = arguments.script_arguments
    before = known.confirm
    top = before.top if before is not None else 1
    seeds = before.seeds if before is not None else SEEDS
    tree["confirm"] = {"top": arguments.top or top, "seeds": arguments.seeds or seeds}
    if known.kind == StudyKind.SEARCH:
        tree["confirm"]["by"] = "both"
    return file.validate(functions.locate(tree, Path()), where=where)


def _resume(known: StudySpec, arguments: argparse.Namespace) -> StudySpec:
    """Return the spec of a study that has its function, unless another confirmation is
    asked for."""
    where = f"study {known.name!r}"
    if not known.is_function or known.confirm is None:
        raise StudyError(
            f"{where}: not imported from Optuna. What is confirmed stands in its study"
            " file, [confirm]."
        )
    asked = (arguments.seeds, arguments.top)
    have = (known.confirm.seeds, known.confirm.top)
    same = all(one in (None, own) for one, own in zip(asked, have, strict=True))
    if arguments.objective is not None:
        same = same and Path(arguments.objective).name == known.objective
    if not same:
        raise StudyError(
            f"{where}: already confirmed, with --objective {known.objective} --seeds"
            f" {known.confirm.seeds} --top {known.confirm.top}. To confirm again,"
            " import it under another name."
        )
    return known
