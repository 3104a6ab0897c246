"""The report: its verdict, its safety, its study file, its size, and what a browser
says to it."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import snapshots
from pages import HOSTILE, figures, names, shown
from snapshots import FEW_TRIALS

from hpo.contract import Baseline
from hpo.search.importance import LEAST
from hpo.study.trials import SlotState, StudySnapshot, StudyState, Trial
from hpo.views.figures import contour, convergence
from hpo.views.figures.networks import Confusion
from hpo.views.figures.plotted import Plotted
from hpo.views.pages import report as report_page
from hpo.views.records import json_records
from hpo.views.sentences import formatting, verdict

REPORTED = "the reported 89.83 ± 2.91 % (arXiv:2408.02835)"


def study(scores: list[float | None] | None = None, **changes: Any) -> StudySnapshot:
    """A study with one complete trial of three members, and its confirmations."""
    members = tuple(snapshots.member(i, (0.931,)) for i in range(3))
    best = snapshots.slot(0, SlotState.COMPLETE, score=0.931, members=members)
    fresh = tuple(
        snapshots.confirmation(0, i, score) for i, score in enumerate(scores or [])
    )
    return snapshots.snapshot(snapshots.spec(**changes), (best,), fresh)


TEN: list[float | None] = [0.942, 0.956] * 5


@pytest.mark.parametrize(
    ("snapshot", "sentence"),
    [
        (
            study(TEN[:4]),
            (
                "confirmed 94.9 ± 0.8 % on 4 of 10 fresh seeds so far; 5.1 points"
                f" above {REPORTED}"
            ),
        ),
        (
            study(TEN[:1]),
            (
                "confirmed 94.2 % on 1 of 10 fresh seeds so far; 4.4 points more than"
                f" {REPORTED}"
            ),
        ),
        (
            study([*TEN[:8], None, None]),
            (
                "confirmed 94.9 ± 0.7 % on 8 of 10 fresh seeds (2 failed); "
                f"5.1 points above {REPORTED}"
            ),
        ),
        (
            study([None] * 10, protocol="search_on_test", reported=None),
            (
                "best so far 93.1 % (mean of 3 members, searched on the test set, as"
                " the paper does); not confirmed: all 10 confirmation trainings failed"
            ),
        ),
        (
            study(),
            "best so far 93.1 % (mean of 3 members, validation); not confirmed yet; "
            "3.3 points more than " + REPORTED,
        ),
        (
            study(confirm=False, reported=None),
            (
                "best so far 93.1 % (mean of 3 members, validation); no confirmation in"
                " the study file"
            ),
        ),
        (
            study(TEN, protocol="search_on_test", reported=None),
            (
                "confirmed 94.9 ± 0.7 % on 10 fresh seeds, searched on the test set, as"
                " the paper does"
            ),
        ),
        (
            study(
                [0.03, 0.032],
                objective="toy_objective:ToyLossObjective",
                reported={"score": 0.05, "std": 0.01, "source": "us"},
            ),
            (
                "confirmed rmse_mv 0.031 ± 0.0014 on 2 of 10 fresh seeds so far; "
                "0.019 below the reported 0.05 ± 0.01 (us); less is better"
            ),
        ),
        (
            snapshots.changed(study(), search=()),
            f"no trial has finished yet; {REPORTED[4:]}",
        ),
        (
            snapshots.changed(
                study(reported=None),
                search=(
                    snapshots.slot(0, SlotState.FAILED),
                    snapshots.slot(1, SlotState.PRUNED, score=0.3),
                ),
            ),
            "no trial is complete: 1 pruned, 1 failed",
        ),
    ],
)
def test_verdict(snapshot: StudySnapshot, sentence: str) -> None:
    assert verdict.verdict(snapshot) == sentence


def test_where_the_series_are_told_a_verdict_says_how_well_scores_are_known() -> None:
    def with_info(*trials: Trial, **info: int) -> tuple[Trial, ...]:
        known = (
            tuple(replace(member, info=info) for member in t.members) for t in trials
        )
        return tuple(
            replace(t, members=own) for t, own in zip(trials, known, strict=True)
        )

    found = study([0.61, 0.63] * 5)
    search = with_info(*found.search, n_train=35, n_scored=15)
    fresh = with_info(*found.confirm, n_train=50, n_scored=150)
    before = verdict.verdict(snapshots.changed(found, search=search, confirm=()))
    assert "3 members, validation; standard error 5.2 points on 28 series)" in before
    assert verdict.verdict(snapshots.changed(found, search=search, confirm=fresh)) == (
        "confirmed 62.0 ± 1.1 % on 10 fresh seeds; 95 % interval 54.0 to 69.4 %"
        " (standard errors: seeds 0.3 points, 150 series 3.9 points); 31.1 points below"
        " what the search claimed; 27.8 points below " + REPORTED
    )


@pytest.mark.parametrize(
    ("score", "std", "chance", "clause"),
    [
        (0.91, 0.01, 0.1, "3.9 points above the best baseline, ESN (91.0 ± 1.0 %)"),
        (0.99, 0.01, 0.1, "4.1 points below the best baseline, ESN (99.0 ± 1.0 %)"),
        (
            0.95,
            0.01,
            0.1,
            "level with the best baseline, ESN (95.0 ± 1.0 %) (0.1 points less)",
        ),
        (
            0.97,
            0.01,
            0.948,
            "level with chance, majority class (94.8 %) (0.1 points more)",
        ),
        (0.97, 0.01, 0.95, "no better than chance, majority class (95.0 %)"),
        (0.98, 0.1, 0.1, "(3.1 points less), 1.1 points below ridge (96.0 %)"),
    ],
)
def test_a_verdict_holds_what_is_confirmed_against_the_best_baseline(
    score: float, std: float, chance: float, clause: str
) -> None:
    esn = Baseline(name="ESN", score=score, std=std, n=5)
    ridge = Baseline(name="ridge", score=score - 0.02)
    known = esn, ridge, Baseline(name="majority class", score=chance, is_chance=True)
    found = snapshots.changed(study(TEN), baselines=known)
    assert verdict.verdict(found).endswith(clause)
    before = verdict.verdict(snapshots.changed(found, confirm=()))
    assert before.endswith(
        f"; best baseline ESN ({100 * score:.1f} ± {100 * std:.1f} %)"
    )
    shapes = convergence.convergence(Plotted(found)).layout.shapes
    line = f"chance, majority class ({100 * chance:.1f} %)" in [
        shape.name for shape in shapes
    ]
    assert line == (chance > 0.9), "it is on the scale"
    assert (
        "Chance is off the scale: majority class (10.0 %)." in report_page.html(found)
    ) != line


def test_two_baselines_of_an_error_are_rivals_of_which_less_is_better() -> None:
    own = Baseline(name="ESN", score=0.05, std=0.001, n=5, is_like=True)
    known = own, Baseline(name="delay line", score=0.02)
    errors = study(
        [0.03, 0.032], objective="toy_objective:ToyLossObjective", reported=None
    )
    assert verdict.verdict(snapshots.changed(errors, baselines=known)).endswith(
        "; 0.011 more than the best baseline, delay line (0.02) (2 seeds cannot"
        " decide), 0.019 below ESN (0.05 ± 0.001); less is better"
    )


def test_verdict_names_a_confirmed_trial_that_is_no_longer_the_best() -> None:
    better = snapshots.slot(1, SlotState.COMPLETE, score=0.99)
    snapshot = study(TEN, reported=None)
    snapshot = snapshots.changed(snapshot, search=(*snapshot.search, better))
    assert verdict.verdict(snapshot).endswith("for trial 0, not the best of the search")


def test_the_page_is_a_pure_function_and_self_contained() -> None:
    snapshot = snapshots.realistic(snapshots.spec())
    page = report_page.html(snapshot)
    assert page == report_page.html(snapshot)
    assert not re.search(
        r"<(script|link|img|iframe)[^>]+(src|href)=[\"'](?!data:)", page
    )


def with_text_in_every_place(text: str) -> str:
    """A report with all sections, in which a text stands wherever somebody can write
    one."""
    spec = snapshots.unchecked(
        space={"x": {"low": 0.0, "high": 1.0}, "colour": {"choices": (text, "red")}},
        description=text,
        reported={"score": 0.9, "source": text, "params": {"colour": text}},
        sampler={"name": "tpe", text: text},
    )
    states = [
        *[SlotState.COMPLETE] * LEAST,
        SlotState.PRUNED,
        SlotState.FAILED,
    ]
    search = []
    for i, state in enumerate(states):
        params = {"x": i / 60, "colour": ("red", text)[i % 2], text: text}
        score = 0.9 - i / 1000
        texts: dict[str, Any] = {"worker": text, "message": f"{text}\n{text}"}
        texts["members"] = (snapshots.member(0, (0.1, 0.2)),)
        texts["lineage"] = {text: text, "versions": {text: [text, {text: text}]}}
        search.append(snapshots.slot(i, state, score=score, params=params, **texts))
    fresh = (snapshots.confirmation(0, 0, 0.9), snapshots.confirmation(0, 1, None))
    ended = {"state": StudyState.FAILED, "reason": text, "search_end": 52}
    return report_page.html(
        snapshots.snapshot(spec, tuple(search), fresh, search_end_reason=text, **ended)
    )


def test_hostile_text_in_every_place_stays_text() -> None:
    page = with_text_in_every_place(HOSTILE)
    assert not {"img", "onerror"} & names(page)
    harmless = with_text_in_every_place("harmless")
    assert page.count("</script>") == harmless.count("</script>")
    drawn = figures(page)
    for name in ("convergence", "parallel", "importance", "contour", "curves"):
        assert f"{name}-plot" in drawn, "each figure had its chance"
    assert "confirmed-plot" in drawn
    assert "parameters-plot-0" in drawn
    assert page.count("&lt;img src=x") > 10
    assert "<img" not in json.dumps(drawn), "plotly reads tags in its labels"


@pytest.mark.parametrize("search", FEW_TRIALS.values(), ids=FEW_TRIALS)
def test_any_study_makes_a_page(search: tuple[Any, ...]) -> None:
    for spec in (
        snapshots.spec(),
        snapshots.spec(reported=None, confirm=False, fixed=None),
    ):
        body = shown(report_page.html(snapshots.snapshot(spec, search)))
        assert "NaN" not in body
        assert "Infinity" not in body


def test_5000_trials_fit_into_3_mb_and_10_s(tmp_path: Path) -> None:
    spec = snapshots.spec(budget={"trials": 5000, "seeds": 1, "epochs": 10})
    snapshot = snapshots.realistic(spec)
    start = time.thread_time()
    path = report_page.write(snapshot, tmp_path / "big.html")
    assert time.thread_time() - start < 10
    assert path.stat().st_size < 3_000_000


def test_of_very_many_trials_no_contour_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Gaussian process of very many would take long."""
    snapshot = snapshots.realistic(snapshots.spec())
    monkeypatch.setattr(contour, "MOST", len(snapshot.contenders) - 1)
    drawn = figures(report_page.html(snapshot))
    assert "contour-plot" not in drawn
    assert "importance-plot" in drawn


def test_how_the_kept_network_reads_the_test_part_is_said_in_words() -> None:
    found = Confusion(
        classes=["a", "b"], read_as=["a", "b", ""], counts=[[8, 2, 0], [0, 9, 1]]
    )
    assert "17 of 20 series correct (85.0 %)" in report_page.html(
        study(TEN), kept=found
    )
    assert "confusion-plot" not in report_page.html(study(TEN))


def test_lineage_groups_what_agrees_and_counts_what_differs() -> None:
    slots = tuple(snapshots.slot(i, SlotState.COMPLETE) for i in range(9))
    facts = json_records.lineage(snapshots.snapshot(snapshots.spec(), slots))
    assert facts["cpu"] == "AMD EPYC 7763"
    assert facts["versions.torch"] == "2.9.0"
    assert facts["host"] == "host-a (6), host-b (3)"
    assert "seconds" not in facts, "it is each trial's own"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (65, "1 min 05 s"), (7500, "2 h 05 min"), (200_000, "2 d 7 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert formatting.duration_text(seconds) == text
