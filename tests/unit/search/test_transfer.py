"""A search that learns from the trials of an earlier study."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from searches import searched
from workers import toy_spec

from hpo.errors import SpecError
from hpo.search import comparison
from hpo.search.suggest import suggest
from hpo.search.surrogate import Surrogate, source_surrogates
from hpo.search.transfer import choose_trials
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.tables import SourceTrial
from hpo.study.trials import Past

Score = Callable[[Mapping[str, Any]], float]


def believer(**tables: Any) -> StudySpec:
    given = {"sampler": {"name": "kriging-believer"}, "pruner": {"name": "none"}}
    return toy_spec(**{**given, "budget": {"trials": 60, "window": 1}, **tables})


def peak(at: float, height: float = 0.9) -> Score:
    """A score that is best at ``x = at``, green and slow."""

    def score(params: Mapping[str, Any]) -> float:
        miss = abs(float(params["x"]) - at) + 0.2 * (params["colour"] == "red")
        return height / (1.0 + 5.0 * miss)

    return score


def earlier(score: Score, spec: StudySpec | None = None) -> list[SourceTrial]:
    """What a search of 40 trials leaves to ``believer``."""
    own = spec or believer(name="earlier")
    return list(choose_trials(believer(), own, searched(own, 40, score)))


def learner(*sources: Sequence[SourceTrial]) -> StudySpec:
    tables = [
        {"study": f"earlier {k}", "trials": [trial.model_dump() for trial in source]}
        for k, source in enumerate(sources)
    ]
    return believer(transfer={"sources": tables})


def shuffled(trials: Sequence[SourceTrial]) -> list[SourceTrial]:
    scores = [trial.score for trial in trials]
    random.Random(1).shuffle(scores)
    return [
        trial.model_copy(update={"score": score})
        for trial, score in zip(trials, scores, strict=True)
    ]


def fitted(spec: StudySpec, trials: Sequence[Past]) -> Surrogate:
    known = comparison.extrapolate(spec, trials)
    return Surrogate(spec, known, source_surrogates(spec))


def misses(trials: Sequence[Past], at: float) -> list[float]:
    return [abs(float(trial.suggestion.params["x"]) - at) for trial in trials]


def test_most_of_the_first_trials_lie_where_the_earlier_study_was_best() -> None:
    spec = learner(earlier(peak(0.3)))
    trials = searched(spec, 8, peak(0.35, 0.8))
    assert sum(miss < 0.15 for miss in misses(trials, 0.3)) >= 5
    assert len({str(trial.suggestion.params) for trial in trials}) == 8
    alone = searched(believer(), 8, peak(0.35, 0.8))
    best = max(trial.score or 0.0 for trial in trials)
    assert best > max(trial.score or 0.0 for trial in alone)


def error(spec: StudySpec, score: Score) -> float:
    """How far the surrogate of twelve trials is from the score elsewhere."""
    found = fitted(spec, searched(believer(), 12, score))
    others = searched(believer(seed=9), 20, score)
    means, _ = found.predict(others)
    return float(np.abs(means - [trial.score for trial in others]).mean())


def test_what_holds_in_both_studies_is_a_trend_of_the_surrogate() -> None:
    """A source of chance costs little, alone or beside one that helps."""
    truth = peak(0.3, 0.7)
    helps = earlier(peak(0.3))
    chance = shuffled(helps)
    alone = error(believer(), truth)
    assert error(learner(helps), truth) < 0.6 * alone
    assert error(learner(chance, helps), truth) < 0.6 * alone
    assert error(learner(chance), truth) < 1.1 * alone


def test_a_source_that_contradicts_the_scores_is_dropped() -> None:
    spec = learner(earlier(peak(0.9)))
    found = fitted(spec, searched(believer(), 30, peak(0.2)))
    assert not found.process.coefficients.size


def test_suggestions_are_those_of_the_stored_study() -> None:
    spec = learner(earlier(peak(0.3)))
    trials = searched(spec, 14, peak(0.5))
    again = file.validate(spec.stored(), where="a copy")
    assert again.hash == spec.hash != believer().hash
    for number in (0, 3, 5, 13):
        own = suggest(again, number, trials[:number])
        assert own.params == trials[number].suggestion.params


def test_trials_enter_in_the_terms_of_the_new_space() -> None:
    """Without what it does not search; with what the other has fixed; also from beyond
    its bounds, if its axis goes there."""
    space = {
        "x": {"low": 0.0, "high": 1.0},
        "k": {"low": 1, "high": 8},
        "colour": {"choices": ["red", "green"]},
    }
    other = believer(name="other", space=space, fixed={"rate_per_ns": 0.2})
    here = {**space, "x": {"low": 0.0, "high": 0.5}}
    here["rate_per_ns"] = {"low": 0.01, "high": 1.0, "log": True}
    here["colour"] = {"choices": ["green"]}
    here.pop("k")
    trials = choose_trials(believer(space=here), other, searched(other, 40, peak(0.3)))
    assert len(trials) == 40
    assert max(float(trial.params["x"]) for trial in trials) > 0.5
    assert {trial.params.get("colour") for trial in trials} == {"green", None}
    assert {trial.params["rate_per_ns"] for trial in trials} == {0.2}
    assert not any("k" in trial.params for trial in trials)


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        (
            {"sampler": {"name": "tpe"}},
            "sampler.name: expected a sampler that learns from earlier studies, got"
            " 'tpe'. Valid: kriging-believer.",
        ),
        ({"transfer": {}}, "transfer: give `studies`."),
    ],
)
def test_what_cannot_learn_is_refused(tables: dict[str, Any], text: str) -> None:
    given = {"transfer": {"studies": ["earlier"]}, **tables}
    with pytest.raises(SpecError) as caught:
        believer(**given)
    assert text in str(caught.value)
