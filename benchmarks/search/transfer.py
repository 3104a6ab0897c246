"""Searches that learn from an earlier study, with networks that are trained.

``python -m benchmarks.search.transfer columns --source seqdigits`` searches a task by
its study file: as it is, with an earlier study of the source, and with one whose scores
are shuffled among its trials. Three earlier searches serve in turn. Whatever a search
held for the best is judged by networks of fresh seeds. What came out is added to
``transfer.json``, and the table of ``docs/records/search.md`` is written. Hours: share
``--memo`` among processes, each with study seeds of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.marks import DOCS, fill, row
from benchmarks.search import real, simulate
from benchmarks.search.memo import Memo
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from benchmarks.search.tasks import HERE, TASKS
from hpo.search.transfer import choose_trials
from hpo.study import file
from hpo.study.spec import StudySpec

FOUND = HERE / "transfer.json"
PAGE = DOCS / "records" / "search.md"
MODES = ("with", "without", "shuffled")
SHOWN = (150, 300, 700, 1200)
"""Epochs after which the table has what searches held."""
LEVELS = {"columns": 0.965, "seqdigits": 0.95}
"""A good confirmed accuracy of each task."""
_EARLIER = 100
"""Study seed of the first earlier search."""
_N_EARLIER = 3
_EARLIER_EPOCHS = 2000
_CHANCE = 0.1


def search(
    task: str, source: str, mode: str, seed: int, epochs: int, networks: int, memo: Memo
) -> real.Found:
    """Run one search, and judge all that it held."""
    spec = _spec(task, seed)
    if mode != "without":
        spec = _learn(spec, source, seed, memo, shuffle=mode == "shuffled")
    searched = simulate.run(spec, real.Real(memo=memo), epochs)
    held = []
    for step in searched.steps:
        scores = real.judge(spec, step.params, networks, memo)
        held.append(
            {
                "at": step.epochs,
                "trial": step.trial,
                "claimed": round(step.claimed, 4),
                "true": round(statistics.fmean(scores), 4),
                "std": round(statistics.stdev(scores), 4),
            }
        )
    return {
        "task": task,
        "set": [],
        "strategy": f"{mode} {source}",
        "seed": seed,
        "budget": epochs,
        "trials": searched.trials,
        "complete": searched.complete,
        "networks": networks,
        "held": held,
    }


def _spec(task: str, seed: int) -> StudySpec:
    return STRATEGIES[DEFAULT].spec(seed, TASKS[task], table=False)


def _learn(
    spec: StudySpec, source: str, seed: int, memo: Memo, *, shuffle: bool
) -> StudySpec:
    """Return the study with an earlier one to learn from."""
    earlier = _spec(source, _EARLIER + seed % _N_EARLIER)
    trials = simulate.run_trials(earlier, real.Real(memo=memo), _EARLIER_EPOCHS)
    chosen = choose_trials(spec, earlier, [trial.past for trial in trials])
    order = np.arange(len(chosen))
    if shuffle:
        order = np.random.default_rng(seed).permutation(len(chosen))
    rows: list[dict[str, Any]] = []
    for trial, place in zip(chosen, order, strict=True):
        other = chosen[place]
        rows.append(
            {"params": dict(trial.params), "score": other.score, "vague": other.vague}
        )
    table = {"studies": [source], "sources": [{"study": source, "trials": rows}]}
    return file.validate({**spec.stored(), "transfer": table}, where=source)


# --- the table ---


def tables(found: Sequence[real.Found]) -> dict[str, str]:
    """Return the table by its mark: a row for each task and mode."""
    heads = [f"{at:,} epochs" for at in SHOWN]
    lines = [row(["task", "earlier study", "n", *heads, "a good level", "p"])]
    lines.append(row(["---", "---", *["---:"] * (len(SHOWN) + 3)]))
    for task, level in LEVELS.items():
        own = [one for one in found if one["task"] == task]
        for name in sorted({one["strategy"] for one in own}, key=_order):
            lines.append(row(_cells(task, name, own, level)))
    return {"transfer": "\n".join(lines)}


def _order(strategy: str) -> int:
    return MODES.index(strategy.partition(" ")[0])


def _cells(
    task: str, name: str, found: Sequence[real.Found], level: float
) -> list[str]:
    own = {one["seed"]: one for one in found if one["strategy"] == name}
    cells = [task, name, f"{len(own)}"]
    for at in SHOWN:
        middle = statistics.median(_value(one, at) for one in own.values())
        cells.append(f"{100 * middle:.1f} %")
    epochs = [_reach(one, level) for one in own.values()]
    reached = [at for at in epochs if at is not None]
    text = f"{100 * level:g} %: {len(reached)} of {len(own)}"
    if 2 * len(reached) > len(own):
        text += f", median {statistics.median(reached):.0f}"
    return [*cells, text, _compare(own, found)]


def _compare(own: dict[int, real.Found], found: Sequence[real.Found]) -> str:
    """Return p of Wilcoxon's test against searches with an earlier study, paired by
    seed, after each of the numbers of epochs."""
    others = {one["seed"]: one for one in found if one["strategy"].startswith("with ")}
    seeds = sorted(own.keys() & others.keys())
    if own == others or len(seeds) < 5:
        return "–"
    shown = []
    for at in SHOWN:
        pairs = [(_value(own[seed], at), _value(others[seed], at)) for seed in seeds]
        p = stats.wilcoxon(*np.array(pairs).T).pvalue
        shown.append(f"{p:.3f}")
    return ", ".join(shown)


def _value(one: real.Found, at: int) -> float:
    """Return what a search held after a number of epochs; chance before the first."""
    values = [held["true"] for held in one["held"] if held["at"] <= at]
    return float(values[-1]) if values else _CHANCE


def _reach(one: real.Found, level: float) -> int | None:
    """Return after how many epochs a search first held a good configuration."""
    return next((held["at"] for held in one["held"] if held["true"] >= level), None)


def main(arguments: Sequence[str]) -> int:
    """Run what is missing, write the table; return the exit status."""
    import optuna
    import torch

    args = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    memo = Memo(path=args.memo)
    known = {(one["task"], one["strategy"], one["seed"]) for one in real.load(args.out)}
    for mode in args.modes:
        for seed in args.seeds:
            if (args.task, f"{mode} {args.source}", seed) in known:
                continue
            own = (args.epochs, args.networks, memo)
            found = search(args.task, args.source, mode, seed, *own)
            real.add(found, args.out)
            last = found["held"][-1]["true"] if found["held"] else _CHANCE
            print(f"{args.task}, {mode} {args.source}, seed {seed}: {last:.3f}")
    if args.out == FOUND:
        fill(PAGE, tables(real.load(FOUND)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.transfer", description=__doc__
    )
    option = parser.add_argument
    option("task", choices=TASKS, help="that is searched")
    option("--source", choices=TASKS, required=True, help="task of the earlier study")
    option("--modes", nargs="+", choices=MODES, default=MODES, help="default: all")
    option(
        "--seeds",
        type=real.read_seeds,
        default="0-9",
        metavar="A-B",
        help="study seeds (0-9)",
    )
    option("--epochs", type=int, default=1200, metavar="N", help="of a search (1200)")
    option("--networks", type=int, default=4, metavar="N", help="that judge (4)")
    option("--memo", type=Path, metavar="FILE", help="keeps the networks (JSON lines)")
    option("--out", type=Path, default=FOUND, help="default: transfer.json")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
