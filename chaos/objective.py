"""The objective ``spintronic`` with a journal: what was really trained, and by whom.

The ledger cannot testify for itself. So every training writes a line when it begins,
after every epoch and at its end into the file that ``CHAOS_JOURNAL`` names, whatever
the ledger believes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from hpo.contract import (
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Progress,
    Protocol,
    TaskParams,
)
from hpo.objectives.devices import Device
from hpo.objectives.devices.objective import DeviceObjective
from hpo.objectives.devices.spintronic import Spintronic

JOURNAL = "CHAOS_JOURNAL"
CHECKPOINT_S = 0.5
"""Trainings of a second are kept safe more often than those of an hour, or no kill
would meet a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the journal."""

    event: Literal["begin", "epoch", "end"]
    worker: str
    """Name of the worker, as in the ledger."""
    at: float
    """Seconds since 1970, by the clock of the worker's host."""
    seed: int
    epoch: int
    """Epochs finished; of a training that begins, 0."""
    resumed: bool
    params: dict[str, Any]


def read(journal: Path) -> Iterator[Entry]:
    """The entries of a journal, in the order of writing."""
    if journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            yield Entry(**json.loads(line))


class JournalledSpintronic(DeviceObjective):
    """Trains exactly as ``spintronic`` does."""

    name: ClassVar[str] = "spintronic"
    Params: ClassVar[type[ObjectiveParams]] = Spintronic

    def evaluate(
        self,
        params: Device,
        *,
        task: TaskParams,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """See ``hpo.contract.Objective.evaluate``."""
        _checkpoint_often()

        def note(event: Literal["begin", "epoch", "end"], epoch: int) -> None:
            line = {
                "event": event,
                "worker": _worker(),
                "at": time.time(),
                "seed": member_seed,
                "epoch": epoch,
                "resumed": resume is not None,
                "params": params.model_dump(),
            }
            _append(json.dumps(line) + "\n")

        def noted(progress: Progress) -> None:
            note("epoch", progress.epoch)
            on_epoch(progress)

        note("begin", 0)
        outcome = super().evaluate(
            params,
            task=task,
            protocol=protocol,
            member_seed=member_seed,
            on_epoch=noted,
            resume=resume,
        )
        note("end", params.epochs)
        return outcome


def _checkpoint_often() -> None:
    from hpo.worker import training  # in a worker, it is loaded by now

    training.CHECKPOINT_S = (CHECKPOINT_S, CHECKPOINT_S)


def _worker() -> str:
    """Return the name of this process, set by chaos and every launcher."""
    return sys.argv[sys.argv.index("--name") + 1]


def _append(line: str) -> None:
    """One line, whole: appending is atomic, and what the kernel has outlives a killed
    process."""
    journal = os.open(
        os.environ[JOURNAL], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666
    )
    try:
        os.write(journal, line.encode())
    finally:
        os.close(journal)
