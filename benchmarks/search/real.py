"""The real thing: the same searches with networks that are trained, and incumbents
judged anew.

``python -m benchmarks.search.real --task seqdigits`` runs strategies on a few study
seeds, with the networks of the task's study file. What each search held for the best
after 1,000, 2,000 ... epochs is judged by networks of fresh seeds, as in a
confirmation. What came out is added to ``real.json``, in place of the same search if
that was shorter. Hours: a network takes 1 to 6 s.

With ``--memo``, a search that is run again trains only the networks that are new.
Several processes may share the memo and the results, each with study seeds of its own.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.search.memo import Memo
from benchmarks.search.simulate import Params, Step
from benchmarks.search.strategies import STRATEGIES
from benchmarks.search.tasks import TASKS, Task
from hpo.contract import Protocol
from hpo.errors import SpecError
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec

FOUND = Path(__file__).with_name("real.json")
BUDGETS = (1000, 2000, 5000, 10_000)
"""Epochs after which the best so far is judged, as far as the search goes."""
Found = dict[str, Any]


@dataclass(kw_only=True)
class Real:
    """A world (see ``simulate.World``) that trains the networks."""

    memo: Memo
    good: float = 0.0

    def train(
        self,
        spec: StudySpec,
        params: Params,
        seed: int,
        tell: Callable[[float | None], None],
    ) -> float:
        """A network of a trial."""
        return self.memo.train(
            spec, params, Protocol.VALIDATION, seed, spec.budget.epochs, tell
        )

    def true(self, params: Params) -> float:
        """Not known yet: incumbents alone are judged, in the end."""
        return float("nan")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A search, and how it is judged."""

    task: Task
    strategy: str
    seed: int
    epochs: int
    networks: int
    memo: Path | None


def judge(spec: StudySpec, params: Params, networks: int, memo: Memo) -> list[float]:
    """Test accuracies of networks that confirm a point; no search and no table used
    their seeds."""
    epochs = spec.confirm_epochs
    return [
        memo.train(spec, params, Protocol.CONFIRM, derive_seed(2, "confirm", k), epochs)
        for k in range(networks)
    ]


def search(job: Job) -> Found:
    """Run one strategy with one study seed for its epochs, and judge its incumbents."""
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = STRATEGIES[job.strategy]
    memo = Memo(path=job.memo)
    spec = own.spec(job.seed, job.task, table=False)
    searched = own.run(job.seed, Real(memo=memo), job.epochs, job.task, table=False)
    held = []
    for at in (*(b for b in BUDGETS if b < job.epochs), job.epochs):
        step = _held(searched.steps, at)
        if step is None:
            continue
        scores = judge(spec, step.params, job.networks, memo)
        held.append(
            {
                "at": at,
                "trial": step.trial,
                "claimed": round(step.claimed, 4),
                "true": round(statistics.fmean(scores), 4),
                "std": round(statistics.stdev(scores), 4),
                "params": dict(step.params),
            }
        )
    return {
        "task": job.task.name,
        "set": list(job.task.tried),
        "strategy": job.strategy,
        "seed": job.seed,
        "budget": job.epochs,
        "trials": searched.trials,
        "complete": searched.complete,
        "networks": job.networks,
        "trained": memo.trained,
        "cpu_s": round(memo.cpu_s),
        "held": held,
    }


def _held(steps: Sequence[Step], at: int) -> Step | None:
    """Return the incumbent of a search after a number of epochs."""
    return next((step for step in reversed(steps) if step.epochs <= at), None)


def load(path: Path = FOUND) -> list[Found]:
    """Return the results so far."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _of(searched: Found) -> tuple[Any, ...]:
    """What a search is known by."""
    return (
        searched["task"],
        tuple(searched["set"]),
        searched["strategy"],
        searched["seed"],
    )


def add(result: Found, path: Path) -> None:
    """Add a search to a file, in place of the same one; other processes may do so,
    too."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {_of(one): one for one in load(path)}
        known[_of(result)] = result
        lines = ",\n".join(" " + json.dumps(known[of]) for of in sorted(known))
        new = path.with_suffix(".new")
        new.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        new.replace(path)


def read_seeds(text: str) -> range:
    """``A-B`` or ``A``."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.real", description=__doc__
    )
    option = parser.add_argument
    option("strategies", nargs="+", metavar="STRATEGY", help="by name")
    option("--task", choices=TASKS, default="seqdigits", help="default: seqdigits")
    option(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=(
            "a value in place of the study file's; ema_decay=0.8 is fixed.ema_decay=0.8"
        ),
    )
    option(
        "--seeds",
        type=read_seeds,
        default="0-4",
        metavar="A-B",
        help="study seeds (0-4)",
    )
    option("--epochs", type=int, default=5000, metavar="N", help="of a search (5000)")
    option("--networks", type=int, default=6, metavar="N", help="that judge (6)")
    option("--processes", type=int, default=2, metavar="N", help="default 2")
    option("--memo", type=Path, metavar="FILE", help="keeps the networks (JSON lines)")
    option("--again", action="store_true", help="run what was run before, too")
    option("--out", type=Path, default=FOUND, help="default: real.json")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run what is missing; returns the exit status."""
    args = _parser().parse_args(arguments)
    unknown = [name for name in args.strategies if name not in STRATEGIES]
    if unknown:
        print(
            f"benchmarks.search.real: {', '.join(map(repr, unknown))}: no such"
            " strategy. See python -m benchmarks.search --list.",
            file=sys.stderr,
        )
        return 2
    tried = (
        text if "." in text.partition("=")[0] else f"fixed.{text}" for text in args.set
    )
    task = replace(TASKS[args.task], tried=tuple(tried))
    try:
        task.spec()
    except SpecError as error:
        print(f"benchmarks.search.real: {error}", file=sys.stderr)
        return 2
    known = {} if args.again else {_of(one): one["budget"] for one in load(args.out)}
    jobs = [
        Job(
            task=task,
            strategy=name,
            seed=seed,
            epochs=args.epochs,
            networks=args.networks,
            memo=args.memo,
        )
        for seed in args.seeds
        for name in args.strategies
        if known.get((task.name, task.tried, name, seed), 0) < args.epochs
    ]
    for result in _executed(jobs, args.processes):
        add(result, args.out)
        last = result["held"][-1] if result["held"] else {"claimed": 0.0, "true": 0.0}
        print(
            f"{task.name}, {result['strategy']}, seed {result['seed']}: claims "
            f"{100 * last['claimed']:.1f} %, is {100 * last['true']:.1f} %; "
            f"{result['trained']} networks trained in {result['cpu_s']} s",
            flush=True,
        )
    return 0


def _executed(jobs: Sequence[Job], processes: int) -> Iterable[Found]:
    os.environ["OMP_NUM_THREADS"] = "1"
    if processes == 1:
        yield from map(search, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(search, jobs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
