"""The parameters of a training, and the ``[task]`` table of its data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Protocol(StrEnum):
    """The data that trains a member, and the data that scores it."""

    VALIDATION = "validation"
    """Train on part of the training half, and score on the rest: the test half stays
    unseen. A trial that is trained to its end scores ``Outcome.solved``, if the outcome
    has one."""
    SEARCH_ON_TEST = "search_on_test"
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

    def on_split(self, number: int) -> Self:
        """Return the task on another random split of its data; 0 is its own.

        Called with a number above 0 only if ``check_splits`` raises nothing.
        """
        return self

    def check_splits(self) -> None:
        """Check that ``on_split`` gives other training and test parts.

        Raises:
            ValueError: it does not; the message says why.
        """
        raise ValueError("its test set is fixed")

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


P = TypeVar("P", bound=ObjectiveParams)
T = TypeVar("T", bound=TaskParams)
