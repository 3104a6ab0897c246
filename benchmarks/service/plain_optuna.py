"""``python -m benchmarks.service.plain_optuna SCRIPT DIRECTION TRIALS JOBS SEED``: what
a user of Optuna does to repeat a study. Prints its trials as JSON."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection

from hpo.script import seed_generators


def search(
    script: str, direction: str, *, trials: int, jobs: int, seed: int
) -> list[dict[str, Any]]:
    """Return number, parameters and value of each trial of a script's ``objective``;
    every random generator is seeded once."""
    seed_generators(seed)
    objective = runpy.run_path(script)["objective"]
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(
        direction=StudyDirection[direction.upper()], sampler=sampler
    )
    study.optimize(objective, n_trials=trials, n_jobs=jobs)
    rows = []
    for trial in study.trials:
        row = {"number": trial.number, "params": trial.params, "value": trial.value}
        rows.append(row)
    return rows


def main(arguments: Sequence[str]) -> None:
    """Search, and print."""
    script, direction, trials, jobs, seed = arguments
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = search(
        script, direction, trials=int(trials), jobs=int(jobs), seed=int(seed)
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
