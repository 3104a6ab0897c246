"""The source of an objective: which modules count, and what of their text."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from hpo import objectives
from hpo.provenance import source

MODULE = '''
"""A docstring."""
import numpy as np
from hpo.contract import Objective, ObjectiveParams, Outcome, TaskParams
{imports}


class Params(ObjectiveParams):
    """Parameters."""

    x: float = 1.0


class Task(TaskParams):
    name: str = "toy"


class Mine(Objective):
    metric = "score"
    direction = "maximize"
    Params = Params
    tasks = {{"toy": Task}}

    def evaluate(self, params, *, task, protocol, member_seed, on_epoch, resume=None):
        from lazily import imported
        return Outcome(score=params.x)  # a comment
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ``own`` with a module, a helper and one that nobody imports."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "own"
    (folder / "deep").mkdir(parents=True)
    for name in ("__init__", "unused", "helper", "deep/__init__", "deep/inner"):
        (folder / f"{name}.py").write_text(f"VALUE = {name!r}\n")
    (folder / "model.py").write_text(
        MODULE.format(imports="from . import helper\nfrom .deep import inner")
    )
    (tmp_path / "lazily.py").write_text("imported = 1\n")
    return tmp_path


def modules() -> dict[str, str]:
    """As a new process finds them."""
    for name in [
        name for name in sys.modules if name.split(".")[0] in ("own", "lazily")
    ]:
        del sys.modules[name]
    importlib.invalidate_caches()
    source.read_module.cache_clear()
    return dict(objectives.modules("own.model:Mine"))


def test_what_an_objective_imports_counts_wherever_it_does(package: Path) -> None:
    found = modules()
    own = ["lazily", "own", "own.deep", "own.deep.inner", "own.helper", "own.model"]
    assert [name for name in found if not name.startswith("hpo.")] == own
    assert "hpo.contract.outcome" in found
    assert not any(name.split(".")[0] in ("numpy", "pydantic") for name in found)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""A docstring."""', '"""Another."""', True),
        ("  # a comment", "", True),
        ("\n\n\nclass Params", "\n\n\n\n# so\nclass Params", True),
        ("x: float = 1.0", "x: float = 2.0", False),
        ("score=params.x", "score=-params.x", False),
        ('metric = "score"', 'metric = "# score"', False),
    ],
)
def test_only_what_computes_counts(
    package: Path, old: str, new: str, same: bool
) -> None:
    before = modules()
    file = package / "own" / "model.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    after = modules()
    assert (after == before) is same
    assert {**before, "own.model": ""} == {**after, "own.model": ""}


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfVALUE = 1\n",
        b"# -*- coding: latin-1 -*-\nVALUE = '\xe4'\n",
        b"print 'of Python 2'\n",
        b"\0",
        b"VALUE = 1\n\x0cdef g():\n    pass\n",
    ],
)
def test_whatever_a_module_holds_it_is_hashed(package: Path, content: bytes) -> None:
    (package / "lazily.py").write_bytes(content)
    before = modules()["lazily"]
    (package / "lazily.py").write_bytes(
        content.replace(b"1", b"2").replace(b"g", b"h") + b"\n+1"
    )
    assert modules()["lazily"] != before


def test_an_import_that_cannot_be_resolved_is_passed_over(package: Path) -> None:
    tried = (
        "try:\n    from .helper import x\nexcept ImportError:\n    from own import"
        " helper\n"
    )
    (package / "lazily.py").write_text(f"imported = 1\n{tried}")
    assert "own.helper" in modules()


def test_packages_that_were_installed_elsewhere_are_not_the_users(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("site-packages", "dist-packages"):
        other = package / "opt" / name
        other.mkdir(parents=True)
        (other / f"of_{name[:4]}.py").write_text("")
        monkeypatch.syspath_prepend(other)
    (package / "lazily.py").write_text("imported = 1\nimport of_site, of_dist\n")
    assert not {"of_site", "of_dist"} & modules().keys()


def test_a_process_keeps_to_what_it_has_read(package: Path) -> None:
    """As it goes on to compute with what it has imported."""
    before = modules()
    (package / "own" / "helper.py").write_text("VALUE = 'edited'\n")
    other = (package / "own" / "model.py").read_text()
    (package / "own" / "other.py").write_text(other)
    assert objectives.modules("own.other:Mine")["own.helper"] == before["own.helper"]


def test_of_an_installed_module_the_version_of_its_package_counts(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = package / "opt" / "site-packages"
    about = other / "lab_of_theirs-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: lab-of-theirs\nVersion: 1.2\n")
    (about / "top_level.txt").write_text("theirs\n")
    (other / "theirs.py").write_text("class Sampler: ...\n")
    monkeypatch.syspath_prepend(other)
    assert objectives.sampler_modules("theirs:Sampler") == {
        "package lab-of-theirs": "1.2"
    }


def test_beside_ours_nothing_counts_that_lies_in_the_same_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "hpo").mkdir()
    (tmp_path / "hpo/search.py").write_text("import beside, hpo.space\n")
    (tmp_path / "hpo/space.py").write_text("")
    (tmp_path / "beside.py").write_text("")
    found = source.hash_tree(tmp_path, "hpo.search", alone=())
    assert [*found] == ["hpo.search", "hpo.space"]


def test_our_own_objectives_are_of_all_that_computes() -> None:
    found = objectives.modules("spintronic")
    for name in (
        "devices.spintronic",
        "training.train",
        "training.solved_equation",
        "networks.kernels.spintronic",
    ):
        assert f"hpo.objectives.{name}" in found
    assert "hpo.objectives.devices.ctrnn" not in found
    assert found != objectives.modules("ctrnn")
