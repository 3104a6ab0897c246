r"""Making the table of real trainings, design by design.

Points fill the space of ``studies/seqdigits.toml`` (scrambled Sobol sequences): first the whole of
it, then the share of it that promises most by what was measured so far, or the part where earlier
searches ended, since few points of the whole are good. At each of them networks are trained as a
trial of the study would, for as long as a confirmation, and others as its confirmation would, from
fresh seeds. It goes on where it was interrupted. The committed table is that of these commands,
sorted and compressed. The first three were given while batches began at 60 and networks of a trial
were trained for 100 epochs (then ``HOPELESS`` was judged), and were stopped after 64, 7 and
32 points; those networks were trained again for as long as the others::

    python -m benchmarks.search.designs --out t.jsonl --name whole --n 64
    python -m benchmarks.search.designs --out t.jsonl --name good --n 48 --share 0.1 --after whole
    python -m benchmarks.search.designs --out t.jsonl --name known --n 40 --known
    python -m benchmarks.search.designs --out t.jsonl --name better --n 128 --share 0.05 \
        --networks 1 --after whole good known
    python -m benchmarks.search.designs --out t.jsonl --name small --n 24 --networks 1
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from benchmarks.search.table import CONFIRMED, EPOCHS, MEMBERS, read, spec, to_params, to_unit
from hpo.study.spec import StudySpec, derived_seed
from objectives.contract import Protocol

KNOWN = {
    "batch_size": (60.0, 140.0),
    "density_inter": (0.2, 1.0),
    "density_intra": (0.2, 1.0),
    "f_cut_per_ns": (0.005, 0.1),
    "lr0": (0.025, 0.22),
    "lr_decay": (15.0, 200.0),
    "s": (0.02, 0.5),
    "tau_ns": (1.0, 6.0),
}
"""Where earlier searches ended; for ``lr0`` the range of lr0 times S."""


HOPELESS = 0.7
"""Accuracy of a network below which a point is not worth another one."""


_CANDIDATES = 2**14
"""Points of the whole space of which the promising ones are taken."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """The first points of a Sobol sequence, of those that promise most."""

    name: str
    n: int
    share: float = 1.0
    """Of the whole space: so much of it, by the accuracy that the surrogate predicts."""
    after: tuple[str, ...] = ()
    """Designs that the surrogate knows."""
    known: bool = False
    """Within the part of the space where earlier searches ended: ``KNOWN``."""
    networks: int = 2
    """Members, and fresh seeds, per point."""


def points(spec: StudySpec, design: Design, path: Path) -> NDArray[np.float64]:
    """The points of a design in the unit cube, (n, d)."""
    sobol = qmc.Sobol(len(spec.space), scramble=True, seed=len(design.name) + spec.seed)
    if design.known:
        return np.array([_known(spec, unit) for unit in sobol.random(design.n)])
    if design.share == 1.0:
        return sobol.random(design.n)
    from benchmarks.search import surrogate

    known = surrogate.data(spec, [r for r in read(path) if r["design"] in design.after])
    model = surrogate.Surrogate(known, surrogate.fit_kernels(known, print))
    candidates = sobol.random(_CANDIDATES)
    promise = model.truth(candidates)
    chosen = promise >= np.quantile(promise, 1.0 - design.share)
    return candidates[chosen][: design.n]


def _known(spec: StudySpec, unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """A point of the unit cube (d,) within ``KNOWN``."""
    box = StudySpec.model_construct(
        space={
            name: spec.space[name].model_copy(update={"low": low, "high": high})
            for name, (low, high) in KNOWN.items()
        },
        objective=spec.objective,
    )
    params = to_params(box, unit)
    high = float(spec.space["lr0"].high or 0.0)
    return to_unit(spec, {**params, "lr0": min(params["lr0"] / params["s"], high)})


def train_point(job: tuple[Design, int, tuple[float, ...]]) -> dict[str, Any]:
    """Train at one point: so many members as in the search, as many as in confirmation.

    After one that ends below ``HOPELESS``, no other is trained.

    Returns:
        A record: counts of rightly classified validation images after every epoch, by member, and
        of test images in the end, by fresh seed.
    """
    import torch

    torch.set_num_threads(1)
    design, index, unit = job
    study = spec()
    params = to_params(study, np.array(unit))
    search, confirm = {}, {}
    for k in range(design.networks):
        member = (index * design.networks + k) % MEMBERS
        outcome = _train(
            study, params, Protocol.VALIDATION, derived_seed(0, "member", member), EPOCHS
        )
        n = int(outcome.info["n_scored"])
        search[member] = [round(score * n) for score in outcome.curve]
        if outcome.score < HOPELESS:
            break
        fresh = index * design.networks + k
        outcome = _train(
            study, params, Protocol.CONFIRM, derived_seed(1, "confirm", fresh), CONFIRMED
        )
        confirm[fresh] = round(outcome.score * int(outcome.info["n_scored"]))
    return {
        "design": design.name,
        "index": index,
        "params": params,
        "n_synapses": outcome.info["n_synapses"],
        "search": search,
        "confirm": confirm,
    }


def _train(
    spec: StudySpec, params: Mapping[str, Any], protocol: Protocol, seed: int, epochs: int
) -> Any:
    return spec.objective_impl.evaluate(
        spec.params(params, epochs=epochs),
        task=spec.task_params,
        protocol=protocol,
        member_seed=seed,
        on_epoch=lambda progress: None,
    )


def _missing(path: Path, design: Design) -> Iterator[tuple[Design, int, Any]]:
    done = set()
    if path.exists():
        done = {(r["design"], r["index"]) for r in read(path)}
    for index, unit in enumerate(points(spec(), design, path)):
        if (design.name, index) not in done:
            yield design, index, tuple(float(u) for u in unit)


def main() -> None:
    """Make the table, or what is missing of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the design")
    parser.add_argument("--n", type=int, required=True, help="its points")
    parser.add_argument("--share", type=float, default=1.0, help="of the space: the best so much")
    parser.add_argument("--known", action="store_true", help="where earlier searches ended")
    parser.add_argument("--networks", type=int, default=2, help="per point and protocol (2)")
    parser.add_argument("--after", nargs="*", default=[], help="designs that tell what is good")
    args = parser.parse_args()
    design = Design(
        name=args.name,
        n=args.n,
        share=args.share,
        after=tuple(args.after),
        known=args.known,
        networks=args.networks,
    )
    jobs = list(_missing(args.out, design))
    with multiprocessing.get_context("spawn").Pool(2) as pool, args.out.open("a") as out:
        for k, record in enumerate(pool.imap(train_point, jobs)):
            out.write(json.dumps(record) + "\n")
            out.flush()
            if k % 10 == 0:
                print(f"{k + 1} of {len(jobs)}", flush=True)


if __name__ == "__main__":
    main()
