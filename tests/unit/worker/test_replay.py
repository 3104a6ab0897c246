"""A stored network again: which one, whether it is the same, and how its neurons are shown."""

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

from hpo.errors import HpoError, StudyError
from hpo.search import seeds
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, SlotState
from hpo.worker import provenance
from hpo.worker.artifacts import replay, retrain, trace_picture, traces
from hpo.worker.artifacts.replay import Replay
from hpo.worker.artifacts.retrain import Choice, Retrained
from objectives.contract import Protocol, Solved

if TYPE_CHECKING:
    from browsing import Watched

NETWORK = {"objective": "toy_network:ToyNetworkObjective"}
PARAMS = {"x": 0.4, "k": 3, "rate_per_ns": 0.02, "colour": "red"}


def study(*, confirmed: int = 2, **changes: Any) -> StudySnapshot:
    """Trials 0 (pruned, nothing trained), 1 (the best) and 2; trial 1 is confirmed."""
    spec = snapshots.spec(**{**NETWORK, **changes})
    lineage = provenance.of_this_process()
    search = (
        snapshots.slot(0, SlotState.PRUNED, lineage=lineage),
        *(
            snapshots.slot(
                number,
                SlotState.COMPLETE,
                score=0.9 - 0.1 * number,
                members=tuple(snapshots.member(i, (0.5, 0.8)) for i in range(3)),
                lineage=lineage,
            )
            for number in (1, 2)
        ),
    )
    fresh = [snapshots.confirmation(1, i, 0.7, params={}, lineage=lineage) for i in range(3)]
    fresh[0] = replace(fresh[0], state=SlotState.FAILED, members=(), score=None)
    return snapshots.snapshot(spec, search, tuple(fresh[: confirmed + 1]))


@pytest.mark.parametrize(
    ("wanted", "name", "protocol"),
    [
        ({}, "trial 1, fresh seed 2 of 10", Protocol.CONFIRM),
        ({"trial": 1, "fresh_seed": 3}, "trial 1, fresh seed 3 of 10", Protocol.CONFIRM),
        ({"member": 2}, "trial 1, member 2", Protocol.VALIDATION),
        ({"trial": 2}, "trial 2, member 0", Protocol.VALIDATION),
    ],
)
def test_the_first_fresh_seed_of_the_best_trial_is_chosen_or_what_is_asked_for(
    wanted: dict[str, int], name: str, protocol: Protocol
) -> None:
    choice = retrain.choose(study(), **wanted)
    assert (choice.name, choice.protocol) == (name, protocol)
    epochs = 60 if protocol == Protocol.CONFIRM else snapshots.EPOCHS
    others = {"noise": 0.02, "sleep_s": 0.0, "fail": "no", "memory_gib": 0.0}
    assert choice.params.model_dump() == {**PARAMS, **others, "epochs": epochs}


def test_without_a_confirmation_member_0_is_chosen() -> None:
    assert retrain.choose(study(confirmed=-1)).name == "trial 1, member 0"


@pytest.mark.parametrize(
    ("snapshot", "wanted", "message"),
    [
        (
            study(),
            {"trial": 9},
            "toy-study: a trial with a trained network must hold for --trial, but got trial=9, "
            "none of that number. Trials with networks: 1-2.",
        ),
        (
            study(),
            {"trial": 0},
            "toy-study: a trial with a trained network must hold for --trial, but got trial=0, "
            "one that is pruned without any. Trials with networks: 1-2.",
        ),
        (
            study(),
            {"member": 3},
            "toy-study, trial 1: a trained network must hold for --member, but got 3. Valid: 0-2.",
        ),
        (
            study(),
            {"fresh_seed": 1},
            "toy-study, trial 1: a trained network must hold for --fresh-seed, but got 1. "
            "Valid: 2-3.",
        ),
        (
            study(),
            {"trial": 2, "fresh_seed": 1},
            "toy-study, trial 2: a trained network must hold for --fresh-seed, but got 1. "
            "It has none; leave the option out.",
        ),
        (
            snapshots.snapshot(snapshots.spec(**NETWORK)),
            {},
            "toy-study: a complete trial must exist, but got 0 of 60 trials settled. Choose one "
            "with --trial, or run the study further.",
        ),
        (
            study(protocol="confirm", sampler={"name": "random"}, pruner=None, confirm=None),
            {},
            "toy-study: a trial must be named, but got none: every point was measured, and no best "
            "one selected. Choose one with --trial.",
        ),
        (
            snapshots.snapshot(snapshots.spec()),
            {},
            "toy-study: networks that can be trained again must be what its objective trains, but "
            "got objective='toy_objective:ToyObjective'. Derive it from "
            "objectives.inspection.NetworkObjective.",
        ),
    ],
)
def test_what_is_not_there_is_refused(
    snapshot: StudySnapshot, wanted: dict[str, int], message: str
) -> None:
    with pytest.raises(StudyError) as caught:
        retrain.choose(snapshot, **wanted)
    assert str(caught.value) == message


def trained(**changes: Any) -> Retrained:
    """Member 0 of trial 1, trained; what the ledger has stored is what it gives, but changed."""
    seed = seeds.derive(7, "member", 0)
    choice = retrain.choose(study(), member=0)
    choice = replace(choice, stored=replace(choice.stored, seed=seed))
    outcome = retrain.train(choice, retrain.build(choice), lambda text: None).outcome
    facts: dict[str, Any] = {"score": outcome.score, "loss_curve": outcome.loss_curve, **changes}
    lineage = facts.pop("lineage", {})
    stored: Member = replace(choice.stored, **facts)
    slot = replace(choice.slot, lineage={**choice.slot.lineage, **lineage})
    choice = replace(choice, stored=stored, slot=slot)
    return retrain.train(choice, retrain.build(choice), lambda text: None)


def test_the_same_network_says_so() -> None:
    found = trained()
    assert found.identical
    assert found.check == "trial 1, member 0: trained again, bit for bit the stored network"


@pytest.mark.parametrize(
    ("lineage", "reason"),
    [
        ({"cpu": "Z80"}, "The CPUs differ, and with them the rounding: Z80 then, "),
        ({"revision": "abc"}, "The kind of CPU is the same; what differs: revision abc then, "),
        (
            {"versions": {**provenance.of_this_process()["versions"], "torch": "1.0"}},
            "The kind of CPU is the same; what differs: torch 1.0 then, ",
        ),
        ({}, "Nothing that is recorded differs, neither CPU nor versions: please report this."),
    ],
)
def test_another_score_is_told_with_its_difference_and_the_likely_reason(
    lineage: dict[str, Any], reason: str
) -> None:
    found = trained(score=0.5, lineage=lineage)
    assert not found.identical
    points = 100 * (found.outcome.score - 0.5)
    assert f"where 50.0 % is stored: a difference of {points:+.3g} points. {reason}" in found.check


def test_equal_scores_do_not_hide_other_losses() -> None:
    found = trained(loss_curve=(0.1,) * snapshots.EPOCHS)
    assert not found.identical
    assert "it has the same score, but other losses than the stored ones." in found.check


def test_losses_that_are_not_numbers_are_the_same() -> None:
    found = trained()
    nan = (float("nan"),)
    stored = replace(found.choice.stored, loss_curve=nan)
    outcome = found.outcome.replace(loss_curve=nan)
    assert replace(found, choice=replace(found.choice, stored=stored), outcome=outcome).identical


def test_data_that_is_gone_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ValueError("data.npz: it must be there.")

    choice: Choice = retrain.choose(study())
    monkeypatch.setattr(type(choice.snapshot.spec.objective_impl), "member", gone)
    with pytest.raises(StudyError, match=r"^toy-study: data.npz: it must be there\.$"):
        retrain.build(choice)


def test_about_a_network_is_strict_json_with_units_scores_and_lineage() -> None:
    found = retrain.about(trained())
    json.dumps(found, allow_nan=False)
    assert found["parameter_units"]["rate_per_ns"] == "1/ns"
    assert found["parameter_units"]["x"] == "1"
    assert "colour" not in found["parameter_units"]
    assert found["scores"]["identical_to_stored"] is True
    assert found["scores"]["scored_on"] == "validation data of the training part"
    assert found["scores"]["trial_confirmed_scores"] == [0.7, 0.7]
    assert found["lineage"]["trial"] == 1
    assert (found["lineage"]["member"], found["lineage"]["fresh_seed"]) == (0, None)
    assert found["lineage"]["stored_by"]["cpu"] == found["lineage"]["trained_by"]["cpu"]


# --- what to show ---------------------------------------------------------------------------------

NET: Any = ToyMember(None, None, Protocol.CONFIRM, 0)  # type: ignore[arg-type]


def test_series_are_picked_by_position_by_class_or_one_of_each() -> None:
    assert replay.pick_images(NET, [5, 2, 5]) == [5, 2]
    assert replay.pick_images(NET, None) == [0, 1, 2]
    assert replay.pick_classes(NET, ["square", "sine"], 2) == [1, 4, 0, 3]


def test_layers_and_neurons_are_picked_by_number_or_word() -> None:
    assert replay.pick_layers(NET, ["all"]) == (0, 1)
    assert replay.pick_layers(NET, ["last", "0", "1"]) == (1, 0)
    assert replay.check_neurons(NET, [0, 1], [2, 0, 2]) == (2, 0)
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
    """Both layers on one series of each class."""
    retrained = trained()
    trace = retrained.network.trace([0, 1, 2], quantity)
    return Replay(retrained=retrained, trace=trace, layers=(0, 1), neurons=(neurons, neurons))


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
    figure = traces.figure(shown())
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles[:4] == ["input, channel 0"] * 2 + ["input, channel 1"] * 2
    assert titles[4:] == [f"layer {layer}, neuron {n}" for layer in (0, 1) for n in (2, 0)]
    assert len(figure.data) == 2 * 3 * 2 + 2 * 2 * 3
    assert sum(line.showlegend for line in figure.data) == 3
    assert figure.data[0].line.shape == "hv"
    assert list(figure.data[0].x) == [0.5 * k for k in range(9)]
    texts = traces.page(shown(), "hpo trace")
    assert "<h1>toy-study, trial 1, member 0: accuracy " in texts
    assert "2 × 3 neurons, scored on validation data of the training part" in texts
    assert "rate_per_ns = 0.02 1/ns" in texts


def test_of_many_channels_the_first_are_drawn_each_in_its_panel() -> None:
    one = shown()
    many = replace(one, trace=replace(one.trace, inputs=np.zeros((3, 8, 40), np.float32)))
    figure, picture = traces.figure(many), trace_picture.figure(many)
    assert figure.layout.annotations[14].text == "input, channel 7 of 40"
    assert len(figure.data) == 2 * 3 * 8 + 2 * 2 * 3
    assert len(picture.axes) == 2 * (8 + 2)
    assert len(picture.axes[0].lines) == 3, "the series of one channel"


def test_classes_differ_by_colour_and_dash_and_wrong_readings_are_marked() -> None:
    lines = traces.figure(shown()).data[:3]
    assert len({(line.line.color, line.line.dash) for line in lines}) == 3
    assert len({line.line.color for line in lines}) == len({line.line.dash for line in lines}) == 3
    assert lines[0].name == "class sine (image 0)"
    assert lines[1].name.startswith("class square (image 1) ✗ read as &lt;/script&gt;")


def test_only_what_rests_has_a_line_of_rest() -> None:
    assert len(traces.figure(shown("x")).layout.shapes) == 4
    assert len(traces.figure(shown("drive")).layout.shapes) == 0


def test_a_diverged_network_is_drawn_and_says_so() -> None:
    broken = shown()
    values = np.full_like(broken.trace.values, np.nan)
    outcome = broken.retrained.outcome.replace(diverged=True)
    trace = replace(broken.trace, values=values, predicted=np.full(3, -1))
    broken = replace(broken, trace=trace, retrained=replace(broken.retrained, outcome=outcome))
    figure = traces.figure(broken)
    assert ", diverged</h1>" in traces.page(broken, "hpo trace")
    assert figure.data[0].name.endswith("✗ read as nothing finite")
    assert "NaN" not in pages.shown(traces.page(broken, "hpo trace"))


def test_a_trace_of_the_solved_equation_says_so_and_has_both_scores() -> None:
    plain = shown()
    assert "solved" not in traces.page(plain, "hpo trace").split("</script>")[-1]
    solved = Solved(score=0.088, converged=True, steps_per_point=64, trained_steps_per_point=1)
    outcome = plain.retrained.outcome.replace(score=0.944, solved=solved)
    trace = replace(plain.trace, steps_per_point=64)
    replayed = replace(plain, trace=trace, retrained=replace(plain.retrained, outcome=outcome))
    head, line = replayed.heading
    assert head.endswith("accuracy 8.8 % on the solved equation, 94.4 % at the study's step")
    assert line.endswith("; time series on the solved equation")
    page = traces.page(replayed, "hpo trace")
    assert "The time series are those on the solved equation: 64 steps per point." in page
    written = as_json(replayed)
    assert (written["steps_per_point"], written["scores"]["solved_score"]) == (64, 0.088)


def test_a_network_of_the_search_was_scored_at_the_study_s_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = shown()
    score = plain.heading[0].rpartition("accuracy ")[-1]
    assert retrain.about(plain.retrained)["scores"]["score_at"] == ""
    monkeypatch.setattr(StudySpec, "integrates", True)
    assert plain.heading[0].endswith(f"accuracy {score} at the study's step")
    assert f"accuracy {score} at the study's step" in unescape(traces.page(plain, "hpo trace"))
    assert as_json(plain)["scores"]["score_at"] == "at the study's step"


def test_no_text_of_a_user_becomes_html() -> None:
    page = traces.page(shown(), f"hpo trace {HOSTILE}")
    assert "img" not in names(page)
    assert not [name for name in names(page) if name.startswith("on")], "nothing that runs code"
    assert HOSTILE not in page
    assert "trained again, bit for bit the stored network." in page
    assert "reads 1 of them wrongly" in page


def test_a_browser_draws_it_without_a_complaint(tmp_path: Path, watched: Watched) -> None:
    (tmp_path / "trace.html").write_text(traces.page(shown(), "hpo trace"), encoding="utf-8")
    watched.page.goto((tmp_path / "trace.html").as_uri())
    watched.page.wait_for_selector(".js-plotly-plot .main-svg")
    assert watched.page.locator(".js-plotly-plot").count() == 1
