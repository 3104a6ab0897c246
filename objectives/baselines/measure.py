"""The baselines of a study."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from hpo.contract import (
    Baseline,
    GivesBaselines,
    Objective,
    ObjectiveParams,
    TaskParams,
)
from hpo.errors import one_line

from ..data import SeriesParams, SplitTaskParams
from .classification import classification
from .prediction import prediction
from .reservoir import Check, go_on, units

log = logging.getLogger(__name__)


def attempt(
    objective: Objective[Any, Any],
    networks: Iterator[ObjectiveParams],
    tasks: Sequence[TaskParams],
    seed: int,
    should_stop: Callable[[], bool],
) -> list[Baseline] | None:
    """Return the baselines of a study, see ``measure``; None if it failed, or once
    ``should_stop`` returns True.

    Of several ``tasks``, splits of the same data, they are means over the splits.
    """

    def check() -> None:
        if should_stop():
            raise InterruptedError

    try:
        largest = max(_skip_refused(networks), key=units)
        splits = []
        for task in tasks:
            splits.append([*measure(objective, iter([largest]), task, seed, check)])
        return _average(splits)
    except InterruptedError:
        return None
    except (Exception, SystemExit) as error:  # the study continues without baselines
        why = one_line(f"{type(error).__name__}: {error}", 200)
        log.warning("cannot compute the baselines of %s: %s", objective.name, why)
        return None


def measure(
    objective: Objective[Any, Any],
    networks: Iterator[ObjectiveParams],
    task: TaskParams,
    seed: int,
    check: Check = go_on,
) -> Iterator[Baseline]:
    """Yield the baselines of a study, if it has any.

    Args:
        objective: the objective of the study; it may have its own baselines:
            ``GivesBaselines``.
        networks: hyper-parameters that the study may train; the largest network counts.
            The iterator continues after a point that the objective refuses.
        task: the task of the study.
        seed: the seed of the study.
        check: called again and again; it raises an exception to stop the work.
    """
    params = max(_skip_refused(networks), key=units)
    is_accuracy = objective.metric == "accuracy"
    if isinstance(objective, GivesBaselines):
        for one in objective.baselines(params, task, seed):
            objective.check_score(one.score, f"baseline {one.name!r}")
            yield one if is_accuracy else one.replace(n_scored=None)
    elif isinstance(task, SeriesParams) and objective.metric == "nrmse":
        squares = getattr(params, "readout_powers", 1) > 1
        yield from prediction(task, seed, units(params), check, squares=squares)
    elif isinstance(task, SplitTaskParams) and is_accuracy:
        readout = _readout(params)
        yield from classification(task, seed, units(params), check, readout=readout)


def _average(splits: Sequence[Sequence[Baseline]]) -> list[Baseline]:
    """Return the mean score of each baseline over splits, with the deviation of its
    means; of one split, its own baselines."""
    if len(splits) == 1:
        return [*splits[0]]
    averages = []
    for first in splits[0]:
        scores = []
        for baselines in splits:
            scores += [one.score for one in baselines if one.name == first.name]
        mean = statistics.fmean(scores)
        std = None
        if len(scores) > 1:
            std = statistics.stdev(scores)
        averages.append(first.replace(score=mean, std=std, n=len(scores)))
    return averages


def _readout(params: ObjectiveParams) -> str | None:
    """Return the points that the readout of a network sees; None if its size is
    unknown."""
    if hasattr(params, "layers") and hasattr(params, "width"):
        return getattr(params, "readout_points", "last")
    return None


def _skip_refused(networks: Iterator[ObjectiveParams]) -> Iterator[ObjectiveParams]:
    while True:
        try:
            yield next(networks)
        except ValidationError:  # such a trial fails
            continue
        except StopIteration:
            return
