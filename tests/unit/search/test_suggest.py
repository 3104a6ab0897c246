"""Suggesting and pruning: pure functions of the spec and the visible history."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import RandomSampler
from optuna.search_space import IntersectionSearchSpace
from scipy.stats import qmc
from searches import (
    ended,
    reported,
    searched,
)
from workers import toy_spec

from hpo.errors import SpecError
from hpo.launch import __main__ as launch
from hpo.search.history import learns, visible
from hpo.search.options import check
from hpo.search.pruning import EndedError, TrialProgress
from hpo.search.space import rounded
from hpo.search.suggest import suggest
from hpo.study.file import read
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Past,
    SlotState,
    Step,
)


def history(spec: StudySpec, count: int) -> list[Past]:
    """Trials with made-up scores."""
    return searched(spec, count, lambda params: 0.5 + 0.4 * params["x"])


def running(trials: list[Past], since: int) -> list[Past]:
    """The same while those from ``since`` on still run."""
    return [
        t if k < since else Past(suggestion=t.suggestion) for k, t in enumerate(trials)
    ]


def with_score(past: Past, score: float) -> Past:
    return replace(past, score=score, steps=reported(score))


def test_same_seed_and_outcomes_before_the_window_same_suggestion() -> None:
    spec = toy_spec(budget={"window": 4})
    trials = history(spec, 12)
    found = suggest(spec, 12, trials)
    assert suggest(spec, 12, trials) == found
    assert suggest(spec, 12, running(trials, 9)) == found
    assert (
        suggest(spec, 12, [*trials[:9], *(with_score(t, 0.0) for t in trials[9:])])
        == found
    )
    best = max(range(9), key=lambda k: trials[k].score or 0.0)
    changed = [with_score(t, 0.0) if k == best else t for k, t in enumerate(trials)]
    assert suggest(spec, 12, changed) != found
    assert suggest(spec.model_copy(update={"seed": 4}), 12, trials) != found
    with pytest.raises(
        ValueError, match="trial 8 must be finished before trial 12 is suggested"
    ):
        visible(spec, 12, running(trials, 8))


def test_order_of_the_space_does_not_matter() -> None:
    spec = toy_spec()
    turned = spec.model_copy(update={"space": dict(reversed(spec.space.items()))})
    assert turned.hash == spec.hash
    assert suggest(turned, 0, []) == suggest(spec, 0, [])


def test_qmc_follows_the_sobol_sequence() -> None:
    space = {"x": {"low": 0.0, "high": 1.0}, "noise": {"low": 0.0, "high": 1.0}}
    spec = toy_spec(space=space, sampler={"name": "qmc"}, budget={"window": 3})
    points = [
        (p.suggestion.params["noise"], p.suggestion.params["x"])
        for p in history(spec, 8)
    ]
    assert points == [
        tuple(row) for row in qmc.Sobol(2, scramble=False).random(8).tolist()
    ]


def test_cmaes_goes_on_from_its_memory() -> None:
    space = {"x": {"low": 0.0, "high": 1.0}, "noise": {"low": 0.0, "high": 1.0}}
    spec = toy_spec(space=space, sampler={"name": "cmaes", "n_startup_trials": 2})
    trials = history(spec, 20)
    generations = [
        value
        for t in trials
        for key, value in t.suggestion.attrs.items()
        if key.startswith("cma:") and key.endswith("generation")
    ]
    assert max(generations) > min(generations), "no generation was ever finished"


NO_OPTION = "f.toml: {}: '{}' has no such option"
WHOLE = "f.toml: {}: expected a whole number from "
REFUSED = "f.toml: {}: '{}' refuses these options: "


@pytest.mark.parametrize(
    ("table", "name", "options", "text"),
    [
        ("sampler", "tpe", {"n_startups": 3}, f"{NO_OPTION}. Valid: "),
        ("pruner", "median", {"n_warmup": 3}, f"{NO_OPTION}. Valid: "),
        ("sampler", "tpe", {"seed": 3}, NO_OPTION),
        ("sampler", "nsga2", {"population": 4}, NO_OPTION),
        (
            "sampler",
            "nsga2",
            {"population_size": 1},
            "f.toml: {}: expected a whole number from 2 to 10,000, got 1. Change it.",
        ),
        (
            "pruner",
            "percentile",
            {"percentile": 140.0},
            "f.toml: {}: expected a number from 0 to 100, got 140.0. Change it.",
        ),
        ("pruner", "percentile", {}, REFUSED),
        ("sampler", "tpe", {"n_ei_candidates": 0}, f"{WHOLE}1 to 1,000,000, got 0."),
        (
            "pruner",
            "median",
            {"n_warmup_steps": "a"},
            f"{WHOLE}0 to 1,000,000, got 'a'",
        ),
        ("pruner", "median", {"n_startup_trials": 0.5}, WHOLE),
        ("pruner", "successive-halving", {"min_resource": 10**12}, WHOLE),
        ("sampler", "cmaes", {"n_startup_trials": -1}, WHOLE),
        (
            "sampler",
            "cmaes",
            {"sigma0": 5e-324},
            "f.toml: {}: expected a number from 1e-06 to 1,000,000, got 5e-324.",
        ),
        ("sampler", "tpe", {"group": 3}, "f.toml: {}: expected true or false, got 3."),
    ],
)
def test_wrong_options_are_refused(
    table: str, name: str, options: dict[str, Any], text: str
) -> None:
    where = table if text.startswith(REFUSED) else f"{table}.{next(iter(options))}"
    with pytest.raises(SpecError) as caught:
        check(toy_spec(**{table: {"name": name, **options}}), "f.toml")
    assert str(caught.value).startswith(text.format(where, name))


def test_a_sampler_that_leaves_the_space_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its options are not blamed."""
    monkeypatch.setattr(RandomSampler, "sample_independent", lambda *_: -7.0)
    with pytest.raises(SpecError) as caught:
        check(toy_spec(**RANDOM, space={"x": {"low": 0.0, "high": 1.0}}), "f.toml")
    text = "f.toml: sampler: the sampler suggested x=-7.0, which lies outside [space]: "
    assert str(caught.value) == f"{text}0 to 1. Correct the sampler."


RANDOM: dict[str, Any] = {"sampler": {"name": "random"}, "pruner": {"name": "none"}}
FOUR = [(0, 1, 0.5), (0, 2, 0.1), (1, 2, pytest.approx(0.15)), (2, 2, 0.6 / 3)]


@pytest.mark.parametrize(
    ("tables", "steps"),
    [
        (RANDOM, FOUR),
        ({**RANDOM, "protocol": "confirm", "confirm": False}, []),
    ],
)
def test_the_first_curve_to_its_score_and_means_are_reported(
    tables: dict[str, Any], steps: list[tuple[int, int, float]]
) -> None:
    budget = {"seeds": 3, "epochs": 2}
    course = TrialProgress(
        toy_spec(budget=budget, **tables), 0, [], ended(0.0).suggestion
    )
    for member in range(3):
        for epoch, score in enumerate((0.5, 0.75), start=1):
            course.report_epoch(member, epoch, score if steps else None)
        course.report_networks([0.1, 0.2, 0.3][: member + 1], 2)
    assert course.steps == [
        Step(network, epoch, score) for network, epoch, score in steps
    ]


def halving(least: int) -> StudySpec:
    """Two networks of 8 epochs, with rungs at ``least``, twice that and so on."""
    pruner = {
        "name": "successive-halving",
        "min_resource": least,
        "reduction_factor": 2,
        "bootstrap_count": 1,
    }
    return toy_spec(budget={"seeds": 2, "epochs": 8, "window": 3}, pruner=pruner)


def train(spec: StudySpec, past: list[Past], level: float) -> Past:
    """Train the next trial, all of whose scores are ``level``, as a worker does."""
    own = ended(0.0).suggestion
    course = TrialProgress(spec, len(past), past, own)
    state = SlotState.COMPLETE
    try:
        for member in range(2):
            for epoch in range(1, 9):
                course.report_epoch(member, epoch, level)
            course.report_networks([level] * (member + 1), 8)
    except EndedError:
        state = SlotState.PRUNED
    noted = replace(own, attrs=course.attrs)
    return Past(suggestion=noted, state=state, score=level, steps=tuple(course.steps))


def count_steps(spec: StudySpec, past: list[Past], *levels: float) -> list[int]:
    """Train trials one after the other; return the number of steps of each."""
    trials = [*past]
    for level in levels:
        trials.append(train(spec, trials, level))
    return [len(trial.steps) for trial in trials[len(past) :]]


def test_the_first_trial_runs_to_its_end_and_only_it() -> None:
    """It has noted the first rung alone: a later trial comes first to the second."""
    assert count_steps(halving(2), [], 0.5, 0.9, 0.9, 0.6) == [9, 2, 2, 4]


def test_after_nothing_but_failures_the_first_of_the_next_window_runs_on() -> None:
    failed = Past(suggestion=ended(0.0).suggestion, state=SlotState.FAILED)
    assert count_steps(halving(2), [failed] * 3, 0.5, 0.9, 0.9) == [9, 2, 2]


def test_no_trial_ends_after_its_first_network_for_coming_first() -> None:
    assert count_steps(halving(8), [], 0.5, 0.4, 0.6, 0.4, 0.7) == [9, 9, 9, 8, 9]


def test_rungs_within_the_window_are_hidden() -> None:
    """What a pruner noted about a running trial is an outcome, too."""
    spec = toy_spec(
        pruner={"name": "successive-halving", "min_resource": 1, "reduction_factor": 2}
    )
    past = ended(0.5)
    noted = replace(past.suggestion, attrs={"completed_rung_0": 1.0})
    shown = visible(spec, 8, [replace(past, suggestion=noted)] * 8)
    kept = ["completed_rung_0" in t.suggestion.attrs for t in shown]
    assert kept == [True] * 5 + [False] * 3


@pytest.mark.parametrize("options", [{}, {"group": True}, {"multivariate": False}])
def test_tpe_that_knows_its_space_suggests_what_optunas_does(
    options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = toy_spec(sampler={"name": "tpe", "n_startup_trials": 0, **options})
    trials = history(spec, 12)
    failed = [replace(t, state=SlotState.FAILED, score=None) for t in trials[:2]]
    pasts = (trials, [*failed, *trials[2:]], failed)
    ours = [suggest(spec, len(past), past) for past in pasts]
    monkeypatch.setattr(
        "hpo.search.optuna_adapter.KnownSpace",
        lambda _: IntersectionSearchSpace(include_pruned=True),
    )
    assert ours == [suggest(spec, len(past), past) for past in pasts]


def test_what_learns_nothing_needs_no_history() -> None:
    random = toy_spec(**RANDOM)
    assert suggest(random, 12, []) == suggest(random, 12, history(random, 12))
    assert [learns(toy_spec()), learns(random)] == [True, False]
    assert learns(toy_spec(sampler={"name": "random"})), (
        "its pruner compares with others"
    )


def test_gp_suggests_the_same_where_the_last_digits_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = {
        "x": {"low": 0.0, "high": 1.0},
        "noise": {"low": 1e-3, "high": 10.0, "log": True},
    }
    spec = toy_spec(sampler={"name": "gp"}, budget={"window": 1}, space=space)
    trials = history(spec, 13)
    elsewhere = [
        replace(t, score=(t.score or 0.0) * (1 + 1e-14 * (-1) ** k))
        for k, t in enumerate(trials)
    ]
    here, there = (suggest(spec, 13, past).params for past in (trials, elsewhere))
    assert here == there
    monkeypatch.setattr("hpo.search.suggest.rounded", lambda space, params: params)
    here, there = (suggest(spec, 13, past).params for past in (trials, elsewhere))
    assert here != there  # or nothing was proved
    assert here == pytest.approx(there, rel=1e-9)


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (FloatDistribution(0.05, 1.0), 0.123456789, 0.1234568),
        (FloatDistribution(1.0, 100.0), 12.3456789, 12.34568),
        (FloatDistribution(1e-3, 1.0, log=True), 0.0123456789, 0.01234568),
        (FloatDistribution(1000.0, 1000.002), 1000.000123456789, 1000.000123457),
        (FloatDistribution(1.0, 100.0, log=True), 99.99999999, 100.0),
        (FloatDistribution(0.12345674, 1.0), 0.12345674, 0.12345674),  # never outside
        (FloatDistribution(1e-300, 1e300, log=True), 1.23456789123, 1.235),
        (FloatDistribution(0.0, 1.0, step=1e-9), 0.123456789, 0.123456789),
        (FloatDistribution(2.0, 2.0), 2.0, 2.0),
        (IntDistribution(1, 10**9), 123456789, 123456789),
        (CategoricalDistribution((0.123456789, "b")), 0.123456789, 0.123456789),
    ],
)
def test_rounding_keeps_six_places_of_the_range(
    distribution: BaseDistribution, value: float, expected: float
) -> None:
    assert rounded({"x": distribution}, {"x": value}) == {"x": expected}
    assert rounded({"x": distribution}, {"x": expected}) == {"x": expected}


def test_gp_takes_the_same_steps_in_every_installation() -> None:
    """Optuna works out candidates together where it finds greenlet, and one by one
    elsewhere."""
    required = importlib.metadata.requires("hpo-dynamics") or []
    always = [line for line in required if "extra ==" not in line]
    assert any(re.match(r"greenlet\b", line) for line in always), always
    assert importlib.import_module(
        "optuna._gp.batched_lbfgsb"
    )._greenlet_imports.is_successful()


# --- [warm_start] ---

POINTS = [
    {"x": 0.25, "k": 5, "rate_per_ns": 0.1, "colour": "green"},
    {"x": 0.5, "k": 2, "rate_per_ns": 1, "colour": "red"},
    {"k": 7},
]


@pytest.mark.parametrize(
    "sampler", ["tpe", "random", "qmc", "cmaes", "gp", "kriging-believer"]
)
def test_the_first_trials_get_the_points_and_the_sampler_goes_on(sampler: str) -> None:
    tables: dict[str, Any] = {"sampler": {"name": sampler}}
    if sampler == "cmaes":  # which takes no choices
        space = toy_spec().stored()["space"]
        tables["space"] = {name: space[name] for name in ("x", "k", "rate_per_ns")}
    keys = toy_spec(**tables).space
    points = [{k: v for k, v in point.items() if k in keys} for point in POINTS]
    spec = toy_spec(**tables, warm_start={"points": points})
    count = 14
    trials = [trial.suggestion.params for trial in history(spec, count)]
    for told, params in zip(points, trials, strict=False):
        assert {name: params[name] for name in told} == told
    assert trials[1]["rate_per_ns"] == 1.0
    assert type(trials[1]["rate_per_ns"]) is float, (
        "a float where the objective takes one"
    )
    assert trials[2].keys() == set(keys), "the sampler draws what a point leaves out"
    assert trials[3]["x"] not in (0.25, 0.5)


# --- training windows for which the data have no room ---


def predicting(base: Path = Path(), **tables: Any) -> StudySpec:
    space = {"tau_ns": {"low": 1.0, "high": 2.0}}
    raw = {"name": "own", "objective": "spintronic-prediction", "budget": {"trials": 3}}
    return read({**raw, "space": space, **tables}, base=base, where="own.toml")


@pytest.mark.parametrize(
    "tables",
    [
        {"fixed": {"window": 200, "window_washout": 50}, "protocol": "search_on_test"},
        {"fixed": {"window": 5000, "trained": "readout"}},
    ],
)
def test_one_that_fits_begins(tables: dict[str, Any]) -> None:
    task = {"name": "narma10", "n_train": 200, "n_test": 100, "washout": 50}
    check(predicting(task=task, **tables), "own.toml")


def test_of_own_series_the_file_is_read(tmp_path: Path) -> None:
    u = np.sin(np.arange(200.0))
    np.savez(tmp_path / "own.npz", u=u, target=u**2)
    task = {
        "name": "series",
        "path": "own.npz",
        "washout": 20,
        "validation_fraction": 0.5,
    }
    own = predicting(tmp_path, task=task, fixed={"window": 61, "window_washout": 0})
    with pytest.raises(
        SpecError,
        match=r"^own\.toml: window: expected `window <= 60`, the points to train",
    ):
        check(own, "own.toml")


def test_nothing_is_written_of_such_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "own.toml"
    study.write_text(
        'objective = "spintronic-prediction"\n[budget]\ntrials = 3\n[fixed]\nwindow ='
        ' 141\n[task]\nname = "narma10"\nn_train = 200\n[space]\ntau_ns = { low = 1.0,'
        " high = 2.0 }\n"
    )
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    assert launch.launch(["--study", str(study)]) == 1
    assert (
        "own.toml: window: expected `window <= 140`, the points to train on, got"
        in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == [study]
