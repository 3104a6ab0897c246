"""The objective contract: what the service asks of an objective, and all it knows of one.

An objective turns hyper-parameters into a score by training one network, a *member*, from one seed.
It knows nothing of Optuna, of the database or of other members; the service knows nothing of
networks. This module is where the two meet, and it imports neither torch nor optuna.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainValidator,
    StrictBool,
    StrictBytes,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)


class Protocol(StrEnum):
    """Which data trains a member, and which data scores it."""

    VALIDATION = "validation"
    """Train on part of the training half, score on the rest of it: the test half stays unseen.
    A trial that is trained to its end counts by ``Outcome.solved``, where there is one."""
    PAPER = "paper"
    """Train on the whole training half, score every epoch on the test half, as the paper does."""
    CONFIRM = "confirm"
    """Train on the whole training half, test once, after the last epoch, on the test half."""


class UnavailableError(ValueError):
    """What a study needs is not on this host, such as a data file: no fault of the trial.

    An objective raises it from ``evaluate``; the worker then leaves the study to other hosts.
    """


class ObjectiveParams(BaseModel):
    """Hyper-parameters of one training; every objective's ``Params`` derives from it.

    Field names carry units (``tau_ns``), bounds live in the annotations and the description is
    the documentation: the search space and the study file are validated against this model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Annotated[int, Field(ge=1, le=100_000, description="passes over the training data")] = (
        60
    )


class TaskParams(BaseModel):
    """What to learn: the ``[task]`` table of a study; every task's own model derives from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    places: ClassVar[frozenset[str]] = frozenset()
    """Fields that say where the data is, whose content another field pins: it may be moved."""

    name: str

    @property
    def folds(self) -> int:
        """Parts of the training half that score the networks of a trial in turn; 1: each network is
        scored on a part that is drawn for it."""
        return 1

    def for_member(self, number: int) -> Self:
        """The task as network ``number`` of a trial gets it in a search, where there are folds."""
        return self

    def resolve(self, base: Path) -> Self:
        """The task as a study stores it, so that the study stays a pure function of its spec.

        Called when a study file is read. A task that reads a user's data checks it here, makes its
        path absolute and pins its content by a hash, which workers verify; others stay as they are.

        Args:
            base: directory of the study file, where relative paths begin.

        Raises:
            ValueError: the data breaks a rule; the message says where, which and what to do.
        """
        return self


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What ``on_epoch`` is told after each epoch."""

    epoch: int
    """Epochs finished so far, from 1."""
    score: float | None
    """Score on the scoring data after this epoch; None under ``Protocol.CONFIRM``, and after epochs
    that the parameter ``score_every`` leaves out, if the objective has it."""
    checkpoint: Callable[[], bytes]
    """Everything needed to go on from here: given as ``resume``, training continues bit for bit."""


def _plain(value: Any) -> Any:
    """A number of NumPy or PyTorch as one of Python."""
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> Any:
    found = _plain(value)
    if isinstance(found, bool | str | bytes):
        raise ValueError("a number")
    return found


def _fact(value: Any) -> Any:
    found = _plain(value)
    if not isinstance(found, int | float | str):
        raise ValueError("a number, a text, true or false")
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("finite")
    return found


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a line without control characters")
    return text


def _hexadecimal(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("64 hexadecimal digits")
    return text


MAX_SCORE = 1e100
"""A score is no larger in size: samplers square it."""
Number = Annotated[float, BeforeValidator(_number)]
Score = Annotated[FiniteFloat, BeforeValidator(_number)]
Steps = Annotated[StrictInt, Field(ge=1), BeforeValidator(_plain)]
Share = Annotated[FiniteFloat, Field(ge=0), BeforeValidator(_number)]
Line = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_line)]
Fact = Annotated[float | int | str | bool, PlainValidator(_fact)]
Sha256 = Annotated[str, AfterValidator(_hexadecimal)]

_RULES = {
    "finite_number": "finite",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "bytes_type": "bytes",
    "extra_forbidden": "a field of it",
    "missing": "there",
    "tuple_type": "a sequence",
    "dict_type": "a table",
    "greater_than_equal": "at least {ge:g}",
}
"""pydantic's kinds of error in the words of a message."""


class ObjectiveOutput(BaseModel):
    """A model of what an objective returns; a wrong value is refused with a readable message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        """Take the fields.

        Raises:
            ValueError: one of them breaks a rule.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(_describe(type(self).__name__, error)) from None

    def replace(self, **changes: Any) -> Self:
        """The same with other values, checked as these were."""
        return type(self)(**{**dict(self), **changes})


def _describe(model: str, error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(part for part in problem["loc"] if isinstance(part, str))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    rule = _RULES.get(problem["type"], message).format(**problem.get("ctx", {}))
    remedy = "Return what `hpo.objectives.contract` says."
    if rule == "finite":
        remedy = "Count a network that diverges as wrong instead."
    return f"the objective's `{model}.{place}` must be {rule}, got {problem['input']!r}. {remedy}"


class Solved(ObjectiveOutput):
    """The score of the same trained network on its differential equation: time-step convergence.

    A network is trained with an integration step that is convenient. If its score changes as the
    step is refined, it is a property of that step, not of the equation.
    """

    score: Score
    """Score at the finest step, on the same data as ``Outcome.score``. Always finite."""
    converged: StrictBool
    """Whether the last two refinements agreed; else the score is that of the finest step tried."""
    steps_per_point: Steps
    """Integration steps per input point at the finest step."""
    trained_steps_per_point: Steps
    """Those with which the network was trained, and ``Outcome.score`` measured."""
    remedy: str = "Integrate in finer steps."
    """What to do where the two scores differ: ``Lower max_step_ns.``"""


class Thermal(ObjectiveOutput):
    """The scores of the same trained network at other thermal powers, and with thermal noise.

    The thermal power of an oscillator, kT / E, is the power at which it rests without a drive, over
    that at which it saturates. All scores are of the solved equation, on the data of
    ``Outcome.score``, and finite.
    """

    power: Share
    """Thermal power that the network was trained with, and its score claimed at; 0: none."""
    device_power: Share
    """That of the device that it is compared with: ``power``, or 1e-3 if that is 0."""
    at_device: Score
    """Score at ``device_power``."""
    third: Score
    """Score at a third of it."""
    triple: Score
    """Score at three times it."""
    none: Score
    """Score without thermal power."""
    noisy: tuple[Score, ...]
    """Scores on simulated chips whose oscillators have the thermal noise of ``device_power``."""
    holds_below: Share
    """The highest thermal power that was tried at which the score is still the claimed one; 0 if
    there is none."""
    remedy: str = "Train with thermal_power."
    """What to do where the scores differ."""


class Outcome(ObjectiveOutput):
    """What one member's training gave."""

    score: Score
    """Final score: for accuracies a fraction in [0, 1]. Always finite. Of an objective that
    integrates a differential equation, at the step that it was trained with; see ``solved``."""
    curve: tuple[Score, ...] = ()
    """What ``on_epoch`` was told, where that was a score; empty under ``Protocol.CONFIRM``."""
    loss_curve: tuple[Number, ...] = ()
    """Mean training loss of each epoch (may hold non-finite values after a divergence)."""
    diverged: bool = False
    """Whether training met a non-finite number; such predictions count as wrong."""
    info: dict[str, Fact] = Field(default_factory=dict)
    """Facts worth showing, by name with unit: ``n_synapses``, ``n_train`` ..."""
    solved: Solved | None = None
    """Of an objective that integrates a differential equation: the check of its time step. It is
    made under ``Protocol.CONFIRM``, and, shorter, under ``Protocol.VALIDATION``: what is confirmed,
    and what a trial scores that is trained to its end, is then ``solved.score``. An objective that
    integrates nothing has none; your own may give one."""
    thermal: Thermal | None = None
    """Of an objective whose neurons are oscillators with a thermal power: the check of it, made
    under ``Protocol.CONFIRM``."""
    chips: tuple[Score, ...] = ()
    """Score on each simulated chip of ``[variability]``, whose mean ``score`` is (on the solved
    equation where there is one); empty without."""
    network: StrictBytes | None = None
    """Under ``Protocol.CONFIRM``, the trained network as safetensors, its description in the header
    (``hpo.objectives.network_file``): what is confirmed is what is kept. The worker keeps that of
    the first fresh seed, if it has at most 16 MB."""


class Baseline(ObjectiveOutput):
    """What something simple scores on the task of a study, measured as a confirmation is.

    It is fitted to the whole training part and tested once on the test part. What is chosen for
    it, such as a penalty, is chosen on the validation part.
    """

    name: Line
    """What it is, as in ``ESN of 96 units, last state``."""
    score: Score
    """In the metric of the objective; of several seeds the mean."""
    std: Share | None = None
    """Sample standard deviation over its seeds; None of what no seed changes."""
    n: Steps = 1
    """Seeds that it was fitted from."""
    tried: Steps = 1
    """Settings that were compared on the validation part."""
    n_scored: Steps | None = None
    """Series of the test part, by which the sampling error of an accuracy is known."""
    is_chance: StrictBool = False
    """Whether it does not look at the series at all."""
    is_like: StrictBool = False
    """Whether it is a reservoir of as many neurons, read as the study's networks are."""

    @field_validator("n_scored")
    @classmethod
    def _of_an_accuracy(cls, n_scored: int | None, info: ValidationInfo) -> int | None:
        if n_scored is not None and not 0.0 <= info.data.get("score", 0.0) <= 1.0:
            raise ValueError("left out where the score is no accuracy")
        return n_scored

    @property
    def published(self) -> tuple[float, float | None, int, int | None]:
        """What ``intervals.published`` takes: no objective depends on that module."""
        return self.score, self.std, self.n, self.n_scored


def read_baselines(stored: Any) -> tuple[Baseline, ...]:
    """Baselines from a database; nothing of what holds none, where anybody may have written."""
    try:
        return tuple(Baseline(**one) for one in stored or ())
    except (TypeError, ValueError):
        return ()


OnEpoch = Callable[[Progress], None]
"""Called after every epoch. It may raise: ``evaluate`` lets the exception through unchanged."""

P = TypeVar("P", bound=ObjectiveParams)
T = TypeVar("T", bound=TaskParams)


class Objective(ABC, Generic[P, T]):
    """An objective by name: its parameters, its tasks and ``evaluate`` for one member.

    Subclasses are stateless and cheap to construct; heavy imports belong inside ``evaluate``.
    """

    name: ClassVar[str]
    Params: ClassVar[type[ObjectiveParams]]
    tasks: ClassVar[dict[str, type[TaskParams]]]
    metric: ClassVar[str] = "accuracy"
    direction: ClassVar[Literal["maximize", "minimize"]] = "maximize"
    variability: ClassVar[type[BaseModel] | None] = None
    """Model of ``[variability]``, if the objective scores on simulated hardware.

    Every field has a default, and the table reaches ``Params`` as its field ``variability``, whose
    default is None. Objectives without it refuse the table.
    """
    costs: ClassVar[Mapping[str, str]] = {}
    """What a network costs, by name with unit (``energy_pj``), each with its description: numbers
    that every ``Outcome.info`` holds, of which a study may search the least (``[cost]``)."""

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
            protocol: which data trains and which scores.
            member_seed: the only source of randomness (initial weights, sparsity, batch order,
                validation split): the same arguments give the same outcome, bit for bit, on a
                given kind of CPU.
            on_epoch: told of every epoch; may raise to stop the training.
            resume: a checkpoint taken by an earlier, interrupted call with the same arguments;
                the outcome is the one that an uninterrupted call would have given.

        Raises:
            MemoryError: the host has not enough memory: the trial is left to others, and fails
                after three times.
            UnavailableError: this host lacks what the study needs; others may have it.
            Exception: whatever ``on_epoch`` raises passes through unchanged. Any other exception
                fails the trial; a diverging training is no exception but a score.
        """

    def check_score(self, score: float, what: str = "score") -> float:
        """A score as a number, once it can be one of this metric.

        Raises:
            ValueError: it is not finite, or an accuracy that is no fraction: one in per cent would
                be shown a hundred times too high.
        """
        score = float(score)
        if not math.isfinite(score):
            raise ValueError(
                f"the objective's {what} must be finite, got {score}. Count a network that "
                f"diverges as wrong instead."
            )
        if abs(score) > MAX_SCORE:
            raise ValueError(
                f"the objective's {what} must lie between -{MAX_SCORE:g} and {MAX_SCORE:g}, "
                f"got {score:g}. Count a network that diverges as wrong instead."
            )
        if self.metric == "accuracy" and not -1e-9 <= score <= 1 + 1e-9:
            remedy = f" Return {score / 100:.3g} for {score:.3g} %." if score > 1 else ""
            raise ValueError(
                f"the objective's {what} is an accuracy and must be a fraction from 0 to 1, "
                f"got {score:.3g}.{remedy}"
            )
        return score
