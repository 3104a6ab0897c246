"""A search that learns from studies of the same database: looked up once, and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from searches import reported
from settling import claim
from workers import toy_spec

from hpo.errors import StudyError
from hpo.ledger import interventions
from hpo.ledger.claim_records import End
from hpo.ledger.ledger import Ledger
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.tables import SourceTrial
from hpo.study.trials import SlotState, Suggestion

PRUNER = {"name": "successive-halving", "min_resource": 1, "reduction_factor": 2}
CURVES = [(0.5, 0.6, 0.7), (0.2,), (0.4, 0.5, 0.8)]
"""Of the trials of the other study; the second one was pruned."""


def believer(name: str, **tables: Any) -> StudySpec:
    given = {"sampler": {"name": "kriging-believer"}, "pruner": PRUNER}
    return toy_spec(name, **{**given, **tables})


def settle(ledger: Ledger, name: str = "source", **tables: Any) -> None:
    ledger.register(believer(name, **tables))
    for k, curve in enumerate(CURVES):
        held = claim(ledger, study=name)
        params = {"x": 0.1 * k, "k": 1 + k, "colour": "red", "rate_per_ns": 1.0}
        ledger.store_suggestion(held, Suggestion(params=params))
        state = SlotState.PRUNED if len(curve) == 1 else SlotState.COMPLETE
        ledger.settle(held, End(state=state, score=curve[-1], steps=reported(*curve)))


def learner(name: str = "new", **tables: Any) -> StudySpec:
    return believer(name, **{"transfer": {"studies": ["source"]}, **tables})


def pinned(ledger: Ledger, name: str = "new") -> list[SourceTrial]:
    (source,) = ledger.snapshot(name).spec.sources
    assert source.study == "source"
    return list(source.trials)


def test_the_trials_are_looked_up_once(ledger: Ledger) -> None:
    """Also pruned ones, with an extrapolated score that is less certain."""
    settle(ledger)
    assert ledger.register(learner()) == "created"
    known = pinned(ledger)
    assert [trial.score for trial in known[::2]] == [0.7, 0.8]
    assert known[1].score > 0.2
    assert [trial.vague > 0.0 for trial in known] == [False, True, False]
    assert known[2].params == {"colour": "red", "k": 3, "rate_per_ns": 1.0, "x": 0.2}

    interventions.delete_study(ledger, "source")
    assert ledger.register(learner()) == "continued"
    assert pinned(ledger) == known
    with pytest.raises(StudyError, match="it differs in transfer"):
        ledger.register(learner(transfer={"studies": ["another"]}))
    with pytest.raises(StudyError, match="it differs in transfer") as caught:
        ledger.register(believer("new"))
    assert len(str(caught.value)) < 600, "trials are not listed"


@pytest.mark.parametrize(
    ("there", "here", "text"),
    [
        (
            {},
            {"transfer": {"studies": ["sorce"]}},
            "study 'sorce': not in the database, which has source.",
        ),
        (
            {"protocol": "search_on_test"},
            {},
            "study 'new': transfer.studies: 'source' was scored on the test part",
        ),
        (
            {},
            {"space": {"noise": {"low": 0.0, "high": 0.1}}},
            "study 'new': transfer.studies: 'source' has no complete trial yet with one"
            " of noise. Wait for one, or name another study.",
        ),
    ],
)
def test_a_study_that_does_not_fit(
    ledger: Ledger, there: dict[str, Any], here: dict[str, Any], text: str
) -> None:
    settle(ledger, **there)
    with pytest.raises(StudyError) as caught:
        ledger.register(learner(**here))
    assert str(caught.value).startswith(text)
    assert [summary.name for summary in ledger.studies()] == ["source"]


def test_a_launch_learns_from_a_study_of_another_task(
    ledger: Ledger, hpo: Callable[..., str], tmp_path: Path
) -> None:
    """It offers that, and writes the name, not the trials, into the study file."""
    settle(ledger, task={"name": "toy", "test_gap": 0.02})
    study = tmp_path / "new.toml"
    study.write_text(file.dumps(believer("new")))
    line = ("launch", study, "--workers", 0, "--timeout", 0.1)
    assert (
        "source has searched another task (best: 80.0 %); to begin there: --begin-from"
        " source --name NEW\n"
    ) in hpo(*line, "--name", "alone", status=1)

    line = (*line, "--begin-from", "source")
    assert "the search learns from 3 trials of source\n" in hpo(*line, "--dry-run")
    assert f"{study}: [transfer] written\n" in hpo(*line, status=1)
    assert study.read_text().endswith('[transfer]\nstudies = [\n    "source",\n]\n')
    assert len(pinned(ledger)) == 3
    assert ledger.register(file.load(str(study))) == "continued"
