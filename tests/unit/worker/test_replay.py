"""A trained network on series of the test part: which, the numbers, and the figure."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pages
import pytest
import snapshots
from pages import HOSTILE, names
from toy_network import ToyMember

from hpo.errors import HpoError
from hpo.study.confirmation import solved_info
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.worker import network, replay, trace_page
from hpo.worker.replay import Replay
from objectives.contract import Protocol, Solved

if TYPE_CHECKING:
    from browsing import Watched

# --- what to show ---------------------------------------------------------------------------------

NET: Any = ToyMember(None, None, Protocol.CONFIRM, 0)  # type: ignore[arg-type]


def test_series_are_picked_by_position_by_class_or_one_of_each() -> None:
    assert replay.pick_images(NET, [5, 2, 5]) == [5, 2]
    assert replay.pick_images(NET, None) == [0, 1, 2]
    assert replay.pick_classes(NET, ["square", "sine"], 2) == [1, 4, 0, 3]


def test_layers_and_neurons_are_picked_by_number_or_word() -> None:
    assert replay.pick_layers(NET, ["all"]) == (0, 1)
    assert replay.pick_layers(NET, ["last", "0", "1"]) == (1, 0)
    assert replay.telling_neuron(NET.trace([0, 1], "x"), 1) == 2
    assert replay.telling_neuron(NET.trace([0], "x"), 0) == 2


@pytest.mark.parametrize(
    ("pick", "message"),
    [
        (
            lambda: replay.pick_images(NET, [12]),
            "--images 12: a position in the test part must hold, but got 12. Valid: 0 to 11.",
        ),
        (
            lambda: replay.pick_classes(NET, ["cosine"], 1),
            "--classes cosine: a class of the task must hold, but got 'cosine'. "
            f"Valid: sine, square, {HOSTILE}.",
        ),
        (
            lambda: replay.pick_classes(NET, ["sine"], 5),
            "--per-class 5: as many series of every class in the test part must hold, but got 4 "
            "of class sine. Ask for fewer.",
        ),
        (
            lambda: replay.pick_layers(NET, ["2"]),
            "--layer 2: a layer of the network must hold, but got '2'. Valid: 0 to 1, last, all.",
        ),
        (
            lambda: replay.check_neurons(NET, [0], [0, 3]),
            "--neurons 3: a neuron of a layer must hold, but got 3. Valid: 0 to 2, auto, all.",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_can(pick: Any, message: str) -> None:
    with pytest.raises(HpoError) as caught:
        pick()
    assert str(caught.value) == message


def shown(quantity: str = "x", neurons: tuple[int, ...] = (2, 0)) -> Replay:
    """Both layers of a kept network on one series of each class."""
    searched = snapshots.slot(
        1, SlotState.COMPLETE, score=0.8, members=(snapshots.member(0, (0.8,)),)
    )
    spec = snapshots.spec(objective="toy_network:ToyNetworkObjective")
    fresh = snapshots.confirmation(1, 0, 0.7, params={})
    choice = network.choose(snapshots.snapshot(spec, (searched,), (fresh,)), trial=1)
    member = network.build(choice)
    found = network.load(replace(choice, kept=member.packed()), member)
    seen = member.trace([0, 1, 2], quantity)
    return Replay(found=found, member=member, trace=seen, layers=(0, 1), neurons=(neurons, neurons))


def as_json(found: Replay) -> Any:
    stream = io.StringIO()
    replay.write_json(found, stream)
    return json.loads(stream.getvalue(), parse_constant=pytest.fail)


def test_csv_has_every_number_with_its_place() -> None:
    stream = io.StringIO()
    replay.write_csv(shown("drive"), stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert len(rows) == 3 * (2 * 8 + 2 * 2 * 9)
    last = rows[-1]
    assert last["class"] == last["read_as"] == HOSTILE
    assert (last["image"], last["layer"], last["neuron"], last["time_ns"]) == ("2", "1", "0", "4.0")
    expected = NET.trace([2], "drive").values[1, 0, 0, 8]
    assert np.float32(last["drive_per_ns"]) == expected
    assert sum(row["layer"] == "input" for row in rows) == 3 * 2 * 8


def test_json_has_the_same_and_says_what_the_network_is() -> None:
    found = as_json(shown())
    assert (found["quantity"], found["unit"], found["dt_ns"]) == ("x", "1", 0.5)
    second = found["series"][1]
    assert (second["image"], second["class"], second["read_as"]) == (1, "square", HOSTILE)
    assert second["layers"][1]["neurons"] == [2, 0]
    expected = NET.trace([1], "x").values[1, 0, [2, 0]]
    assert np.array_equal(np.float32(second["layers"][1]["values"]), expected)
    assert np.shape(second["input"]) == (2, 8)
    assert found["lineage"]["trial"] == 1
    assert found["parameters"]["x"] == 0.4


# --- the figure -----------------------------------------------------------------------------------


def test_the_figure_has_a_panel_for_the_input_and_for_each_neuron() -> None:
    figure = trace_page.figure(shown())
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles[:4] == ["input, channel 0"] * 2 + ["input, channel 1"] * 2
    assert titles[4:] == [f"layer {layer}, neuron {n}" for layer in (0, 1) for n in (2, 0)]
    assert len(figure.data) == 2 * 3 * 2 + 2 * 2 * 3
    assert sum(line.showlegend for line in figure.data) == 3
    assert figure.data[0].line.shape == "hv"
    assert list(figure.data[0].x) == [0.5 * k for k in range(9)]
    texts = trace_page.page(shown(), "hpo trace")
    assert "<h1>toy-study, trial 1, fresh seed 1 of 10: accuracy " in texts
    assert "2 × 3 neurons, scored on the test part" in texts


def test_of_many_channels_the_first_are_drawn_each_in_its_panel() -> None:
    one = shown()
    many = replace(one, trace=replace(one.trace, inputs=np.zeros((3, 8, 40), np.float32)))
    figure = trace_page.figure(many)
    assert figure.layout.annotations[14].text == "input, channel 7 of 40"
    assert len(figure.data) == 2 * 3 * 8 + 2 * 2 * 3


def test_classes_differ_by_colour_and_dash_and_wrong_readings_are_marked() -> None:
    lines = trace_page.figure(shown()).data[:3]
    assert len({(line.line.color, line.line.dash) for line in lines}) == 3
    assert len({line.line.color for line in lines}) == len({line.line.dash for line in lines}) == 3
    assert lines[0].name == "class sine (image 0)"
    assert lines[1].name.startswith("class square (image 1) ✗ read as &lt;/script&gt;")


def test_layers_share_one_range_and_only_what_rests_has_a_line_of_rest() -> None:
    figure = trace_page.figure(shown("x"))
    ranges = {figure.get_subplot(row, column).yaxis.matches for row in (3, 4) for column in (1, 2)}
    assert ranges == {"y5"}, "that of the first neuron"
    assert len(figure.layout.shapes) == 4
    assert len(trace_page.figure(shown("drive")).layout.shapes) == 0


def with_trained(plain: Replay, trace: dict[str, Any], **changes: Any) -> Replay:
    """With another trace, of a network whose training gave something else."""
    found = replace(plain.found, trained=replace(plain.found.trained, **changes))
    return replace(plain, trace=replace(plain.trace, **trace), found=found)


def test_a_diverged_network_is_drawn_and_says_so() -> None:
    plain = shown()
    nothing = {"values": np.full_like(plain.trace.values, np.nan), "predicted": np.full(3, -1)}
    broken = with_trained(plain, nothing, diverged=True)
    page = trace_page.page(broken, "hpo trace")
    assert ", diverged</h1>" in page
    assert trace_page.figure(broken).data[0].name.endswith("✗ read as nothing finite")
    assert "NaN" not in pages.shown(page)


def test_a_trace_of_the_solved_equation_says_so_and_has_both_scores() -> None:
    plain = shown()
    assert "solved" not in trace_page.page(plain, "hpo trace").split("</script>")[-1]
    solved = Solved(score=0.088, converged=True, steps_per_point=64, trained_steps_per_point=1)
    checked = {"score": 0.944, "info": solved_info(solved)}
    replayed = with_trained(plain, {"steps_per_point": 64}, **checked)
    head, line = trace_page.heading(replayed)
    assert head.endswith("accuracy 8.8 % on the solved equation, 94.4 % at the study's step")
    assert line.endswith("; time series on the solved equation")
    page = trace_page.page(replayed, "hpo trace")
    assert "The time series are those on the solved equation: 64 steps per point." in page
    written = as_json(replayed)
    assert (written["steps_per_point"], written["scores"]["solved_score"]) == (64, 0.088)


def test_a_network_that_was_not_checked_was_scored_at_the_study_s_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = shown()
    score = trace_page.heading(plain)[0].rpartition("accuracy ")[-1]
    assert as_json(plain)["scores"]["score_at"] == ""
    monkeypatch.setattr(StudySpec, "integrates", True)
    assert f"accuracy {score} at the study's step" in unescape(trace_page.page(plain, "hpo trace"))
    assert as_json(plain)["scores"]["score_at"] == "at the study's step"


def test_no_text_of_a_user_becomes_html() -> None:
    page = trace_page.page(shown(), f"hpo trace {HOSTILE}")
    assert "img" not in names(page)
    assert not [name for name in names(page) if name.startswith("on")], "nothing that runs code"
    assert HOSTILE not in page
    assert "the very network that was confirmed." in page
    assert "reads 1 of them wrongly" in page


def test_a_browser_draws_it_without_a_complaint(tmp_path: Path, watched: Watched) -> None:
    (tmp_path / "trace.html").write_text(trace_page.page(shown(), "hpo trace"), encoding="utf-8")
    watched.page.goto((tmp_path / "trace.html").as_uri())
    watched.page.wait_for_selector(".js-plotly-plot .main-svg")
    assert watched.page.locator(".js-plotly-plot").count() == 1
