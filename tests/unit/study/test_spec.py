"""Study files: what is accepted, and every refusal by its text."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, model_validator
from workers import toy_spec

from hpo.errors import SpecError
from hpo.study import file as study_file
from hpo.study.rules import check
from hpo.study.spec import StudySpec
from objectives.contract import Objective, ObjectiveParams, TaskParams


class Params(ObjectiveParams):
    tau_ns: Annotated[float, Field(gt=0, le=1000)] = 1.0
    gain: Annotated[float, Field(ge=0, le=10)] = 1.0
    layers: Annotated[int, Field(ge=1, le=9)] = 3
    depth: Annotated[int | None, Field(ge=1, le=9)] = None
    kind: Literal["euler", "rk4"] = "euler"
    bias: bool = False
    width: Annotated[float, Field(gt=0)] | int = 1
    weight: float

    @model_validator(mode="after")
    def _gain_fits(self) -> Params:
        if self.gain * self.layers < 0.5:
            raise ValueError(f"gain: `gain * layers >= 0.5` must hold, but got gain={self.gain}.")
        return self


class Task(TaskParams):
    name: Literal["t"] = "t"
    split_seed: int = 0


class Example(Objective[Params, Task]):
    name: ClassVar[str] = "example"
    Params: ClassVar[type[ObjectiveParams]] = Params
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"t": Task}

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def tree(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "s",
        "objective": f"{__name__}:Example",
        "budget": {"trials": 10},
        "fixed": {"weight": 1.0},
        "space": {"tau_ns": {"low": 1.0, "high": 10.0}},
    }
    for dotted, value in changes.items():
        *tables, last = dotted.split("__")
        node = base
        for table in tables:
            node = node.setdefault(table, {})
        node[last] = value
    return base


def spec(**changes: Any) -> StudySpec:
    return check.validate(tree(**changes), where="s.toml")


def refusal(**changes: Any) -> str:
    with pytest.raises(SpecError) as caught:
        spec(**changes)
    text = str(caught.value)
    assert text.startswith("s.toml: "), text
    assert "\n" not in text
    return text.removeprefix("s.toml: ")


def space(**dimension: Any) -> dict[str, Any]:
    return {"space": {"tau_ns": dimension}}


LOW_HIGH = {"low": 1.0, "high": 10.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"budget__trials": 0},
            "budget.trials: greater than or equal to 1 must hold, but got trials=0. Change it.",
        ),
        (
            {"budget__trials": "40"},
            "budget.trials: a whole number must hold, but got trials='40'. Change it.",
        ),
        (
            {"budget__trials": True},
            "budget.trials: a whole number must hold, but got trials=True. Change it.",
        ),
        (
            {"budget__trails": 4},
            "budget.trails: unknown key. Did you mean 'trials'? "
            "Valid: epochs, members, trials, window.",
        ),
        ({"budget": {}}, "budget.trials: this key must be given. Add it."),
        ({"budget": 4}, "budget: a table must hold, but got budget=4. Change it."),
        (
            {"bugdet": {"trials": 3}},
            "bugdet: unknown key. Did you mean 'budget'? Valid: budget, confirm, cost, "
            "description, figure, fixed, objective, protocol, pruner, racing, reported, sampler, "
            "seed, space, stop, sweep, task, variability, warm_start.",
        ),
        (
            {"space": {}},
            "space: at least 1 entry must hold, but got space={}. Change it.",
        ),
        (
            {"name": "a/b"},
            "name: a name must have 1 to 100 letters, digits or . _ + - and begin with a letter, "
            "a digit or _, but got name='a/b'. Give another: --name NEW.",
        ),
        ({"seed": -1}, "seed: greater than or equal to 0 must hold, but got seed=-1. Change it."),
        (
            {"protocol": "test"},
            "protocol: 'validation', 'paper' or 'confirm' must hold, but got protocol='test'. "
            "Change it.",
        ),
        (
            {"sampler__name": "tpee"},
            "sampler.name: 'tpe', 'random', 'qmc', 'gp', 'grid', 'cmaes' or 'nsga2' must hold, but "
            "got name='tpee'. Change it.",
        ),
        (
            {"confirm__members": 1},
            "confirm.members: greater than or equal to 2 must hold, but got members=1. Change it.",
        ),
        ({"confirm": True}, "confirm: a table must hold, but got confirm=True. Change it."),
    ],
)
def test_a_wrong_key_or_value_is_located(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        (
            {"low": 10.0, "high": 1.0},
            "space.tau_ns: `low < high` must hold, but got low=10.0, high=1.0. Swap them.",
        ),
        (
            {"low": 1, "high": 1},
            "space.tau_ns: `low < high` must hold, but got low=1, high=1. "
            "Give a fixed value under [fixed].",
        ),
        (
            {"low": 0, "high": 1.0, "log": True},
            "space.tau_ns: a log range must begin above 0, but got low=0. "
            "Raise `low`, or remove `log`.",
        ),
        (
            {"low": "1", "high": 2.0},
            "space.tau_ns.low: a number must hold, but got low='1'. Change it.",
        ),
        (
            {"low": True, "high": 2.0},
            "space.tau_ns.low: a number must hold, but got low=True. Change it.",
        ),
        (
            {"low": float("nan"), "high": 2.0},
            "space.tau_ns.low: a finite number must hold, but got low=nan. Change it.",
        ),
        (
            {"low": 1.0, "high": float("inf")},
            "space.tau_ns.high: a finite number must hold, but got high=inf. Change it.",
        ),
        (
            {**LOW_HIGH, "log": "yes"},
            "space.tau_ns.log: true or false must hold, but got log='yes'. Change it.",
        ),
        (
            {**LOW_HIGH, "logg": True},
            "space.tau_ns.logg: unknown key. Did you mean 'log'? "
            "Valid: choices, high, log, low, points, step.",
        ),
        (
            {"low": 1.0},
            "space.tau_ns: `low` and `high`, or `choices`, must be given. Add them.",
        ),
        ({"choices": []}, "space.tau_ns.choices: at least one choice must be given. Add some."),
        (
            {"choices": [1, 1.0]},
            "space.tau_ns.choices: every choice must be given once. Remove the double.",
        ),
        (
            {"choices": [1.0, 2.0], "log": True},
            "space.tau_ns: `choices` must stand alone, but got log too. Remove either.",
        ),
        (
            {"choices": [1.0, "2"]},
            "space.tau_ns.choices: a number must hold, but got choices='2'. "
            f"Stay within the bounds of the objective '{__name__}:Example'.",
        ),
        (
            {"choices": [[1.0]]},
            "space.tau_ns.choices.0: a number must hold, but got 0=[1.0]. Change it.",
        ),
        (
            {**LOW_HIGH, "log": True, "step": 1.0},
            "space.tau_ns: `step` and `log` must not be combined. Remove one.",
        ),
        (
            {**LOW_HIGH, "points": 3, "step": 1.0},
            "space.tau_ns: `step` and `points` must not be combined. Remove one.",
        ),
        (
            {**LOW_HIGH, "step": -1.0},
            "space.tau_ns.step: a step must be above 0, but got step=-1.0. Change it.",
        ),
        (
            {**LOW_HIGH, "step": 2.0},
            "space.tau_ns.step: `high` must be `low` plus whole steps, but got low=1.0, "
            "high=10.0, step=2.0. Set high = 9.",
        ),
        (
            {"low": 1.0, "high": 2000.0},
            "space.tau_ns.high: less than or equal to 1000 must hold, but got high=2000.0. "
            f"Stay within the bounds of the objective '{__name__}:Example'.",
        ),
    ],
)
def test_a_wrong_dimension_is_located(dimension: dict[str, Any], message: str) -> None:
    assert refusal(**space(**dimension)) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"space__tau": LOW_HIGH},
            f"space.tau: objective '{__name__}:Example' has no such parameter. "
            "Did you mean 'tau_ns'? Valid: bias, depth, gain, kind, layers, tau_ns, weight, width.",
        ),
        (
            {"fixed__layer": 3},
            f"fixed.layer: objective '{__name__}:Example' has no such parameter. "
            "Did you mean 'layers'? Valid: bias, depth, gain, kind, layers, tau_ns, weight, width.",
        ),
        (
            {"fixed__tau_ns": 3.0},
            "fixed.tau_ns: a parameter must be either fixed or searched, but got it in both "
            "[fixed] and [space]. Remove one.",
        ),
        (
            {"fixed__epochs": 3},
            "fixed.epochs: epochs must be one number for the whole study. "
            "Give it as budget.epochs.",
        ),
        (
            {"fixed": {}},
            f"fixed.weight: objective '{__name__}:Example' has no default for this parameter. "
            "Give it in [fixed] or [space].",
        ),
        (
            {"fixed__layers": "3"},
            "fixed.layers: a whole number must hold, but got layers='3'. "
            f"Stay within the bounds of the objective '{__name__}:Example'.",
        ),
        (
            {"fixed": {"weight": 1, "width": -1.0}},
            "fixed.width: greater than 0 must hold, but got width=-1.0. "
            f"Stay within the bounds of the objective '{__name__}:Example'.",
        ),
        (
            {"fixed__gain": 0.01},
            "gain: `gain * layers >= 0.5` must hold, but got gain=0.01.",
        ),
        (
            {"space__gain": {"low": 0.01, "high": 1.0}},
            "space.gain.low=0.01: gain: `gain * layers >= 0.5` must hold, but got gain=0.01.",
        ),
        (
            {"space__layers": {"low": 1.5, "high": 3}},
            "space.layers.low: must be a whole number, but got low=1.5.",
        ),
        (
            {"space__kind": LOW_HIGH},
            "space.kind: only a number has a range. Give `choices` instead.",
        ),
        (
            {"space__bias": LOW_HIGH},
            "space.bias: only a number has a range. Give `choices` instead.",
        ),
        (
            {"space__kind": {"choices": ["euler", "heun"]}},
            "space.kind.choices: 'euler' or 'rk4' must hold, but got choices='heun'. "
            f"Stay within the bounds of the objective '{__name__}:Example'.",
        ),
        (
            {"objective": "spintronik"},
            "objective: unknown objective 'spintronik'. Built in: ctrnn, spintronic; "
            'your own is given as "package.module:Class".',
        ),
        (
            {"task__name": "u"},
            f"task.name: objective '{__name__}:Example' has no task 'u'. Valid: t.",
        ),
        (
            {"task__split_sed": 1},
            "task.split_sed: unknown key. Did you mean 'split_seed'? Valid: name, split_seed.",
        ),
        (
            {"task__split_seed": "0"},
            "task.split_seed: a whole number must hold, but got split_seed='0'. Change it.",
        ),
        (
            {"sampler__name": "grid"},
            "space.tau_ns: a grid must know its points. Give `points`, `step` or `choices`.",
        ),
        (
            {"sampler__name": "grid", "space__tau_ns": {**LOW_HIGH, "points": 4}},
            "budget.trials: a grid of 4 points must not be run more often than that, "
            "but got trials=10. Set trials = 4.",
        ),
        (
            {"reported": {"score": 89.83, "source": "paper"}},
            "reported.score: an accuracy must lie within 0 and 1, but got score=89.83. "
            "Write 89.83 % as 0.8983.",
        ),
        (
            {"reported": {"score": 0.9, "source": "paper", "params": {"tau": 1.0}}},
            f"reported.params.tau: objective '{__name__}:Example' has no such parameter. "
            "Did you mean 'tau_ns'? Valid: bias, depth, gain, kind, layers, tau_ns, weight, width.",
        ),
        (
            {"reported": {"score": 0.9, "source": "paper", "params": {"tau_ns": "1"}}},
            "reported.params.tau_ns: a number must hold, but got tau_ns='1'. Change it.",
        ),
    ],
)
def test_a_rule_between_keys_is_located(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message


def test_whole_numbers_do_for_float_parameters() -> None:
    accepted = spec(fixed={"weight": 1, "gain": 2}, space={"tau_ns": {"low": 1, "high": 10}})
    assert accepted.kind("tau_ns") == "float"
    assert accepted.hash == spec(fixed__gain=2.0).hash


def test_whole_floats_do_for_the_ends_of_an_integer_range() -> None:
    accepted = spec(space={"layers": {"low": 1.0, "high": 3.0}, "depth": {"low": 1, "high": 2}})
    assert accepted.kind("layers") == "int"
    assert accepted.kind("depth") == "int"


def test_confirmation_can_be_left_out_and_stays_out_when_stored() -> None:
    accepted = spec(confirm=False)
    assert accepted.confirm is None
    assert check.restore(json.loads(json.dumps(accepted.stored()))) == accepted


@pytest.mark.parametrize("name", sorted(study_file.available()))
def test_every_study_file_of_ours_is_valid_and_survives_the_database(name: str) -> None:
    loaded = study_file.load(name)
    restored = check.restore(json.loads(json.dumps(loaded.stored())))
    assert restored == loaded
    assert restored.hash == loaded.hash
    assert restored.differences(loaded) == []


def test_the_hash_covers_what_trials_depend_on_and_nothing_else() -> None:
    base = spec()
    assert spec(budget__trials=99, name="other", description="words").hash == base.hash
    for change in ({"seed": 1}, {"budget__window": 2}, {"sampler__name": "random"}):
        assert spec(**change).hash != base.hash


def test_the_grid_of_a_log_range_hits_both_ends() -> None:
    grid = spec(
        sampler={"name": "grid"},
        budget={"trials": 3},
        space={"tau_ns": {"low": 1, "high": 100, "log": True, "points": 3}},
    ).grid("tau_ns")
    assert grid == pytest.approx([1.0, 10.0, 100.0])
    assert (grid[0], grid[-1]) == (1.0, 100.0)


def test_a_text_that_no_database_holds_is_refused() -> None:
    with pytest.raises(SpecError) as refused:
        toy_spec(space={"colour": {"choices": ["red", "gre\0en"]}})
    assert str(refused.value) == (
        "test: space.colour.choices: a text must be without the character NUL, which no database "
        r"holds, but got 'gre\x00en'. Leave it out."
    )
