"""The figures hold what the snapshot says, for studies of every kind."""

from __future__ import annotations

from dataclasses import replace

import pages
import plotly.graph_objects as go
import pytest
import snapshots
from searches import reported

from hpo.contract import Outcome
from hpo.contract.facts import member_info
from hpo.study.trials import MANY, SlotState, StudySnapshot
from hpo.views.figures import convergence, networks, parallel, parameters
from hpo.views.figures.plotted import DRAWN, LEADING, Plotted
from hpo.views.pages import report


def trace(figure: go.Figure, name: str) -> go.Scatter:
    return next(t for t in figure.data if t.name == name and t.visible is not False)


def trials(*scores: float) -> StudySnapshot:
    slots = [
        snapshots.slot(i, SlotState.COMPLETE, score=score)
        for i, score in enumerate(scores)
    ]
    return snapshots.snapshot(snapshots.spec(), tuple(slots))


def test_by_epochs_a_trial_stands_at_what_was_trained_up_to_its_end() -> None:
    """Three networks of 30 epochs each; one trial was pruned in its first, one failed.

    A pruned trial is not the best, and who was done first does not matter.
    """
    first, last = trials(0.5, 0.8).search
    members = tuple(snapshots.member(i, (0.1,) * 30) for i in range(3))
    first = replace(first, members=members, finished_at=last.finished_at)
    slots = (
        first,
        snapshots.slot(1, SlotState.PRUNED, score=0.99, steps=reported(*[0.99] * 12)),
        snapshots.slot(2, SlotState.FAILED, steps=reported(*[0.4] * 3)),
        replace(last, members=members, number=3),
    )
    figure = convergence.convergence(Plotted(snapshots.changed(trials(), search=slots)))
    traces = {t.name: t for t in figure.data if t.meta == "by epochs"}
    assert list(traces["complete trial"].x) == [90, 195]
    assert list(traces["pruned"].x) == [102]
    assert list(traces["failed"].x) == [105]
    assert list(traces["best so far"].x) == [90, 195, 195]
    assert list(traces["best so far"].y) == pytest.approx([50, 80, 80])
    axis = figure.layout.updatemenus[0].buttons[1].args[1]
    assert axis["xaxis.title.text"] == "epochs of training in the search"


def test_one_outlier_does_not_squash_the_rest_and_stands_at_the_edge() -> None:
    figure = convergence.convergence(
        Plotted(trials(*[0.9 + 0.001 * i for i in range(20)], 0.1))
    )
    edge = figure.layout.yaxis.range[0]
    assert edge > 80
    cloud = trace(figure, "complete trial")
    assert (cloud.y[20], cloud.cliponaxis) == (edge, False)
    assert "trial 20: 10.0 %" in cloud.text[20]


def test_of_very_many_trials_the_best_and_a_sample_are_drawn() -> None:
    """The best trials stand side by side, where an even sample would leave most out."""
    n = 3 * MANY
    scores = [0.5 + 0.1 * i / n for i in range(n)]
    best = range(1000, 1000 + LEADING)
    for i in best:
        scores[i] = 0.9 - 0.0001 * i
    plotted = Plotted(trials(*scores))
    numbers = [trial.number for trial in plotted.drawn]
    assert numbers == sorted(set(numbers))
    assert set(best) <= set(numbers)
    improved = {t.number for t in plotted.result.improvements(plotted.result.search)}
    assert improved <= set(numbers)
    sampled = DRAWN - LEADING
    assert sampled <= len(numbers) <= sampled + LEADING + len(improved)
    assert f"{len(numbers):,} of {n:,} trials" in plotted.thinned
    cloud = trace(convergence.convergence(plotted), "complete trial")
    assert list(cloud.x) == numbers
    lines = parallel.coordinates(plotted).data
    assert sum(list(line.x).count(None) for line in lines) == DRAWN
    leading = trace(parallel.coordinates(plotted), f"best {LEADING}")
    assert list(leading.x).count(None) == LEADING - 1, "the best one has its own line"


def test_up_to_the_limit_every_trial_is_drawn() -> None:
    plotted = Plotted(trials(*[0.5] * MANY))
    assert len(plotted.drawn) == MANY
    assert plotted.thinned == ""


def test_every_button_chooses_traces_that_exist() -> None:
    figure = convergence.convergence(Plotted(snapshots.realistic(snapshots.spec())))
    buttons = figure.layout.updatemenus[0].buttons
    assert [b.label for b in buttons] == ["by trial", "by epochs", "by time"]
    shown = [b.args[0]["visible"] for b in buttons]
    assert [t.visible for t in figure.data] == shown[0]
    assert [sum(of) for of in zip(*shown, strict=True)] == [1] * len(figure.data)
    assert [sum(s) for s in shown] == [len(figure.data) / 3] * 3


def test_parameters_have_the_axes_of_the_space() -> None:
    figure = parameters.parameters(Plotted(snapshots.realistic(snapshots.spec())))
    axes = [figure.layout[f"xaxis{i}"] for i in ("", 2, 3, 4)]
    assert [a.title.text for a in axes] == ["x", "k", "rate_per_ns (1/ns)", "colour"]
    assert [a.type for a in axes] == [None, None, "log", "category"]
    reported = [t for t in figure.data if t.name == "reported"]
    assert [t.x[0] for t in reported] == [0.5, 0.07, "red"]
    assert sum(t.name == "best" for t in figure.data) == 4


def test_learning_curves_draw_members_and_a_bounded_number_of_others() -> None:
    spec = snapshots.spec(budget={"trials": 400, "seeds": 3, "epochs": 30})
    snapshot = snapshots.realistic(spec)
    figure = networks.learning_curves(Plotted(snapshot))
    best = [t for t in figure.data if t.line.width == 3]
    assert [t.name for t in best][-1].startswith(f"trial {snapshot.ranking[0].number}:")
    members = [t for t in figure.data if t.line.width == 1]
    assert [list(t.y).count(None) for t in members] == [2, 2, 2]
    grey = trace(figure, "other trials")
    assert 50 < list(grey.y).count(None) + 1 <= networks.MAX_CURVES


def test_values_of_an_own_objective_have_a_figure_each() -> None:
    info = member_info(Outcome(score=0.9, per_epoch={"<b>_mw": [0.5, 0.25]}))
    member = replace(snapshots.member(0, (0.8, 0.9)), info=info)
    best = snapshots.slot(0, SlotState.COMPLETE, members=(member,))
    found = snapshots.snapshot(snapshots.spec(), (best, *trials(0.1).search[1:]))
    own = pages.figures(report.html(found))["per-epoch-plot-0"]
    assert [trace["y"] for trace in own["data"]] == [[0.5, 0.25]] * 2, (
        "network and mean"
    )
    assert own["layout"]["yaxis"]["title"]["text"] == "&lt;b&gt;_mw (mW)"


def test_steps_after_the_first_member_are_no_epochs() -> None:
    members = tuple(snapshots.member(i, (0.4 + 0.2 * i,) * 30) for i in range(2))
    curve = members[0].curve
    # then the mean of two members, see TrialProgress
    steps = reported(*curve, 0.5, epochs=len(curve))
    slot = snapshots.slot(0, SlotState.PRUNED, score=0.5, members=members, steps=steps)
    figure = networks.learning_curves(
        Plotted(snapshots.snapshot(snapshots.spec(), (slot,)))
    )
    assert list(trace(figure, "other trials").y) == pytest.approx([50] * 30)


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    curve = tuple(i / 10_000 for i in range(10_000))
    member = replace(
        snapshots.member(0, curve), scored_at=(*range(3, 29_999, 3), 29_999)
    )
    slot = snapshots.slot(0, SlotState.COMPLETE, members=(member,))
    budget = {"trials": 1, "seeds": 1, "epochs": 29_999, "score_every": 3}
    spec = snapshots.spec(budget=budget)
    figure = networks.learning_curves(Plotted(snapshots.snapshot(spec, (slot,))))
    x = list(figure.data[-1].x)
    assert len(x) <= networks.MAX_CURVE_POINTS + 1
    assert (x[0], x[-1]) == (3, 29_999)


def test_confirmed_shows_every_seed_mean_and_claim() -> None:
    source = snapshots.slot(3, SlotState.COMPLETE, score=0.95)
    fresh = tuple(
        snapshots.confirmation(3, i, s) for i, s in enumerate((0.90, 0.94, None))
    )
    figure = networks.confirmed(
        Plotted(snapshots.snapshot(snapshots.spec(), (source,), fresh))
    )
    assert list(trace(figure, "fresh seed, test set").x) == pytest.approx([90, 94])
    assert list(trace(figure, "mean ± std").x) == pytest.approx([92])
    assert trace(figure, "mean ± std").error_x.array[0] == pytest.approx(
        2.828, abs=1e-3
    )
    assert list(trace(figure, "claimed by the search").x) == pytest.approx([95])
    assert list(figure.layout.yaxis.ticktext) == ["trial 3"]


def test_beyond_the_last_trial_stands_what_was_claimed_and_confirmed() -> None:
    fresh = (snapshots.confirmation(1, 0, 0.95), snapshots.confirmation(1, 1, 0.97))
    figure = convergence.convergence(
        Plotted(snapshots.changed(trials(0.9, 0.99), confirm=fresh))
    )
    assert list(trace(figure, "claimed by the search").y) == pytest.approx([99])
    assert list(trace(figure, "confirmed on fresh seeds").y) == pytest.approx([96])
    low, high = figure.layout.yaxis.range
    assert low < 86.92, "the reported band is in view"
    assert high > 99
