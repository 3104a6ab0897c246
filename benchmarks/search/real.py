"""The real thing: the same searches with networks that are trained, and incumbents judged anew.

``python -m benchmarks.search.real`` runs strategies on a few study seeds, in the space of the table
or in that of ``studies/seqdigits.toml``, trains every incumbent from 20 fresh seeds, and adds what
came out to ``real.json``. "plain Optuna" is Optuna itself here:
its study, ``optimize``, and nothing of ours.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.search import table
from benchmarks.search.simulate import Params, Step, passes, run
from benchmarks.search.strategies import PLAIN, SEARCH, STRATEGIES
from hpo.search import seeds
from hpo.study.spec import StudySpec
from objectives.contract import Outcome, Protocol

FOUND = Path(__file__).with_name("real.json")
FRESH = 20
"""Networks that judge an incumbent: none of their seeds was used by a search or by the table."""
SPACES = TABLES, OWN = "table", SEARCH.stem
"""Of the table, and of the study file that searches by default."""
JUDGED = 0.88
"""Incumbents that claim less are not worth twenty networks: they are taken at their word."""


class Real:
    """A world (see ``simulate.World``) that trains the networks."""

    def train(
        self, spec: StudySpec, params: Params, seed: int, tell: Callable[[float], None]
    ) -> float:
        """A network of a trial."""
        return _train(spec, params, Protocol.VALIDATION, seed, spec.budget.epochs, tell).score

    def true(self, params: Params) -> float:
        """Not known yet: incumbents alone are judged, in the end."""
        return float("nan")

    def expected(self, params: Params, epochs: int) -> float:
        """Nobody knows."""
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


def judge(spec: StudySpec, params: Params) -> tuple[float, float]:
    """Mean test accuracy of ``FRESH`` networks that confirm a point, and its standard error."""
    scores = [
        _train(spec, params, Protocol.CONFIRM, seeds.derive(2, "confirm", k), table.EPOCHS).score
        for k in range(FRESH)
    ]
    return statistics.fmean(scores), statistics.stdev(scores) / FRESH**0.5


@dataclass(kw_only=True)
class _Plain:
    """A script as it is written today: one study in one process, one network per trial."""

    spec: StudySpec
    budget: int
    spent: int = 0

    def search(self) -> list[Step]:
        """Run Optuna until the budget is spent; returns its incumbents."""
        import optuna

        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=self.spec.seed),
            pruner=optuna.pruners.MedianPruner(),
        )
        steps: list[Step] = []
        while self.spent < self.budget:
            study.optimize(self._objective, n_trials=1)
            last = study.trials[-1]
            if last.state == optuna.trial.TrialState.COMPLETE and study.best_trial == last:
                steps.append(
                    Step(
                        trial=last.number,
                        epochs=self.spent,
                        seconds=0.0,
                        claimed=study.best_value,
                        true=float("nan"),
                        expected=float("nan"),
                        params=last.params,
                    )
                )
        return steps

    def _objective(self, trial: Any) -> float:
        import optuna

        params = {}
        for name, d in self.spec.space.items():
            suggest = trial.suggest_int if self.spec.kind(name) == "int" else trial.suggest_float
            params[name] = suggest(name, d.low, d.high, log=d.log)
        began = self.spent

        def tell(accuracy: float) -> None:
            self.spent += 1
            trial.report(accuracy, self.spent - began)
            if trial.should_prune():
                raise optuna.TrialPruned

        seed = seeds.derive(self.spec.seed, "member", 0)
        return _train(
            self.spec, params, Protocol.VALIDATION, seed, self.spec.budget.epochs, tell
        ).score


def search(job: tuple[str, str, int, int]) -> dict[str, Any]:
    """Run one strategy in a space with one seed and so many epochs, and judge its incumbents."""
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, name, seed, budget = job
    spec = STRATEGIES[name].spec(seed, of_table=space == TABLES)
    if name == PLAIN:
        steps = _Plain(spec=spec, budget=budget).search()
    else:
        steps = run(spec, Real(), budget).steps
    found = []
    for step in steps:
        true, error = judge(spec, step.params) if step.claimed >= JUDGED else (step.claimed, None)
        found.append(
            {
                "trial": step.trial,
                "epochs": step.epochs,
                "claimed": round(step.claimed, 4),
                "true": round(true, 4),
                "error": None if error is None else round(error, 4),
                "params": {
                    name: v if isinstance(v, int) else float(f"{v:.5g}")
                    for name, v in step.params.items()
                },
            }
        )
    return {"space": space, "strategy": name, "seed": seed, "budget": budget, "steps": found}


def load(path: Path = FOUND) -> list[dict[str, Any]]:
    """What was found so far."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def steps(found: Mapping[str, Any]) -> list[Step]:
    """The incumbents of a search that was kept."""
    return [
        Step(
            trial=step["trial"],
            epochs=step["epochs"],
            seconds=float("nan"),
            claimed=step["claimed"],
            true=step["true"],
            expected=float("nan"),
            params=step["params"],
        )
        for step in found["steps"]
    ]


def main(arguments: Sequence[str]) -> int:
    """Run what is missing; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.real", description=__doc__)
    parser.add_argument("strategies", nargs="+", metavar="STRATEGY", help="by name")
    parser.add_argument(
        "--space", choices=SPACES, default=OWN, help=f"of the table, or of {OWN} (the default)"
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="study seeds of each")
    parser.add_argument("--epochs", type=int, default=3000, metavar="N", help="of every search")
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
    done = {(f["space"], f["strategy"], f["seed"], f["budget"]) for f in found}
    jobs = [
        (args.space, name, seed, args.epochs)
        for seed in range(args.seeds)
        for name in args.strategies
    ]
    jobs = [job for job in jobs if job not in done]
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for result in pool.imap_unordered(search, jobs):
            found.append(result)
            found.sort(key=lambda f: (f["space"], f["strategy"], f["seed"]))
            lines = ",\n".join(" " + json.dumps(f) for f in found)
            args.out.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
            reached = passes(steps(result), 0.92, "epochs")
            print(
                f"{result['strategy']}, seed {result['seed']}: 92 % after {reached:g}", flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
