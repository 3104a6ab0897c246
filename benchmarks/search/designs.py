r"""Make the tables of real trainings, design by design.

Points fill the space of a task's study file (scrambled Sobol sequences): first the
whole of it, then the share of it that promises most by what was measured so far, since
few points of the whole are good. At each of them networks are trained as a trial of the
study would, and others as its confirmation would, from fresh seeds. It goes on where it
was interrupted. The tables of ``columns`` and ``mnist1d`` are those of these commands,
sorted and compressed::

    python -m benchmarks.search.designs --task columns --out t.jsonl --name whole --n 8
    python -m benchmarks.search.designs --task columns --out t.jsonl --name more --n 40
    \
        --networks 1
    python -m benchmarks.search.designs --task columns --out t.jsonl --name good --n 16
        \ --share 0.1 --after whole more

The one of ``seqdigits`` (255 points, some where earlier searches had ended) has
networks of an earlier state of this software: 143 epochs, as many steps as a
confirmation takes in 100.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from benchmarks.search.memo import Memo
from benchmarks.search.table import MEMBERS, read, to_params
from benchmarks.search.tasks import TASKS, Task
from hpo.contract import Protocol
from hpo.study.spec import derived_seed

_CANDIDATES = 2**14
"""Points of the whole space among which the promising ones are chosen."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """The first points of a Sobol sequence, of those that promise most."""

    name: str
    n: int
    share: float = 1.0
    """Of the whole space: so much of it, by the accuracy that the surrogate
    predicts."""
    after: tuple[str, ...] = ()
    """Designs that the surrogate knows."""
    networks: int = 2
    """Members, and fresh seeds, per point."""


def points(task: Task, design: Design, path: Path) -> NDArray[np.float64]:
    """The points of a design in the unit cube, (n, d)."""
    sobol = qmc.Sobol(len(task.spec().space), scramble=True, seed=len(design.name))
    if design.share == 1.0:
        return sobol.random(design.n)
    from benchmarks.search import surrogate

    known = surrogate.data(task, [r for r in read(path) if r["design"] in design.after])
    model = surrogate.Surrogate(task, known, surrogate.fit_kernels(task, known, print))
    candidates = sobol.random(_CANDIDATES)
    promise = model.truth(candidates)
    chosen = promise >= np.quantile(promise, 1.0 - design.share)
    return candidates[chosen][: design.n]


def train_point(job: tuple[Task, Design, int, tuple[float, ...]]) -> dict[str, Any]:
    """Train at one point: as many members as in the search, as many as in its
    confirmation.

    After one that ends below ``Task.hopeless``, no other is trained.

    Returns:
        A record: counts of rightly classified validation series after every epoch, by
        member; in the end on the solved equation; of test series there, by fresh seed.
    """
    import torch

    torch.set_num_threads(1)
    task, design, index, unit = job
    spec = task.spec(table=True)
    spec = spec.model_copy(
        update={"budget": spec.budget.model_copy(update={"score_every": 1})}
    )
    params = to_params(spec, np.array(unit))
    search, solved, confirm = {}, {}, {}
    for k in range(design.networks):
        member = (index * design.networks + k) % MEMBERS
        steps: list[float | None] = []
        seed = derived_seed(0, "member", member)
        score = Memo().train(
            spec, params, Protocol.VALIDATION, seed, task.epochs, steps.append
        )
        search[member] = [round((own or 0.0) * task.scored[0]) for own in steps]
        solved[member] = round(score * task.scored[0])
        if score < task.hopeless:
            break
        fresh = index * design.networks + k
        seed = derived_seed(1, "confirm", fresh)
        score = Memo().train(spec, params, Protocol.CONFIRM, seed, spec.confirm_epochs)
        confirm[fresh] = round(score * task.scored[1])
    record = {"design": design.name, "index": index, "params": params}
    return {**record, "search": search, "solved": solved, "confirm": confirm}


def _missing(
    task: Task, path: Path, design: Design
) -> Iterator[tuple[Task, Design, int, Any]]:
    done = set()
    if path.exists():
        done = {(r["design"], r["index"]) for r in read(path)}
    for index, unit in enumerate(points(task, design, path)):
        if (design.name, index) not in done:
            yield task, design, index, tuple(float(u) for u in unit)


def main() -> None:
    """Make the table, or what is missing of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the design")
    parser.add_argument("--n", type=int, required=True, help="its points")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the space: the best so much"
    )
    parser.add_argument(
        "--networks", type=int, default=2, help="per point and protocol (2)"
    )
    parser.add_argument(
        "--after", nargs="*", default=[], help="designs that tell what is good"
    )
    args = parser.parse_args()
    design = Design(
        name=args.name,
        n=args.n,
        share=args.share,
        after=tuple(args.after),
        networks=args.networks,
    )
    jobs = list(_missing(TASKS[args.task], args.out, design))
    with args.out.open("a") as out:
        for k, record in enumerate(map(train_point, jobs)):
            out.write(json.dumps(record) + "\n")
            out.flush()
            if k % 10 == 0:
                print(f"{k + 1} of {len(jobs)}", flush=True)


if __name__ == "__main__":
    main()
