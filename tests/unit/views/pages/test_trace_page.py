"""A trained network on series of the test part: which, the numbers, and the figure."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pages
import pytest
import snapshots
from pages import HOSTILE, names
from toy_network import ToyMember

from hpo.contract import Protocol, Solved
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.views.figures import traces as figure_of_traces
from hpo.views.pages import traces
from hpo.views.records import kept_network
from hpo.views.records.kept_network import KeptNetwork, Replay

if TYPE_CHECKING:
    from browsing import Watched

NET: Any = ToyMember(None, None, Protocol.CONFIRM, 0)  # type: ignore[arg-type]


def shown() -> Replay:
    """A kept network on one series of each class."""
    members = (snapshots.member(0, (0.8,)),)
    searched = snapshots.slot(1, SlotState.COMPLETE, score=0.8, members=members)
    spec = snapshots.spec(objective="toy_network:ToyNetworkObjective")
    fresh = snapshots.confirmation(1, 0, 0.7, params={})
    kept = KeptNetwork(
        result=snapshots.snapshot(spec, (searched,), (fresh,)),
        trial=searched,
        slot=fresh,
        data=b"",
    )
    return Replay(network=kept, member=NET, trace=NET.trace([0, 1, 2]))


def test_csv_has_every_neuron_with_its_place_and_all_quantities() -> None:
    rows = list(csv.DictReader(io.StringIO(kept_network.csv_text(shown()))))
    assert len(rows) == 3 * (2 * 8 + 2 * 3 * 9)
    last, before = rows[-1], rows[-2]
    assert last["class"] == last["read_as"] == HOSTILE
    assert (last["image"], last["layer"], last["neuron"], last["time_ns"]) == (
        "2",
        "1",
        "2",
        "4.0",
    )
    trace = NET.trace([2])
    assert np.float32(last["x"]) == trace.x[1, 0, 2, 8]
    assert np.float32(last["y"]) == trace.y[1, 0, 2, 8]
    assert last["drive_per_ns"] == last["value"] == ""
    assert np.float32(before["drive_per_ns"]) == trace.drive[1, 0, 2, 7]
    inputs = [row for row in rows if row["layer"] == "input"]
    assert len(inputs) == 3 * 2 * 8
    assert {(row["value"], row["x"]) for row in inputs} == {("1.0", "")}


# --- the page ---


def test_the_figure_has_a_panel_for_each_channel_and_for_a_neuron_of_each_layer() -> (
    None
):
    figure = figure_of_traces.figure(shown())
    titles = " ".join(annotation.text for annotation in figure.layout.annotations)
    assert (
        titles
        == "input, channel 0 input, channel 1 layer 0, neuron 2 layer 1, neuron 2"
    )
    assert len(figure.data) == 4 * 3
    assert [line.showlegend for line in figure.data] == [True] * 3 + [False] * 9
    assert figure.data[0].line.shape == "hv"
    assert list(figure.data[0].x) == [0.5 * k for k in range(9)]
    assert figure.layout.yaxis4.matches == "y3", "to be compared"
    assert len(figure.layout.shapes) == 2, "lines of rest"
    one = kept_network.telling_neuron(NET.trace([0]), 0)
    assert one == 2, "of one series, that which moves most"


def test_of_many_channels_the_first_are_drawn_and_outputs_of_the_last_points() -> None:
    one = shown()
    read = {"target": np.zeros((3, 4, 1)), "prediction": np.ones((3, 4, 1))}
    wide = np.zeros((3, 8, 40), np.float32)
    many = replace(one, trace=replace(one.trace, inputs=wide, **read))
    figure = figure_of_traces.figure(many)
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles[7] == "input, channel 7 of 40"
    assert titles[-1] == "output 0: target (dotted) and prediction"
    assert len(figure.data) == 3 * (8 + 2 + 2)
    prediction, target = figure.data[-2:]
    assert list(prediction.x) == list(target.x) == [2.5, 3.0, 3.5, 4.0]
    assert (set(prediction.y), set(target.y), target.line.dash) == ({1.0}, {0.0}, "dot")
    assert "after each of the last 4 points" in traces.page(many, "hpo trace")
    last = list(csv.DictReader(io.StringIO(kept_network.csv_text(many))))[-6 * 9 - 1]
    assert (last["layer"], last["neuron"], last["time_ns"]) == (
        "prediction",
        "0",
        "4.0",
    )
    assert (last["value"], last["x"]) == ("1.0", "")


def test_classes_differ_by_colour_and_dash_and_wrong_readings_are_marked() -> None:
    lines = figure_of_traces.figure(shown()).data[:3]
    assert (
        len({line.line.color for line in lines})
        == len({line.line.dash for line in lines})
        == 3
    )
    assert lines[0].name == "class sine (image 0)"
    assert lines[1].name.startswith("class square (image 1) ✗ read as &lt;/script&gt;")


def with_trained(plain: Replay, trace: dict[str, Any], **changes: Any) -> Replay:
    """With another trace, of a network whose training gave something else."""
    member = replace(plain.network.measured, **changes)
    kept = replace(plain.network, slot=replace(plain.network.slot, members=(member,)))
    return replace(plain, trace=replace(plain.trace, **trace), network=kept)


def test_a_diverged_network_is_drawn_and_says_so() -> None:
    plain = shown()
    nothing = {"x": np.full_like(plain.trace.x, np.nan), "predicted": np.full(3, -1)}
    broken = with_trained(plain, nothing, diverged=True)
    page = traces.page(broken, "hpo trace")
    assert ", diverged</h1>" in page
    assert (
        figure_of_traces.figure(broken)
        .data[0]
        .name.endswith("✗ read as nothing finite")
    )
    assert "NaN" not in pages.shown(page)


def test_a_trace_of_the_solved_equation_says_so_and_has_both_scores() -> None:
    plain = shown()
    assert "solved" not in traces.page(plain, "hpo trace").split("</script>")[-1]
    solved = Solved(
        score=0.088, converged=True, steps_per_point=64, trained_steps_per_point=1
    )
    checked = {"score": 0.944, "info": snapshots.solved_info(solved)}
    replayed = with_trained(plain, {"steps_per_point": 64}, **checked)
    head, line = traces.heading(replayed)
    assert head.endswith(
        "accuracy 8.8 % on the solved equation, 94.4 % at the study's time step"
    )
    assert line.endswith(
        "3+3 neurons, scored on the test part; time series on the solved equation"
    )
    page = traces.page(replayed, "hpo trace")
    assert "Time series on the solved equation: 64 steps per point." in page
    scores = kept_network.record(replayed.network)["scores"]
    assert (scores["solved_score"], scores["score_at"]) == (
        0.088,
        "at the study's time step",
    )


def test_a_network_that_was_not_checked_was_scored_at_the_study_s_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "study's time step" not in traces.heading(shown())[0]
    monkeypatch.setattr(StudySpec, "integrates", True)
    assert traces.heading(shown())[0].endswith(" at the study's time step")


def test_no_text_of_a_user_becomes_html_and_a_browser_draws_it(
    tmp_path: Path, watched: Watched
) -> None:
    page = traces.page(shown(), f"hpo trace {HOSTILE}")
    assert not [name for name in names(page) if name == "img" or name.startswith("on")]
    assert HOSTILE not in page
    assert "<h1>toy-study, trial 1, fresh seed 1 of 10: accuracy " in page
    assert "the confirmed network itself." in page
    (tmp_path / "trace.html").write_text(page, encoding="utf-8")
    watched.page.goto((tmp_path / "trace.html").as_uri())
    watched.page.wait_for_selector(".js-plotly-plot .main-svg")
    assert watched.page.locator(".js-plotly-plot").count() == 1
