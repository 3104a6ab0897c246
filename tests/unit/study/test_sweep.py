from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field
from toy_objective import ToyObjective, ToyParams

from hpo.contract import ObjectiveParams, Protocol
from hpo.errors import SpecError
from hpo.search import space, suggest
from hpo.study.file import validate
from hpo.study.spec import StudySpec

CURVES: list[dict[str, Any]] = [
    {"label": "few", "x": "x", "values": [0.2, 0.1, 1], "fixed": {"k": 2}},
    {
        "label": "many",
        "x": "x",
        "range": {"low": 0.01, "high": 1.0, "points": 3, "log": True},
        "fixed": {"k": 5},
    },
]


def spec(**changes: Any) -> StudySpec:
    tree: dict[str, Any] = {
        "name": "sweep",
        "objective": "toy_objective:ToyObjective",
        "budget": {"seeds": 3, "epochs": 4},
        "sweep": {"curves": CURVES},
        **changes,
    }
    given = {key: value for key, value in tree.items() if value is not None}
    return validate(given, where="s.toml")


def curve(**changes: Any) -> dict[str, Any]:
    return {"sweep": {"curves": [{**CURVES[0], **changes}]}}


def test_trials_are_the_points_in_order_and_need_no_history() -> None:
    study = spec()
    assert (study.budget.trials, study.protocol, study.confirm) == (
        6,
        Protocol.CONFIRM,
        None,
    )
    points = [dict(suggest.suggest(study, number, []).params) for number in range(6)]
    assert [p["x"] for p in points] == pytest.approx([0.2, 0.1, 1.0, 0.01, 0.1, 1.0])
    assert [p["k"] for p in points] == [2, 2, 2, 5, 5, 5]
    assert isinstance(points[2]["x"], float), (
        "1 is written where the objective takes a float"
    )


def test_distributions_hold_every_point() -> None:
    expected: dict[str, BaseDistribution] = {
        "k": IntDistribution(2, 5),
        "x": FloatDistribution(0.01, 1.0, log=True),
    }
    assert space.distributions(spec()) == expected
    named = curve(x="colour", values=["red", "green"])
    chosen = space.distributions(spec(**named))["colour"]
    assert chosen == CategoricalDistribution(("red", "green"))


class ChoosyParams(ToyParams):
    """Whole numbers that are not annotated as ``int`` alone."""

    size: Literal[8, 16] = 8
    limit: Annotated[int, Field(ge=1)] | None = None


class Choosy(ToyObjective):
    """An objective of a user's own."""

    Params: ClassVar[type[ObjectiveParams]] = ChoosyParams


@pytest.mark.parametrize("name", ["size", "limit"])
def test_a_value_keeps_its_type_where_the_annotation_names_none(name: str) -> None:
    study = spec(objective=f"{__name__}:Choosy", **curve(x=name, values=[8, 16]))
    assert repr(study.point(1)[name]) == "16"


def test_several_parameters_take_the_same_value() -> None:
    study = spec(**curve(x=["x", "rate_per_ns"], values=[0.1, 0.5]))
    assert study.point(1) == {"x": 0.5, "rate_per_ns": 0.5, "k": 2}


def test_presentation_changes_neither_hash_nor_identity() -> None:
    drawn = spec(figure={"kind": "curves", "title": "another"})
    relabelled = spec(sweep={"curves": [{**CURVES[0], "label": "less"}, CURVES[1]]})
    assert drawn.hash == relabelled.hash == spec().hash
    assert spec().differences(drawn) == spec().differences(relabelled) == []
    other = spec(
        sweep={"curves": [{**CURVES[0], "values": [0.2, 0.1, 0.9]}, CURVES[1]]}
    )
    assert other.hash != spec().hash
    assert spec().differences(other) == ["sweep.curves"]


def test_a_broad_set_is_a_search_that_selects_nothing() -> None:
    tables = {
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "budget": {"trials": 4},
        "sweep": None,
    }
    study = spec(
        **tables, protocol="confirm", sampler={"name": "qmc", "scramble": True}
    )
    assert study.confirm is None


def test_sweeps_of_too_many_points_are_refused() -> None:
    """Of more than ``test_refusals`` has room for."""
    whole = {
        "label": "",
        "x": "x",
        "range": {"low": 0.0, "high": 1.0, "points": 10_000},
    }
    many = {"curves": [{**whole, "label": str(i)} for i in range(11)]}
    with pytest.raises(
        SpecError, match=r"^s\.toml: sweep: expected at most 100,000 .* 110,000\. "
    ):
        spec(sweep=many)
