"""The same script in Optuna and here: do two runs agree, how long do they take, and is
the claimed value the true one?"""

from __future__ import annotations

import json
import os
import resource
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.script import seed_generators
from hpo.study import file
from hpo.study.trials import StudyState

EXAMPLES = Path(__file__).parents[2] / "docs/examples/optuna"
WORKERS = 2
RUNS = 2
REPEATED = {"quadratic": "minimize", "conditional": "maximize", "noisy": "minimize"}
"""Scripts that run twice, with the direction of their value."""
CLAIMING = {"conditional": "maximize", "noisy": "minimize"}
"""Scripts whose claims are compared with the truth."""
TRIALS = 40
SEEDS = range(10)
FRESH = 200
"""Calls with fresh seeds whose mean is the truth."""
FEW = 50
MANY = 250
TRIVIAL = """\
def objective(trial):
    return trial.suggest_float("x", -1.0, 1.0) ** 2
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a script."""

    trials: Sequence[Mapping[str, Any]]
    """Number, parameters and value of each."""
    seconds: float
    """From the command to its end."""
    best: float


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Two runs of a script by the same command."""

    script: str
    service: str
    runs: Sequence[Run]

    @property
    def equal(self) -> int:
        """Trials with the same number, parameters and value in all runs."""
        first, *others = (run.trials for run in self.runs)
        return sum(all(row in other for other in others) for row in first)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Claimed and true values of a script's best parameters, for some study seeds."""

    script: str
    service: str
    claimed: Sequence[float]
    true: Sequence[float]

    @property
    def errors(self) -> list[float]:
        """Claimed minus true value of each study."""
        return [one - other for one, other in zip(self.claimed, self.true, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a function that takes no time."""

    service: str
    trial_ms: float
    """CPU time of the process, per trial."""
    first_s: Sequence[float]
    """From the command to the first finished trial."""


def repeats(storage: Storage, say: Callable[[str], None]) -> Iterator[Repeat]:
    """Run each script twice in Optuna, and twice here."""
    for script, direction in REPEATED.items():
        say(f"  {script}, twice each")
        plain = [_plain(script, direction) for _ in range(RUNS)]
        yield Repeat(script=script, service="Optuna", runs=plain)
        ours = [_launch(storage, script, direction, run) for run in range(RUNS)]
        yield Repeat(script=script, service="ours", runs=ours)


def _plain(script: str, direction: str, seed: int = 0, jobs: int = WORKERS) -> Run:
    line = [_path(script), direction, str(TRIALS), str(jobs), str(seed)]
    began_s = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.service.plain_optuna", *line],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    trials = json.loads(said)
    return Run(
        trials=trials,
        seconds=time.monotonic() - began_s,
        best=_best(direction, [row["value"] for row in trials]),
    )


def _launch(storage: Storage, script: str, direction: str, run: int) -> Run:
    name = f"{script}-{run}"
    began_s = time.monotonic()
    launch(storage, _path(script), direction, TRIALS, name)
    seconds = time.monotonic() - began_s
    slots = Ledger(storage).snapshot(name).search
    trials = []
    for slot in slots:
        row = {"number": slot.number, "params": dict(slot.params), "value": slot.score}
        trials.append(row)
    scores = [slot.score for slot in slots if slot.score is not None]
    return Run(trials=trials, seconds=seconds, best=_best(direction, scores))


def launch(
    storage: Storage, script: str, direction: str, trials: int, name: str
) -> None:
    """Search by ``hpo launch``, to its end, without a confirmation."""
    options = ["--trials", str(trials), "--direction", direction, "--name", name]
    subprocess.run(
        [
            *(sys.executable, "-m", "hpo", "launch", f"{script}:objective", *options),
            *("--workers", str(WORKERS), "--no-report", "--no-confirm"),
        ],
        env={**os.environ, "HPO_STORAGE": storage.url},
        check=True,
        capture_output=True,
    )


def claims(storage: Storage, say: Callable[[str], None]) -> Iterator[Claims]:
    """Search by ten study seeds, and compare what is claimed with the truth."""
    for script, direction in CLAIMING.items():
        say(f"  {script}, claimed and true values")
        claimed = []
        true = []
        for seed in SEEDS:
            run = _plain(script, direction, seed, jobs=1)
            (best, *_) = [row for row in run.trials if row["value"] == run.best]
            claimed.append(run.best)
            true.append(_truth(script, best["params"]))
        yield Claims(script=script, service="Optuna", claimed=claimed, true=true)
        yield _our_claims(storage, script, direction)


def _our_claims(storage: Storage, script: str, direction: str) -> Claims:
    """Let two workers serve a study of each seed."""
    ledger = Ledger(storage)
    names = [f"{script}-claim-{seed}" for seed in SEEDS]
    for seed, name in zip(SEEDS, names, strict=True):
        values = {
            "name": name,
            "seed": seed,
            "directions": direction,
            "budget.trials": TRIALS,
        }
        ledger.register(file.load(f"{_path(script)}:objective", values=values))
    for name in names:
        run_worker(storage, name, WORKERS)
    claimed = []
    true = []
    for name in names:
        snapshot = ledger.snapshot(name)
        assert snapshot.state == StudyState.DONE
        scores = [slot.score for slot in snapshot.confirm if slot.score is not None]
        claimed.append(statistics.fmean(scores))
        true.append(_truth(script, snapshot.confirm[0].params))
    return Claims(script=script, service="ours", claimed=claimed, true=true)


def run_worker(storage: Storage, study: str, workers: int = 1) -> None:
    """Run a study to its end."""
    command = [sys.executable, "-m", "hpo.worker", "--study", study]
    environment = {
        **os.environ,
        "HPO_STORAGE": storage.url,
        "PYTHONWARNINGS": "ignore",
    }
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(workers)
    ]
    for worker in running:
        if worker.wait() != 0:
            raise RuntimeError(f"a worker ended with exit status {worker.returncode}")


def _truth(script: str, params: Mapping[str, Any]) -> float:
    """Return the expected value of parameters: by the script's ``expected``, else the
    mean of many calls."""
    names = runpy.run_path(_path(script))
    if "expected" in names:
        return float(names["expected"](**params))
    values = []
    for seed in range(FRESH):
        seed_generators(10_000 + seed)
        values.append(float(names["objective"](optuna.trial.FixedTrial(dict(params)))))
    return statistics.fmean(values)


def costs(storage: Storage, folder: Path) -> Iterator[Cost]:
    """Run a function that takes no time."""
    script = folder / "trivial.py"
    script.write_text(TRIVIAL)
    path = str(script)
    plain = [_cpu_s(partial(_plain_trivial, path, n)) for n in (FEW, MANY)]
    first_s = []
    for _ in range(3):
        began_s = time.monotonic()
        _plain_trivial(path, 1)
        first_s.append(time.monotonic() - began_s)
    yield Cost(service="Optuna", trial_ms=_per_trial_ms(plain), first_s=first_s)
    ours = [_cpu_s(partial(_our_trivial, storage, path, n)) for n in (FEW, MANY)]
    first_s = []
    for run in range(3):
        began = datetime.now(UTC)
        launch(storage, path, "minimize", WORKERS, f"first-{run}")
        slots = Ledger(storage).snapshot(f"first-{run}").search
        ends = [slot.finished_at for slot in slots if slot.finished_at is not None]
        first_s.append((min(ends) - began).total_seconds())
    yield Cost(service="ours", trial_ms=_per_trial_ms(ours), first_s=first_s)


def _plain_trivial(path: str, trials: int) -> None:
    line = [path, "minimize", str(trials), "1", "0"]
    command = [sys.executable, "-m", "benchmarks.service.plain_optuna", *line]
    subprocess.run(command, check=True, capture_output=True)


def _our_trivial(storage: Storage, path: str, trials: int) -> None:
    name = f"trivial-{trials}"
    values = {"name": name, "budget.trials": trials, "confirm": False}
    Ledger(storage).register(file.load(f"{path}:objective", values=values))
    run_worker(storage, name)


def _cpu_s(work: Callable[[], None]) -> float:
    """Return the CPU time of the processes that a piece of work starts and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user_s = after.ru_utime - before.ru_utime
    return user_s + after.ru_stime - before.ru_stime


def _per_trial_ms(cpu_s: Sequence[float]) -> float:
    few, many = cpu_s
    return 1e3 * (many - few) / (MANY - FEW)


def _best(direction: str, values: Sequence[float]) -> float:
    return max(values) if direction == "maximize" else min(values)


def _path(script: str) -> str:
    return str(EXAMPLES / f"{script}.py")
