"""The home page and the metrics: what they say of studies, and that hostile names stay
text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pages
import snapshots
from listing import known, listed

from hpo.study.result import Result
from hpo.study.trials import (
    Event,
    Listed,
    NativeStudy,
    Phase,
    SlotState,
    StudyState,
    WorkerInfo,
)
from hpo.views.pages import metrics, overview
from hpo.views.terminal import status

DONE = snapshots.realistic(snapshots.spec())
OPEN = snapshots.changed(
    DONE, state=StudyState.OPEN, search=DONE.search[:41], confirm=(), workers=()
)


def at_work(study: str = "toy-study", **changes: Any) -> WorkerInfo:
    found = snapshots.worker(
        name=f"{study}@node-1", started_at=snapshots.START, **changes
    )
    return replace(found, study=study, phase=Phase.SEARCH)


def carded(result: Result, **changes: Any) -> tuple[Listed, overview.Card]:
    return known(result.snapshot, **changes)[0], overview.card(result)


def words(
    *studies: tuple[Listed, overview.Card | None], workers: Sequence[WorkerInfo] = ()
) -> str:
    text = overview.home(studies, (), workers, ())
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_a_study_is_held_against_what_is_reported_by_what_was_confirmed() -> None:
    searched = words(carded(OPEN))
    found = OPEN.headline
    assert found is not None
    assert f"{100 * found.score:.1f} % in the search" in searched
    assert "points more than the reported 89.83 ± 2.91 %" in searched
    assert "In progress toy-study waiting A toy reads digits." in searched
    assert re.search(r"41 of 60 finished: \d+ complete, \d+ pruned", searched)
    assert "Workers none at work" in searched
    done, item = words(carded(DONE)), DONE.confirmed
    assert item is not None
    assert f"{100 * item.mean:.1f} ± {100 * item.std:.1f} % confirmed" in done
    assert "Finished toy-study finished" in done
    assert f"Confirmed trial {item.source}, on 10 fresh seeds Search claimed " in done
    assert "Workers none" not in done


def test_who_is_at_work_is_told_and_why_nobody_is() -> None:
    busy = words(carded(OPEN), workers=[at_work(host="node-1")])
    assert "1 study, 1 running; 1 worker alive" in busy
    assert "toy-study running A toy" in busy
    assert "1 at work on node-1" in busy
    failed = listed(state=StudyState.FAILED, reason="trial 3: no memory\nTraceback")
    assert "Reason trial 3: no memory In optuna" in words((failed, None))
    missing = words((listed(problem="objective: it must be there, but got x"), None))
    assert "Unreadable objective: it must be there, but got x" in missing


WHY = (
    "study 'toy-study': the source has changed since its trials began. To go on: hpo"
    " resume toy-study --accept-code"
)


def test_workers_that_refuse_a_study_are_named_with_the_way_to_go_on() -> None:
    refusing = [
        snapshots.worker(name=f"w{i}", host="node-1", refuses={"toy-study": WHY})
        for i in range(2)
    ]
    gone = snapshots.worker(name="gone", alive=False, refuses={"toy-study": WHY})
    said = (
        "refused by 2 workers on node-1: the source has changed since its trials began."
        " To go on: hpo resume toy-study --accept-code"
    )
    workers = [*refusing, gone]
    assert "toy-study refused A toy reads digits." in words(
        carded(OPEN), workers=workers
    )
    assert f"Refused {said} Trials" in words(carded(OPEN), workers=workers)
    assert "refused" not in words(carded(DONE), workers=workers)
    assert f"This study is {said}" in overview.now("toy-study", 1, workers, ())
    lines = metrics.metrics([carded(OPEN), carded(DONE)], workers, 0.0).splitlines()
    assert "hpo_studies_refused 1" in lines
    assert any(line.startswith('hpo_info{version="') for line in lines)
    shown = status.overview([known(OPEN.snapshot)], workers, width=60)
    first = shown[: shown.index("")]
    assert " ".join(first) == f"toy-study: {said}"
    assert max(map(len, first)) <= 60
    result = Result.of(replace(OPEN.snapshot, workers=tuple(workers)))
    assert status.of_study(result)[0] == f"toy-study: {said}"
    assert status.next_step(result) == ""


def test_the_curve_is_close_to_the_reported_band_and_never_drawn_at_its_edge() -> None:
    drawn = overview.curve(OPEN)
    assert drawn is not None
    assert drawn.reported is not None
    centre, top, bottom = drawn.reported
    assert top < centre < bottom < overview.HEIGHT
    first, *rest = re.findall(r"V([\d.]+)", drawn.best)
    assert 0 < float(rest[-1]) < float(first), "the last one is in view, and higher"
    assert drawn.best.endswith(f"H{round(overview.WIDTH * 41 / 60, 1)}")
    assert overview.curve(snapshots.changed(OPEN, search=())) is None
    bare = snapshots.snapshot(snapshots.spec(reported=None), OPEN.search[:1])
    sole = overview.curve(bare)
    assert sole is None or sole.reported is None


def test_names_and_texts_of_people_stay_text() -> None:
    hostile = pages.HOSTILE
    card = replace(overview.card(OPEN), description=hostile, facts={hostile: hostile})
    event = Event(at=snapshots.START, who=hostile, what=hostile, study=hostile)
    stopped = listed(hostile, state=StudyState.STOPPED, reason=hostile)
    unread = listed(hostile, problem=hostile)
    workers = [at_work(hostile, host=hostile, doing=hostile)]
    shown = [(stopped, card), (unread, None)]
    native = NativeStudy(
        number=7,
        name=hostile,
        finished=3,
        running=0,
        best_value=0.5,
        created_at=snapshots.START,
    )
    found = overview.home(shown, [native], workers, [event])
    found += overview.now(hostile, 7, workers, [event])
    assert not {"img", "onerror"} & pages.names(found)
    assert found.count("&lt;img src=x") >= 14
    text = metrics.metrics([(listed('a"b\\c\nd'), overview.card(OPEN))], [], 0.0)
    assert 'hpo_trials{study="a\\"b\\\\c\\nd",state="running"} 4\n' in text


def test_metrics_count_trials_workers_and_the_queue_and_tell_their_age() -> None:
    lost = replace(at_work("toy-study", alive=False, seconds_silent=77.0), name="lost")
    studies = [
        carded(OPEN, running=1),
        carded(DONE, name="done"),
        (listed("unread"), None),
    ]
    workers = [at_work(seconds_silent=4.0), lost]
    lines = metrics.metrics(studies, workers, 1.25).splitlines()
    pruned = sum(trial.state == SlotState.PRUNED for trial in OPEN.search)
    for line in (
        "hpo_age_seconds 1.2",
        'hpo_studies{state="open"} 2',
        'hpo_trials{study="toy-study",state="running"} 1',
        f'hpo_trials{{study="toy-study",state="pruned"}} {pruned}',
        'hpo_queue_length{study="toy-study"} 18',
        "hpo_workers_alive 1",
        'hpo_worker_heartbeat_age_seconds{worker="toy-study@node-1",host="host"} 4',
    ):
        assert line in lines
    assert any(
        line.startswith('hpo_worker_heartbeat_age_seconds{worker="lost"')
        for line in lines
    )
    assert not any(line.startswith('hpo_queue_length{study="done"') for line in lines)
    names = {
        line.partition(" ")[0].partition("{")[0] for line in lines if line[0] != "#"
    }
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert names == typed
