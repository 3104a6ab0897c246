"""The overview: which studies it shows in how much room, the gap in words, the
workers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import snapshots
from listing import known, listed

from hpo.statistics.intervals import estimate, published
from hpo.study.trials import SlotState, StudyState, WorkerInfo, WorkerState
from hpo.views.sentences import comparison, progress
from hpo.views.terminal import status, text_tables

DONE = snapshots.realistic(snapshots.spec())
SEARCHED = snapshots.realistic(snapshots.spec(), confirmed=False)


def worker(number: int, **changes: Any) -> WorkerInfo:
    place = {"name": f"node-{number}-1234-abcdef", "host": f"node-{number}.example.org"}
    doing = f"toy-study: trial {number}, member 1 of 3, epoch 7 of 30"
    return snapshots.worker(
        **{**place, "doing": doing, "seconds_silent": 4.0, **changes}
    )


def test_a_score_is_above_or_below_another_one_by_a_test_alone() -> None:
    spec = snapshots.spec()
    for score, text in {
        0.8913: "level with it (0.7 points less)",
        0.9363: "3.8 points above it",
        0.8063: "9.2 points below it",
        0.9083: "level with it (1.0 point more)",
        0.89834: "level with it",
    }.items():
        own = estimate([score - 0.005, score + 0.005] * 5, 899)
        assert (
            comparison.against(spec, own, published(0.8983, 0.0291, 10), "it") == text
        )
    one, more = estimate([0.93]), "3.2 points more than it"
    assert comparison.against(spec, one, published(0.8983), "it") == more, (
        "no error is known"
    )


def test_confirmations_whose_networks_are_gone_count_for_nothing() -> None:
    """The study was deleted between two reads."""
    lost = tuple(replace(trial, members=()) for trial in DONE.confirm)
    line = status.study_lines([known(replace(DONE.snapshot, confirm=lost))])[1]
    assert " % in the search" in line


def test_a_study_that_cannot_be_read_here_says_why() -> None:
    line = status.study_lines(
        [(listed(problem="objective: it must be there, but got x"), None)]
    )[1]
    assert line.split()[:3] == ["toy-study", "open", "41/41"]
    assert "objective: it must be there, but got x" in line


def test_every_unfinished_study_is_shown_and_ten_finished_ones() -> None:
    done = [(listed(f"done-{i:03}", state=StudyState.DONE), None) for i in range(150)]
    others = [(listed(state, state=state), None) for state in ("failed", "stopped")]
    lines = status.overview([others[0], *done, others[1]], [])
    names = [line.split()[0] for line in lines[1:13]]
    assert names == ["failed", *(f"done-{i}" for i in range(140, 150)), "stopped"]
    assert lines[13:] == ["and 140 more: hpo status --all", "", "No worker is alive."]


@pytest.mark.parametrize("height", [24, 11, 7])
def test_an_overview_of_so_many_lines_shows_the_newest_studies_and_workers(
    height: int,
) -> None:
    studies = [(listed(f"study-{i}", state=StudyState.OPEN), None) for i in range(40)]
    lines = status.overview(studies, [worker(i) for i in range(64)], height=height)
    assert len(lines) == height
    more = lines.index("")
    assert lines[more - 2].startswith("study-39 ")
    assert lines[more - 1] == f"and {40 - more + 2} more: hpo status --all"
    assert lines[more + 2].startswith("node-0-")
    assert lines[-1] == "and more: hpo status"


def test_columns_give_way_and_the_numbers_stay_whole() -> None:
    studies = [
        known(DONE.snapshot, finished=41, running=4),
        (listed("elsewhere"), None),
    ]
    lines = status.study_lines(studies)
    epochs = f"{DONE.progress.epochs:,}"
    assert lines[0].split()[:5] == ["study", "state", "finished", "epochs", "running"]
    assert lines[1].split()[:5] == ["toy-study", "done", "41/60", epochs, "4"]
    assert lines[2].split()[:5] == ["elsewhere", "open", "41/41", "–", "4"]
    for width in (100, 80, 40, 32):
        lines = status.study_lines(studies, width=width)
        assert max(map(len, lines)) <= width
        assert "41/60" in lines[1]
    assert not {"epochs", "running"} & set(lines[0].split())


def test_workers_are_listed_with_host_slot_and_silence_the_living_first() -> None:
    lost = worker(7, alive=False, seconds_silent=95.0)
    ended = worker(8, alive=False, state=WorkerState.ENDED)
    lines = status.worker_lines([lost, worker(2), ended])
    assert lines[0].split() == ["worker", "host", "doing", "last", "seen"]
    assert lines[1].startswith(
        "node-2-1234-abcdef  node-2.example.org  toy-study: trial 2, member"
    )
    assert lines[1].endswith("  4 s ago")
    assert "lost: toy-study: trial 7" in lines[2]
    assert lines[2].endswith("1 min 35 s ago")
    assert len(lines) == 3


def test_a_worker_is_listed_with_its_job_and_log_whose_name_stays_whole() -> None:
    log = "/home/me/logs/toy/slurm/4711_3-1.log"
    workers = [worker(1, log=log, job="slurm 4711_3"), worker(2)]
    lines = status.worker_lines(workers)
    assert lines[0].split() == ["worker", "host", "doing", "last", "seen", "log", "job"]
    assert lines[1].endswith("  4 s ago  4711_3-1.log  slurm 4711_3")
    assert lines[3:] == ["logs in /home/me/logs/toy/slurm"]
    narrow = status.worker_lines(workers, width=60)
    assert max(map(len, narrow)) <= 60
    assert narrow[1].endswith("4711_3-1.log")


def test_columns_that_find_no_room_are_dropped_and_then_the_widest_are_cut() -> None:
    rows = [["name", "n", "since"], ["a-long-example", "10", "Monday"]]
    assert text_tables.columns(rows, width=12, drop=[2]) == [
        "name      n",
        "a-long-…  10",
    ]
    assert text_tables.columns(rows, width=1) == ["name  n   sin…", "a-l…  10  Mon…"]


def test_trials_that_were_computed_elsewhere_are_counted() -> None:
    lineages: list[dict[str, Any]] = [{}, *({"numerics": own} for own in "aabb")]
    slots = tuple(
        snapshots.slot(k, SlotState.COMPLETE, lineage=lineage)
        for k, lineage in enumerate(lineages)
    )
    snapshot = snapshots.snapshot(snapshots.spec(), slots)
    ending = (
        "; 2 of 4 trials and confirmations ran on another type of CPU, or with other"
        " package versions or thread counts (lineage)"
    )
    assert progress.progress(snapshot).endswith(ending)
    assert not progress.remarks(snapshots.snapshot(snapshots.spec(), slots[:3]))
