"""The home page and the metrics: what they say of studies, and that hostile names stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pages
import snapshots
from summaries import CONFIRMED, summary

from hpo.study.snapshot import StudyState
from hpo.study.summary import Course, Event, Overview, StudySummary
from hpo.study.trials import Phase, SlotState
from hpo.views.overview import curve, metrics, page

NOW = snapshots.START + timedelta(hours=2)


def course(**changes: Any) -> Course:
    values: dict[str, Any] = {
        "counts": {SlotState.COMPLETE: 30, SlotState.PRUNED: 11},
        "best": ((0, 0.5), (3, 0.86), (20, 0.9051)),
        "middle": 0.8,
        "settled_at": tuple(NOW - timedelta(minutes=i) for i in range(1, 21)),
        "trained": ((NOW - timedelta(seconds=90), 90), (NOW - timedelta(hours=1), 999)),
    }
    return Course(**{**values, **changes})


def overview(*studies: StudySummary, **changes: Any) -> Overview:
    values: dict[str, Any] = {
        "now": NOW,
        "studies": tuple((i, study, course()) for i, study in enumerate(studies, 1)),
        "others": (),
        "workers": (),
        "events": (),
    }
    return Overview(**{**values, **changes})


def at_work(study: str = "toy-study", **changes: Any) -> Any:
    found = snapshots.worker(name=f"{study}@node-1", started_at=snapshots.START, **changes)
    return replace(found, study=study, phase=Phase.SEARCH)


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_a_study_is_held_against_what_is_reported_by_what_was_confirmed() -> None:
    searched = words(page.page(overview(summary())))
    assert "90.5 % in the search 0.7 points above the reported 89.83 ± 2.91 %" in searched
    assert "In progress toy-study waiting A toy reads digits." in searched
    assert "41 of 60 settled: 30 complete, 11 ended early; 4,711 epochs" in searched
    assert "Workers none at work" in searched
    done = summary(state=StudyState.DONE, confirmed=CONFIRMED)
    found = words(page.page(overview(done)))
    assert "89.1 ± 1.2 % confirmed 0.7 points below the reported 89.83 ± 2.91 %" in found
    assert "Finished toy-study finished" in found
    assert "Confirmed trial 3, on 10 fresh seeds Search best 90.5 %" in found
    assert "Workers none" not in found


def test_a_study_that_is_no_more_at_work_says_why() -> None:
    failed = summary(state=StudyState.FAILED, reason="trial 3: no memory\nTraceback")
    assert "Why trial 3: no memory In optuna" in words(page.page(overview(failed)))
    missing = words(page.page(overview(summary(spec=None))))
    assert "its objective toy_objective:ToyObjective is not installed here" in missing
    assert "0.9051 in the search" in missing


def test_the_time_left_is_told_at_the_pace_of_the_workers_at_work() -> None:
    study = summary()
    assert page.seconds_left(overview(study), study, course()) is None, "nobody is at work"
    busy = overview(study, workers=(at_work(),))
    # 19 trials are left; the last 20 took a minute each
    assert page.seconds_left(busy, study, course()) == 19 * 20 * 60 / 19
    late = replace(at_work(), started_at=NOW - timedelta(seconds=150))
    again = overview(study, workers=(late,))
    assert page.seconds_left(again, study, course()) is None, "two trials say little"
    assert "about 20 min 00 s for the search" in words(page.page(busy))
    assert "1 study, 1 running; 1 worker alive" in words(page.page(busy))


def test_the_curve_is_close_to_the_reported_band_and_never_drawn_at_its_edge() -> None:
    spec = snapshots.spec()
    drawn = curve.curve(spec, summary(), course())
    assert drawn is not None
    assert drawn.reported is not None
    centre, top, bottom = drawn.reported
    assert top < centre < bottom < curve.HEIGHT
    # the first trial, 50 %, is below the picture, which begins at the median, 80 %
    first, *rest = re.findall(r"V([\d.]+)", drawn.best)
    assert float(re.match(r"M[\d.]+ ([\d.]+)", drawn.best)[1]) > curve.HEIGHT  # type: ignore[index]
    assert [float(first) < curve.HEIGHT, float(rest[0]) < float(first)] == [True, True]
    assert drawn.best.endswith(f"H{round(curve.WIDTH * 41 / 60, 1)}")
    assert curve.curve(spec, summary(), course(best=(), middle=None)) is None
    sole = curve.curve(
        snapshots.spec(reported=None), summary(), course(best=((0, 0.5),), middle=0.5)
    )
    assert sole is not None
    assert sole.reported is None


def test_names_and_texts_of_people_stay_text() -> None:
    spec = snapshots.unchecked(description=pages.HOSTILE)
    event = Event(at=NOW, who=pages.HOSTILE, what=pages.HOSTILE, study=pages.HOSTILE)
    study = summary(pages.HOSTILE, spec=spec, state=StudyState.STOPPED, reason=pages.HOSTILE)
    found = page.page(overview(study, others=((7, pages.HOSTILE),), events=(event,)))
    assert not {"img", "onerror"} & pages.names(found)
    assert found.count("&lt;img src=x") >= 8
    text = metrics.text(overview(summary('a"b\\c\nd')), 0.0)
    assert 'hpo_trials{study="a\\"b\\\\c\\nd",state="complete"} 30\n' in text


def test_metrics_count_trials_workers_epochs_and_the_queue() -> None:
    lost = replace(at_work("toy-study", alive=False, seconds_silent=77.0), name="lost")
    studies = summary(), summary("done", state=StudyState.DONE)
    lines = metrics.text(
        overview(*studies, workers=(at_work(seconds_silent=4.0), lost)), 1.25
    ).splitlines()
    for line in (
        'hpo_studies{state="open"} 1',
        'hpo_trials{study="toy-study",state="running"} 1',
        'hpo_trials{study="toy-study",state="pruned"} 11',
        'hpo_queue_length{study="toy-study"} 18',
        "hpo_workers_alive 1",
        'hpo_epochs_per_second{study="toy-study"} 0.15',
        'hpo_worker_heartbeat_age_seconds{worker="toy-study@node-1",host="host"} 4',
    ):
        assert line in lines
    assert any(line.startswith('hpo_worker_heartbeat_age_seconds{worker="lost"') for line in lines)
    assert not any(line.startswith('hpo_queue_length{study="done"') for line in lines)
    names = {line.partition(" ")[0].partition("{")[0] for line in lines if line[0] != "#"}
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert names == typed
