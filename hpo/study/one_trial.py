"""A single trial, as its page shows it, and a row of the table of all trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from hpo.study.result import Result
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial


class TrialRow(NamedTuple):
    """A search trial in the table of all trials."""

    number: int
    state: str
    score: float | None
    costs: Sequence[float]
    params: Mapping[str, ParamValue] | None
    """None until they are suggested."""
    seconds: float | None
    """From its first claim to its end; None while it runs."""
    attempts: int
    worker: str | None


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A worker died or vanished while it held the trial."""

    at: datetime
    host: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """Who trained a network of the trial."""

    slot: int
    """The number of its slot."""
    is_fresh: bool
    """Whether the slot is one of the confirmation."""
    member: int
    worker: str
    log: str | None
    """The file with the output of the worker, if it is still known."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far a running training was when it was last stored."""

    member: int
    epoch: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class OneTrial:
    """A search trial with its confirmation, and how it came about."""

    result: Result
    """The result of its study, as if there were no other trials."""
    losses: Sequence[Loss]
    trainings: Sequence[Training]
    checkpoint: Checkpoint | None

    @property
    def trial(self) -> Trial:
        """The trial."""
        return self.result.search[0]
