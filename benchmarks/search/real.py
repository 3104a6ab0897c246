"""The real thing: the same searches with networks that are trained, and incumbents judged anew.

``python -m benchmarks.search.real`` runs strategies on a few study seeds, trains what each of them
held for the best after 500, 1,000, 2,000 ... epochs from fresh seeds, as a confirmation does, and
adds what came out to ``real.json``, in place of the same search if that was shorter. Minutes to
hours: a network of 100 epochs takes 15 s.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.search import table
from benchmarks.search.simulate import Params, Step
from benchmarks.search.strategies import STRATEGIES
from hpo.study.spec import StudySpec, derived_seed
from objectives.contract import Outcome, Protocol

FOUND = Path(__file__).with_name("real.json")
BUDGETS = (500, 1000, 2000, 5000, 10_000)
"""Epochs after which the best so far is judged, as far as the search goes."""


class Real:
    """A world (see ``simulate.World``) that trains the networks."""

    def train(
        self, spec: StudySpec, params: Params, seed: int, tell: Callable[[float], None]
    ) -> float:
        """A network of a trial."""
        found = _train(spec, params, Protocol.VALIDATION, seed, spec.budget.epochs, tell)
        return found.solved.score if found.solved else found.score

    def true(self, params: Params) -> float:
        """Not known yet: incumbents alone are judged, in the end."""
        return float("nan")


def _train(
    spec: StudySpec,
    params: Params,
    protocol: Protocol,
    seed: int,
    epochs: int,
    tell: Callable[[float], None] | None = None,
) -> Outcome:
    return spec.objective_impl.evaluate(
        spec.params(params, epochs=epochs),
        task=spec.task_params,
        protocol=protocol,
        member_seed=seed,
        on_epoch=lambda progress: tell(progress.score or 0.0) if tell else None,
    )


def judge(spec: StudySpec, params: Params, networks: int) -> list[float]:
    """Test accuracies of networks that confirm a point; no search and no table used their seeds."""
    return [
        _train(spec, params, Protocol.CONFIRM, derived_seed(2, "confirm", k), table.CONFIRMED).score
        for k in range(networks)
    ]


def search(job: tuple[str, int, int, int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Run one strategy with one study seed for so many epochs, and judge its incumbents.

    The last of the job are what the same search, but shorter, held, judged by as many networks.
    """
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name, seed, budget, networks, judged = job
    own = STRATEGIES[name]
    found = own.run(seed, Real(), budget)
    kept: list[dict[str, Any]] = []
    for at in (*(b for b in BUDGETS if b < budget), budget):
        step = _held(found.steps, at)
        if step is None:
            continue
        params = {
            name: value if isinstance(value, int) else float(f"{value:.5g}")
            for name, value in step.params.items()
        }
        known = next((held for held in (*judged, *kept) if held["params"] == params), None)
        if known is None:
            scores = judge(own.spec(seed), step.params, networks)
            mean, std = statistics.fmean(scores), statistics.stdev(scores)
            known = {"true": round(mean, 4), "std": round(std, 4), "params": params}
        claim = {"at": at, "trial": step.trial, "claimed": round(step.claimed, 4)}
        kept.append({**claim, **{key: known[key] for key in ("true", "std", "params")}})
    more = {"trials": found.trials, "complete": found.complete, "networks": networks}
    return {"strategy": name, "seed": seed, "budget": budget, **more, "held": kept}


def _held(steps: Sequence[Step], at: int) -> Step | None:
    """What a search held for the best after so many epochs."""
    return next((step for step in reversed(steps) if step.epochs <= at), None)


def load(path: Path = FOUND) -> list[dict[str, Any]]:
    """What was found so far."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def main(arguments: Sequence[str]) -> int:
    """Run what is missing; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.real", description=__doc__)
    parser.add_argument("strategies", nargs="+", metavar="STRATEGY", help="by name")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="study seeds of each (5)")
    parser.add_argument("--epochs", type=int, default=5000, metavar="N", help="of a search (5000)")
    parser.add_argument("--networks", type=int, default=20, metavar="N", help="that judge (20)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="default 2")
    parser.add_argument("--out", type=Path, default=FOUND, help="default: real.json")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.strategies if name not in STRATEGIES]
    if unknown:
        print(
            f"benchmarks.search.real: {', '.join(map(repr, unknown))}: no such strategy. "
            "See python -m benchmarks.search --list.",
            file=sys.stderr,
        )
        return 2
    found = load(args.out)
    done = {(f["strategy"], f["seed"]): f for f in found}
    jobs = []
    for seed in range(args.seeds):
        for name in args.strategies:
            known = done.get((name, seed), {"budget": 0, "networks": args.networks, "held": []})
            if known["budget"] < args.epochs:
                judged = known["held"] if known["networks"] == args.networks else []
                jobs.append((name, seed, args.epochs, args.networks, judged))
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        for result in pool.imap_unordered(search, jobs):
            done[result["strategy"], result["seed"]] = result
            found = sorted(done.values(), key=lambda f: (f["strategy"], f["seed"]))
            lines = ",\n".join(" " + json.dumps(f) for f in found)
            args.out.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
            last = result["held"][-1]
            print(
                f"{result['strategy']}, seed {result['seed']}: claims {100 * last['claimed']:.1f} "
                f"%, is {100 * last['true']:.1f} %",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
