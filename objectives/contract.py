"""The contract between the service and an objective: all that they know of each other.

An objective turns hyper-parameters into a score by training one network, a *member*,
from one seed. It knows nothing of Optuna, of the database or of other members; the
service knows nothing of networks. They meet in this module, which imports neither torch
nor optuna.
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
    """The data that trains a member, and the data that scores it."""

    VALIDATION = "validation"
    """Train on part of the training half, and score on the rest: the test half stays
    unseen. A trial that is trained to its end scores ``Outcome.solved``, if the outcome
    has one."""
    PAPER = "paper"
    """Train on the whole training half, score every epoch on the test half, as the
    paper does."""
    CONFIRM = "confirm"
    """Train on the whole training half, test once, after the last epoch, on the test
    half."""


class UnavailableError(ValueError):
    """This host lacks what a study needs, such as a data file.

    An objective raises it from ``evaluate``. The trial does not fail: the worker leaves
    the study to other hosts.
    """


class ObjectiveParams(BaseModel):
    """Hyper-parameters of one training; every objective's ``Params`` derives from it.

    Field names carry units (``tau_ns``), bounds live in the annotations and the
    description is the documentation: the search space and the study file are validated
    against this model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: Annotated[
        int, Field(ge=1, le=100_000, description="passes over the training data")
    ] = 60


class TaskParams(BaseModel):
    """The ``[task]`` table of a study; the model of every task derives from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    places: ClassVar[frozenset[str]] = frozenset()
    """Fields with the place of data that another field pins: the data may be moved."""

    name: str

    @property
    def folds(self) -> int:
        """Number of parts of the training half that score the networks of a trial in
        turn.

        With 1, each network is scored on a part drawn for it.
        """
        return 1

    def for_member(self, number: int) -> Self:
        """Return the task of network ``number`` of a trial in a search with folds."""
        return self

    def resolve(self, base: Path) -> Self:
        """Return the task as a study stores it, so that the study is a pure function of
        its spec.

        Called when a study file is read. A task that reads a user's data checks it
        here, makes its path absolute and pins its content by a hash, which workers
        verify.

        Args:
            base: directory of the study file; relative paths begin there.

        Raises:
            ValueError: the data breaks a rule; the message says where, which and what
                to do.
        """
        return self


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The argument of ``on_epoch``, after each epoch."""

    epoch: int
    """Epochs finished so far, from 1."""
    score: float | None
    """Score on the scoring data after this epoch; None under ``Protocol.CONFIRM``, and
    after epochs that the parameter ``score_every`` leaves out, if the objective has
    it."""
    checkpoint: Callable[[], bytes]
    """Returns a checkpoint: given as ``resume``, it continues the training bit for
    bit."""


def _plain(value: Any) -> Any:
    """Return a number of NumPy or PyTorch as one of Python."""
    return value.item() if hasattr(value, "item") else value


def _number(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, bool | str | bytes):
        raise ValueError("a number")
    return plain


def _fact(value: Any) -> Any:
    plain = _plain(value)
    if not isinstance(plain, int | float | str):
        raise ValueError("a number, a text, true or false")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError("finite")
    return plain


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a line without control characters")
    return text


def _hexadecimal(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("64 hexadecimal digits")
    return text


MAX_SCORE = 1e100
"""Largest size of a score: samplers square it."""
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
"""Rules in the words of a message, by pydantic's type of error."""


class ObjectiveOutput(BaseModel):
    """A model of what an objective returns; a wrong value is refused with a readable
    message."""

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
        """Return a copy with other values, which are checked, too."""
        return type(self)(**{**dict(self), **changes})


def _describe(model: str, error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(part for part in problem["loc"] if isinstance(part, str))
    message = (
        problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    )
    rule = _RULES.get(problem["type"], message).format(**problem.get("ctx", {}))
    remedy = "Return what `hpo.objectives.contract` says."
    if rule == "finite":
        remedy = "Count a network that diverges as wrong instead."
    return (
        f"the objective's `{model}.{place}` must be {rule}, got {problem['input']!r}."
        f" {remedy}"
    )


class Solved(ObjectiveOutput):
    """The score of the same trained network on its differential equation: time-step
    convergence.

    A network is trained with a convenient integration step. If its score changes as the
    step is refined, it is a property of that step, not of the equation.
    """

    score: Score
    """Score at the finest step, on the same data as ``Outcome.score``. Always
    finite."""
    converged: StrictBool
    """Whether the last two refinements agreed; else the score is that of the finest
    step tried."""
    steps_per_point: Steps
    """Integration steps per input point at the finest step."""
    trained_steps_per_point: Steps
    """Integration steps per input point in training, and of ``Outcome.score``."""
    remedy: str = "Integrate in finer steps."
    """Advice if the two scores differ: ``Lower max_step_ns.``"""


class Thermal(ObjectiveOutput):
    """The scores of the same trained network at other thermal powers, and with thermal
    noise.

    The thermal power of an oscillator, kT / E, is the power at which it rests without a
    drive, over that at which it saturates. All scores are of the solved equation, on
    the data of ``Outcome.score``, and finite.
    """

    power: Share
    """Thermal power in training and of the claimed score; 0: none."""
    device_power: Share
    """Thermal power of the device to compare with: ``power``, or 1e-3 if that is 0."""
    at_device: Score
    """Score at ``device_power``."""
    third: Score
    """Score at a third of it."""
    triple: Score
    """Score at three times it."""
    none: Score
    """Score without thermal power."""
    noisy: tuple[Score, ...]
    """Scores on simulated chips whose oscillators have the thermal noise of
    ``device_power``."""
    holds_below: Share
    """The highest thermal power, of those tried, at which the claimed score holds; 0:
    at none."""
    remedy: str = "Train with thermal_power."
    """Advice if the scores differ."""


class Outcome(ObjectiveOutput):
    """The result of training one member."""

    score: Score
    """Final score: for accuracies a fraction in [0, 1]. Always finite. If the objective
    integrates a differential equation, the score at the step of training; see
    ``solved``."""
    curve: tuple[Score, ...] = ()
    """The scores that ``on_epoch`` received; empty under ``Protocol.CONFIRM``."""
    loss_curve: tuple[Number, ...] = ()
    """Mean training loss of each epoch (not finite after a divergence)."""
    diverged: bool = False
    """Whether training met a non-finite number; such predictions count as wrong."""
    info: dict[str, Fact] = Field(default_factory=dict)
    """Facts to show, by name with unit: ``n_synapses``, ``n_train`` ..."""
    per_epoch: dict[Line, tuple[Score, ...]] = Field(default_factory=dict)
    """Further values, by name with unit, which the report draws below the learning
    curves:
    ``gradient_norm``, ``power_uw`` ... One for each score of ``curve``, or for each
    epoch where that is empty. A checkpoint holds them, too."""
    solved: Solved | None = None
    """The check of the time step, if the objective integrates a differential equation.
    It is made under ``Protocol.CONFIRM`` and, shorter, under ``Protocol.VALIDATION``.
    The score of a confirmation, and of a trial that is trained to its end, is then
    ``solved.score``. Your own objective may give one."""
    thermal: Thermal | None = None
    """The check of the thermal power under ``Protocol.CONFIRM``, if the neurons are
    oscillators."""
    chips: tuple[Score, ...] = ()
    """Score on each simulated chip of ``[variability]``, whose mean is ``score`` (on
    the solved equation if there is one); empty without chips."""
    network: StrictBytes | None = None
    """Under ``Protocol.CONFIRM``, the trained network as safetensors with its
    description in the header (``hpo.objectives.network_file``). The worker keeps the
    network of the first fresh seed, if it has at most 16 MB."""

    @field_validator("per_epoch")
    @classmethod
    def _check_lengths(
        cls, per_epoch: dict[str, tuple[float, ...]], info: ValidationInfo
    ) -> dict[str, tuple[float, ...]]:
        curves = [*per_epoch.values(), *filter(None, [info.data.get("curve")])]
        if len(set(map(len, curves))) > 1:
            raise ValueError(
                "lists as long as `curve`, or as each other where that is empty"
            )
        return per_epoch


class Baseline(ObjectiveOutput):
    """The score of a simple model on the task of a study, measured as a confirmation
    is.

    The model is fitted to the whole training part and tested once on the test part. Its
    settings, such as a penalty, are chosen on the validation part.
    """

    name: Line
    """Name of the model, such as ``ESN of 96 units, last state``."""
    score: Score
    """Score in the metric of the objective; the mean over several seeds."""
    std: Share | None = None
    """Sample standard deviation over seeds; None if the model has no seed."""
    n: Steps = 1
    """Number of seeds."""
    tried: Steps = 1
    """Number of settings compared on the validation part."""
    n_scored: Steps | None = None
    """Series of the test part, which give the sampling error of an accuracy."""
    is_chance: StrictBool = False
    """Whether the model ignores the series."""
    is_like: StrictBool = False
    """Whether the model is a reservoir with the size and the readout of the
    networks."""

    @field_validator("n_scored")
    @classmethod
    def _check_n_scored(cls, n_scored: int | None, info: ValidationInfo) -> int | None:
        if n_scored is not None and not 0.0 <= info.data.get("score", 0.0) <= 1.0:
            raise ValueError("left out where the score is no accuracy")
        return n_scored

    @property
    def published(self) -> tuple[float, float | None, int, int | None]:
        """Arguments of ``intervals.published``; this module does not import it."""
        return self.score, self.std, self.n, self.n_scored


def read_baselines(stored: Any) -> tuple[Baseline, ...]:
    """Return the baselines stored in a database; () if the value is malformed."""
    try:
        return tuple(Baseline(**one) for one in stored or ())
    except (TypeError, ValueError):
        return ()


OnEpoch = Callable[[Progress], None]
"""Called after every epoch. It may raise: ``evaluate`` lets the exception through
unchanged."""

P = TypeVar("P", bound=ObjectiveParams)
T = TypeVar("T", bound=TaskParams)


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
