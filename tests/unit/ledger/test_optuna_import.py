"""Finished studies of Optuna: read from their storages, and as trials of ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import create_trial
from optuna_studies import every_state, journal, optuna_trial, parabola, write

from hpo.errors import HpoError
from hpo.functions import as_texts
from hpo.ledger.optuna_source import OptunaStudy, is_source, read_source
from hpo.ledger.optuna_trials import FinishedStudy, finish
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.sentences import verdict

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., OptunaStudy]:
    """Write trials to a journal by Optuna, and read them as a source."""

    def read(*trials: Any, **options: Any) -> OptunaStudy:
        path = tmp_path / "journal.log"
        write(journal(path), "mine", trials, **options)
        return read_source(str(path), "mine")

    return read


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(HpoError) as caught:
        call()
    return str(caught.value)


# --- storages ---


def test_missing_sqlite_file_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    said = refusal(lambda: read_source(f"sqlite:///{path}", None))
    assert said == f"sqlite:///{path}: no such file. Check the path."
    assert not path.exists()


def test_sqlite_without_a_study_of_optuna(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    path.touch()
    said = refusal(lambda: read_source(f"sqlite:///{path}", None))
    assert said == (
        f"sqlite:///{path}: cannot be read as a storage of Optuna: no such table:"
        " version_info. Check the name."
    )


def test_missing_driver(tmp_path: Path) -> None:
    said = refusal(lambda: read_source("mysql://me:secret@host/mine", None))
    assert said == (
        "mysql://me:***@host/mine: its driver is not installed: No module named"
        " 'MySQLdb'. Install it with pip."
    )


def test_unknown_kind_of_database() -> None:
    said = refusal(lambda: read_source("mongo://host/mine", None))
    assert said == (
        "mongo://host/mine: its driver is not installed: Can't load plugin:"
        " sqlalchemy.dialects:mongo. Install it with pip."
    )


def test_several_studies_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    for name in ("tune", "coarse"):
        write(f"sqlite:///{path}", name, [optuna_trial(1.0)])
    unnamed = refusal(lambda: read_source(str(path), None))
    assert unnamed == f"{path}: name the study to import; it has coarse, tune."
    unknown = refusal(lambda: read_source(str(path), "tuna"))
    assert unknown == (
        f"{path}: no study 'tuna'; it has coarse, tune. Did you mean 'tune'?"
    )


def test_files_are_told_apart(tmp_path: Path) -> None:
    write(journal(tmp_path / "journal"), "mine", [])
    (tmp_path / "backup.jsonl").write_text('{"hpo_backup":305}\n')
    found = {path.name: is_source(str(path)) for path in tmp_path.glob("[!.]*")}
    assert found == {"journal": True, "backup.jsonl": False}


# --- trials ---


@pytest.fixture
def finished(read: Callable[..., OptunaStudy]) -> FinishedStudy:
    """A study with a trial in every state."""
    return finish(read(*every_state()))


def test_finished_trials_are_numbered_in_order(finished: FinishedStudy) -> None:
    states = [own.trial.state for own in finished.trials]
    assert states == [
        SlotState.COMPLETE,
        SlotState.PRUNED,
        SlotState.FAILED,
        SlotState.COMPLETE,
    ]
    assert [own.trial.number for own in finished.trials] == [0, 1, 2, 3]
    assert [own.original.number for own in finished.trials] == [0, 2, 3, 5]
    assert finished.left_out == 2


def test_values_that_are_not_finite(finished: FinishedStudy) -> None:
    trial = finished.trials[0].trial
    assert trial.score == 1e100
    assert [tuple(step) for step in trial.steps] == [(0, 0, 0.25), (0, 5, -1e100)]


def test_user_attributes_are_facts(finished: FinishedStudy) -> None:
    (member,) = finished.trials[0].trial.members
    assert member.info == {"note": "ünïcode", "nan": "nan", "user_chip_scores": 3}


def test_standard_deviation_of_a_value_is_its_noise(
    read: Callable[..., OptunaStudy],
) -> None:
    """Unless it is no number, or negative."""
    sds = [0.5, "0.5", -1.0]
    trials = [optuna_trial(1.0, user_attrs={"value_sd": sd}) for sd in sds]
    found = [own.suggestion.value_sd for own in finish(read(*trials)).trials]
    assert found == [0.5, 0.0, 0.0]


def test_choice_that_is_no_value_is_its_text(finished: FinishedStudy) -> None:
    own = finished.trials[0].suggestion
    assert own.params == {"x": 0.5, "odd": "None"}
    assert '"choices": ["None", 1.5, "a"]' in own.distributions["odd"]


def test_choices_with_the_same_text_stay_apart(
    read: Callable[..., OptunaStudy],
) -> None:
    """By the texts that the function gives them in a confirmation."""
    choices = CategoricalDistribution([None, "None"])
    trial = create_trial(params={"c": None}, distributions={"c": choices}, value=1.0)
    (own,) = finish(read(trial)).trials
    assert own.suggestion.params == {"c": as_texts(choices.choices)[0]}
    assert own.suggestion.params != {"c": "None"}


def test_ends_of_other_trials(finished: FinishedStudy) -> None:
    _, pruned, failed, _ = [own.trial for own in finished.trials]
    assert (pruned.score, pruned.message) == (0.75, "pruned after step 3")
    assert (failed.score, failed.message) == (None, "out of memory")


def test_further_values_are_costs(read: Callable[..., OptunaStudy]) -> None:
    trials = [optuna_trial((0.5, 2.0)), optuna_trial((0.75, 3.0))]
    ways = ["maximize", "maximize"]
    study = finish(read(*trials, directions=ways))
    assert study.spec.costs == ("-value_1",)
    assert [own.trial.costs for own in study.trials] == [(-2.0,), (-3.0,)]
    assert not study.snapshot().posterior


def test_accuracy_in_per_cent_is_another_metric(
    read: Callable[..., OptunaStudy],
) -> None:
    source = read(optuna_trial(93.5), optuna_trial(0.5))
    source.system_attrs["study:metric_names"] = ["accuracy"]  # type: ignore[index]
    assert finish(source).spec.metrics == ("accuracy_value",)


@pytest.mark.parametrize(
    ("trials", "name", "said"),
    [
        ([], None, "study 'mine': no trial is finished yet."),
        (
            [optuna_trial(1.0, intermediate_values={2**31: 0.5})],
            None,
            "study 'mine': trial 0: step 2147483648 is above 2,147,483,647.",
        ),
        (
            [optuna_trial(1.0)],
            "a b",
            "study 'mine': name: expected 1 to 100 letters, digits or . _ + -,"
            " beginning with a letter, a digit or _, got 'a b'. Choose another: --name"
            " NEW.",
        ),
    ],
)
def test_refusals(
    read: Callable[..., OptunaStudy], trials: Any, name: str | None, said: str
) -> None:
    source = read(*trials)
    assert refusal(lambda: finish(source, name)) == f"{source.place}: {said}"


# --- what is likely best ---


def test_likely_best_beside_the_best_value(read: Callable[..., OptunaStudy]) -> None:
    result = Result.of(finish(read(*parabola(60))).snapshot())
    best = result.best
    assert best is not None
    assert abs(best.params["x"] - 0.3) < 0.2
    clauses = verdict.clauses(result)
    assert clauses[0].startswith("best by posterior mean value ")
    assert clauses[1:] == [
        "not confirmed: to do so, name its function: hpo confirm mine --objective"
        " train.py:objective",
        "the best value is -0.3, of trial 1",
    ]


def test_parameters_that_share_no_space(read: Callable[..., OptunaStudy]) -> None:
    choice = create_trial(
        value=1.0,
        params={"x": "a"},
        distributions={"x": CategoricalDistribution(["a", "b"])},
    )
    source = read(optuna_trial(2.0))
    odd = finish(source)
    both = OptunaStudy(**{**vars(source), "trials": [odd.trials[0].original, choice]})
    result = Result.of(finish(both).snapshot())
    assert verdict.clauses(result)[2] == (
        "no posterior mean: the trials do not lie in one space"
    )


def test_ranges_that_differ_between_trials(read: Callable[..., OptunaStudy]) -> None:
    trials = []
    for number in range(12):
        own = IntDistribution(1, 8 + number)
        trials.append(
            create_trial(
                value=float(number),
                params={"k": 1 + number % 4},
                distributions={"k": own},
            )
        )
    study = finish(read(*trials))
    assert study.spec.dimensions["k"].ends == (1.0, 19.0)
    assert len(study.snapshot().posterior) == 12
    assert all(math.isfinite(one.mean) for one in study.snapshot().posterior.values())


def test_losses_over_decades_are_compared_by_logarithms(
    read: Callable[..., OptunaStudy],
) -> None:
    trials = []
    for number in range(60):
        x = -1.0 + 2.0 * (number * 0.618 % 1.0)
        trials.append(
            optuna_trial(10.0 ** (4.0 * abs(x - 0.3) + 0.1 * math.cos(9.0 * number)), x)
        )
    expected = finish(read(*trials)).snapshot().posterior
    worst = max(
        abs(math.log10(expected[number].mean) - 4.0 * abs(own.params["x"] - 0.3))
        for number, own in enumerate(trials)
    )
    assert worst < 0.3
