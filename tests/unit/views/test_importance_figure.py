"""The figures of importance: what they show, and that their size is bounded."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

import pytest
import snapshots
from test_importance import drawn, rate

from hpo.study.snapshot import StudySnapshot
from hpo.views.figures import importance as figures_importance
from hpo.views.figures.style import safe
from hpo.views.numbers import importance
from hpo.views.numbers.importance import Importance
from hpo.views.report import page as report_page


def found(snapshot: StudySnapshot) -> Importance:
    measured = importance.measure(snapshot)
    return measured


def test_bars_tell_share_and_chance() -> None:
    study = drawn(lambda p: -3 * (p["x"] - 0.3) ** 2 + (p["colour"] == "red"), 0)
    left, right = figures_importance.bars(found(study)).data
    assert {*left.y[:2]} == {"x", "colour"}
    assert left.marker.color[:2] == ("#0072B2", "#0072B2")
    assert right.y[0].count(" × ") == 1
    assert len(right.y) == 6
    assert right.text == tuple(f"{value:.1f}" for value in right.x)


def test_contours_show_the_pair_that_interacts_and_the_marks() -> None:
    study: StudySnapshot = drawn(
        lambda p: 0.9 * float((p["x"] > 0.5) != (rate(p) > 0.5)), 0, spec=snapshots.spec()
    )
    pairs = found(study).pairs(3)
    assert pairs[0] == ("rate_per_ns", "x")
    figure = figures_importance.contours(study, pairs)
    assert (figure.layout.xaxis.type, figure.layout.xaxis.dtick) == ("log", 1)
    assert figure.layout.xaxis.minor.ticks == "outside", "as everywhere else"
    assert list(figure.layout.xaxis.range) == [-3.0, 1.0]
    ground, dots, cross, star = figure.data[:4]
    assert (len(ground.x), len(ground.y), len(ground.z)) == (32, 32, 32)
    corners = [ground.z[y][x] for y in (0, -1) for x in (0, -1)]
    assert max(corners[0], corners[3]) < min(corners[1], corners[2]), "an exclusive or"
    assert (cross.x[0], cross.y[0]) == (0.07, 0.5)
    assert (star.x[0], star.y[0]) == (study.best.params["rate_per_ns"], study.best.params["x"])
    assert len(dots.x) == figures_importance.SHOWN


def test_choices_are_names_on_their_axis() -> None:
    study = drawn(lambda p: p["x"] if p["colour"] == "red" else 1.0 - p["x"], 0)
    figure = figures_importance.contours(study, [("colour", "x")])
    assert figure.data[0].type == "heatmap"
    assert list(figure.data[0].x) == [safe("red"), safe("green")]
    assert figure.layout.xaxis.type == "category"


def test_size_and_time_are_bounded() -> None:
    """The sections of many trials beside all of the report, once all is imported.

    The best of three of each, of this thread alone (those of BLAS wait busily), without garbage
    collection, which may fall into one of them.
    """
    report_page.html(drawn(lambda p: p["x"], 0, importance.LEAST))
    study = drawn(lambda p: p["x"] * rate(p), 0, 2_000)

    def own() -> int:
        measured = found(study)
        figures = (
            figures_importance.bars(measured),
            figures_importance.contours(study, measured.pairs(3)),
        )
        return sum(len(figure.to_json()) for figure in figures)

    def best_s(run: Callable[[], object]) -> float:
        return min(timeit.repeat(run, timer=time.thread_time, number=1, repeat=3))

    assert own() < 300_000
    assert best_s(own) < 0.6 * best_s(lambda: report_page.html(study))


def test_the_same_snapshot_the_same_figures() -> None:
    study = drawn(lambda p: p["x"] * rate(p), 0, 100)
    pairs = found(study).pairs(2)
    first, second = (figures_importance.contours(study, pairs).to_json() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("n", "there"), [(importance.LEAST, True), (49, False)])
def test_the_report_says_when_there_are_too_few(n: int, there: bool) -> None:
    page = report_page.html(drawn(lambda p: p["x"], 0, n))
    said = (
        "49 trials that trained a network to its end, or scores that are all alike, do not tell "
        "which parameters matter: "
    )
    assert (f"{said}50 are needed at least." in page) is not there
    assert ('id="contours-plot-0"' in page) is there
