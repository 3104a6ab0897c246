"""What every view says and draws of a study with a score and costs."""

from __future__ import annotations

import fronts
import pytest

from hpo.notebook import tables
from hpo.views.figures import front as figures_front
from hpo.views.figures.plotted import Plotted
from hpo.views.sentences import verdict
from hpo.views.terminal import live


def test_the_verdict_says_when_nothing_holds() -> None:
    snapshot = fronts.study(confirmed={2: [0.8, 0.8, 0.8], 4: [0.85, 0.86, 0.87]})
    assert verdict.verdict(snapshot).startswith(
        "none of 2 confirmed trials holds the reported score; the best: confirmed 86.0"
        " ± 1.0 % at 30 pJ (3,000 synapses) on 3 fresh seeds; "
    )


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        (
            fronts.TRIALS,
            (
                "cheapest that reaches the reported score 91.0 % at 12.3 pJ (mean of 2"
                " members, validation), of 5 trials on the front; not confirmed yet; "
            ),
        ),
        (
            fronts.TRIALS[:2],
            (
                "most accurate 85.0 % at 5 pJ (mean of 2 members, validation), of 2"
                " trials on the front; not confirmed yet; "
            ),
        ),
    ],
)
def test_before_anything_is_confirmed(
    trials: list[tuple[float, float]], text: str
) -> None:
    assert verdict.verdict(fronts.study(trials=trials, confirmed={})).startswith(text)


def test_lines_of_a_launch_and_of_the_status() -> None:
    snapshot = fronts.study()
    line = live.finished_line(snapshot, snapshot.search[2], 3)
    assert line.startswith(
        "[3/6] trial 2 complete 91.0 % at 12.3 pJ (cheapest that reaches the reported"
        " score 92.0 % at 14 pJ #3) x="
    )
    more = "; 1.2 points more than the reported 89.83 ± 2.91 %"
    assert more in verdict.verdict(fronts.study(confirmed={}))


def test_a_table_of_trials_holds_all_costs() -> None:
    """Records of several costs, and who is the best, are in ``tests/golden/front``."""
    frame = tables.trials(fronts.both())
    assert list(frame["cost.n_synapses"]) == [cost for *_, cost in fronts.TRIPLES]


def test_the_figure_shows_trials_front_confirmed_and_reported() -> None:
    snapshot = fronts.study()
    figure = figures_front.figure(Plotted(snapshot))
    traces = {trace.name: trace for trace in figure.data}
    confirmed = traces["confirmed on fresh seeds, mean ± std"]
    assert list(confirmed.x) == pytest.approx([12.3, 14.0, 30.0])
    assert confirmed.error_y.array == pytest.approx([0.5, 0.2, 1.0], abs=1e-9)
    line = next(trace for trace in figure.data if trace.mode == "lines")
    assert list(line.x) == [
        2.0,
        5.0,
        12.3,
        14.0,
        30.0,
        31.0,
    ], "held until the dearest trial"
    assert line.line.shape == "hv"
    assert list(traces["trial"].x) == [31.0]
    assert list(traces["reported 89.83 ± 2.91 % at 40 pJ (arXiv:2408.02835)"].x) == [
        40.0
    ]
    assert list(traces["reported network, 24.7 pJ as measured here"].x) == [24.68]
    assert figure.layout.xaxis.type == "log", "2 to 40 pJ is more than a decade"
    assert figure.layout.xaxis.title.text == "energy (pJ)"
    band = next(shape for shape in figure.layout.shapes if shape.type == "rect")
    assert (band.y0, band.y1) == pytest.approx((86.92, 92.74))


def test_within_a_decade_the_axis_is_linear() -> None:
    reported = {**fronts.REPORTED, "cost": 15.0, "cost_here": None}
    spec = fronts.spec(reported=reported)
    drawn = figures_front.figure(
        Plotted(fronts.study(spec, trials=[(0.8, 5.0), (0.9, 9.0)], confirmed={}))
    )
    assert drawn.layout.xaxis.type is None
    assert not any("as measured here" in (trace.name or "") for trace in drawn.data)


def test_less_can_be_better() -> None:
    reported = {"score": 0.11, "cost": 20.0, "source": "a paper"}
    less = fronts.spec(objective="toy_objective:ToyLossObjective", reported=reported)
    trials = [(1.0 - score, cost) for score, cost in fronts.TRIALS]
    snapshot = fronts.study(less, trials=trials, confirmed={})
    assert [slot.number for slot in snapshot.front] == [0, 1, 2, 3, 4]
    assert [slot.number for slot in snapshot.ranking][:3] == [2, 3, 4]
    assert verdict.verdict(snapshot).startswith(
        "cheapest that reaches the reported score rmse_mv 0.09 at 12.3 pJ"
    )


def test_a_figure_has_a_panel_for_each_cost_with_the_same_front() -> None:
    snapshot = fronts.both()
    energy, synapses = (
        figures_front.trials(Plotted(snapshot), name, along=True)
        for name in fronts.BOTH
    )
    assert [spot.x for spot in energy] == [5.0, 12.3, 14.0, 30.0]
    assert [spot.x for spot in synapses] == [400.0, 900.0, 1000.0, 1200.0]
    assert {spot.text for spot in energy} == {spot.text for spot in synapses}
    assert figures_front.line(Plotted(snapshot), "energy_pj") == energy
    kept = [spot.x for spot in figures_front.line(Plotted(snapshot), "n_synapses")]
    assert kept == [400.0, 1200.0], "what it alone would keep"
    counts = [
        len(figures_front.reported(Plotted(snapshot), name)) for name in fronts.BOTH
    ]
    assert counts == [2, 1], "what is not told is not drawn"
    figure = figures_front.figure(Plotted(snapshot))
    rings = [
        t
        for t in figure.data
        if t.name == "front of the search" and t.mode == "markers"
    ]
    assert [sorted(trace.text) for trace in rings] == [sorted(rings[0].text)] * 2
    one = figures_front.figure(Plotted(snapshot), only="n_synapses")
    assert one.layout.xaxis.title.text == "synapses"
