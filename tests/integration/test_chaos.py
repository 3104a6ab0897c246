"""The chaos run, as ``make chaos`` starts it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chaos import fuzz
from chaos.crew import ROOT


def run(module: str, *arguments: str, timeout_s: float = 280) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def check(said: str) -> None:
    """Tables are equal, and there was something to withstand: on a machine at work,
    perhaps once."""
    *_, last, total = said.splitlines()
    assert last.endswith("tables equal")
    heads = said[said.index("seed  seconds") :].splitlines()[0].split()
    counts = dict(zip(heads, total.split(), strict=False))
    assert (
        sum(
            int(counts[what])
            for what in ("kills", "terms", "pauses", "restarts", "cuts")
        )
        >= 1
    )


def test_sigterm_ends_processes_in_time_where_the_database_is_silent() -> None:
    assert run("chaos.phases", "silent", "crew").count("within") == 2


@pytest.mark.slow
def test_sigterm_ends_processes_in_time_in_every_phase() -> None:
    run("chaos.phases", timeout_s=900)


def test_seconds_of_chaos() -> None:
    """Of other kinds of study, ``test_pure_function`` kills workers at any moment."""
    few = ("--studies", "halving", "amended", "--trials", "6", "--workers", "2")
    often = ("--lease", "1", "--pace", "0.15")
    check(run("chaos", "--seconds", "3", "--seed", "1", *few, *often))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_storm_in_which_the_database_comes_back_in_earlier_states() -> None:
    few = ("--studies", "halving", "amended", "--trials", "6", "--workers", "2")
    how = ("--seconds", "290", "--seed", "7302", "--pace", "0.4", "--returns")
    said = run("chaos", *how, *few, timeout_s=580)
    check(said)
    assert "started in place of the database" in said
    assert "the dump was restored" in said


def test_broken_inputs_are_read_or_refused_in_words() -> None:
    counted = [
        line.split() for line in run("chaos.fuzz", "--inputs", "60").splitlines()
    ]
    assert {cells[0]: cells[3] for cells in counted[1:]} == dict.fromkeys(
        fuzz.KINDS, "0"
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_ten_minutes_of_chaos() -> None:
    check(run("chaos", "--seconds", "600", timeout_s=1400))
