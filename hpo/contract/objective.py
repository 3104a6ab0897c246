"""The class that an objective derives from: it trains one network from one seed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal

from pydantic import BaseModel

from hpo.contract.outcome import MAX_SCORE, Outcome
from hpo.contract.params import ObjectiveParams, P, Protocol, T, TaskParams


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The argument of ``on_epoch``, after each epoch."""

    epoch: int
    """Epochs finished so far, from 1."""
    score: float | None
    """Score on the scoring data after this epoch; None under ``Protocol.CONFIRM``, and
    after epochs that the parameter ``score_every`` leaves out, if the objective has
    it."""
    checkpoint: Callable[[], bytes] | None = None
    """Returns a checkpoint: given as ``resume``, it continues the training bit for
    bit. Without one, an interrupted training begins anew."""


OnEpoch = Callable[[Progress], None]
"""Called after every epoch, with more epochs each time. It may raise: ``evaluate`` lets
the exception through unchanged."""


class Objective(ABC, Generic[P, T]):
    """An objective by name: its parameters, its tasks and ``evaluate`` for one member.

    Subclasses are stateless and cheap to construct; heavy imports belong inside
    ``evaluate``.
    """

    name: ClassVar[str]
    Params: ClassVar[type[ObjectiveParams]]
    tasks: ClassVar[dict[str, type[TaskParams]]]
    metric: ClassVar[str] = "accuracy"
    direction: ClassVar[Literal["maximize", "minimize"]] = "maximize"
    variability: ClassVar[type[BaseModel] | None] = None
    """Model of ``[variability]``, if the objective scores on simulated hardware.

    Every field has a default, and the table reaches ``Params`` as its field
    ``variability``, whose default is None. Objectives without it refuse the table.
    """
    system: ClassVar[str] = "equation"
    """What its networks stand for, as views call it: ``oscillator``."""
    costs: ClassVar[Mapping[str, str]] = {}
    """Costs of a network, by name with unit (``energy_pj``), each with its description.
    Every ``Outcome.info`` holds them as numbers, and a study may minimise them
    (``[cost]``)."""

    @abstractmethod
    def evaluate(
        self,
        params: P,
        *,
        task: T,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """Train and score one member.

        Args:
            params: validated hyper-parameters, an instance of ``Params``.
            task: the validated ``[task]`` table, an instance of one of ``tasks``.
            protocol: the data that trains and the data that scores.
            member_seed: the only source of randomness (initial weights, sparsity, batch
                order, validation split): the same arguments give the same outcome, bit
                for bit, on a given kind of CPU.
            on_epoch: called after every epoch; may raise to stop the training.
            resume: a checkpoint taken by an earlier, interrupted call with the same
                arguments; the outcome equals that of an uninterrupted call.

        Raises:
            MemoryError: the host has too little memory: the worker leaves the trial to
                others. It fails after three times.
            UnavailableError: this host lacks what the study needs; others may have it.
            Exception: exceptions of ``on_epoch`` pass through unchanged. Any other
                exception fails the trial. A diverging training does not raise: it has a
                score.
        """

    def check_score(self, score: float, what: str = "score") -> float:
        """Check that a score is valid for the metric, and return it as a float.

        Raises:
            ValueError: the score is not finite, or an accuracy outside 0 to 1, as in
                per cent.
        """
        score = float(score)
        if not math.isfinite(score):
            raise ValueError(
                f"the objective's {what} must be finite, got {score}. Count a network"
                " that diverges as wrong instead."
            )
        if abs(score) > MAX_SCORE:
            raise ValueError(
                f"the objective's {what} must lie between -{MAX_SCORE:g} and"
                f" {MAX_SCORE:g}, got {score:g}. Count a network that diverges as wrong"
                " instead."
            )
        if self.metric == "accuracy" and not -1e-9 <= score <= 1 + 1e-9:
            remedy = (
                f" Return {score / 100:.3g} for {score:.3g} %." if score > 1 else ""
            )
            raise ValueError(
                f"the objective's {what} is an accuracy and must be a fraction from 0"
                f" to 1, got {score:.3g}.{remedy}"
            )
        return score
