"""Networks that were trained, in a file of JSON lines that several processes may share.

A network is known by its task, protocol, seed, epochs and parameters as they were
given: a change of defaults or of the networks' code needs another file.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hpo.contract import Progress, Protocol
from hpo.study.spec import StudySpec

Tell = Callable[[float | None], None]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A training, whole or cut short."""

    curve: list[float | None]
    """Accuracy after every epoch at the step of training; None where it was not
    scored."""
    score: float | None = None
    """In the end, at the step of training; None: it was cut short."""
    solved: float | None = None
    """In the end, on the solved equation."""

    @property
    def counts(self) -> float | None:
        """What a trial and a confirmation count by."""
        return self.score if self.solved is None else self.solved


@dataclass(kw_only=True)
class Memo:
    """What was trained so far; ``path`` None: kept in memory alone."""

    path: Path | None = None
    known: dict[str, Network] = field(default_factory=dict)
    trained: int = 0
    """Networks that this process trained."""
    cpu_s: float = 0.0

    def __post_init__(self) -> None:
        """Read the file."""
        if self.path is not None and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                stored = json.loads(line)
                self._note(_text(stored["key"]), Network(**stored["network"]))

    def train(
        self,
        spec: StudySpec,
        params: Mapping[str, Any],
        protocol: Protocol,
        seed: int,
        epochs: int,
        tell: Tell = lambda accuracy: None,
    ) -> float:
        """Train a network, or recall it; what ``tell`` raises ends the training.

        A network that was cut short serves until then, and is trained anew if it is to
        go on.

        Returns:
            Its accuracy on the solved equation where there is one.
        """
        key = _key(spec, params, protocol, seed, epochs)
        known = self.known.get(_text(key))
        before = known.curve if known is not None else []
        for accuracy in before:
            tell(accuracy)
        if known is not None and known.counts is not None:
            return known.counts
        curve: list[float | None] = []

        def on_epoch(progress: Progress) -> None:
            curve.append(progress.score)
            if len(curve) > len(before):
                tell(progress.score)

        began = time.process_time()
        cut = True
        try:
            outcome = spec.objective_impl.evaluate(
                spec.params(params, epochs=epochs),
                task=spec.task_params,
                protocol=protocol,
                member_seed=seed,
                on_epoch=on_epoch,
            )
            cut = False
        finally:
            self.trained += 1
            self.cpu_s += time.process_time() - began
            if cut and len(curve) > len(before):
                self._keep(key, Network(curve=curve))
        solved = outcome.solved.score if outcome.solved else None
        network = Network(curve=curve, score=outcome.score, solved=solved)
        self._keep(key, network)
        return outcome.score if solved is None else solved

    def _keep(self, key: Mapping[str, Any], network: Network) -> None:
        self._note(_text(key), network)
        if self.path is not None:
            line = json.dumps({"key": key, "network": asdict(network)}) + "\n"
            with self.path.open("a", encoding="utf-8") as out:
                fcntl.flock(out, fcntl.LOCK_EX)
                out.write(line)
                out.flush()

    def _note(self, key: str, network: Network) -> None:
        known = self.known.get(key, Network(curve=[]))
        goes_further = network.score is not None or len(network.curve) > len(
            known.curve
        )
        if known.score is None and goes_further:
            self.known[key] = network


def _key(
    spec: StudySpec,
    params: Mapping[str, Any],
    protocol: Protocol,
    seed: int,
    epochs: int,
) -> dict[str, Any]:
    """What a network is known by; the study file's own values are among the
    parameters."""
    task = {name: value for name, value in spec.task.items() if name != "path"}
    values = spec.values(params, epochs=epochs)
    return {"task": task, "protocol": str(protocol), "seed": seed, "params": values}


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
