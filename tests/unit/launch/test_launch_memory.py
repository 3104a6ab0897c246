"""What a launch says of memory: the largest network of a study, times the workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpo.launch import memory, plan
from hpo.launch.memory import Need
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from objectives.memory import Memory, of_training
from objectives.spintronic import SpintronicObjective


def spec(**tables: Any) -> StudySpec:
    raw = {"name": "own", "objective": "spintronic", "budget": {"trials": 4}, **tables}
    raw["fixed"] = {"max_step_ns": 0.5} if "max_step_ns" not in raw.get("space", {}) else {}
    return validate(raw, where="test")


def largest(study: StudySpec) -> Memory:
    found = memory.largest(study, plan.read(study))
    assert found is not None
    return found


def training(study: StudySpec, **params: Any) -> Memory:
    objective = study.objective_impl
    found = of_training(objective, objective.Params(**params), study.task_params, plan.read(study))
    assert found is not None
    return found


def test_the_largest_network_of_a_space_is_that_of_its_corner() -> None:
    space = {
        "layers": {"choices": [2, 4, 1]},
        "width": {"low": 8, "high": 300, "log": True},
        "max_step_ns": {"low": 0.05, "high": 1.0},
        "lr0": {"low": 0.01, "high": 0.1},
        "integrator": {"choices": ["exponential", "euler"]},
        "batch_size": {"low": 1, "high": 100},
    }
    corner = {"layers": 4, "width": 300, "max_step_ns": 0.05, "integrator": "euler"}
    study = spec(space=space)
    assert largest(study) == training(study, **corner, batch_size=100)


def test_a_network_that_a_constraint_forbids_does_not_count() -> None:
    study = spec(space={"width": {"low": 8, "high": 300}}, constraints={"n_neurons": 300})
    assert training(study, width=80).worker < largest(study).worker
    assert largest(study).worker <= training(study, width=100).worker


def test_a_sweep_is_as_large_as_its_largest_point() -> None:
    curve = {"label": "w", "x": ["width"], "values": [8, 64, 32]}
    study = spec(sweep={"curves": [curve]}, budget={})
    assert largest(study) == training(study, width=64)


def test_nothing_is_told_of_an_objective_that_derives_from_ours() -> None:
    """It may train another network."""

    class Own(SpintronicObjective):
        pass

    study = spec(space={"width": {"low": 8, "high": 300}})
    params = Own.Params()
    found = plan.read(study)
    assert of_training(SpintronicObjective(), params, study.task_params, found) is not None
    assert of_training(Own(), params, study.task_params, found) is None


def need(machine: int | None, **network: int) -> Need:
    own = {"worker": 1_200_000_000, "trajectory": 512_000_000, "shared": 0, "gpu": 0, **network}
    return Need(network=Memory(**own), workers=3, machine=machine)


EACH = "3 workers × 1.2 GB (512 MB of it trajectories)"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (need(None), f"about 3.6 GB: {EACH}"),
        (need(16 * 10**9), f"about 3.6 GB: {EACH}; this machine has 16 GB"),
        (
            need(None, shared=188_000_000),
            f"about 3.8 GB: {EACH}, 188 MB of data, which they share",
        ),
        (
            need(None, trajectory=0, gpu=2_000_000_000),
            "about 3.6 GB: 3 workers × 1.2 GB (0 MB of it trajectories), "
            "2.0 GB on the GPU of each (not measured)",
        ),
    ],
)
def test_it_is_said_in_a_line(found: Need, said: str) -> None:
    assert found.text() == said
    assert not found.warning()


@pytest.mark.parametrize(
    ("machine", "todo"), [(2.5e9, "Take at most 2 (--workers)."), (1e9, "Make them smaller.")]
)
def test_too_little_is_warned_of(machine: float, todo: str) -> None:
    found = need(int(machine))
    assert found.warning()
    assert found.warning() == (
        "warning: the largest networks may not fit in memory: about 3.6 GB: "
        f"{EACH}; this machine has {machine / 1e9:.1f} GB. {todo}"
    )


def test_a_container_has_what_it_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory.installed()
    assert whole is not None
    monkeypatch.setattr(memory, "_LIMITS", [tmp_path / "memory.max", tmp_path / "none"])
    (tmp_path / "memory.max").write_text("max\n")
    assert (memory.installed() or 0) >= whole
    (tmp_path / "memory.max").write_text("500000000\n")
    assert memory.installed() == 500_000_000


def test_a_dry_run_says_it(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "hpo.launch", "--study", "seqdigits", "--dry-run"]
    line += ["--workers", "3", "--storage", "postgresql://me@127.0.0.1:1/nowhere"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path)
    (said,) = [row for row in done.stdout.splitlines() if row.startswith("memory ")]
    assert ": 3 workers × 851 MB (9 MB of it trajectories); this machine has " in said
    done = subprocess.run([*line, "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["memory"]
    assert found["workers"] == 3
    assert found["network"]["trajectory"] == 64 * (3 * 3 + 2) * 96 * 32 * 4
    assert found["machine"] > 10**8
