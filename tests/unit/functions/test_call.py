"""Calls of a function: pure functions of spec, number and history; ends as in
Optuna."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, distribution_to_json

from hpo.functions import (
    Call,
    Evaluation,
    InterruptionError,
    SameParametersError,
    decide,
)
from hpo.script.script import _load
from hpo.search.space import contains_all
from hpo.search.surrogate import predict_scores
from hpo.study import file
from hpo.study.functions import find_space, with_common_space
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Step, Suggestion

SEED = 5


@pytest.fixture(autouse=True)
def _clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    return


def study(folder: Path, body: str, **tables: Any) -> StudySpec:
    """Return the study of a function with this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = f"import hpo, math, optuna, random\ndef objective(trial):\n{lines}\n"
    (folder / "train.py").write_text(text)
    tree = {
        "name": "f",
        "objective": "train.py:objective",
        "budget": {"trials": 50, "window": 1},
        **tables,
    }
    return file.read(tree, base=folder, where="train.py")


def past(evaluation: Evaluation) -> Past:
    reports = evaluation.reports.items()
    return Past(
        suggestion=evaluation.suggestion,
        state=evaluation.state,
        score=evaluation.values[0] if evaluation.values else None,
        steps=tuple(Step(0, step, value) for step, value in reports),
    )


def search(spec: StudySpec, n: int) -> list[Past]:
    """Run the first trials of a study."""
    trials: list[Past] = []
    for number in range(n):
        decided = decide(spec, number, trials)
        call = Call(spec=spec, number=number, seed=SEED, trials=trials, decided=decided)
        trials.append(past(call.run()))
    return trials


def test_a_call_depends_on_its_history_alone(tmp_path: Path) -> None:
    body = "x = trial.suggest_float('x', 0, 1)\nreturn (x - 0.3) ** 2 + random.random()"
    spec = study(tmp_path, body)
    trials = search(spec, 15)
    assert search(spec, 15) == trials
    assert len({trial.suggestion.params["x"] for trial in trials}) == 15


def test_within_the_window_outcomes_are_hidden(tmp_path: Path) -> None:
    body = (
        "trial.suggest_float('x', 0, 1)\n"
        "return sum(t.state.is_finished() for t in trial.study.trials)"
    )
    spec = study(tmp_path, body, budget={"trials": 50, "window": 4})
    trials = search(spec, 10)
    assert [trial.score for trial in trials] == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("body", "state", "values", "message"),
    [
        ("return 3", SlotState.COMPLETE, (3.0,), None),
        ("return '2.5'", SlotState.COMPLETE, (2.5,), None),
        ("return math.inf", SlotState.COMPLETE, (1e100,), None),
        ("return math.nan", SlotState.FAILED, (), "the function returned NaN."),
        ("pass", SlotState.FAILED, (), "the function returned None, which is not a"),
        ("return 1, 2", SlotState.FAILED, (), "returned 2 values, but the study has 1"),
        ("raise KeyError('k')", SlotState.FAILED, (), "KeyError: 'k'"),
        ("raise SystemExit(0)", SlotState.FAILED, (), "SystemExit: 0"),
        ("raise optuna.TrialPruned", SlotState.PRUNED, (), None),
        (
            "trial.report(2, 0)\ntrial.report(5, 3)\nraise optuna.TrialPruned",
            SlotState.PRUNED,
            (5.0,),
            None,
        ),
    ],
)
def test_a_call_ends_as_optuna_judges_it(
    tmp_path: Path,
    body: str,
    state: SlotState,
    values: tuple[float, ...],
    message: str | None,
) -> None:
    evaluation = Call(spec=study(tmp_path, body), number=0, seed=SEED).run()
    assert evaluation.state == state
    assert evaluation.values == values
    if message is None:
        assert evaluation.message is None
    else:
        assert message in str(evaluation.message)
    assert evaluation.n_returned == (2 if body == "return 1, 2" else None)


def test_another_seed_has_the_same_parameters(tmp_path: Path) -> None:
    body = (
        "n = trial.suggest_int('n', 1, 3)\n"
        "us = [trial.suggest_float(f'u{i}', 1e-3, 1, log=True) for i in range(n)]\n"
        "o = trial.suggest_categorical('o', [None, (1, 2), 'adam'])\n"
        "assert o in (None, (1, 2), 'adam') and trial.params['o'] == o\n"
        "return sum(us) + 10 * random.random()"
    )
    spec = study(tmp_path, body)
    first = Call(spec=spec, number=2, seed=SEED, trials=search(spec, 2)).run()
    again = Call(spec=spec, number=2, seed=9, fixed=first.suggestion).run()
    assert again.suggestion == first.suggestion
    assert again.values != first.values


def test_parameters_that_depend_on_the_seed_are_refused(tmp_path: Path) -> None:
    body = "return trial.suggest_float(f'x{hpo.seed(trial)}', 0, 1)"
    spec = study(tmp_path, body)
    first = Call(spec=spec, number=0, seed=SEED).run()
    again = Call(spec=spec, number=0, seed=9, fixed=first.suggestion).run()
    assert again.state == SlotState.FAILED
    assert "asks for 'x9', which this trial of the search" in str(again.message)


PRUNED = """x = trial.suggest_float('x', 0, 1)
for step in range(1, 20):
    trial.report(x / step + 0.01 * random.random(), step)
    if trial.should_prune():
        raise optuna.TrialPruned
return x"""


@pytest.mark.parametrize("pruner", ["median", "percentile", "successive-halving"])
def test_pruners_are_optunas(tmp_path: Path, pruner: str) -> None:
    options = {"percentile": 30.0} if pruner == "percentile" else {}
    spec = study(tmp_path, PRUNED, pruner={"name": pruner, **options})
    states = [trial.state for trial in search(spec, 20)]
    assert {SlotState.PRUNED, SlotState.COMPLETE} == {*states}


def test_a_call_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    body = PRUNED.replace("range(1, 20)", "range(int(saved or 1), 20)").replace(
        "    trial.report", "    point.save(str(step).encode())\n    trial.report"
    )
    body = body.replace(" + 0.01 * random.random()", "")
    body = f"point = hpo.checkpoint(trial)\nsaved = point.load()\n{body}"
    pruner = {"name": "successive-halving", "min_resource": 4}
    spec = study(tmp_path, body, pruner=pruner)
    trials = search(spec, 12)
    while trials[-1].state == SlotState.PRUNED:
        trials = search(spec, len(trials) + 1)
    *trials, _ = trials
    number = len(trials)
    whole = Call(spec=spec, number=number, seed=SEED, trials=trials).run()
    assert whole.suggestion.optuna_attrs, "the pruner has noted a rung"
    saved: list[bytes] = []

    def stop(step: int, value: float) -> None:
        if step == 10:
            raise InterruptionError(TimeoutError())

    cut = Call(spec=spec, number=number, seed=SEED, trials=trials, on_report=stop)
    cut.on_save = saved.append
    with pytest.raises(TimeoutError):
        cut.run()
    rest = Call(
        spec=spec, number=number, seed=SEED, trials=trials, checkpoint=saved[-1]
    )
    assert rest.run() == whole


def test_an_interruption_passes_through_a_bare_except(tmp_path: Path) -> None:
    body = "try:\n    trial.report(1, 1)\nexcept BaseException:\n    pass\nreturn 1"

    def stop(step: int, value: float) -> None:
        raise InterruptionError(TimeoutError())

    with pytest.raises(TimeoutError):
        Call(spec=study(tmp_path, body), number=0, seed=SEED, on_report=stop).run()


def test_known_parameters_are_not_evaluated_again(tmp_path: Path) -> None:
    body = "x = trial.suggest_int('x', 0, 2)\nreturn x"
    spec = study(tmp_path, body, sampler={"name": "random"})
    with pytest.raises(SameParametersError) as caught:
        search(spec, 4)
    assert caught.value.number < 3
    assert caught.value.suggestion.params["x"] in (0, 1, 2)


def test_generators_are_seeded_before_each_call(tmp_path: Path) -> None:
    body = (
        "import numpy, torch\n"
        "return random.random() + numpy.random.rand() + float(torch.rand(1))"
    )
    spec = study(tmp_path, body)
    values = [Call(spec=spec, number=n, seed=s).run() for n, s in [(0, 1), (0, 1)]]
    assert values[0].values == values[1].values
    assert Call(spec=spec, number=0, seed=2).run().values != values[0].values


def test_user_attributes_are_kept_and_others_become_text(tmp_path: Path) -> None:
    body = (
        "trial.set_user_attr('n', 3)\ntrial.set_user_attr('f', math)\n"
        "trial.set_user_attr('nan', math.nan)\n"
        "import numpy\ntrial.set_user_attr('k', numpy.int64(4))\nreturn 1"
    )
    facts = Call(spec=study(tmp_path, body), number=0, seed=SEED).run().facts
    assert facts["n"] == 3
    assert facts["k"] == 4
    assert "module 'math'" in facts["f"]
    assert facts["nan"] == "nan"


def test_a_function_learns_whether_it_confirms(tmp_path: Path) -> None:
    body = "return 1 + hpo.confirming(trial)"
    spec = study(tmp_path, body)
    first = Call(spec=spec, number=0, seed=SEED).run()
    confirmed = Call(
        spec=spec, number=50, seed=SEED, fixed=first.suggestion, confirming=True
    ).run()
    assert first.values == (1.0,)
    assert confirmed.values == (2.0,)
    assert confirmed.asked_confirming


def test_values_to_maximise_after_the_first_change_their_sign(tmp_path: Path) -> None:
    spec = study(tmp_path, "return 1", directions=["maximize", "maximize", "minimize"])
    assert spec.costs == ("-value_1", "value_2")
    assert spec.change_signs([1.0, 2.0, 3.0]) == [1.0, -2.0, 3.0]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "cmaes", "kriging-believer"])
def test_trials_of_the_window_show_what_the_history_decides(
    tmp_path: Path, sampler: str
) -> None:
    """Finished, running or half-way: within the window a trial shows the same."""
    body = (
        "x = trial.suggest_float('x', 0, 1)\n"
        "y = trial.suggest_float('y', 0, 1)\n"
        "z = trial.suggest_int(f'z{trial.number % 2}', 0, 9)\n"
        "return x + y + z"
    )
    options = {"population_size": 4} if sampler == "nsga2" else {"n_startup_trials": 3}
    spec = study(
        tmp_path,
        body,
        budget={"trials": 50, "window": 4},
        sampler={"name": sampler, **options},
    )
    finished = search(spec, 12)
    running = [*finished]
    for number in range(9, 12):
        running[number] = Past(suggestion=decide(spec, number, running[:number]))
    shown = [past.suggestion.params.keys() for past in running[9:]]
    assert any(shown)
    assert all(names <= {"x", "y"} for names in shown)
    assert decide(spec, 12, running) == decide(spec, 12, finished)
    whole = finished[-1].suggestion
    assert whole.params.items() >= running[-1].suggestion.params.items()


def test_our_sampler_searches_what_all_trials_have_in_common(tmp_path: Path) -> None:
    """A parameter that only some trials have, or whose range changes, is random."""
    body = (
        "x = trial.suggest_float('x', 0, 1)\n"
        "k = trial.suggest_int('k', 1, 64, log=True)\n"
        "c = trial.suggest_categorical('c', ['a', 'b', None])\n"
        "w = trial.suggest_float('w', 0, 1 + trial.number % 2)\n"
        "if c == 'a':\n"
        "    trial.suggest_float('z', 0, 1)\n"
        "return (x - 0.3) ** 2 + math.log2(k / 8) ** 2 + (c is not None)"
    )
    spec = study(tmp_path, body, sampler={"name": "kriging-believer"})
    trials = search(spec, 30)
    assert trials[0].suggestion.decided.params == {}
    assert trials[20].suggestion.decided.params.keys() == {"x", "k", "c"}
    assert min(trial.score or 0.0 for trial in trials) < 1e-3
    mean = predict_scores(
        with_common_space(spec, [t.suggestion for t in trials]), trials
    )
    assert mean.keys() == {*range(30)}


HELD = """\
import hpo, optuna, random, torch
import numpy as np
import helper
DATA = [random.random(), float(np.random.rand()), float(torch.rand(1))]
rng = np.random.default_rng(0)
old = np.random.RandomState(0)
own = random.Random(0)
other = torch.Generator().manual_seed(0)
class Objective:
    def __init__(self):
        self.rng = np.random.default_rng(0)
    def __call__(self, trial):
        trial.suggest_float("x", 0, 1)
        drawn = [rng.random(), old.rand(), own.random(), self.rng.random()]
        drawn += [float(torch.rand(1, generator=other)), helper.rng.random()]
        trial.set_user_attr("drawn", drawn)
        trial.set_user_attr("data", DATA)
        return 0.0
objective = Objective()
"""


def test_generators_of_modules_are_seeded(tmp_path: Path) -> None:
    """Calls depend on their seed, not on earlier calls of the process; data that a
    module draws are the same in every process."""
    helper = "import numpy as np\nrng = np.random.RandomState()\n"
    (tmp_path / "helper.py").write_text(helper)
    spec = study(tmp_path, "return 0")
    (tmp_path / "train.py").write_text(HELD)
    facts = []
    for seed in (SEED, SEED, SEED + 1):
        if len(facts) < 2:
            _load.cache_clear()  # as in another process
            random.seed()
        facts.append(Call(spec=spec, number=0, seed=seed).run().facts)
    first, again, other = facts
    assert first == again
    assert first["data"] == other["data"]
    assert not set(first["drawn"]) & set(other["drawn"])
    assert len(set(first["drawn"])) == 6


def test_an_import_leaves_the_generators_of_its_process_alone(tmp_path: Path) -> None:
    spec = study(tmp_path, "return random.random()")
    _load.cache_clear()
    random.seed(1)
    spec.script.load()
    assert random.random() == random.Random(1).random()


def test_a_request_to_stop_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = study(tmp_path, "trial.study.stop()\nreturn 1.0")
    assert Call(spec=spec, number=0, seed=SEED).run().values == (1.0,)
    assert "Study.stop() is passed over" in caplog.text


def test_n_jobs_starts_no_processes(tmp_path: Path) -> None:
    """They would have seeds of their own."""
    drawing = (
        "joblib.Parallel(n_jobs=-1)(joblib.delayed(random.random)() for _ in 'ab')"
    )
    spec = study(tmp_path, f"import joblib\nreturn sum({drawing})")
    drawn = random.Random(SEED)
    expected = drawn.random() + drawn.random()
    assert Call(spec=spec, number=0, seed=SEED).run().values == (expected,)


# --- parameters of a trial that Optuna has stored ---


def stored(value: Any, choices: list[Any]) -> Suggestion:
    """Return the suggestion of an imported trial with one choice."""
    own = CategoricalDistribution(choices)
    text = distribution_to_json(own)
    return Suggestion.of_function({"c": value}, {"c": text}, {})


def test_choice_of_a_tuple_that_json_has_as_a_list(tmp_path: Path) -> None:
    body = "c = trial.suggest_categorical('c', [None, (1, 2)])\nreturn float(c[1])"
    spec = study(tmp_path, body)
    fixed = stored("[1, 2]", ["None", "[1, 2]"])
    assert Call(spec=spec, number=0, seed=SEED, fixed=fixed).run().values == (2.0,)


def test_choice_that_the_function_no_longer_offers(tmp_path: Path) -> None:
    body = "return float(trial.suggest_categorical('c', ['x', 'y']) == 'x')"
    spec = study(tmp_path, body)
    call = Call(spec=spec, number=0, seed=SEED, fixed=stored("a", ["a", "b"]))
    message = call.run().message or ""
    assert message.splitlines()[-1] == (
        "ValueError: the trial has c='a', but the function offers 'x', 'y'. Give the"
        " function that made the trial."
    )


def test_choices_have_the_same_texts_in_every_process(tmp_path: Path) -> None:
    choices = "[random.choice, None, 'None', math.nan, lambda: 0, lambda: 1]"
    body = f"trial.suggest_categorical('c', {choices})\nreturn 0.0"
    evaluation = Call(spec=study(tmp_path, body), number=0, seed=SEED).run()
    space = find_space([evaluation.suggestion])
    assert space["c"].choices == (
        "<bound method Random.choice of <random.Random object>>",
        "None #1",
        "None",
        "nan",
        "<function objective.<locals>.<lambda>>",
        "<function objective.<locals>.<lambda>> #5",
    )


# --- what the database cannot hold, or Optuna refuses ---


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "trial.report(1.0, 2**31)",
            "ValueError: a report at step 2,147,483,648: steps go up to 2,147,483,647."
            " Count epochs or batches.",
        ),
        (
            "trial.suggest_float('n' * 513, 0, 1)",
            f"ValueError: the parameter name {'n' * 40!r} has 513 characters: at most"
            " 512. Shorten it.",
        ),
        (
            "trial.suggest_categorical('c', ['\\ud800'])",
            "ValueError: a choice of 'c' holds a character that PostgreSQL cannot"
            " store: '\\ud800'. Remove it.",
        ),
        (
            "trial.suggest_float('a\\0', 0, 1)",
            "ValueError: the parameter name 'a\\x00' holds a character that PostgreSQL"
            " cannot store: 'a\\x00'. Remove it.",
        ),
        (
            "trial.study.optimize(objective, n_trials=1)",
            "RuntimeError: Nested invocation of `Study.optimize` method isn't allowed."
            " Create a study of its own for an inner search.",
        ),
    ],
)
def test_a_call_fails_with_the_reason(tmp_path: Path, line: str, message: str) -> None:
    spec = study(tmp_path, f"{line}\nreturn 0.0")
    evaluation = Call(spec=spec, number=0, seed=SEED).run()
    assert evaluation.state == SlotState.FAILED
    assert (evaluation.message or "").splitlines()[-1] == message


def test_a_name_of_the_main_part_is_said_to_be_missing_there(tmp_path: Path) -> None:
    spec = study(tmp_path, "return SCALE + other")
    script = tmp_path / "train.py"
    tail = 'if __name__ == "__main__":\n    SCALE = 2.0\n'
    script.write_text(script.read_text() + tail)
    message = Call(spec=spec, number=0, seed=SEED).run().message or ""
    assert message.splitlines()[-1] == (
        "NameError: name 'SCALE' is not defined; it is defined under `if __name__ == "
        "…`, which is not run. Move it above the function."
    )
    script.write_text(script.read_text() + "SCALE = 1.0\n")
    message = Call(spec=spec, number=0, seed=SEED).run().message or ""
    assert message.splitlines()[-1] == "NameError: name 'SCALE' is not defined"


def test_a_study_of_its_own_may_optimise_within_a_call(tmp_path: Path) -> None:
    body = (
        "inner = optuna.create_study()\n"
        "inner.optimize(lambda own: own.suggest_float('x', 2, 2), n_trials=1)\n"
        "return inner.best_value"
    )
    spec = study(tmp_path, body)
    assert Call(spec=spec, number=0, seed=SEED).run().values == (2.0,)


def test_every_value_of_a_range_with_many_steps_is_in_it(tmp_path: Path) -> None:
    spec = study(tmp_path, "return trial.suggest_float('x', 0.1, 1e9, step=0.1)")
    for number in range(12):
        evaluation = Call(spec=spec, number=number, seed=SEED).run()
        assert evaluation.state == SlotState.COMPLETE
        assert contains_all(evaluation.suggestion)


@pytest.mark.parametrize(
    ("tables", "directions"),
    [
        ({}, ("minimize",)),
        ({"metrics": "accuracy"}, ("maximize",)),
        ({"metrics": "accuracy", "directions": "minimize"}, ("minimize",)),
    ],
)
def test_an_accuracy_is_maximised_unless_said_otherwise(
    tmp_path: Path, tables: dict[str, str], directions: tuple[str, ...]
) -> None:
    assert study(tmp_path, "return 0.5", **tables).directions == directions
