"""What the trials of a study depend on, as modules whose change is refused."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from hpo.ledger import pins
from hpo.study import file

EVERY = {"hpo.ledger.past", "hpo.search.suggest", "hpo.worker.trial"}
OF_FUNCTIONS = {
    "hpo.functions.call",
    "hpo.functions.deciding",
    "hpo.script.script",
    "hpo.script.seeding",
    "hpo.worker.function_call",
    "hpo.worker.function_run",
}


def test_a_function_depends_on_its_script_and_on_what_calls_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 1\n")
    (tmp_path / "train.py").write_text(
        "import beside\ndef objective(trial): return beside.VALUE\n"
    )
    tree = {"name": "f", "objective": "train.py:objective", "budget": {"trials": 5}}
    spec = file.read(tree, base=tmp_path, where="f")
    assert pins.hash_modules(spec).keys() >= {"train", "beside"} | EVERY | OF_FUNCTIONS


def test_a_class_does_not_depend_on_what_calls_functions() -> None:
    modules = pins.hash_modules(file.load("seqdigits")).keys()
    assert modules >= EVERY
    assert not modules & OF_FUNCTIONS


@pytest.mark.parametrize(
    ("sampler", "packages"), [("tpe", ["optuna"]), ("cmaes", ["optuna", "cmaes"])]
)
def test_the_packages_that_suggest_count_by_their_versions(
    sampler: str, packages: list[str]
) -> None:
    spec = file.load(
        "seqdigits", overrides=[f"sampler.name={sampler}", "confirm.by=score"]
    )
    found = pins.hash_modules(spec)
    assert {name: found[name] for name in found if name.startswith("package ")} == {
        f"package {name}": version(name) for name in packages
    }
