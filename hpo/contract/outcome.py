"""What an objective returns: the outcome of training one network."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

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


def clip_score(value: float) -> float:
    """Return a score within the limits: an infinity as +-1e100."""
    return max(-MAX_SCORE, min(MAX_SCORE, value))


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
    remedy = "Return what `hpo.contract` says."
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


QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
"""The quantiles of ``Tolerances.ranges``: from the least value to the largest."""


class Tolerance(ObjectiveOutput):
    """How much of one imperfection of hardware costs a trained network the loss of its
    ``Tolerances``."""

    amount: Score
    """That much, in the unit of the imperfection."""
    found: Literal["at", "kept", "lost"] = "at"
    """Whether the loss occurs ``at`` this amount, interpolated between two that were
    tried; or is not reached (``kept``) at this one, the worst tried; or is exceeded
    (``lost``) at this one, the mildest tried."""


class Tolerances(ObjectiveOutput):
    """What a trained network asks of hardware: the ranges of its drive, weights and
    states, and how much of each imperfection costs a given loss of its score.

    All scores are of the solved equation, on the data of ``Outcome.score``.
    """

    score: Score
    """Score without the imperfections."""
    loss: Score
    """The loss of score that a tolerance allows: 0.01 of an accuracy, one point; of an
    error, a tenth of it."""
    chips: Steps
    """Simulated chips on which random imperfections were measured."""
    series: Steps
    """Series, or points of a prediction, that were scored."""
    limits: dict[Line, Tolerance]
    """Tolerances by imperfection: a key of ``[variability]``, or a parameter."""
    ranges: dict[Line, tuple[Score, ...]]
    """Values at ``QUANTILES`` by quantity: of the drive and the weights over
    ``drive_unit``, of the states in their own unit."""
    drive_unit: Literal["gamma", "1/ns"] = "gamma"
    """``gamma``: the damping of the nominal device."""


class Outcome(ObjectiveOutput):
    """The result of training one member."""

    score: Score
    """Final score: for accuracies a fraction in [0, 1]. Always finite. If the objective
    integrates a differential equation, the score at the step of training; see
    ``solved``."""
    curve: tuple[Score, ...] = ()
    """The scores that ``on_epoch`` received; empty under ``Protocol.CONFIRM``."""
    loss_curve: tuple[Number, ...] = ()
    """Mean training loss of each epoch (not finite after a divergence). The last one
    decides which network is kept, and whether a training has failed."""
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
    tolerances: Tolerances | None = None
    """What the trained network asks of hardware. In a confirmation, the worker asks an
    objective that ``MeasuresTolerances``; your own may give them itself."""
    chips: tuple[Score, ...] = ()
    """Score on each simulated chip of ``[variability]``, whose mean is ``score`` (on
    the solved equation if there is one); empty without chips."""
    network: StrictBytes | None = None
    """Under ``Protocol.CONFIRM``, the trained network as safetensors with its
    description in the header (``hpo.objectives.networks.network_file``). Of the fresh
    seeds of a configuration (on the first split), the network with the least last value
    of ``loss_curve`` is kept (of equals the first), if it has at most 16 MB."""

    @property
    def claimed(self) -> float:
        """The score on the solved equation, if known: the one that counts."""
        if self.solved is None:
            return self.score
        return self.solved.score

    @field_validator("per_epoch")
    @classmethod
    def _check_lengths(
        cls, per_epoch: dict[str, tuple[float, ...]], info: ValidationInfo
    ) -> dict[str, tuple[float, ...]]:
        lengths = {len(values) for values in per_epoch.values()}
        curve = info.data.get("curve")
        if curve:
            lengths.add(len(curve))
        if len(lengths) > 1:
            raise ValueError(
                "lists as long as `curve`, or as each other where that is empty"
            )
        return per_epoch
