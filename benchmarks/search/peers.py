"""The peers of our search: other libraries in the same space, with the same epochs of
training.

What they need beside Optuna is in the extra ``bench``; NePS is an extra of its own,
``bench-neps``, as it needs an old BoTorch (0.12), which Ax does not run with. HEBO is
not among them: no version of it runs with NumPy 2; nor does DEHB 0.1.2, so it is 0.1.1
here.
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
from hpo.study.spec import StudySpec


@dataclass(frozen=True)
class Peer:
    """A search of another library."""

    library: str
    search: Callable[[Account], None]
    prior: bool = False
    """Whether it needs a reported point."""

    @property
    def extra(self) -> str:
        """Which extra of this package installs it."""
        return "bench-neps" if self.library == "neps" else "bench"


PEERS = {
    "random": Peer("optuna", libraries.random_points),
    "Optuna TPE": Peer("optuna", libraries.optuna_tpe),
    "Optuna GP": Peer("optuna", libraries.optuna_gp),
    "BoTorch": Peer("botorch", libraries.botorch),
    "Ax": Peer("ax", libraries.ax),
    "SMAC racing": Peer("smac", libraries.smac_racing),
    "SMAC fidelities": Peer("smac", libraries.smac_fidelities),
    "DEHB": Peer("dehb", libraries.dehb),
    "NePS": Peer("neps", libraries.neps),
    "NePS, priors": Peer("neps", libraries.neps_priors, prior=True),
    "Syne Tune ASHA": Peer("syne_tune", libraries.syne_tune_asha),
    "Syne Tune BOHB": Peer("syne_tune", libraries.syne_tune_bohb),
}


class MissingError(Exception):
    """A library is not installed."""


def installed(name: str) -> bool:
    """Whether the library of a peer is installed."""
    return importlib.util.find_spec(PEERS[name].library) is not None


def usable(name: str, spec: StudySpec) -> bool:
    """Whether a peer can search a study here."""
    return installed(name) and (spec.reported is not None or not PEERS[name].prior)


def check(name: str) -> None:
    """Raise a sentence if the library of a peer is not installed."""
    if not installed(name):
        raise MissingError(
            f"benchmarks.search.peers: {PEERS[name].library} must be installed for"
            f" {name!r}, but it is not. Install the extra: pip install -e"
            f" '.[{PEERS[name].extra}]'"
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
        good=sum(true >= world.good for true in late) / len(late) if late else math.nan,
        lost=math.nan,
        suggestion_s=0.0,
    )
