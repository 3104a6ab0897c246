"""Study files: what is accepted; ``test_refusals`` has what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from datasets import stand_in
from pydantic import Field, model_validator
from workers import toy_spec

from hpo.contract import Objective, ObjectiveParams, TaskParams
from hpo.errors import SpecError
from hpo.study import file


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
            raise ValueError(
                f"gain: `gain * layers >= 0.5` must hold, but got gain={self.gain}."
            )
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


def test_whole_numbers_serve_as_floats_and_whole_floats_as_integers() -> None:
    space = {"x": {"low": 0, "high": 1}, "k": {"low": 1.0, "high": 3.0}}
    accepted = toy_spec(fixed={"noise": 1}, space=space)
    assert (accepted.is_integer("x"), accepted.is_integer("k")) == (False, True)
    assert accepted.hash == toy_spec(fixed={"noise": 1.0}, space=space).hash


@pytest.mark.parametrize("name", sorted(file.available()))
def test_every_study_file_of_ours_is_valid_and_survives_the_database(
    name: str, tmp_path: Path
) -> None:
    loaded = file.load(name, overrides=stand_in(name, tmp_path))
    stored = json.loads(json.dumps([loaded.stored(), loaded.about.stored()]))
    restored = file.restore(*stored, "stored")
    assert restored == loaded
    assert restored.about == loaded.about
    assert restored.hash == loaded.hash
    assert restored.differences(loaded) == []
    assert file.load(name, overrides=stand_in(name, tmp_path), quick=True).budget.trials


def test_the_hash_covers_what_trials_depend_on_and_nothing_else() -> None:
    base = toy_spec()
    words = {"description": "words", "tags": ["paper", "b-2"]}
    assert toy_spec("other", budget={"trials": 99}, **words).hash == base.hash
    with pytest.raises(
        SpecError, match=r"tags\.0: expected .* got 'a b'. Choose another\."
    ):
        toy_spec(tags=["a b"])
    confirm = {"top": 2, "seeds": 3}
    chips = toy_spec(confirm={**confirm, "yield_above": 0.9})
    assert chips.hash == toy_spec(confirm=confirm).hash
    assert chips.differences(toy_spec(confirm=confirm)) == []
    for change in (
        {"seed": 1},
        {"budget": {"window": 2}},
        {"sampler": {"name": "random"}},
    ):
        assert toy_spec(**change).hash != base.hash
