"""The peers of our search: other libraries in the same space, with the same epochs of training.

``python -m benchmarks.search.peers`` runs them on the surrogate; ``run`` in any world. What they
need beside Optuna is in the extra ``bench``. HEBO is not among them: no version of it runs with
NumPy 2.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import math
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.search import libraries
from benchmarks.search.account import Account
from benchmarks.search.simulate import Step, World, passes
from hpo.study.spec import StudySpec

BUDGET = 4000
"""Epochs of a search, of all its networks together."""


@dataclass(frozen=True)
class Peer:
    """A search of another library."""

    library: str
    search: Callable[[Account], None]


PEERS = {
    "random": Peer("optuna", libraries.random),
    "Optuna TPE": Peer("optuna", libraries.optuna_tpe),
    "Optuna GP": Peer("optuna", libraries.optuna_gp),
    "Optuna GP median": Peer("optuna", libraries.optuna_gp_median),
    "BoTorch": Peer("botorch", libraries.botorch),
    "SMAC racing": Peer("smac", libraries.smac_racing),
    "SMAC fidelities": Peer("smac", libraries.smac_fidelities),
    "DEHB": Peer("dehb", libraries.dehb),
    "Syne Tune ASHA": Peer("syne_tune", libraries.syne_tune_asha),
    "Syne Tune BOHB": Peer("syne_tune", libraries.syne_tune_bohb),
}


class MissingError(Exception):
    """A library is not installed."""


def installed(name: str) -> bool:
    """Whether the library of a peer is installed."""
    return importlib.util.find_spec(PEERS[name].library) is not None


def check(name: str) -> None:
    """Raise a sentence if the library of a peer is not installed."""
    if not installed(name):
        raise MissingError(
            f"benchmarks.search.peers: {PEERS[name].library} must be installed for {name!r}, "
            "but it is not. Install the extra: pip install -e '.[bench]'"
        )


def run(name: str, spec: StudySpec, world: World, epochs: int = BUDGET) -> list[Step]:
    """Run a peer.

    Args:
        name: of the peer.
        spec: space, epochs of a whole training, and the seed of everything.
        world: where networks are trained.
        epochs: the budget, over all networks; the one that exceeds it is the last.

    Returns:
        What the library would return, one after the other.
    """
    check(name)
    account = Account(spec=spec, world=world, budget=epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PEERS[name].search(account)
    return account.steps


Job = tuple[str, int, int, int | None]
"""Peer, study seed, epochs of the search, epochs of a whole training."""


def _execute(job: Job) -> str:
    """A search on the surrogate, in a line."""
    import torch

    from benchmarks.search import surrogate, table

    torch.set_num_threads(1)
    name, seed, epochs, whole = job
    spec = table.spec().model_copy(update={"seed": seed})
    if whole is not None:
        budget = spec.budget.model_copy(update={"epochs": whole})
        spec = spec.model_copy(update={"budget": budget})
    world = surrogate.load()
    began = time.perf_counter()
    steps = run(name, spec, world, epochs)
    took = time.perf_counter() - began
    claimed, true = (steps[-1].claimed, steps[-1].true) if steps else (math.nan, math.nan)
    return (
        f"{name}, seed {seed}: 92 % after {passes(steps, 0.92, 'epochs'):,g} epochs; "
        f"in the end claims {100 * claimed:.1f} %, is {100 * true:.1f} % ({took:.1f} s)"
    )


_EXAMPLES = """\
examples:
  python -m benchmarks.search.peers --list                     every peer, and what is missing
  python -m benchmarks.search.peers DEHB --seeds 2 --epochs 2000
  python -m benchmarks.search.peers 'SMAC*' 'Syne*' --whole 100
"""


def main(arguments: Sequence[str]) -> int:
    """Run peers on the surrogate; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search.peers",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="peers, such as 'SMAC*'")
    parser.add_argument("--list", action="store_true", help="show the peers and end")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="study seeds (5)")
    parser.add_argument("--epochs", type=int, default=BUDGET, metavar="N", help="of a search")
    parser.add_argument("--whole", type=int, metavar="N", help="epochs of a whole training")
    args = parser.parse_args(arguments)
    patterns = args.names or ["*"]
    names = [name for name in PEERS if any(fnmatch.fnmatch(name, own) for own in patterns)]
    if args.list:
        for name in names:
            missing = "" if installed(name) else f" ({PEERS[name].library} is not installed)"
            print(f"{name:18}{(PEERS[name].search.__doc__ or '').splitlines()[0]}{missing}")
        return 0
    if not args.names or not names:
        parser.error(f"NAME must be a peer, but got {' '.join(args.names)!r}. See --list.")
    try:
        for name in names:
            check(name)
    except MissingError as error:
        print(error, file=sys.stderr)
        return 2
    jobs = [(name, seed, args.epochs, args.whole) for name in names for seed in range(args.seeds)]
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for line in pool.imap(_execute, jobs):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
