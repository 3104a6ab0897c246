"""The dashboard's cards: what they show, that they stay small, and that hostile text stays text."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
import snapshots
from pages import HOSTILE
from snapshots import FEW_TRIALS

from hpo.study.file import validate
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.views.figures import cards as figures_cards
from hpo.views.figures import distance, study_figure, thinning
from hpo.views.figures.style import HEIGHT
from hpo.views.numbers.convergence import clocks, incumbents
from hpo.views.numbers.importance import separation
from hpo.views.numbers.scores import scored
from hpo.views.numbers.study_figure import chart

LARGEST = 40_000
"""Characters of a card, at any number of trials."""


def drawn(snapshot: StudySnapshot, card: str) -> dict[str, Any]:
    """A card as the browser gets it; NaN and infinity are no JSON."""
    figure: dict[str, Any] = json.loads(
        figures_cards.cards(snapshot)[card], parse_constant=pytest.fail
    )
    return figure


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(t for t in figure["data"] if t.get("name") == name)
    return found


def trial(number: int, scores: list[float], **changes: Any) -> Any:
    members = tuple(snapshots.member(i, (score,)) for i, score in enumerate(scores))
    mean = math.fsum(scores) / len(scores)
    return snapshots.slot(number, SlotState.COMPLETE, score=mean, members=members, **changes)


def test_the_best_so_far_is_the_mean_score_of_the_incumbent_as_everywhere() -> None:
    search = (
        trial(0, [0.80, 0.84, 0.90]),
        trial(1, [0.10, 0.20, 0.30]),
        trial(2, [0.84, 0.88, 0.96]),  # the best by its mean, which is the study's ranking
    )
    figure = drawn(snapshots.snapshot(snapshots.spec(), search), "1-convergence")
    best = trace(figure, "best so far")
    assert best["x"] == [0, 2, 2]
    assert best["y"] == [84.667, 89.333, 89.333]
    assert best["line"]["shape"] == "hv"
    assert best["text"] == ["trial 0", "trial 2", "trial 2"]
    low, high = [t for t in figure["data"] if t.get("line", {}).get("width") == 0]
    assert low["y"] == [82, 86, 86]
    assert high["y"] == [87, 92, 92]
    assert (high["fill"], high["name"]) == ("tonexty", "quartiles of its networks")


def test_one_network_per_trial_has_no_quartiles() -> None:
    spec = snapshots.spec(budget={"trials": 9, "members": 1, "epochs": 30})
    figure = drawn(snapshots.snapshot(spec, (trial(0, [0.8]),)), "1-convergence")
    assert trace(figure, "best so far")["y"] == [80, 80]
    assert "quartiles of its networks" not in [t.get("name") for t in figure["data"]]


def test_the_reported_value_is_a_dashed_line_with_its_band_and_a_label_above() -> None:
    layout = drawn(snapshots.realistic(snapshots.spec()), "1-convergence")["layout"]
    band, line = layout["shapes"]
    assert (band["y0"], band["y1"]) == (86.92, 92.74)
    assert (line["y0"], line["y1"], line["line"]["dash"]) == (89.83, 89.83, "dash")
    (label,) = layout["annotations"]
    assert label["text"] == "╌╌ reported 89.83 ± 2.91 % (arXiv:2408.02835)"
    assert (label["yref"], label["y"]) == ("paper", 1)


def test_a_long_source_is_cut_to_fit_the_card() -> None:
    spec = snapshots.spec(reported={"score": 0.9, "source": "<long> " * 50})
    layout = drawn(snapshots.snapshot(spec), "1-convergence")["layout"]
    (label,) = layout["annotations"]
    assert label["text"].startswith("╌╌ reported 90.00 % (&lt;long&gt; &lt;long&gt;")
    assert label["text"].endswith("…")
    assert len(label["text"].replace("&lt;", "<").replace("&gt;", ">")) == 73


def test_confirmed_results_stand_beyond_the_last_trial_with_their_deviation() -> None:
    snapshot = snapshots.realistic(snapshots.spec())
    points = trace(drawn(snapshot, "1-convergence"), "confirmed on fresh seeds")
    assert min(points["x"]) > 59
    assert points["y"] == pytest.approx([100 * c.mean for c in snapshot.confirmations], rel=1e-4)
    stds = [100 * c.std for c in snapshot.confirmations]
    assert points["error_y"]["array"] == pytest.approx(stds, rel=1e-4)


def test_against_time_trials_stand_where_they_settled_and_name_themselves() -> None:
    early, late = trial(0, [0.8]), trial(1, [0.9])
    search = (
        replace(early, settled_at=late.settled_at),
        replace(late, settled_at=early.settled_at),
    )
    figure = drawn(snapshots.snapshot(snapshots.spec(), search), "2-time")
    points = trace(figure, "trial")
    assert points["customdata"] == [0, 1]
    assert points["x"][0] > points["x"][1]
    best = trace(figure, "best so far")
    assert (best["x"], best["text"]) == ([5, 7], ["trial 1", "trial 1"])
    assert figure["layout"]["xaxis"]["title"]["text"] == "time since start (min)"


def test_against_epochs_trials_stand_at_what_was_trained_and_name_themselves() -> None:
    pruned = snapshots.slot(1, SlotState.PRUNED, score=0.4, steps=(0.4,) * 12)
    search = (trial(0, [0.8] * 3), pruned, trial(2, [0.9] * 3))
    figure = drawn(snapshots.snapshot(snapshots.spec(), search), "2-epochs")
    assert (trace(figure, "trial")["x"], trace(figure, "trial")["customdata"]) == (
        [90, 192],
        [0, 2],
    )
    cut = trace(figure, "curve cut short")
    assert (cut["x"], cut["customdata"]) == ([102], [1])
    said = "trial %{customdata}: %{y:.4g}, curve cut short<extra></extra>"
    assert cut["hovertemplate"] == said
    assert trace(figure, "best so far")["x"] == [90, 192, 192]
    assert figure["layout"]["title"]["text"] == "<b>Convergence against epochs of training</b>"
    assert figure["layout"]["xaxis"]["title"]["text"] == "epochs of training in the search"


def test_scores_off_the_scale_and_failures_stand_on_its_edge() -> None:
    search = [trial(i, [0.9 + 0.001 * i]) for i in range(20)]
    failed = snapshots.slot(21, SlotState.FAILED, message="Traceback\nValueError: too small")
    snapshot = snapshots.snapshot(snapshots.spec(), (*search, trial(20, [0.1]), failed))
    figure = drawn(snapshot, "1-convergence")
    assert (figure["layout"]["yaxis2"]["range"], trace(figure, "off scale")["yaxis"]) == (
        [0, 1],
        "y2",
    )
    assert 20 in trace(figure, "off scale")["x"]
    assert {*trace(figure, "off scale")["y"]} == {0.02}
    assert (trace(figure, "failed")["x"], trace(figure, "failed")["y"]) == ([21], [0])
    assert trace(figure, "failed")["text"] == ["trial 21 failed<br>ValueError: too small"]


# --- distance -------------------------------------------------------------------------------------


def reported(**params: Any) -> StudySpec:
    return snapshots.spec(reported={"score": 0.9, "source": "here", "params": params})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"x": 0.5, "rate_per_ns": 0.1, "colour": "red"}, 0.0),
        ({"x": 1.0, "rate_per_ns": 0.1, "colour": "red"}, math.sqrt(0.25 / 3)),
        (
            {"x": 0.5, "rate_per_ns": 10.0, "colour": "red"},
            math.sqrt(0.25 / 3),
        ),  # half of 4 decades
        ({"x": 0.5, "rate_per_ns": 0.1, "colour": "green"}, math.sqrt(1 / 3)),
        ({"x": 0.0, "rate_per_ns": 0.001, "colour": "green"}, math.sqrt(1.5 / 3)),
    ],
)
def test_distance_is_in_searched_ranges(params: dict[str, Any], expected: float) -> None:
    spec = reported(x=0.5, rate_per_ns=0.1, colour="red")
    found = distance.distance_to_reported(spec, {**params, "k": 8})
    assert found == pytest.approx(expected)


def test_distance_leaves_out_what_is_not_searched_or_has_no_place() -> None:
    assert distance.compared(reported(x=0.5, noise=0.1)) == ["x"]
    reports = {"score": 0.9, "source": "here", "params": {"rate_per_ns": 0, "x": "much"}}
    assert distance.compared(snapshots.unchecked(reported=reports)) == []
    assert distance.compared(reported()) == []
    assert distance.compared(snapshots.spec(reported=None)) == []


def test_distance_of_the_incumbent_along_the_search() -> None:
    spec = reported(x=0.5)
    search = tuple(
        trial(i, [s], params={"x": x})
        for i, (s, x) in enumerate([(0.5, 0.9), (0.6, 0.6), (0.4, 0.5)])
    )
    figure = drawn(snapshots.snapshot(spec, search), "3-distance")
    assert trace(figure, "best so far")["x"] == [0, 1, 2]
    assert trace(figure, "best so far")["y"] == pytest.approx([0.4, 0.1, 0.1])
    assert figure["layout"]["annotations"][0]["text"].startswith("x; 0: at the reported ones")


# --- parameters -----------------------------------------------------------------------------------


def test_of_many_parameters_those_that_separate_scores_have_panels() -> None:
    names = [f"p{i}" for i in range(14)]
    spec = snapshots.unchecked(space={name: {"low": 0.0, "high": 1.0} for name in names})
    generator = random.Random(0)
    search = []
    for number in range(200):
        params = {name: generator.random() for name in names}
        score = 0.5 + sum((i + 1) * (params[f"p{i}"] - 0.5) ** 2 for i in range(9)) / 40
        search.append(trial(number, [score], params=params))
    snapshot = snapshots.snapshot(spec, tuple(search))
    figure = drawn(snapshot, "4-parameters")
    shown = [figure["layout"][f"xaxis{i or ''}"]["title"]["text"] for i in (0, *range(2, 10))]
    assert len(shown) == 9
    assert {f"p{i}" for i in range(4, 9)} < {*shown}
    assert shown == sorted(shown, key=names.index)
    assert "the 9 of 14 that separate scores best" in figure["layout"]["title"]["text"]


def test_separation_is_the_share_of_variance_between_groups() -> None:
    def study(score_of: Any) -> StudySnapshot:
        params = [{"x": (i * 37 % 64) / 64, "colour": ("red", "green")[i % 2]} for i in range(64)]
        slots = (trial(i, [score_of(p)], params=p) for i, p in enumerate(params))
        return snapshots.snapshot(snapshots.spec(), tuple(slots))

    by_x = study(lambda p: 0.9 - (p["x"] - 0.5) ** 2)
    assert separation(by_x, "x") > 0.9
    assert separation(by_x, "colour") < 0.1
    assert separation(study(lambda p: len(p["colour"]) / 10), "colour") == 1.0
    assert separation(study(lambda p: 0.5), "x") == 0.0


# --- confirmed, sweeps ----------------------------------------------------------------------------


def test_confirmed_shows_claims_beside_what_fresh_seeds_gave() -> None:
    snapshot = snapshots.realistic(snapshots.spec())
    figure = drawn(snapshot, "5-confirmed")
    first = snapshot.confirmations[0]
    assert trace(figure, "claimed by the search")["x"] == [
        pytest.approx(100 * first.search_score, rel=1e-4)
    ]
    assert trace(figure, "mean ± std")["x"] == [pytest.approx(100 * first.mean, rel=1e-4)]
    assert figure["layout"]["height"] == HEIGHT


def test_a_sweep_shows_its_figure_alone() -> None:
    raw = {key: snapshots.SPEC[key] for key in ("name", "objective")}
    curves = [{"label": HOSTILE, "x": "x", "values": [0.1, 0.4]}]
    spec = validate(
        {**raw, "description": HOSTILE, "budget": {"members": 3}, "sweep": {"curves": curves}},
        where="test",
    )
    search = tuple(trial(i, [0.5, 0.6, 0.8]) for i in range(2))
    cards = figures_cards.cards(snapshots.snapshot(spec, search))
    assert [*cards] == ["6-figure"]
    figure = json.loads(cards["6-figure"])
    assert [t["y"] for t in figure["data"] if t.get("mode") == "lines+markers"] == [[60, 60]]
    assert "&lt;img" in figure["layout"]["title"]["text"]
    assert "<img" not in cards["6-figure"]


# --- every study ----------------------------------------------------------------------------------


@pytest.mark.parametrize("search", FEW_TRIALS.values(), ids=FEW_TRIALS)
@pytest.mark.parametrize("reports", [snapshots.SPEC["reported"], None], ids=["reported", "not"])
def test_any_study_has_its_cards(search: Any, reports: Any) -> None:
    snapshot = snapshots.snapshot(snapshots.spec(reported=reports), search)
    names = ["1-convergence", "2-epochs", "2-time", *(["3-distance"] if reports else [])]
    names.append("4-parameters")
    cards = figures_cards.cards(snapshot)
    assert [*cards] == names
    for card in cards.values():
        json.loads(card, parse_constant=pytest.fail)


def test_a_study_whose_less_is_better_has_its_line_go_down() -> None:
    spec = snapshots.spec(objective="toy_objective:ToyLossObjective", reported=None)
    search = (trial(0, [0.5]), trial(1, [0.7]), trial(2, [0.4]))
    figure = drawn(snapshots.snapshot(spec, search), "1-convergence")
    assert trace(figure, "best so far")["y"] == [0.5, 0.4, 0.4]
    assert figure["layout"]["yaxis"]["title"]["text"] == "rmse_mv"


def test_tags_in_texts_are_shown_and_never_read() -> None:
    reports = {"score": 0.9, "std": 0.01, "source": HOSTILE, "params": {"colour": HOSTILE}}
    space = {"x": {"low": 0.0, "high": 1.0}, "colour": {"choices": (HOSTILE, "red")}}
    space |= {HOSTILE: {"low": 0.0, "high": 1.0}}
    spec = snapshots.unchecked(reported=reports, space=space, description=HOSTILE)
    states = (SlotState.COMPLETE, SlotState.PRUNED, SlotState.FAILED)
    params = {"x": 0.5, HOSTILE: 0.5, "colour": HOSTILE}
    search = tuple(
        snapshots.slot(i, state, score=0.9, params=params, message=HOSTILE)
        for i, state in enumerate(states)
    )
    snapshot = snapshots.snapshot(spec, search, (snapshots.confirmation(0, 0, 0.9),))
    cards = figures_cards.cards(snapshot)
    assert len(cards) == 6
    assert all("<img" not in card for card in cards.values())
    assert "&lt;img" in cards["4-parameters"]


# --- size -----------------------------------------------------------------------------------------


def test_cards_of_many_trials_stay_small() -> None:
    spec = snapshots.spec(budget={"trials": 1000, "members": 3, "epochs": 2})
    snapshot = snapshots.realistic(spec)
    cards = figures_cards.cards(snapshot)
    assert {name: len(card) for name, card in cards.items() if len(card) > LARGEST} == {}
    assert "bdata" not in "".join(cards.values())
    clouds = [t for t in json.loads(cards["1-convergence"])["data"] if t.get("mode") == "markers"]
    names = ("trial", "curve cut short", "not replicated further", "off scale")
    shown = sum(len(t["x"]) for t in clouds if t["name"] in names)
    assert shown == thinning.MAX_TRIALS
    whole = len(scored(snapshot))
    for card in ("1-convergence", "2-epochs", "2-time", "3-distance"):
        title = json.loads(cards[card])["layout"]["title"]["text"]
        assert title.endswith(f" (700 of {whole:,} trials)</b>")
    assert f" of {whole:,} trials)" in cards["4-parameters"]
    few = snapshots.realistic(snapshots.spec())
    assert " of " not in drawn(few, "1-convergence")["layout"]["title"]["text"]


def test_a_study_that_improves_all_the_time_stays_small_too() -> None:
    spec = snapshots.spec(budget={"trials": 1000, "members": 3, "epochs": 2})
    search = tuple(trial(i, [0.5 + i / 4000] * 3) for i in range(1000))
    cards = figures_cards.cards(snapshots.snapshot(spec, search, state=StudyState.DONE))
    assert max(map(len, cards.values())) <= LARGEST
    best = trace(json.loads(cards["1-convergence"]), "best so far")
    assert best["y"][-1] == pytest.approx(74.975, rel=1e-4)


def test_thinning_keeps_the_best_so_far_and_the_newest() -> None:
    spec = snapshots.spec(budget={"trials": 1000, "members": 1, "epochs": 2})
    snapshot = snapshots.realistic(spec)
    kept = {slot.number for slot in thinning.chosen(snapshot, 300)}
    assert len(kept) == 300
    for clock in clocks(snapshot):
        assert {slot.number for slot in incumbents(snapshot, clock)} <= kept
    newest = [s.number for s in snapshot.search if s.state != SlotState.FAILED][-60:]
    assert {*newest} <= kept


def test_a_declared_figure_of_many_points_is_thinned() -> None:
    spec = snapshots.spec(figure={"kind": "scatter", "x": "x", "colour": "x < 0.5"})
    search = tuple(trial(i, [0.5], params={"x": i / 2000}) for i in range(2000))
    whole = chart(snapshots.snapshot(spec, search))
    card = figures_cards.compact(study_figure.card(whole))
    assert len(card) < LARGEST
    assert sum(len(t["x"]) for t in json.loads(card)["data"]) == study_figure.MAX_POINTS


def test_numbers_have_five_significant_digits() -> None:
    figure = drawn(snapshots.snapshot(snapshots.spec(), (trial(0, [1 / 3]),)), "1-convergence")
    assert trace(figure, "best so far")["y"] == [33.333, 33.333]
