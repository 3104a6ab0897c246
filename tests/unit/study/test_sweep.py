from __future__ import annotations

import tomllib
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

from hpo.errors import SpecError
from hpo.search import space, suggest
from hpo.search.pruning import Timeline
from hpo.study import file
from hpo.study.rules.check import restore, validate
from hpo.study.spec import StudySpec
from objectives.contract import ObjectiveParams, Protocol

CURVES: list[dict[str, Any]] = [
    {"label": "few", "x": "x", "values": [0.2, 0.1, 1], "fixed": {"k": 2}},
    {
        "label": "many",
        "x": "x",
        "range": {"low": 0.01, "high": 1.0, "points": 3, "log": True},
        "fixed": {"k": 5},
    },
]


def raw(**changes: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "name": "sweep",
        "objective": "toy_objective:ToyObjective",
        "budget": {"members": 3, "epochs": 4},
        "sweep": {"curves": CURVES},
        **changes,
    }
    return {key: value for key, value in tree.items() if value is not None}


def spec(**changes: Any) -> StudySpec:
    return validate(raw(**changes), where="study.toml")


def refusal(**changes: Any) -> str:
    with pytest.raises(SpecError) as caught:
        spec(**changes)
    return str(caught.value).removeprefix("study.toml: ")


def curve(**changes: Any) -> dict[str, Any]:
    one = {**CURVES[0], **changes}
    return {"sweep": {"curves": [{k: v for k, v in one.items() if v is not None}]}}


def test_trials_are_the_points_in_order_and_need_no_history() -> None:
    study = spec()
    assert (study.budget.trials, study.protocol, study.confirm) == (6, Protocol.CONFIRM, None)
    points = [dict(suggest.suggest(study, number, []).params) for number in range(6)]
    assert [p["x"] for p in points] == pytest.approx([0.2, 0.1, 1.0, 0.01, 0.1, 1.0])
    assert [p["k"] for p in points] == [2, 2, 2, 5, 5, 5]
    assert isinstance(points[2]["x"], float), "1 is written where the objective takes a float"


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


def test_stored_and_written_as_a_study_file_it_is_the_same() -> None:
    study = spec(figure={"kind": "curves", "log_x": True, "marks": [0.3]})
    assert restore(study.stored()) == study
    again = validate({"name": "sweep", **tomllib.loads(file.dumps(study))}, where="again")
    assert again == study


def test_presentation_changes_neither_hash_nor_identity() -> None:
    drawn = spec(figure={"kind": "curves", "title": "another"})
    relabelled = spec(sweep={"curves": [{**CURVES[0], "label": "less"}, CURVES[1]]})
    assert drawn.hash == relabelled.hash == spec().hash
    assert spec().differences(drawn) == spec().differences(relabelled) == []
    other = spec(sweep={"curves": [{**CURVES[0], "values": [0.2, 0.1, 0.9]}, CURVES[1]]})
    assert other.hash != spec().hash
    assert spec().differences(other) == ["sweep.curves"]


BROAD: dict[str, Any] = {
    "sweep": None,
    "space": {"x": {"low": 0.0, "high": 1.0}},
    "budget": {"trials": 4},
    "protocol": "confirm",
}


def test_a_broad_set_is_a_search_that_selects_nothing() -> None:
    study = spec(**BROAD, sampler={"name": "qmc", "scramble": True})
    assert study.confirm is None
    assert Timeline(study).member([0.5, 0.6]) is None


BOUNDS = "Stay within the bounds of the objective 'toy_objective:ToyObjective'."
KNOWN = "Valid: colour, fail, k, memory_gib, noise, rate_per_ns, sleep_s, x."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweep": None}, "space: this key must be given. Add it, or a [sweep]."),
        (
            {"space": {"x": {"low": 0, "high": 1}}},
            "space: a sweep must stand without [space], but got both: it measures every point and "
            "selects none. Remove [space] or [sweep].",
        ),
        (
            {"pruner": {"name": "median"}},
            "pruner: a sweep must stand without [pruner], but got both: it measures every point "
            "and selects none. Remove [pruner] or [sweep].",
        ),
        ({"sweep": 3}, "sweep: a table must hold. Write [[sweep.curves]]."),
        ({"sweep": {}}, "sweep.curves: this key must be given. Add it."),
        (
            {"sweep": {"curves": []}},
            "sweep.curves: at least 1 entry must hold, but got curves=[]. Change it.",
        ),
        (
            {"budget": {"trials": 5}},
            "budget.trials: a sweep of 6 points must run each of them once, but got trials=5. "
            "Leave it out; other points are another study.",
        ),
        (
            {"sweep": {"curves": [CURVES[0], {**CURVES[1], "label": "few"}]}},
            "sweep.curves.1.label: every curve must have a label of its own, but got label='few' "
            "twice. Change one.",
        ),
        (
            {"sweep": {"curves": [{**CURVES[0], "x": "nosie"}, CURVES[1]]}},
            "sweep.curves.0.x: objective 'toy_objective:ToyObjective' has no parameter 'nosie'. "
            "Did you mean 'noise'? Valid: colour, fail, k, memory_gib, noise, rate_per_ns, "
            "sleep_s, x.",
        ),
        (
            {"sweep": {"curves": [CURVES[0], {**CURVES[1], "fixed": {}}]}},
            "sweep.curves.1: every curve must set the same parameters, but this one lacks 'k'. "
            "Give it under `fixed`.",
        ),
        (
            curve(label=None),
            "sweep.curves.0.label: this key must be given. Add it.",
        ),
        (
            curve(vlaues=[1]),
            "sweep.curves.0.vlaues: unknown key. Did you mean 'values'? "
            "Valid: fixed, label, range, values, x.",
        ),
        (
            curve(x="y"),
            "sweep.curves.0.x: objective 'toy_objective:ToyObjective' has no parameter 'y'. "
            f"{KNOWN}",
        ),
        (
            curve(x="epochs"),
            "sweep.curves.0.x: epochs must be one number for the whole study. "
            "Give it as budget.epochs.",
        ),
        (
            curve(fixed={"x": 0.5}),
            "sweep.curves.0.fixed.x: a parameter must either vary or stay, but got it in `x`, too. "
            "Remove one.",
        ),
        (
            {"fixed": {"k": 3}},
            "sweep.curves.0.fixed: a parameter must be either set by the curves or the same for "
            "all, but got 'k' in [fixed], too. Remove one.",
        ),
        (curve(x=[]), "sweep.curves.0.x: at least one parameter must be given. Add it."),
        (
            curve(x=["x", "x"]),
            "sweep.curves.0.x: every parameter must be given once. Remove the double.",
        ),
        (
            curve(values=None),
            "sweep.curves.0: either `values` or `range` must be given. Give one of them.",
        ),
        (
            curve(values=[]),
            "sweep.curves.0.values: at least one value must be given. Add some.",
        ),
        (
            curve(values=[0.1, 0.1]),
            "sweep.curves.0.values: every value must be given once. Remove the double.",
        ),
        (
            curve(values=[0.1, 2.0]),
            "sweep.curves.0.values: less than or equal to 1 must hold, but got x=2.0. " + BOUNDS,
        ),
        (
            curve(fixed={"k": 9}),
            "sweep.curves.0.fixed.k: less than or equal to 8 must hold, but got k=9. " + BOUNDS,
        ),
        (
            curve(fixed={"k": 2.5}),
            "sweep.curves.0: k must be a whole number, but got k=2.5. Give `values`.",
        ),
        (
            curve(label="a\nb"),
            "sweep.curves.0.label: a label must stand on one line, but got label='a\\nb'. "
            "Change it.",
        ),
        (
            curve(values=[10**400]),
            "sweep.curves.0.values: a whole number must fit 64 bits, but got one of 1329 bits. "
            "Write a larger number as 1e30.",
        ),
        (
            curve(values=None, range={"low": 1.0, "high": 0.1, "points": 3}),
            "sweep.curves.0.range: `low < high` must hold, but got low=1.0, high=0.1. Swap them.",
        ),
        (
            curve(values=None, range={"low": 0, "high": 0.1, "points": 3, "log": True}),
            "sweep.curves.0.range: a log range must begin above 0, but got low=0. Raise `low`, or "
            "remove `log`.",
        ),
        (
            {
                "sweep": {
                    "curves": [
                        {
                            "label": str(i),
                            "x": "x",
                            "range": {"low": 0.0, "high": 1.0, "points": 10_000},
                        }
                        for i in range(11)
                    ]
                }
            },
            "sweep: at most 100,000 points must hold, but got 110,000. Take fewer values.",
        ),
        (
            {**BROAD, "sampler": {"name": "tpe"}},
            'sampler.name: protocol = "confirm" must have a sampler that learns nothing from the '
            "test half, but got name='tpe'. Valid: random, qmc, grid.",
        ),
        (
            {**BROAD, "sampler": {"name": "random"}, "pruner": {"name": "median"}},
            "pruner: protocol = \"confirm\" must have no pruner, but got name='median': nothing is "
            "scored before the last epoch. Remove it.",
        ),
        (
            {**BROAD, "sampler": {"name": "random"}, "confirm": {"top": 1}},
            'confirm: protocol = "confirm" must have no [confirm]: every trial is tested on the '
            "test half already. Remove it.",
        ),
        (
            {
                **BROAD,
                "space": {
                    name: {"low": 0.001, "high": 1.0, "points": 10_000}
                    for name in ("x", "rate_per_ns", "noise")
                },
                "sampler": {"name": "grid"},
            },
            "sampler.name: a grid must have at most 100,000 points, but got 1,000,000,000,000. "
            "Take fewer points, or another sampler.",
        ),
        (
            {
                **BROAD,
                "space": {"x": {"low": 0.0, "high": 1.0, "step": 2.0**-29}},
                "sampler": {"name": "grid"},
            },
            "sampler.name: a grid must have at most 100,000 points, but got 536,870,913. "
            "Take fewer points, or another sampler.",
        ),
        (
            {**BROAD, "sampler": {"name": "random"}, "figure": {"kind": "curves"}},
            'figure.kind: kind = "curves" must have a [sweep], but got a search. '
            'Use kind = "scatter".',
        ),
        (
            {"figure": {"kind": "bars"}},
            "figure.kind: 'curves' or 'scatter' must hold, but got kind='bars'. Change it.",
        ),
        (
            {"figure": {"kind": "curves", "colour": "x < k"}},
            'figure.colour: only kind = "scatter" has this key. Remove it; the curves themselves '
            "say what varies.",
        ),
        (
            {"figure": {"kind": "curves", "log_x": True, "marks": [1, 0]}},
            "figure.marks: a mark on a log axis must be above 0, but got marks=0. "
            "Change it, or remove `log_x`.",
        ),
        (
            {"figure": {"kind": "curves", "overlay": ["sweep"]}},
            "figure.overlay: other studies must be named, but got this one. Remove it.",
        ),
        (
            {"figure": {"kind": "scatter"}},
            "figure.x: this key must be given. Name a parameter, or info.NAME.",
        ),
        (
            {"figure": {"kind": "scatter", "x": "drive"}},
            "figure.x: objective 'toy_objective:ToyObjective' has no parameter 'drive'. Valid: "
            "colour, epochs, fail, k, memory_gib, noise, rate_per_ns, sleep_s, x. "
            "Or info.NAME for what a training measured.",
        ),
        (
            {"figure": {"kind": "scatter", "x": "x", "colour": "x > k"}},
            "figure.colour: a rule `A < B` between parameters or numbers must hold, but got "
            "colour='x > k'. Write for instance colour = \"dt_ns < tau_ns\".",
        ),
        (
            {"figure": {"kind": "scatter", "x": "x", "colour": "x < kk"}},
            "figure.colour: objective 'toy_objective:ToyObjective' has no parameter 'kk'. Did you "
            "mean 'k'? Valid: colour, epochs, fail, k, memory_gib, noise, rate_per_ns, sleep_s, x.",
        ),
        (
            {"figure": {"kind": "scatter", "x": "x", "colour": "x < 1.2.3"}},
            "figure.colour: a rule `A < B` between parameters or numbers must hold, but got "
            "colour='x < 1.2.3'. Write for instance colour = \"dt_ns < tau_ns\".",
        ),
        (
            {"figure": {"kind": "scatter", "x": "x", "colour": "x < colour"}},
            "figure.colour: only numbers are smaller than others, but got the parameter 'colour'. "
            "Compare others.",
        ),
        (
            {"figure": {"kind": "scatter", "x": "info."}},
            "figure.x: objective 'toy_objective:ToyObjective' has no parameter 'info.'. Valid: "
            "colour, epochs, fail, k, memory_gib, noise, rate_per_ns, sleep_s, x. "
            "Or info.NAME for what a training measured.",
        ),
        (
            {"figure": {"kind": "scatter", "x": "x", "colour_labels": ["a", "b"]}},
            "figure.colour_labels: a rule must be given, too. Add `colour`.",
        ),
    ],
)
def test_a_mistake_is_located(changes: dict[str, Any], message: str) -> None:
    assert refusal(**changes) == message
