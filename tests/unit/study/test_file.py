"""Study files: overrides, what cannot be read, and a user's own data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpo.errors import SpecError
from hpo.study import file

FILE = """
objective = "toy_objective:ToyObjective"
[budget]
trials = 10
[space]
rate_per_ns = { low = 1.0, high = 10.0 }
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return path


def refusal(study: object, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        file.load(str(study), overrides=overrides)
    return str(caught.value)


def test_overrides_are_read_as_toml_else_as_text(study: Path) -> None:
    loaded = file.load(
        str(study),
        overrides=[
            "space.rate_per_ns.high=4",
            "description=two words",
            "space.colour.choices=['red']",
        ],
        values={"budget.trials": 3},
    )
    assert loaded.name == "mine"
    assert loaded.space["rate_per_ns"].high == 4
    assert loaded.description == "two words"
    assert loaded.space["colour"].choices == ("red",)
    assert loaded.budget.trials == 3


def test_a_quick_study_is_another_one_and_smaller(study: Path) -> None:
    study.write_text(FILE + '[pruner]\nname = "median"\n[stop]\npatience = 5\n')
    quick = file.load(str(study), quick=True)
    assert (quick.name, quick.budget.trials, quick.budget.seeds) == (
        "mine-quick",
        8,
        1,
    )
    assert (quick.budget.epochs, quick.confirm and quick.confirm.seeds) == (60, 2)
    assert (quick.stop, quick.pruner.options["min_resource"]) == (None, 15)
    assert quick.warm_start is None
    first = file.load("seqdigits", quick=True).warm_start_params(0)
    assert (first["tau_ns"], first["f_cut_per_ns"]) == (
        14.12,
        0.1,
    ), "reported; the default"
    named = file.load(
        str(study), values={"name": "look", "budget.trials": 9}, quick=True
    )
    assert (named.name, named.budget.trials) == ("look", 9)
    folded = ["task.validation_folds=5", "budget.seeds=5"]
    assert file.load("seqdigits", overrides=folded, quick=True).budget.seeds == 5
    with pytest.raises(SpecError, match=r"unknown key budget\.trails") as caught:
        file.load(str(study), overrides=["budget.trails=3"], quick=True)
    assert "mine.toml" in str(caught.value)


def test_an_override_is_refused_without_key_or_value_or_as_its_key_is(
    study: Path,
) -> None:
    for override in ("budget.trials", "=3", "budget..trials=3", ""):
        assert (
            refusal(study, override)
            == f"--set {override}: expected key=value. Write for instance --set"
            " space.tau_ns.high=40."
        )
    assert refusal(study, "bugdet.trials=3").startswith(
        f"{study} with bugdet.trials=3: unknown key bugdet. Did you mean 'budget'?"
    )
    assert "space.tau: objective" in refusal(study, "space.tau.high=40")
    assert (
        refusal(study, "budget.trials=many")
        == f"{study} with budget.trials='many': budget.trials: expected a whole"
        " number, "
        "got 'many'. Change it."
    )
    assert (
        refusal(study, "seed.x=1", "seed=3", "seed.y=1")
        == "--set seed.y: 'seed' is a value, not a table."
    )


def test_an_unknown_study_lists_those_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal("seqdigit").startswith(
        "unknown study 'seqdigit'. Did you mean 'seqdigits'? Valid: "
    )
    monkeypatch.chdir(tmp_path)
    named = "unknown study 'mine'. ", "two studies are called 'seqdigits'. "
    for name, what in zip(("mine", "seqdigits"), named, strict=True):
        hint = f"{what}For the file in the working directory, give {name}.toml"
        (tmp_path / f"{name}.toml").touch()
        assert refusal(name).startswith(hint)
    (tmp_path / "train.py").touch()
    assert refusal("train").startswith(
        "unknown study 'train'. For the function of the script, give train.py:obj"
    )
    missing, text = tmp_path / "none.toml", "no such study file."
    assert refusal(missing) == f"{missing}: {text} Check the path."


@pytest.mark.parametrize(
    "value", [b"=", b"9" * 5000, b"[" * 3000 + b"]" * 3000, b'"\xff"']
)
def test_what_python_cannot_read_is_refused(study: Path, value: bytes) -> None:
    study.write_bytes(b"\nseed = " + value)
    assert refusal(study).startswith(f"{study}: not valid TOML: ")
    assert ("Invalid value (at line 2, column 8). Correct it." in refusal(study)) == (
        value == b"="
    )


# --- a user's own data: where paths begin, what is pinned, what is refused ---

OWN_DATA = """
objective = "spintronic"
[budget]
trials = 2
[task]
name = "arrays"
path = "data/toy.npz"
[space]
tau_ns = { low = 1.0, high = 100.0, log = true }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "data" / "toy.npz", x=rng.normal(size=(40, 6)), y=np.arange(40) % 2
    )
    path = tmp_path / "mine.toml"
    path.write_text(OWN_DATA)
    return path


def test_the_path_begins_at_the_study_file_and_the_content_is_pinned(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    spec = file.load("./mine.toml")
    assert spec.task["path"] == str(own.parent / "data" / "toy.npz")
    assert len(spec.task["sha256"]) == 64
    assert set(spec.task) == {"name", "path", "sha256"}, "defaults stay unwritten"
    monkeypatch.chdir("/")
    assert file.load(str(own)) == spec
    assert file.validate(spec.stored(), where="stored") == spec
    (own.parent / "data" / "mine.toml").write_text(file.dumps(spec))
    assert file.load(str(own.parent / "data" / "mine.toml")) == spec


def test_broken_data_is_refused_with_study_file_data_and_rule(own: Path) -> None:
    data = own.parent / "data" / "toy.npz"
    np.savez(data, x=np.ones((40, 6)), y=np.arange(39))
    assert (
        refusal(own)
        == f"{own}: task: {data}: expected one label per series, `y.shape == (40,)`,"
        " got "
        "y.shape=(39,). Give as many labels as series."
    )


def test_keys_in_keys_without_end_are_refused_soon(tmp_path: Path) -> None:
    deep = tmp_path / "deep.toml"
    deep.write_text(".".join(["a"] * 5000) + " = 1\n")
    with pytest.raises(SpecError) as caught:
        file.load(str(deep))
    assert str(caught.value) == (
        f"{deep}: not valid TOML: tables or lists lie more than 50 deep. Correct it."
    )
