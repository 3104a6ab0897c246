"""A launch with ``--repeat``: the same study with several study seeds, one after the
other, and how their results scatter."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hpo.console import EXIT_ERROR, EXIT_NO_RESULT
from hpo.errors import SpecError, expected
from hpo.files import check_ending
from hpo.launch import executors, plan
from hpo.launch.ending import say
from hpo.launch.options import ChosenStudy, LaunchOptions
from hpo.launch.run import Launch, sigterm_as_interrupt
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study.replication import Replication
from hpo.study.trials import StudyState
from hpo.views.figures import pictures
from hpo.views.records import json_records
from hpo.views.terminal import status


def run(arguments: Namespace) -> int:
    """Run the studies that are not done, report on all, and return the exit status.

    Args:
        arguments: the parsed command line of ``hpo.launch.__main__``, with ``repeat``.

    Raises:
        HpoError: the study file, the database or the workers cannot be used, or a study
            has failed or was stopped.
    """
    name, studies = _list_studies(arguments)
    options = LaunchOptions.of_line(arguments)
    executors.check(options.site)
    path = _report_path(name, options)
    if arguments.dry_run:
        plan.DryRun(studies[0], options).show()
        return 0
    each = replace(options, writes_report=False)
    with sigterm_as_interrupt(), open_storage(options.storage) as storage:
        ledger = Ledger(storage)
        done = _list_done(ledger, studies)
        for study in studies:
            if study.spec.name in done:
                say(f"{study.spec.name}: finished already")
                continue
            end = Launch(each, study, storage).run()
            if end == EXIT_ERROR:  # timed out, with a message
                return end
        results = [ledger.result(study.spec.name) for study in studies]
    _show(Replication(name, results), options, path)
    if any(result.lacks_complete_trial for result in results):
        return EXIT_NO_RESULT
    return 0


def _list_studies(arguments: Namespace) -> tuple[str, list[ChosenStudy]]:
    """Return the name of the study, and the study with each seed, all checked.

    Raises:
        SpecError: the file or an option is invalid, or nothing is confirmed.
    """
    first = ChosenStudy.of_line(arguments)
    spec = first.spec
    if spec.confirm is None or arguments.no_confirm:
        rule = "a study that confirms its best trial"
        got = "one without a confirmation"
        do = "Compare searches by what they confirm: write [confirm]."
        raise SpecError(expected(f"{first.where}: --repeat", rule, got, do))
    studies = []
    for seed in range(spec.seed, spec.seed + arguments.repeat):
        own = {"seed": seed, "name": f"{spec.name}-seed{seed}"}
        studies.append(ChosenStudy.of_line(Namespace(**{**vars(arguments), **own})))
    studies[0].check()
    return spec.name, studies


def _list_done(ledger: Ledger, studies: Sequence[ChosenStudy]) -> set[str]:
    """Return the names of the studies that are done.

    Raises:
        StudyError: another study has one of the names.
    """
    known = {study.name for study in ledger.studies()}
    done = set()
    for study in studies:
        spec = study.spec
        if spec.name not in known:
            continue
        ledger.register(spec)
        if ledger.result(spec.name).state == StudyState.DONE:
            done.add(spec.name)
    return done


def _report_path(name: str, options: LaunchOptions) -> Path | None:
    """Return where the report goes; None without one.

    Raises:
        HpoError: it is neither a page nor a picture.
    """
    if not options.writes_report:
        return None
    path = options.report or Path(f"{name}-repeat-report.html")
    check_ending(path, ".html", *pictures.ENDINGS)
    return path


def _show(replication: Replication, options: LaunchOptions, path: Path | None) -> None:
    """Print the distribution, and write its report."""
    if path is not None:
        _write(replication, path)
    if options.json:
        record = {
            "event": "replication",
            **json_records.replication(replication),
            "report": path,
        }
        print(json_records.dumps(record), flush=True)
        return
    lines = status.of_replication(replication)
    if path is not None:
        lines += ["", f"report  {path}"]
    print("\n".join(lines), flush=True)


def _write(replication: Replication, path: Path) -> None:
    # plotly, which most of a launch does not need
    from hpo.views.figures import replication as drawing
    from hpo.views.pages import page
    from hpo.views.pages import replication as pages

    if path.suffix == ".html":
        page.save(pages.html(replication), path)
    else:
        pictures.write(drawing.figure(replication), path)
