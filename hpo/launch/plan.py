"""The plan of a launch: its data, its number of workers, and ``--dry-run``."""

from __future__ import annotations

import os

from hpo.errors import SpecError
from hpo.launch import executors
from hpo.launch.options import ChosenStudy, LaunchOptions
from hpo.ledger.ledger import Ledger
from hpo.objectives import data
from hpo.objectives.data import Contents, SeriesContents
from hpo.objectives.data.uncertainty import Uncertainty, uncertainty
from hpo.postgres.connect import open_storage
from hpo.search.uncompiled import name_uncompiled
from hpo.study.spec import StudySpec
from hpo.views.records import json_records, plan
from hpo.views.records.plan import Plan
from hpo.views.sentences import formatting, task_data, uncompiled, untaken
from hpo.views.terminal import dry_run


class DryRun:
    """A launch that writes nothing."""

    def __init__(self, study: ChosenStudy, options: LaunchOptions) -> None:
        """Read nothing yet."""
        self._study = study
        self._options = options

    def show(self) -> None:
        """Print what would run, and the job script.

        Raises:
            HpoError: the data, or the study of a warm start, cannot be read.
        """
        planned = self._plan()
        if self._options.json:
            print(json_records.dumps(plan.record(planned)))
            return
        print("\n".join(dry_run.lines(planned)))
        if planned.script:
            print(f"\n{planned.script}", end="")

    def _plan(self) -> Plan:
        options = self._options
        launch = options.site.launch
        spec = pinned(self._study.spec, options.storage)
        contents = task_contents(spec)
        workers = launch.workers
        if workers is None:
            workers = default_workers(spec)
        executor = executors.executor(options, spec.name, storage_url="")
        return Plan(
            spec=spec,
            where=self._study.where,
            data=contents,
            uncertainty=score_uncertainty(spec, contents),
            database=options.database,
            workers=workers,
            executor=launch.executor,
            jobs=executor.where(workers),
            script=executor.script(workers) if workers else None,
            uncompiled=name_uncompiled(spec),
        )


def task_contents(spec: StudySpec) -> Contents | SeriesContents | None:
    """Describe the data that the study's task reads; None if the task does not say.

    Raises:
        SpecError: the data is missing, or has changed since the study file was read.
    """
    if not spec.has_class:
        return None
    try:
        return data.contents(spec.task_params)
    except ValueError as error:
        raise SpecError(f"study {spec.name!r}: task: {error}") from None


def score_uncertainty(
    spec: StudySpec, contents: Contents | SeriesContents | None
) -> Uncertainty | None:
    """Return the standard error of a trial's score, if that is an accuracy."""
    if not spec.is_accuracy or not isinstance(contents, Contents):
        return None
    share = spec.reported.score if spec.reported else None
    return uncertainty(contents, share, spec.budget.seeds, spec.protocol)


def describe_data(spec: StudySpec) -> list[str]:
    """Describe the data that the study's task reads, in words, or its function; and say
    if no kernel computes its networks.

    Raises:
        SpecError: see ``task_contents``.
    """
    if spec.is_function:
        lines = [formatting.function_text(spec)]
        text = untaken.untaken_text(spec)
        if text:
            lines.append(f"not taken {text}")
        return lines
    contents = task_contents(spec)
    lines = task_data.describe(spec, contents, score_uncertainty(spec, contents))
    slow = uncompiled.uncompiled_text(name_uncompiled(spec))
    return [*lines, slow] if slow else lines


def pinned(spec: StudySpec, storage_url: str | None) -> StudySpec:
    """Return the spec as it would be registered; only one that names earlier studies
    reads the database."""
    if spec.is_pinned:
        return spec
    with open_storage(storage_url) as storage:
        return Ledger(storage).pinned(spec)


def default_workers(spec: StudySpec) -> int:
    """Return one worker per core, or per ``threads`` cores, but no more than can have
    work."""
    useful = min(spec.budget.window, spec.budget.trials)
    if spec.confirm is not None:
        useful = max(useful, spec.confirm.trainings)
    threads = spec.fixed.get("threads")
    if not isinstance(threads, int):
        threads = 1
    return min(max(1, cores() // threads), useful)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
