"""What a launch shows: plain lines, JSON lines, the live view, the chart and the
result."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
import snapshots
from rich.console import Console
from snapshots import worker

from hpo.errors import for_python
from hpo.study.trials import SlotState, StudySnapshot, StudyState
from hpo.views.records import json_records
from hpo.views.sentences import comparison, formatting, verdict
from hpo.views.terminal import chart, live, screen, status
from hpo.views.terminal.live import QUIET_S, JsonView, PlainView, waiting_line

DONE = snapshots.realistic(snapshots.spec())


def at(
    finished: int, *, running: int = 0, minutes: float = 0.0, **changes: object
) -> StudySnapshot:
    """The realistic study when so many trials were finished and so many running."""
    slots = DONE.search[: finished + running]
    search = slots[:finished] + tuple(
        replace(slot, state=SlotState.RUNNING, score=None, finished_at=None, members=())
        for slot in slots[finished:]
    )
    values = {
        "search": search,
        "confirm": (),
        "state": StudyState.OPEN,
        "workers": (worker(),),
    }
    now = snapshots.START + timedelta(minutes=minutes)
    return snapshots.changed(DONE, **{**values, "now": now, **changes})  # type: ignore[arg-type]


def test_parameters_come_last_where_a_short_line_is_cut() -> None:
    slots = [*DONE.search[8:10], *DONE.confirm[:1]]
    lines = live.trial_lines(DONE, slots)[1:]
    for line, slot in zip(lines, slots, strict=True):
        assert line.startswith(DONE.label(slot))
        assert f" {slot.state} " in line
        assert f" {formatting.score_cell(DONE.spec, slot)} " in line[:76]


def test_news_are_told_once_and_what_was_there_is_no_news() -> None:
    view = JsonView(at(3))
    assert [slot.number for slot in view.news(at(5))] in ([3, 4], [4, 3])
    assert list(view.news(at(5))) == []
    assert {slot.phase for slot in view.news(DONE)} == {"search", "confirm"}


def test_plain_lines_count_say_the_best_and_give_the_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = PlainView(at(23))
    view.update(at(25))
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith("toy-study: 23 of 60 trials finished: ")
    assert [line.split("] ")[0] for line in output[1:]] == ["[24/60", "[25/60"]
    number = int(output[2].split("trial ")[1].split()[0])
    slot = DONE.search[number]
    assert (
        f"trial {number} complete {formatting.score_cell(DONE.spec, slot)} (best "
        in output[2]
    )
    assert f" x={slot.params['x']:.4g} k={slot.params['k']} rate_per_ns=" in output[2]
    before = snapshots.confirmation(
        DONE.ranking[-1].number, 0, 0.5
    )  # no longer among the best
    view.update(snapshots.changed(DONE, confirm=(before, *DONE.confirm)))
    output = capsys.readouterr().out.splitlines()
    failed = next(line for line in output if " failed: " in line)
    assert failed.endswith("failed: ValueError: tau_ns is too short")
    assert output[-1].startswith("[confirmation 20/20] trial ")
    assert "fresh seed 10 of 10: 9" in output[-1]


def test_plain_output_says_that_it_waits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, QUIET_S + 1, QUIET_S + 1, QUIET_S + 2])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    view = PlainView(at(12, running=4))
    for _ in range(3):
        view.update(at(12, running=4))
    output = capsys.readouterr().out.splitlines()
    assert len(output) == 2
    assert output[1].startswith("waiting: 12 of 60 trials finished")
    assert "; 1 worker alive, last heartbeat 3 s ago; about " in output[1]
    assert waiting_line(at(12, workers=())).endswith("; no worker serves this study")


def test_json_lines_are_strict_json_and_notes_stay_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = JsonView(at(58))
    view.note("a worker ended")
    view.update(DONE)
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["trial"] * 2 + ["confirmation"] * 20
    assert {"number", "state", "score", "params", "members", "finished", "best"} <= set(
        events[0]
    )
    assert err == "a worker ended\n"


def test_records_hold_no_nan() -> None:
    text = json_records.dumps(
        {
            "a": math.nan,
            "b": [math.inf, 1.0],
            "c": snapshots.START,
            "d": DONE.confirmations,
        }
    )
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert (strict["a"], strict["b"]) == (None, [None, 1.0])


def drawn(
    snapshot: StudySnapshot, width: int, height: int, notes: int = 0
) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=False
    )
    view = screen.of_study(
        snapshot,
        storage="database hpo of the embedded server",
        notes=["a worker ended"] * notes,
        width=width,
        height=height,
    )
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 12), (20, 6)])
@pytest.mark.parametrize("workers", [0, 1, 40])
@pytest.mark.parametrize("finished", [0, 1, 30])
def test_the_live_view_fits_every_terminal(
    size: tuple[int, int], workers: int, finished: int
) -> None:
    width, height = size
    crowd = tuple(worker(f"toy-study@host-{i}") for i in range(workers))
    lines = drawn(at(finished, running=4, workers=crowd), width, height, notes=1)
    assert len(lines) <= height
    assert all(len(line.rstrip()) <= width - 2 for line in lines), (
        "Ctrl-C is echoed behind the last"
    )


def test_the_live_view_shows_progress_best_workers_and_trials() -> None:
    text = "\n".join(drawn(at(30, running=4), 100, 40))
    assert "toy-study  toy_objective:ToyObjective" in text
    assert f"\n{'█' * 30}{'·' * 30} 30/60\n" in text
    assert "; 4 begun, waiting for a worker" in " ".join(text.split())
    assert comparison.gap_text(at(30)) in text
    assert "waiting [for] trial 3" in text, "brackets are text, not markup"
    assert "trial 29 " in text, "the last that was finished"


@pytest.mark.parametrize("width", [30, 76, 120])
def test_the_chart_fits_its_width_and_draws_reported_and_best(width: int) -> None:
    lines = chart.chart(DONE, width=width)
    assert len(lines) == 15
    assert all(len(line) <= width for line in lines[:-1])
    picture = "\n".join(lines[:12])
    assert "╌" in picture
    assert "━" in picture
    assert "·" in picture
    assert "reported 89.83 ± 2.91 %" in lines[-1]


def test_the_best_so_far_is_never_clipped() -> None:
    search = [
        replace(slot, score=0.3) if k == 0 else slot
        for k, slot in enumerate(DONE.search)
    ]
    lines = chart.chart(snapshots.changed(DONE, search=tuple(search)))
    (first,) = {
        index for index, line in enumerate(lines[:12]) if line[11:12] in ("━", "┛")
    }
    assert first >= 10, "it begins far below all others"
    assert float(lines[11].split()[0]) <= 30.0


@pytest.mark.parametrize(("height", "rows"), [(24, 0), (30, 8), (50, 12)])
def test_the_live_view_has_the_chart_where_there_is_room(
    height: int, rows: int
) -> None:
    lines = drawn(at(40, running=4), 90, height)
    assert len(lines) <= height
    axes = [index for index, line in enumerate(lines) if "└──" in line]
    assert len(axes) == (rows > 0)
    assert sum(line[10:11] in "│┤" for line in lines if len(line) > 10) == rows


def test_the_chart_of_a_loss_goes_down() -> None:
    study = snapshots.spec(
        objective="toy_objective:ToyLossObjective",
        reported={"score": 0.1, "source": "x"},
    )
    lines = chart.chart(snapshots.realistic(study))
    best_rows = [index for index, line in enumerate(lines[:12]) if "━" in line]
    trials = [index for index, line in enumerate(lines[:12]) if "·" in line]
    assert best_rows[-1] > max(trials), "the least loss is the best"


def test_there_is_no_chart_without_two_trials_or_room() -> None:
    assert chart.chart(at(0)) == []
    assert chart.chart(at(1)) == []
    assert chart.chart(DONE, width=20) == []


def test_at_the_start_of_a_race_the_chart_has_no_best() -> None:
    network = (snapshots.member(0, (0.5,)),)
    slots = [snapshots.slot(0, SlotState.RUNNING)]
    slots += [
        snapshots.slot(n, SlotState.PRUNED, score=0.5, members=network) for n in (1, 2)
    ]
    lines = chart.chart(snapshots.snapshot(snapshots.spec(reported=None), tuple(slots)))
    assert sum(line.count("∘") for line in lines[:-1]) == 2
    assert "∘ pruned between networks" in lines[-1]
    assert not any("━" in line for line in lines[:-1])


def test_a_failed_study_says_why_in_one_line_and_what_to_do() -> None:
    reason = "3 trials in a row failed; the last one:\nTraceback ...\nValueError: no"
    failed = at(3, state=StudyState.FAILED, reason=reason)
    sentence = verdict.verdict(failed)
    assert sentence.startswith(
        "study failed: 3 trials in a row failed; the last one: ValueError: no; best 7"
    )
    lost = snapshots.slot(9, SlotState.FAILED)
    with_errors = snapshots.changed(failed, search=(*failed.search, lost))
    assert "--name NEW" in status.next_step(with_errors)
    with for_python():
        step = status.next_step(with_errors)
    assert "retry these trials with `hpo.load('toy-study').retry()`" in step
    assert "`hpo.launch(FILE, name='other')`" in step
    assert status.next_step(failed) == "`hpo resume toy-study`", "nothing has failed"
    assert status.next_step(at(3, workers=())).startswith(
        "no worker serves this study; start some with `hpo worker --study toy-study`"
    )
    assert status.next_step(at(3)) == ""
    elsewhere = worker("other@host", serves="other")
    assert "no worker serves this study" in status.next_step(
        at(3, workers=(elsewhere,))
    )
    assert status.next_step(DONE) == ""
