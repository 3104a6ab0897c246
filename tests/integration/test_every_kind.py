"""What holds of a study of every kind: its overview, its rows in Optuna, its backup."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from golden_studies import STUDIES, golden_spec
from optuna.study import StudyDirection
from workers import ledger_at, run_workers

from hpo.errors import StudyError
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study import effort
from hpo.views.figures import declared as study_figure
from hpo.views.pages import overview

Said = Callable[..., Any]
IN_BOTH = (
    "state",
    "reason",
    "trials",
    "finished",
    "running",
    "epochs",
    "gap",
    "gap_of",
    "reported",
)


@pytest.fixture
def said(
    golden_url: str, hpo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Said:
    """What a command says of the finished studies, as a record, without the last
    digits."""
    monkeypatch.setenv("HPO_STORAGE", golden_url)

    def rounded(number: str) -> float:
        return float(f"{float(number):.12g}")

    return lambda *words: json.loads(hpo(*words, "--json"), parse_float=rounded)


@pytest.mark.parametrize("kind", STUDIES)
def test_the_overview_says_what_the_study_says(said: Said, kind: str) -> None:
    line = next(study for study in said("status")["studies"] if study["name"] == kind)
    study = said("status", kind)
    for key in IN_BOTH:
        assert line[key] == study[key], key
    named = study.get(
        "confirmed", study["confirmations"][0]["source"] if study["best"] else None
    )
    found = next((c for c in study["confirmations"] if c["source"] == named), None)
    for key in ("source", "n", "mean", "std", "checked", "step_mean") if found else ():
        assert line["confirmed"][key] == found[key], key
    if found and found["thermal"]:
        assert (
            line["confirmed"]["thermal"]["noisy_mean"] == found["thermal"]["noisy_mean"]
        )
    best = study["best"] or {}
    assert (line["best_score"], line["best_cost"]) == (
        best.get("score"),
        best.get("cost"),
    )


@pytest.mark.parametrize("kind", STUDIES)
def test_its_card_needs_only_some_of_its_trials(golden_url: str, kind: str) -> None:
    with ledger_at(golden_url) as ledger:
        (known,) = [result for item, result in ledger.results() if item.name == kind]
        assert known is not None
        assert overview.card(known) == overview.card(ledger.result(kind))


@pytest.mark.parametrize("kind", STUDIES)
def test_optuna_shows_the_same_trials(golden_url: str, kind: str) -> None:
    with open_storage(golden_url) as storage:
        snapshot = Ledger(storage).result(kind)
        study = optuna.load_study(study_name=kind, storage=storage.optuna())
        trials, directions, names = study.trials, study.directions, study.metric_names
        best = {(*trial.values,) for trial in study.best_trials}
    costs = snapshot.spec.costs
    assert directions == [
        StudyDirection.MAXIMIZE,
        *[StudyDirection.MINIMIZE] * len(costs),
    ]
    assert names == ["accuracy", *costs]
    if costs:
        assert best == {(slot.score, *slot.costs) for slot in snapshot.front}
    for slot, trial in zip(snapshot.search, trials, strict=True):
        assert trial.params == dict(slot.params)
        assert trial.state.name.lower() == slot.state
        assert trial.values == [slot.score, *slot.costs]
        numbers = effort.step_numbers(slot.steps)
        scores = [step.score for step in slot.steps]
        assert trial.intermediate_values == dict(zip(numbers, scores, strict=True))


RULE = (
    "[stop] has ended it before trial 30 (stop.patience = 12: no trial was better than"
    " trial 14)"
)


@pytest.mark.parametrize(
    ("kind", "why", "do"),
    [
        (
            "sweep",
            "it is a sweep, and its points are in its file",
            "Add points to its file and l",
        ),
        (
            "constrained",
            RULE,
            "Launch it with another [stop] under another name: --name NEW.",
        ),
    ],
)
def test_what_is_over_for_good_is_not_extended(
    golden_url: str, kind: str, why: str, do: str
) -> None:
    with ledger_at(golden_url) as ledger, pytest.raises(StudyError) as refused:
        interventions.extend(ledger, kind, 200)
    assert str(refused.value).startswith(f"study '{kind}': {why}. {do}")


# --- a sweep: its figure is changed and drawn again, and no trial runs for it ---


def drawn_as(ledger: Ledger, **figure: Any) -> None:
    """Hand in the sweep with another figure."""
    tree = golden_spec("sweep").stored() | {"figure": figure}
    assert (
        ledger.register(
            type(golden_spec("sweep")).model_validate_json(json.dumps(tree))
        )
        == "continued"
    )


def test_a_new_figure_only_redraws(
    golden_copy: str, hpo: Callable[..., str], tmp_path: Path
) -> None:
    target = tmp_path / "figure.svg"
    command = (
        "report",
        "sweep",
        "--picture",
        target,
        "--storage",
        golden_copy,
        "--json",
    )
    with ledger_at(golden_copy) as ledger:
        ledger.register(golden_spec("sweep", "other"))
        run_workers(golden_copy, "other", 1)
        drawn_as(ledger, kind="curves", overlay=["other", "none"])
        snapshot = ledger.result("sweep")
        assert snapshot.progress.finished == snapshot.progress.trials
        assert [s.spec.name for s in ledger.overlays(snapshot.spec)] == ["other"]
        chart = study_figure.chart(snapshot)
        assert chart is not None
        assert chart.groups[1].points[1].median > chart.groups[0].points[2].median
        assert json.loads(hpo(*command)) == {"picture": str(target)}
        assert target.read_text().startswith("<?xml")
        drawn_as(ledger, kind="scatter", x="info.nothing")
    assert (
        hpo(*command, status=1)
        == "error: study 'sweep': no trial has a value on the x axis (nothing) yet: 6"
        " of 6 trials finished: 6 complete; 54 epochs of training. Wait for one, or"
        " change `x` of its [figure].\n"
    )
