"""The objectives ``spintronic-prediction`` and ``ctrnn-prediction``: NRMSE of a
predicted series.

The networks are those of ``spintronic`` and ``ctrnn``, with a readout after every
point. Training changes either all weights, by backpropagation through time of the
squared error, or, as in reservoir computing, the readout alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, cast

from pydantic import BaseModel, Field, model_validator

from hpo.contract import NetworkMember, Protocol, TaskParams

from ..data import SERIES_TASKS, DataShape, SeriesContents, SeriesParams
from ..data.windows import check_window
from ..training import LayeredObjective, LayeredParams
from .device import Device
from .objective import DeviceObjective


class PredictionParams(BaseModel):
    """Parameters of prediction, beside those of ``spintronic`` or ``ctrnn``."""

    trained: Annotated[
        Literal["all", "readout"],
        Field(
            description=(
                "all: the whole network is trained by gradients, then its readout"
                " is fitted in closed form; readout: a reservoir, whose readout"
                " alone is fitted, in one epoch; lr0, lr_decay, batch_size,"
                " ema_decay and window then have no effect"
            )
        ),
    ] = "all"
    ridge: Annotated[
        float,
        Field(
            gt=0,
            le=1e3,
            description=(
                "penalty on the squared readout weights, added to the mean squared"
                " error of the standardised target"
            ),
        ),
    ] = 1e-8
    readout_noise_db: Annotated[
        float | None,
        Field(
            ge=-200,
            le=20,
            description=(
                "white noise on every neuron state that the readout sees, in"
                " fitting and in scoring, in dB relative to the mean power of these"
                " states: -40 is a hundredth of their root mean square; default:"
                " none"
            ),
        ),
    ] = None
    window: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="points of a training window that enter the error",
        ),
    ] = 100
    window_washout: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description=(
                "points before each window, through which the state runs from rest"
            ),
        ),
    ] = 100
    batch_size: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description=(
                "training windows per weight update; the last update of an epoch may"
                " have fewer"
            ),
        ),
    ] = 32

    @model_validator(mode="after")
    def _reads_every_point(self) -> Self:
        if (points := getattr(self, "readout_points", "last")) != "last":
            raise ValueError(
                'readout_points: expected "last", since every point is predicted, got'
                f" {points!r}. Remove it: the mean over all points is known at the end"
                " alone."
            )
        return self

    @model_validator(mode="after")
    def _has_no_labels(self) -> Self:
        if smoothing := getattr(self, "label_smoothing", 0.0):
            raise ValueError(
                f"label_smoothing: only for networks that classify, got {smoothing}."
                " Remove it: a prediction has no labels."
            )
        return self


P = TypeVar("P", bound=LayeredParams)


class PredictionObjective(LayeredObjective[P]):
    """Trains a layered network to predict a series; its score is the NRMSE, see
    ``predictor``."""

    tasks: ClassVar[dict[str, type[TaskParams]]] = SERIES_TASKS
    metric: ClassVar[str] = "nrmse"
    direction: ClassVar[Literal["maximize", "minimize"]] = "minimize"
    costs: ClassVar[Mapping[str, str]] = {
        **LayeredObjective.costs,
        "presentation_ns": "time that one point takes",
    }

    def shape(self, task: TaskParams) -> DataShape:
        """See ``LayeredObjective.shape``; costs are per point."""
        contents = _contents(cast(SeriesParams, task))
        return DataShape(1, contents.channels, contents.outputs)

    def check_task(self, params: P, task: TaskParams, protocol: Protocol) -> None:
        """Refuse a window longer than the training part; see
        ``capabilities.ChecksTask``."""
        settings = cast(PredictionParams, params)
        if settings.trained == "readout":
            return
        contents = _contents(cast(SeriesParams, task))
        n_points = contents.train
        if protocol is not Protocol.VALIDATION:
            n_points += contents.validation
        check_window(
            length=settings.window,
            washout=settings.window_washout,
            n_points=n_points,
            n_before=contents.washout,
        )

    def member(
        self, params: P, *, task: TaskParams, protocol: Protocol, member_seed: int
    ) -> NetworkMember:
        """Build the member, not trained yet; see ``NetworkObjective.member``.

        A member is one network of a trial, from its own seed.
        """
        from ..training.predictor import Predictor

        return Predictor(self, params, task, protocol=protocol, member_seed=member_seed)


@lru_cache(maxsize=8)
def _contents(task: SeriesParams) -> SeriesContents:
    """Return the sizes of a series, which is read once."""
    return task.contents()


class DevicePredictionObjective(PredictionObjective[Any], DeviceObjective):
    """Trains a layered network of devices of one class to predict a series."""

    costs: ClassVar[Mapping[str, str]] = {
        "energy_pj": "energy in the time of one point, see physics.energy_pj",
        **PredictionObjective.costs,
    }


@cache
def prediction_params(device: type[Device]) -> type[Device]:
    """Return the model of hyper-parameters of a network of a device that predicts.

    Raises:
        ValueError: a field of the device has a name of ``PredictionParams``.
    """
    namespace = {"__module__": device.__module__}
    fields = device.model_fields.keys() - Device.model_fields.keys()
    for name in sorted(fields & PredictionParams.model_fields.keys()):
        raise ValueError(
            f"{device.__name__}: the name {name} is reserved for the training of a"
            " device that predicts. Rename this field."
        )
    params: type[Device] = type(device.__name__, (PredictionParams, device), namespace)
    for name, value in device.predicting.items():
        params.model_fields[name].default = value
    params.model_rebuild(force=True)
    return params
