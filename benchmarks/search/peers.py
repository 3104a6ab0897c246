"""The peers of our search: other libraries in the same space, with the same epochs of training.

What they need beside Optuna is in the extra ``bench``. HEBO is not among them: no version of it
runs with NumPy 2.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.search import libraries
from benchmarks.search.account import Account
from benchmarks.search.simulate import EARLY, Search, World
from benchmarks.search.surrogate import GOOD
from hpo.study.spec import StudySpec


@dataclass(frozen=True)
class Peer:
    """A search of another library."""

    library: str
    search: Callable[[Account], None]


PEERS = {
    "random": Peer("optuna", libraries.random),
    "Optuna TPE": Peer("optuna", libraries.optuna_tpe),
    "Optuna GP": Peer("optuna", libraries.optuna_gp),
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


def run(name: str, spec: StudySpec, world: World, epochs: int) -> Search:
    """Run a peer.

    Args:
        name: of the peer.
        spec: space, epochs of a whole training, and the seed of everything.
        world: where networks are trained.
        epochs: the budget, over all networks; the one that exceeds it is the last.

    Returns:
        What the library would return, one after the other, and what it suggested.
    """
    check(name)
    account = Account(spec=spec, world=world, budget=epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PEERS[name].search(account)
    late = list(account.suggested.values())[EARLY:]
    return Search(
        steps=account.steps,
        trials=len(account.suggested),
        complete=0,
        good=sum(true >= GOOD for true in late) / len(late) if late else math.nan,
        lost=math.nan,
        suggestion_s=0.0,
    )
