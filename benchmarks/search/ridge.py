"""Where the space of the table ends: along lr0 ~ 1 / S, and with other batches.

``python -m benchmarks.search.ridge`` trains ten networks at each of a few points around the best
one of the table, as a confirmation does, and prints the table of ``docs/explanation/search.md``:
minutes on two cores. The space of ``studies/seqdigits.toml`` follows from it.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Mapping

from benchmarks.results import _row as row
from benchmarks.search import table
from hpo.search import seeds
from objectives.contract import Protocol

BEST: Mapping[str, float] = {
    "tau_ns": 2.39,
    "lr0": 0.72,
    "lr_decay": 59.8,
    "s": 0.103,
    "density_inter": 0.34,
    "density_intra": 0.675,
    "f_cut_per_ns": 0.0113,
}
"""The point of the table that is confirmed best."""
BATCH = 120
LR0_S = 0.072
"""lr0 times S along the ridge."""
AMPLIFICATIONS = (0.01, 0.03, 0.3, 1.0, 3.0, 10.0)
BATCHES = (60, 30)
NETWORKS = 10

Job = tuple[float, float, int, int]


def points() -> list[tuple[float, float, int]]:
    """S, lr0 and the batch size of every point."""
    ridge = [(s, LR0_S / s, BATCH) for s in AMPLIFICATIONS]
    best = (BEST["s"], BEST["lr0"])
    return sorted([*ridge, (*best, BATCH)]) + [(*best, batch) for batch in BATCHES]


def train(job: Job) -> float:
    """Test accuracy of one network, from a seed that no search and no table has used."""
    import torch

    torch.set_num_threads(1)
    s, lr0, batch_size, k = job
    study = table.spec()
    params = study.params({**BEST, "s": s, "lr0": lr0}, epochs=table.EPOCHS)
    return study.objective_impl.evaluate(
        params.model_copy(update={"batch_size": batch_size}),
        task=study.task_params,
        protocol=Protocol.CONFIRM,
        member_seed=seeds.derive(3, "confirm", k),
        on_epoch=lambda progress: None,
    ).score


def main() -> None:
    """Train them all and print the table."""
    os.environ["OMP_NUM_THREADS"] = "1"
    jobs = [(*point, k) for point in points() for k in range(NETWORKS)]
    print(row(["S", "lr0", "batch", "test accuracy, ten networks"]))
    print(row(["---:"] * 4))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        scores: list[float] = []
        for (s, lr0, batch_size, k), score in zip(jobs, pool.imap(train, jobs), strict=True):
            scores.append(100 * score)
            if k == NETWORKS - 1:
                mean, spread = statistics.fmean(scores), statistics.stdev(scores)
                cells = [f"{s:g}", f"{lr0:.2g}", f"{batch_size}", f"{mean:.1f} ± {spread:.1f} %"]
                print(row(cells), flush=True)
                scores = []


if __name__ == "__main__":
    main()
