"""A warm start from another study of the same database: looked up once, and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from searches import reported
from settling import claim, finish, member
from workers import toy_spec

from hpo.errors import SpecError, StudyError
from hpo.ledger import interventions
from hpo.ledger.claim_records import End
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Suggestion

SPACE: dict[str, Any] = {
    "x": {"low": 0.0, "high": 1.0},
    "k": {"low": 1, "high": 8},
    "colour": {"choices": ["red", "green"]},
}
TRIALS: list[tuple[float, int, str, float | None]] = [
    (0.9, 1, "red", 0.1),
    (0.3, 5, "green", 0.9),
    (0.2, 5, "green", None),
    (0.4, 4, "red", 0.7),
    (0.35, 6, "green", 0.9),
    (0.1, 2, "red", 0.3),
]
"""x, k, colour and score of the trials of the other study; one of them was pruned."""


def settle(ledger: Ledger, spec: StudySpec, trials: Sequence[Any]) -> None:
    """Register a study and settle trials with these parameters and scores."""
    ledger.register(spec)
    for *values, score in trials:
        held = claim(ledger, study=spec.name)
        params = dict(zip(("x", "k", "colour"), values, strict=False))
        ledger.store_suggestion(held, Suggestion(params=params))
        ledger.store_member(held, member(0, score or 0.0))
        state = SlotState.PRUNED if score is None else SlotState.COMPLETE
        ledger.settle(
            held, End(state=state, score=score or 0.05, steps=reported(score or 0.05))
        )


def source(ledger: Ledger, **tables: Any) -> None:
    settle(ledger, toy_spec("source", **{"space": SPACE, **tables}), TRIALS)


def warm(name: str = "warm", *, top: int = 3, **tables: Any) -> StudySpec:
    table = {"study": "source", "top": top}
    return toy_spec(name, **{"space": SPACE, "warm_start": table, **tables})


def points(ledger: Ledger, name: str = "warm") -> list[dict[str, Any]]:
    table = ledger.snapshot(name).spec.warm_start
    assert table is not None
    return [dict(point) for point in table.points or ()]


BEST = [
    {"colour": "green", "k": 5, "x": 0.3},
    {"colour": "green", "k": 6, "x": 0.35},
    {"colour": "red", "k": 4, "x": 0.4},
]


def test_the_best_trials_are_the_points_and_stay_so(
    ledger: Ledger, storage: Storage
) -> None:
    source(ledger)
    assert ledger.register(warm()) == "created"
    assert points(ledger) == BEST, (
        "by score, of equals the earlier one; pruned ones never"
    )
    stored = ledger.snapshot("warm").spec
    assert stored.hash != warm().hash, "points are part of what trials depend on"

    interventions.exclude(ledger, "source", 1)
    assert ledger.register(warm()) == "continued"
    assert points(ledger) == BEST
    interventions.delete_study(ledger, "source")
    assert ledger.register(warm()) == "continued"
    assert interventions.extend(ledger, "warm", 30) == "extended"
    assert ledger.register(warm(budget={"trials": 40})) == "extended"
    assert points(ledger) == BEST
    with pytest.raises(StudyError) as caught:
        ledger.register(warm(top=2, budget={"trials": 40}))
    assert "it differs in warm_start.top: 3 -> 2. Only a larger budget" in str(
        caught.value
    )


def test_spaces_that_differ(ledger: Ledger) -> None:
    """Searched there alone: left out. Here alone: as fixed there, if that is in
    range."""
    source(ledger, fixed={"noise": 0.5, "rate_per_ns": 0.2})
    space = {
        "k": {"low": 1, "high": 8},
        "noise": {"low": 0.0, "high": 0.1},
        "rate_per_ns": {"low": 0.01, "high": 1.0, "log": True},
    }
    ledger.register(warm(space=space, fixed={"x": 0.5, "colour": "red"}))
    assert points(ledger) == [{"k": k, "rate_per_ns": 0.2} for k in (5, 6, 4)]


def test_trials_that_come_to_the_same_point_count_once_and_those_outside_never(
    ledger: Ledger,
) -> None:
    settle(ledger, toy_spec("source", space=SPACE), [*TRIALS, (0.8, 5, "red", 0.8)])
    ledger.register(warm(space={"k": SPACE["k"]}, top=3))
    assert points(ledger) == [{"k": 5}, {"k": 6}, {"k": 4}]
    ledger.register(warm("narrow", space={"k": {"low": 1, "high": 4}}, top=3))
    assert points(ledger, "narrow") == [{"k": 4}, {"k": 2}, {"k": 1}]


def test_confirmations_do_not_rank(ledger: Ledger) -> None:
    """They were tested on the test part, which must not tell a search where to
    begin."""
    spec = toy_spec(
        "source", space=SPACE, budget={"trials": 6}, confirm={"top": 2, "seeds": 2}
    )
    settle(ledger, spec, TRIALS)
    for score in (0.1, 0.1, 0.95, 0.95):
        finish(ledger, claim(ledger, study="source"), score=score)
    assert [c.mean for c in ledger.result("source").confirmations] == [0.1, 0.95]
    ledger.register(warm(top=1))
    assert points(ledger) == BEST[:1]


def refusal(ledger: Ledger, spec: StudySpec) -> str:
    with pytest.raises((StudyError, SpecError)) as caught:
        ledger.register(spec)
    assert spec.name not in [summary.name for summary in ledger.studies()]
    return str(caught.value).removeprefix("study 'warm': warm_start.study: ")


def test_no_complete_trial_yet(ledger: Ledger) -> None:
    ledger.register(toy_spec("source", space=SPACE))
    assert (
        refusal(ledger, warm()) == "'source' has no complete trial yet. Wait for one."
    )


@pytest.mark.parametrize(
    ("there", "here", "text"),
    [
        (
            {"objective": "toy_objective:ToyLossObjective"},
            {},
            (
                "this study has maximize accuracy, but 'source' has minimize rmse_mv."
                " Name a study of the same metric."
            ),
        ),
        (
            {"protocol": "search_on_test"},
            {},
            (
                "'source' was scored on the test part (protocol=\"search_on_test\"). "
                'Name a study with protocol = "validation", or search on the test part'
                ' here, too: protocol = "search_on_test".'
            ),
        ),
        (
            {},
            {"space": {"k": {"low": 7, "high": 8}}},
            (
                "trial 1: a trial of 'source' lies outside the space: k=5 (space.k is 7"
                " to 8). Widen the space, or write warm_start.points by hand."
            ),
        ),
        (
            {},
            {"space": {"rate_per_ns": {"low": 0.01, "high": 1.0}}},
            (
                "trial 1: a trial of 'source' lies outside the space: it has none of "
                "rate_per_ns. Widen the space, or write warm_start.points by hand."
            ),
        ),
    ],
)
def test_a_study_that_does_not_fit(
    ledger: Ledger, there: dict[str, Any], here: dict[str, Any], text: str
) -> None:
    source(ledger, **there)
    tree = {**warm().stored(), **here}
    assert refusal(ledger, StudySpec.model_validate_json(json.dumps(tree))) == text


def test_the_nearest_study_has_the_best_score_and_its_best_trial_in_this_space(
    ledger: Ledger,
) -> None:
    source(ledger)
    settle(ledger, toy_spec("far", space={"x": SPACE["x"]}), [(0.8, 0.95)])
    settle(
        ledger,
        toy_spec("paper", space=SPACE, protocol="search_on_test"),
        [(0.8, 5, "red", 0.95)],
    )
    assert ledger.find_earlier(toy_spec("new", space=SPACE)) == [("source", 0.9, True)]


def test_a_study_of_another_task_is_not_offered(ledger: Ledger) -> None:
    source(ledger)
    other = toy_spec("new", space=SPACE, task={"name": "toy", "test_gap": 0.02})
    assert ledger.find_earlier(other) == []


def test_a_launch_begins_from_a_study_and_writes_that_into_its_file(
    ledger: Ledger,
    hpo: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source(ledger)
    study, text = (
        tmp_path / "new.toml",
        "# mine\n" + file.dumps(toy_spec("new", space=SPACE)),
    )
    study.write_text(text)
    line = ("launch", study, "--workers", 0, "--timeout", 0.1)
    offer = "source has searched this task (best: 90.0 %); to begin there: "
    assert f"{offer}--begin-from source --name NEW\n" in hpo(
        *line, "--name", "alone", status=1
    )

    line = (*line, "--begin-from", "source")
    shown = hpo(*line, "--set", "warm_start.top=3", "--dry-run")
    assert "beginning  trials 0 to 2 begin with the best of source\n" in shown
    dry = json.loads(hpo(*line, "--dry-run", "--json"))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")  # where no sbatch is
        assert "removed again" in hpo(
            *line, "--executor", "slurm", "--workers", 1, status=1
        )
    assert study.read_text() == text
    assert f"{study}: [warm_start] written\n" in hpo(*line, status=1)
    assert study.read_text().startswith(text)
    assert points(ledger, "new")[:3] == BEST
    assert ledger.snapshot("new").spec.hash == dry["spec_hash"]
    assert ledger.register(file.load(str(study))) == "continued", (
        "the file is the study"
    )
