"""Running the studies of the reproduction one after the other, and writing what they
gave."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hpo.errors import HpoError
from hpo.launch import plan
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study.result import Result
from hpo.study.trials import StudySnapshot, StudyState
from hpo.views.figures import declared
from hpo.views.sentences import formatting
from reproduction import (
    claims,
    data,
    drives,
    evidence,
    jobs,
    layers,
    page,
    pictures,
    readings,
    sensitivity,
    traces,
)
from reproduction.jobs import Job

FOLDER = "reproduction"
START_S = 10.0
"""What the workers of a study take to start."""


def run(
    figure: str | None,
    overrides: Sequence[str],
    workers: int | None,
    docs: Path,
    *,
    missing: bool = False,
) -> None:
    """Run the studies of a figure, or all, to their ends, and write their data.

    What is finished already is taken as it is, so that a second start goes on; with
    ``missing``, also what there are finished data of.

    Raises:
        HpoError: there is no such figure, or a study cannot be run; its launch has said
            why.
        subprocess.CalledProcessError: a launch was interrupted.
    """
    chosen = jobs.chosen(figure)
    folder = docs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        there = data.read_all(folder, [job.name for job in chosen])
        chosen = [job for job in chosen if not is_measured(job, there.get(job.name))]
    with open_storage(
        None
    ) as storage:  # held open: the embedded server stays up in between
        ledger = Ledger(storage, patience_s=120.0)
        _estimate(chosen, overrides, workers, ledger)
        for number, job in enumerate(chosen, start=1):
            _say(f"\n[{number}/{len(chosen)}] {job.name}, for {job.figure}")
            _launch(job, overrides, workers)
            snapshot = ledger.snapshot(job.name)
            path = folder / f"{job.name}.json"
            _compare(path, snapshot)
            data.write(snapshot, path)
            if job.name == "fig2b" and not overrides_the_sweep(overrides):
                traces.record(snapshot, folder)
                drives.record(snapshot, folder)
            for reading in readings.ALL:
                if job.name == (
                    "fig4" if reading is readings.PLAIN else f"reading-{reading.name}"
                ):
                    layers.record(snapshot, reading, folder)


def is_measured(job: Job, measured: StudySnapshot | None) -> bool:
    """Whether a study was measured as it is declared now, to its end."""
    if measured is None or job.declared.differences(measured.spec):
        return False
    return (
        evidence.finished(measured)
        if job.figure != "search"
        else bool(Result.of(measured).confirmations)
    )


def overrides_the_sweep(overrides: Sequence[str]) -> bool:
    """Whether a trial run has other points, which the panels of Fig. 2 may lack."""
    return any(text.startswith("sweep") for text in overrides)


def draw(docs: Path) -> None:
    """Draw every figure and write the document, from the data below ``docs`` alone.

    Raises:
        HpoError: there are no data, or Matplotlib is not installed.
    """
    folder = docs / FOLDER
    studies = data.read_all(folder, [job.name for job in jobs.JOBS])
    if not studies:
        raise HpoError(f"{folder}: no data. Run: make reproduce")
    for job in jobs.JOBS:  # a figure that was declared anew is drawn anew
        spec = job.declared
        if job.name in studies and spec.hash == studies[job.name].spec.hash:
            studies[job.name] = replace(studies[job.name], spec=spec)
    drawn = pictures.draw_all(studies, traces.read(folder), folder)
    evidences = evidence.gather(studies, layers.read(folder))
    answers = claims.answer_all(evidences)
    driven = drives.read(folder)
    drawn += page.write(studies, evidences, answers, driven, drawn, docs)
    drawn += sensitivity.write(answers, evidences, studies, docs)
    for path in drawn:
        print(path)


def _estimate(
    chosen: Sequence[Job], overrides: Sequence[str], workers: int | None, ledger: Ledger
) -> None:
    """Say what is left to train, and how long it will take."""
    there = {summary.name for summary in ledger.studies()}
    costs: dict[str, float] = {}
    total = 0.0
    cores = workers or plan.cores()
    for job in chosen:
        spec = job.spec(overrides)
        done = ledger.snapshot(job.name) if job.name in there else None
        left = (
            0.0
            if done and done.state == StudyState.DONE
            else jobs.epochs_of(spec, done)
        )
        if left and spec.objective not in costs:
            costs[spec.objective] = jobs.seconds_per_epoch(spec)
        seconds = left * costs.get(spec.objective, 0.0) / cores + (
            START_S if left else 0.0
        )
        total += seconds
        told = formatting.duration_text(seconds) + " left" if left else "finished"
        _say(f"{job.name:18} {told:>16}")
    took = formatting.duration_text(total)
    _say(f"about {took} on {cores} cores; stopped, it goes on when run again")


def _launch(job: Job, overrides: Sequence[str], workers: int | None) -> None:
    command = [
        sys.executable,
        "-m",
        "hpo.launch",
        "--study",
        job.study,
        "--name",
        job.name,
    ]
    for text in (*job.overrides, *overrides):
        command += ["--set", text]
    command += ["--no-report", *(["--workers", str(workers)] if workers else [])]
    status = _follow(command)
    if status == 1:
        raise HpoError(f"{job.name}: the study could not be run to its end; see above.")
    if status:
        raise subprocess.CalledProcessError(status, command)


def _follow(command: Sequence[str]) -> int:
    """Run a launch to its end; Ctrl-C and SIGTERM are for it, which stops its workers
    in order."""
    with subprocess.Popen(command) as launch:
        before = {
            signal.SIGINT: signal.signal(
                signal.SIGINT, lambda *_: None
            ),  # the terminal told it
            signal.SIGTERM: signal.signal(
                signal.SIGTERM, lambda *_: launch.terminate()
            ),
        }
        try:
            return launch.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _compare(path: Path, snapshot: StudySnapshot) -> None:
    """Say how a sweep compares with the data that are there: within its quartiles, or
    how many."""
    if not path.is_file() or snapshot.spec.sweep is None:
        return
    before = data.read(path)
    if before.spec.hash != snapshot.spec.hash or not evidence.finished(before):
        return
    charts = [declared.chart(Result.of(s)) for s in (before, snapshot)]
    old, new = ([p for g in c.groups for p in g.points] if c else [] for c in charts)
    pairs = list(zip(old, new, strict=False))
    within = sum(o.low <= n.median <= o.high for o, n in pairs)
    same = sum((o.low, o.median, o.high) == (n.low, n.median, n.high) for o, n in pairs)
    _say(
        f"against the data in {path}: {within} of {len(old)} medians within the"
        f" quartiles, {same} points the same to the last bit"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
