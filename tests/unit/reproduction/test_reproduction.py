"""Data, pages and commands of the reproduction."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import snapshots
from paper_studies import bell, study

from hpo.errors import HpoError
from hpo.objectives.contract import Solved
from reproduction import data, evidence, jobs, runs


def test_data_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = study("fig2b", bell(lambda p: 1.0), cumulative_drive=lambda p: 1.2345678)
    data.write(written, tmp_path / "fig2b.json")
    read = data.read(tmp_path / "fig2b.json")
    assert (read.spec, read.state) == (written.spec, written.state)
    assert read.search[3].params == written.search[3].params
    first, same = written.search[3].members[2], read.search[3].members[2]
    assert (same.score, same.seed, same.seconds) == (first.score, first.seed, first.seconds)
    assert same.info["cumulative_drive"] == 1.2346
    assert same.solved is None


def test_what_is_judged_is_the_solved_equation(tmp_path: Path) -> None:
    at_the_step = study("fig2b", lambda p: 0.95)
    checks = [
        Solved(score=0.125, converged=i != 3, steps_per_point=8, trained_steps_per_point=2)
        for i in range(10)
    ]
    slots = tuple(
        replace(
            slot,
            members=tuple(
                replace(member, info={**member.info, **snapshots.solved_info(check)})
                for member, check in zip(slot.members, checks, strict=True)
            ),
        )
        for slot in at_the_step.search
    )
    data.write(replace(at_the_step, search=slots), tmp_path / "fig2b.json")
    read = data.read(tmp_path / "fig2b.json")
    assert [member.solved for member in read.search[0].members] == checks
    optimum = evidence.gather({"fig2b": read}, {})["plain"].at_optimum()
    assert optimum is not None
    assert [network.accuracy for network in optimum.networks] == [12.5] * 10


def test_a_page_of_a_trial_run_says_so(tmp_path: Path) -> None:
    """Its words tell of ten seeds and sixty epochs."""
    other = study("fig4", lambda p: 0.9)
    budget = other.spec.budget.model_copy(update={"epochs": 2})
    tried = replace(other, spec=other.spec.model_copy(update={"budget": budget}))
    data.write(tried, tmp_path / runs.FOLDER / "fig4.json")
    runs.draw(tmp_path)
    text = (tmp_path / "records/reproduction.md").read_text(encoding="utf-8")
    assert "these data differ from the study files.\n\n- `fig4`: budget.epochs\n" in text


def test_committed_data_give_the_committed_document(tmp_path: Path) -> None:
    """Without a database, and without training."""
    docs = Path(__file__).parents[3] / "docs"
    shutil.copytree(docs / runs.FOLDER, tmp_path / runs.FOLDER)
    command = [sys.executable, "-m", "reproduction", "draw", "--docs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("reproduction.md", "sensitivity.md"):
        for path in (page, f"records/{page}"):
            assert (tmp_path / path).read_text("utf-8") == (docs / path).read_text("utf-8")


def test_what_is_missing_is_known() -> None:
    job = next(job for job in jobs.JOBS if job.name == "fig4")
    made = study("fig4", lambda p: 0.9)
    assert runs.is_measured(job, made)
    assert not runs.is_measured(job, None)
    assert not runs.is_measured(job, replace(made, search=made.search[:-1]))
    other = made.spec.model_copy(update={"seed": 1})
    assert not runs.is_measured(job, replace(made, spec=other))


def test_unknown_figure_and_missing_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HpoError) as caught:
        jobs.chosen("fig5")
    assert str(caught.value) == (
        f"FIG=fig5: expected a figure of the reproduction ({', '.join(jobs.FIGURES)}), got 'fig5'. "
        "Leave FIG out to run all."
    )
    with pytest.raises(HpoError) as caught:
        runs.draw(tmp_path)
    assert str(caught.value) == f"{tmp_path}/reproduction: no data. Run: make reproduce"


def test_trial_runs_leave_the_committed_data_alone() -> None:
    command = [sys.executable, "-m", "reproduction", "run", "--set", "budget.epochs=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--set: needs --docs, so that the committed data stay as they are" in done.stderr
