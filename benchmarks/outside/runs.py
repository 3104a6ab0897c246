"""Searches that were run, in a file of JSON lines; only missing ones are run."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.outside import coco, problems, samplers, tables

RESULTS = Path(__file__).with_name("results.jsonl")
BUDGETS = (20, 50, 100)
_SOURCE = Path(__file__).parents[2] / "hpo" / "search"
_PACKAGES = {"tables": tables.PACKAGE, "scikit-learn": "scikit-learn"}
"""The package of a kind of problems; else COCO's."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A search to be run."""

    problem: str
    sampler: str
    seed: int
    trials: int
    version: str
    """Of the sampler: a package with its version, or the last commit of
    ``hpo/search``."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A search that was run."""

    problem: str
    sampler: str
    seed: int
    trials: int
    version: str
    suite: str
    """The package of the problem, with its version."""
    maximize: bool
    """Whether the values are accuracies; else the smallest is the best."""
    optimum: float | None
    held: list[list[float]]
    """Number of trials, claim and truth of what was held then."""
    cpu_s: float

    @property
    def kind(self) -> str:
        """The kind of its problem."""
        return self.problem.partition("/")[0]

    @property
    def job(self) -> Job:
        """What it was made for."""
        names = ("problem", "sampler", "seed", "trials", "version")
        return Job(**{name: getattr(self, name) for name in names})


def load(path: Path = RESULTS) -> list[Run]:
    """Return the searches that were run."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Run(**json.loads(line)) for line in lines]


def add(run: Run, path: Path) -> None:
    """Add a search to a file, to which other processes may add, too."""
    with path.open("a", encoding="utf-8") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.write(json.dumps(asdict(run)) + "\n")
        out.flush()


@cache
def revision() -> str:
    """Return the last commit that changed ``hpo/search``, with a plus sign if files
    differ from it."""
    commit = _ask_git("log", "-1", "--format=%h", "--", ".")
    changed = _ask_git("status", "--porcelain", "--", ".")
    return f"{commit}+" if changed else commit


def _ask_git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=_SOURCE, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def list_jobs(
    names: Sequence[str], who: Sequence[str], seeds: Sequence[int], trials: int
) -> list[Job]:
    """Return the searches of problems by samplers: seed after seed, so that an end
    before time leaves whole sets.

    Raises:
        MissingError: the package of a sampler is not installed.
    """
    versions = {}
    for sampler in who:
        own = revision() if sampler == samplers.OURS else None
        versions[sampler] = own or samplers.find_version(sampler)
    return [
        Job(
            problem=name,
            sampler=sampler,
            seed=seed,
            trials=trials,
            version=versions[sampler],
        )
        for seed in seeds
        for name in names
        for sampler in who
    ]


def execute(jobs: Sequence[Job], processes: int) -> Iterator[Run]:
    """Run searches, as they come."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if processes == 1:
        _begin()
        yield from map(run, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _begin) as pool:
        yield from pool.imap_unordered(run, jobs)


def _begin() -> None:
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def run(job: Job) -> Run:
    """Run a search, and judge what it held."""
    problem = problems.load(job.problem, job.seed)
    budgets = [budget for budget in BUDGETS if budget <= job.trials]
    if job.trials not in budgets:
        budgets.append(job.trials)
    found = samplers.search(problem, job.sampler, job.seed, budgets)
    held = [
        [budget, _short(own.claimed), _short(problem.true(own.params))]
        for budget, own in found.held.items()
    ]
    package = _PACKAGES.get(job.problem.partition("/")[0], coco.PACKAGE)
    own: dict[str, Any] = {
        "suite": f"{package} {version(package)}",
        "maximize": problem.maximize,
        "optimum": None if problem.optimum is None else _short(problem.optimum),
        "held": held,
        "cpu_s": round(found.cpu_s, 2),
    }
    return Run(**asdict(job), **own)


def _short(value: float) -> float:
    """Keep ten digits: the regret is a small difference."""
    return float(f"{value:.10g}")
