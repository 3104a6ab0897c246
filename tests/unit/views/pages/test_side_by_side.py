"""Searches side by side: ``hpo report A B``."""

from __future__ import annotations

from html import unescape

import pytest
import snapshots
from pages import HOSTILE, figures, shown

from hpo.errors import StudyError
from hpo.study.result import Result
from hpo.views.pages import side_by_side

ONE = snapshots.realistic(snapshots.spec())


def other(name: str = "toy-other", **changes: object) -> Result:
    """A study like the first, but for these keys."""
    spec = snapshots.spec(
        seed=3, budget={"trials": 60, "seeds": 3, "epochs": 20}, **changes
    )
    return snapshots.realistic(spec.model_copy(update={"name": name}))


def test_a_page_has_the_curves_the_relation_and_what_differs() -> None:
    page = side_by_side.html([ONE, other()])
    text = unescape(shown(page))
    assert (
        "toy-study, 95.4 ± 0.6 % confirmed: level with toy-other, 95.3 ± 0.9 %" in text
    )
    assert "; difference +0.0 (-0.7 to +0.7), p = 0.94 (Welch's t test)." in text
    assert "budget.epochs" in text
    assert "rate_per_ns.low" not in text, "alike in both"
    (figure,) = figures(page).values()
    names = [
        trace["name"]
        for trace in figure["data"]
        if trace.get("showlegend") is not False
    ]
    own = ["toy-study", "toy-study, confirmed"]
    assert names == [*own, *(name.replace("study", "other") for name in own)]
    assert [shape.get("name") for shape in figure["layout"]["shapes"]][1:] == [
        "reported 89.83 ± 2.91 % (arXiv:2408.02835)"
    ]
    assert "They agree." in shown(side_by_side.html([ONE, ONE]))


def test_what_a_file_leaves_out_is_its_default() -> None:
    written = {
        "fixed": {"noise": 0.02, "sleep_s": 0.0},
        "task": {"name": "toy", "test_gap": 0.01},
    }
    text = shown(side_by_side.html([ONE, other(**written)]))
    assert not any(word in text for word in ("fixed.sleep_s", "task.", "tasks differ"))
    text = shown(side_by_side.html([ONE, other(task={"test_gap": 0.02})]))
    assert "Their tasks differ: the scores are of different data." in text
    assert "task.test_gap" in text


def test_what_a_study_learns_from_is_named_not_listed() -> None:
    trials = [{"params": {"x": 0.123}, "score": 0.5}] * 3
    learner = other(
        sampler={"name": "kriging-believer"},
        transfer={"sources": [{"study": "earlier", "trials": trials}]},
    )
    text = shown(side_by_side.html([ONE, learner]))
    assert "the search learns from 3 trials of earlier" in text
    assert '"x": 0.123' not in text.replace("'", '"')


def test_a_search_without_confirmation_has_no_p_value() -> None:
    before = snapshots.changed(other(), confirm=())
    text = shown(side_by_side.html([ONE, before]))
    assert "only one is confirmed, so they are not compared" in text
    text = shown(side_by_side.html([snapshots.changed(ONE, confirm=()), before]))
    assert " toy-other, 95.9 % in the search." in text


def test_names_are_text() -> None:
    assert HOSTILE not in side_by_side.html([ONE, other(HOSTILE)])


def test_only_searches_for_the_same_score_stand_side_by_side() -> None:
    loss = other(objective="toy_objective:ToyLossObjective", reported=None)
    with pytest.raises(StudyError) as caught:
        side_by_side.html([ONE, loss])
    assert (
        str(caught.value)
        == "study 'toy-other': expected a search for the best accuracy, without [cost]"
        " and [sweep], got a search of rmse_mv."
    )
    with pytest.raises(StudyError, match="expected at most 4 studies, got 5"):
        side_by_side.html([ONE] * 5)
