"""Study files: what is accepted; ``test_refusals`` has what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from datasets import stand_in
from pydantic import Field, model_validator

from hpo.study import file
from hpo.study import file as study_file
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
    return file.validate(tree(**changes), where="s.toml")


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
    assert file.restore(json.loads(json.dumps(accepted.stored()))) == accepted


@pytest.mark.parametrize("name", sorted(study_file.available()))
def test_every_study_file_of_ours_is_valid_and_survives_the_database(
    name: str, tmp_path: Path
) -> None:
    loaded = study_file.load(name, overrides=stand_in(name, tmp_path))
    restored = file.restore(json.loads(json.dumps(loaded.stored())))
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
