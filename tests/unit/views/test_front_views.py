"""What every view says and draws of a study with a score and a cost."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import fronts
import pytest
from summaries import summary

from hpo.errors import HpoError
from hpo.study.summary import ConfirmedSummary
from hpo.views import json_records, note, verdict
from hpo.views.figures import cards as figures_cards
from hpo.views.figures import front as figures_front
from hpo.views.numbers import front as numbers_front
from hpo.views.pictures import front as pictures_front
from hpo.views.report import page as report_page
from hpo.views.terminal import chart as terminal_chart
from hpo.views.terminal import progress as terminal_lines
from hpo.views.terminal import status, tables

NAMED = (
    "confirmed 90.7 ± 0.2 % at 14 pJ (1,400 synapses) on 3 fresh seeds: 35 % of the reported "
    "40 pJ, 57 % of the 24.7 pJ that the reported network takes here; reported 89.83 ± 2.91 % at "
    "40 pJ (arXiv:2408.02835)"
)


def test_the_verdict_names_the_cheapest_that_holds_the_reported_score() -> None:
    snapshot = fronts.study()
    assert [item.source for item in snapshot.confirmations] == [2, 3, 4]
    assert snapshot.confirmed.source == 3
    assert verdict.verdict(snapshot) == NAMED
    assert snapshot.best is snapshot.search[3], "files and views show the trial it is named by"


def test_the_verdict_says_when_nothing_holds() -> None:
    snapshot = fronts.study(confirmed={2: [0.8, 0.8, 0.8], 4: [0.85, 0.86, 0.87]})
    assert verdict.verdict(snapshot).startswith(
        "none of 2 confirmed trials holds the reported score; the best: confirmed 86.0 ± 1.0 % at "
        "30 pJ (3,000 synapses) on 3 fresh seeds; reported"
    )


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        (
            fronts.TRIALS,
            "cheapest that reaches the reported score 91.0 % at 12.3 pJ (mean of 2 members, "
            "validation), of 5 trials on the front; not confirmed yet; reported",
        ),
        (
            fronts.TRIALS[:2],
            "most accurate 85.0 % at 5 pJ (mean of 2 members, validation), of 2 trials on the "
            "front; not confirmed yet; reported",
        ),
    ],
)
def test_before_anything_is_confirmed(trials: list[tuple[float, float]], text: str) -> None:
    assert verdict.verdict(fronts.study(trials=trials, confirmed={})).startswith(text)


def test_the_table_of_the_confirmed_front() -> None:
    lines = tables.front_table(fronts.study())
    assert [re.split(r"  +", line) for line in lines] == [
        ["trial", "energy (pJ)", "synapses", "search score", "confirmed", "n"],
        ["2", "12.3", "1,230", "91.0 %", "89.5 ± 0.5 %", "3"],
        ["3", "14", "1,400", "92.0 %", "90.7 ± 0.2 %", "3"],
        ["4", "30", "3,000", "95.0 %", "95.0 ± 1.0 %", "3"],
        ["reported", "40 (here 24.7)", "–", "–", "89.83 ± 2.91 %", "10"],
    ]
    before = tables.front_table(fronts.study(confirmed={}))
    assert [line.split()[0] for line in before] == ["trial", "0", "1", "2", "3", "4", "reported"]
    assert "confirmed" not in before[0]


def test_the_result_in_a_terminal() -> None:
    lines = tables.result(fronts.study(), report=None, storage="", width=90)
    text = "\n".join(lines)
    assert f"toy-study: {NAMED}" in text
    assert "· trial   o front   ◆ confirmed   ✚ reported 89.83 ± 2.91 % at 40 pJ" in text
    assert re.search(r"2 +energy \(pJ\) +40\n", text), "the axis reaches the reported cost"
    assert re.search(r"^ +trial 3 +reported$", text, re.M)
    assert re.search(r"^  energy \(pJ\) +14 +40$", text, re.M)
    assert "best so far" not in text
    chart = terminal_chart.chart(fronts.study(), width=80)
    assert "\n".join(chart).count("◆") == 3 + 1, "three points, and the legend"
    assert terminal_chart.chart(fronts.study(trials=fronts.TRIALS[:1], confirmed={})) == []


def test_lines_of_a_launch_and_of_the_status() -> None:
    snapshot = fronts.study()
    line = terminal_lines.settled_line(snapshot, snapshot.search[2], 3)
    assert line.startswith(
        "[3/6] trial 2 complete 91.0 % at 12.3 pJ (cheapest that reaches the reported score "
        "92.0 % at 14 pJ #3) x="
    )
    assert status.gap(snapshot) == (
        "the confirmed score is 0.9 points above the reported 89.83 ± 2.91 %"
    )
    searched = fronts.study(confirmed={})
    assert status.gap(searched) == (
        "the search score (cheapest that reaches the reported score) is 1.2 points above the "
        "reported 89.83 ± 2.91 %"
    )


def test_a_line_of_the_overview() -> None:
    snapshot = fronts.study()
    confirmed = ConfirmedSummary(source=3, mean=0.907, std=0.002, n=3, costs=(14.0,), step_mean=0.907)
    shown = summary(spec=snapshot.spec, best_score=0.91, best_costs=(12.3,))
    _, line = status.study_lines([replace(shown, confirmed=confirmed)])
    assert "90.7 ± 0.2 % at 14 pJ confirmed  0.9 points above 89.83 ± 2.91 %" in line
    _, line = status.study_lines([shown])
    assert "91.0 % at 12.3 pJ in the search" in line


def test_records_hold_front_and_costs() -> None:
    record = json.loads(json_records.dumps(json_records.study(fronts.study())))
    assert record["cost"] == "energy_pj"
    assert [(p["number"], p["score"], p["cost"]) for p in record["front"]] == [
        (n, *fronts.TRIALS[n]) for n in range(5)
    ]
    assert record["confirmed"] == 3
    assert record["best"]["number"] == 3
    assert record["gap_of"] == "confirmed"
    assert record["gap"] == pytest.approx(0.907 - 0.8983)
    costs = [(c["source"], c["cost"], c["costs"]["n_synapses"]) for c in record["confirmations"]]
    assert costs == [
        (2, pytest.approx(12.3), 1230),
        (3, pytest.approx(14.0), 1400),
        (4, pytest.approx(30.0), 3000),
    ]
    assert json_records.trial(fronts.study().spec, fronts.study().search[2])["cost"] == 12.3


def test_the_figure_shows_trials_front_confirmed_and_reported() -> None:
    snapshot = fronts.study()
    figure = figures_front.figure(snapshot)
    traces = {trace.name: trace for trace in figure.data}
    confirmed = traces["confirmed on fresh seeds, mean ± std"]
    assert list(confirmed.x) == pytest.approx([12.3, 14.0, 30.0])
    assert confirmed.error_y.array == pytest.approx([0.5, 0.2, 1.0], abs=1e-9)
    line = next(trace for trace in figure.data if trace.mode == "lines")
    assert list(line.x) == [2.0, 5.0, 12.3, 14.0, 30.0, 31.0], "held until the dearest trial"
    assert line.line.shape == "hv"
    assert list(traces["trial"].x) == [31.0]
    assert list(traces["reported 89.83 ± 2.91 % at 40 pJ (arXiv:2408.02835)"].x) == [40.0]
    assert list(traces["reported network, 24.7 pJ as measured here"].x) == [24.68]
    assert figure.layout.xaxis.type == "log", "2 to 40 pJ is more than a decade"
    assert figure.layout.xaxis.title.text == "energy (pJ)"
    band = next(shape for shape in figure.layout.shapes if shape.type == "rect")
    assert (band.y0, band.y1) == pytest.approx((86.92, 92.74))


def test_within_a_decade_the_axis_is_linear() -> None:
    reported = {**fronts.REPORTED, "cost": 15.0, "cost_here": None}
    spec = fronts.spec(reported=reported)
    (chart,) = numbers_front.charts(
        fronts.study(spec, trials=[(0.8, 5.0), (0.9, 9.0)], confirmed={})
    )
    assert not chart.log_x
    assert chart.reported_here is None


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
    low, high = numbers_front.view(numbers_front.charts(snapshot)[0])
    assert low < 0.05 < 0.11 < high < 0.4, "the better half, and the reported"


def test_cards_of_the_dashboard() -> None:
    cards = figures_cards.cards(fronts.study())
    assert sorted(cards) == ["1-front", "4-parameters", "5-confirmed"]
    front = json.loads(cards["1-front"])
    assert "Accuracy against energy" in front["layout"]["title"]["text"]
    falling = [(0.9 - 1e-5 * k, 10.0 + k) for k in range(1000)]  # all but the first off the front
    rising = [(0.9 + 1e-5 * k, 10.0 - 1e-3 * k) for k in range(1, 1000)][::-1]
    rising = [(score, 20.0 - cost) for score, cost in rising]  # every one on the front
    for trials in (falling, rising):
        large = figures_front.card(fronts.study(trials=trials, confirmed={}))
        assert len(figures_cards.compact(large).encode()) < 40_000
        assert trials is rising or "250 of 999 trials off the front" in large.layout.title.text


def test_the_note() -> None:
    text = note.text(fronts.study())
    assert "**Result:** confirmed 90.7 ± 0.2 % at 14 pJ" in text
    assert "- trial 4: accuracy **95.0 ± 1.0 % at 30 pJ** on n = 3 fresh seeds" in text
    assert "It has two objectives: accuracy, and as little `energy_pj` as possible" in text
    assert (
        "Of the front the 2 cheapest that reached the reported score, and the most accurate one "
        "are then trained from 3 fresh seeds"
    ) in text


def test_the_report() -> None:
    page = report_page.html(fronts.study())
    text = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert '<section id="front"' in text
    assert '<section id="convergence"' not in text
    assert "The front of the search, cheapest first" in text
    assert "Trials of the front" in text
    assert "Best trials" not in text
    assert "best so far" not in page, "nothing is the best by its score alone"


def test_pictures(tmp_path: Path) -> None:
    chart = numbers_front.charts(fronts.study())
    one = pictures_front.write(chart, tmp_path / "a.svg").read_bytes()
    assert one == pictures_front.write(chart, tmp_path / "b.svg").read_bytes()
    assert b"<svg" in one
    with pytest.raises(HpoError, match=r"the ending must be \.svg, \.pdf or \.png"):
        pictures_front.write(chart, tmp_path / "a.gif")
