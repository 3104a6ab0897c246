"""Find the size of the training part below which a search should score on folds.

Small searches on subsets of the digits: a trial is scored on five folds, or by networks
with parts of their own of 30 %, with as many networks in all. What is claimed is held
against fresh networks, tested on all other images.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hpo.contract import Protocol
from hpo.objectives.data import advice
from hpo.search.suggest import suggest
from hpo.search.surrogate import predict_scores
from hpo.study.file import read
from hpo.study.networks import Networks
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Step
from hpo.worker.training import ReportedEpochs, member_of

SIZES = (100, 200, 400)
SEEDS = range(4)
"""Of studies: each draws other images to train on."""
NETWORKS = 40
"""Of a search."""
FRESH = 5
WAYS = {"5 folds": (5, 5), "parts of 30 %": (2, 1)}
"""Networks of a trial, and folds; without folds as ``hpo new study`` writes it."""
RESULTS = Path(__file__).with_name("folds.jsonl")


class _Networks(Networks):
    def __init__(self, members: Any) -> None:
        self.members = members


def study(n: int, seed: int, members: int, folds: int, directory: Path) -> StudySpec:
    """A study of ``n`` images to train on, drawn from the seed; the others test."""
    images, labels = load_digits(return_X_y=True)
    how: dict[str, Any] = {"train_size": n, "stratify": labels, "random_state": seed}
    test = np.ones(len(labels), bool)
    test[train_test_split(np.arange(len(labels)), **how)[0]] = False
    np.savez(directory / "x.npz", x=images / 16.0, y=labels, test=test)
    task: dict[str, Any] = {"name": "arrays", "path": "x.npz", "split_seed": seed}
    space = {
        k: {"low": v.low, "high": v.high, "log": True}
        for k, v in advice.space(point_ns=1.0, points=64).items()
    }
    raw = {
        "name": "folds",
        "objective": "spintronic",
        "seed": seed,
        "budget": {
            "trials": NETWORKS // members,
            "window": 1,
            "seeds": members,
            "epochs": 20,
            "score_every": 20,
        },
        "task": task | ({"validation_folds": folds} if folds > 1 else {}),
        "fixed": {
            "layers": 2,
            "width": 16,
            "batch_size": 10,
            "readout": "x",
            "readout_points": "last+mean",
            "max_step_ns": 0.35,
            "lr_decay": 5.0,
            "thermal_power": 1e-3,
            "drive_limit": "none",
        },
        "space": space,
        "sampler": {"name": "kriging-believer"},
        "confirm": {"seeds": FRESH, "by": "posterior_mean"},
    }
    return read(raw, base=directory, where="folds")


def measured(n: int, seed: int, way: str) -> dict[str, Any]:
    """One search and its confirmation."""
    members, folds = WAYS[way]
    with tempfile.TemporaryDirectory() as directory:
        spec = study(n, seed, members, folds, Path(directory))

        def train(
            params: Any,
            protocol: Protocol,
            purpose: Literal["member", "confirm"],
            count: int,
        ) -> Networks:
            networks = []
            for k in range(count):
                one = derive_seed(seed, purpose, k)
                outcome = spec.objective_impl.evaluate(
                    spec.params(params, epochs=spec.budget.epochs),
                    task=spec.task_params.for_member(k),
                    protocol=protocol,
                    member_seed=one,
                    on_epoch=lambda progress: None,
                )
                networks.append(member_of(k, one, outcome, ReportedEpochs(), 0.0))
            return _Networks(tuple(networks))

        history: list[Past] = []
        for k in range(spec.budget.trials):
            own = suggest(spec, k, history)
            trial = train(own.params, spec.protocol, "member", members)
            history.append(
                Past(
                    suggestion=own,
                    state=SlotState.COMPLETE,
                    score=trial.mean,
                    steps=(Step(0, spec.budget.epochs, trial.mean),),
                )
            )
        sampled = trial.estimate(spec, spec.protocol).n_series
        expectations = predict_scores(spec, history, sampled)
        best = max(expectations, key=lambda k: expectations[k].mean)
        claims = {
            "expected": expectations[best].mean,
            "error": expectations[best].std,
            "luckiest": max(past.score or 0.0 for past in history),
        }
        fresh = train(
            history[best].suggestion.params, Protocol.CONFIRM, "confirm", FRESH
        )
    return {
        "n": n,
        "seed": seed,
        "way": way,
        **claims,
        "confirmed": fresh.mean,
        "deviation": statistics.stdev(fresh.scores),
        "scored": sampled,
    }


def run(say: Callable[[str], None]) -> None:
    """Measure what is not in the file yet, and say what is."""
    kept = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    rows = [json.loads(line) for line in kept]
    for seed in SEEDS:
        for n in SIZES:
            for way in WAYS:
                if not any(
                    (row["n"], row["seed"], row["way"]) == (n, seed, way)
                    for row in rows
                ):
                    rows.append(measured(n, seed, way))
                    with RESULTS.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
                    say(f"  {rows[-1]}")
    for n in SIZES:
        for way in WAYS:
            own = [row for row in rows if (row["n"], row["way"]) == (n, way)]
            off = [row["expected"] - row["confirmed"] for row in own]
            near = sum(
                abs(d) <= 1.96 * row["error"] for d, row in zip(off, own, strict=True)
            )
            say(
                f"  {n} series, {way}, {len(own)} studies: claim - confirmed"
                f" {100 * statistics.fmean(off):+.1f}, root mean square"
                f" {100 * statistics.fmean(d * d for d in off) ** 0.5:.1f}, error"
                f" claimed {100 * statistics.fmean(row['error'] for row in own):.1f}"
                f" points, {near} within its interval; confirmed"
                f" {100 * statistics.fmean(row['confirmed'] for row in own):.1f} %"
            )
