"""What is known of an objective without its class."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
from toy_objective import ToyObjective, ToyTask
from workers import toy_spec

from hpo.contract import Description, ObjectiveParams, Parameter, describe
from hpo.errors import SpecError
from hpo.study import file


def test_a_metric_is_enough() -> None:
    """Of a function whose parameters are known only as it runs."""
    known = Description(metric="loss", direction="minimize", defines_by_run=True)
    stored = known.stored()
    assert stored == {"metric": "loss", "direction": "minimize", "defines_by_run": True}
    assert Description.model_validate(stored) == known


def test_what_the_class_says_is_described() -> None:
    known = describe(ToyObjective(), ToyTask(test_gap=0.5))
    assert (known.metric, known.task.values["test_gap"]) == ("accuracy", 0.5)
    assert known.costs["n_synapses"].description == "grows with k"
    assert known.parameters["k"] == Parameter(
        whole=True,
        is_number=True,
        bounds={"minimum": 1, "maximum": 8},
        default=4,
        description="best at 5",
    )
    assert Description.model_validate(known.stored()) == known


class HostileParams(ObjectiveParams):
    """What JSON or a terminal takes for something else."""

    limit: float = math.inf


class Hostile(ToyObjective):
    Params: ClassVar[type[ObjectiveParams]] = HostileParams
    metric: ClassVar[str] = "\x1b[31mred\n\0"


def test_it_can_be_stored_and_shown_whatever_the_class_says() -> None:
    stored = describe(Hostile(), ToyTask()).stored()
    assert stored["metric"] == "?[31mred ?"
    assert stored["parameters"]["limit"].get("default") is None


@pytest.mark.parametrize(
    ("about", "text"),
    [
        ({"metrics": "loss"}, "unknown key about.metrics. Did you mean 'metric'?"),
        ({}, "about.metric is missing."),
        ({"metric": "loss"}, "space.x: objective 'toy_objective:ToyObjective' has no "),
    ],
)
def test_one_that_was_changed_by_hand_is_refused(
    about: dict[str, Any], text: str
) -> None:
    with pytest.raises(SpecError) as refused:
        file.restore(toy_spec().stored(), about, "study 'toy' in the database")
    assert str(refused.value).startswith(f"study 'toy' in the database: {text}")
