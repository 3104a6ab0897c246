"""Count networks of one setting that never learn, and show it without a test part.

``python -m benchmarks.accuracy.failures sets/GunPoint``: a setting that a search once
confirmed, changed in one way after the other, with the same seeds. A minute of one core
for each line.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from pathlib import Path
from typing import Any

from hpo import objectives
from hpo.contract import Protocol

SETTING = {"tau_ns": 3.365, "s": 0.2793, "lr0": 0.2265, "f_cut_per_ns": 0.0488}
FIXED = {
    **{
        "layers": 2,
        "width": 24,
        "density_inter": 1.0,
        "density_intra": 1.0,
        "readout": "x",
    },
    **{
        "readout_points": "last+mean",
        "batch_size": 4,
        "lr_decay": 25.0,
        "max_step_ns": 0.35,
    },
    "thermal_power": 1e-3,
    "drive_limit": "none",
}
CHANGES: dict[str, dict[str, Any]] = {
    "as confirmed": {},
    "lr0 / 3": {"lr0": SETTING["lr0"] / 3},
    "tau_ns = 10": {"tau_ns": 10.0},
    "ema_decay = 0.8": {"ema_decay": 0.8},
    "max_gradient = 0.01": {"max_gradient": 0.01},
    "max_gradient = 0.01, averaged": {"max_gradient": 0.01, "ema_decay": 0.8},
    "weight_gain = 0.3": {"weight_gain": 0.3},
    "weight_gain = 5": {"weight_gain": 5.0},
    "thermal_training = mean": {"thermal_training": "mean"},
}
SEEDS = range(1, 21)
FAILED = 0.85
"""Below this accuracy; the others have 90 % and more."""
EPOCHS = 100


def networks(path: Path, change: dict[str, Any]) -> list[tuple[float, float]]:
    """Last training loss and test accuracy on the solved equation, of a network for
    each seed."""
    objective: Any = objectives.load("spintronic")
    task = objective.tasks["ucr"](path=str(path.resolve()), normalise="standard")
    params = objective.Params(**FIXED, **{**SETTING, **change}, epochs=EPOCHS)
    results = []
    for seed in SEEDS:
        outcome = objective.evaluate(
            params,
            task=task,
            protocol=Protocol.CONFIRM,
            member_seed=seed,
            on_epoch=lambda _: None,
        )
        assert outcome.solved is not None
        results.append((outcome.loss_curve[-1], outcome.solved.score))
    return results


def main(path: Path) -> None:
    """Print a line for each change, and one for each number of networks to choose
    from."""
    for name, change in CHANGES.items():
        every = networks(path, change)
        for n in (1, 3):  # all subsets
            best = [min(some)[1] for some in itertools.combinations(every, n)]
            failed = sum(score < FAILED for score in best) / len(best)
            spread = f"{statistics.fmean(best):.3f} ± {statistics.stdev(best):.3f}"
            print(
                f"{name:30} best of {n} by training loss: {spread}, failed"
                f" {failed:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(
            "usage: python -m benchmarks.accuracy.failures DIRECTORY (of"
            " GunPoint_TRAIN.ts and _TEST.ts)"
        )
    main(Path(sys.argv[1]))
