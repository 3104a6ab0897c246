"""One call of a study's objective, in this process, and what it gave."""

from __future__ import annotations

import resource
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal

from hpo import objectives
from hpo.contract import ExitedError, Progress, calling, facts
from hpo.errors import HpoError
from hpo.functions import Call, InterruptionError
from hpo.search import suggest
from hpo.study import file
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Suggestion

EPOCHS = 3
"""Epochs of a network, at most, unless it is scored less often."""
DRY_CALLS = 3
"""Further calls of a function, for their parameters alone."""
DRY_S = 2
"""Longest time of a dry call in seconds; it ends at its first report."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a process is to run."""

    study: Mapping[str, Any]
    """The study, as ``StudySpec.stored`` gives it."""
    about: Mapping[str, Any]
    """What is known of its objective, as ``Description.stored`` gives it."""
    what: Literal["first", "second", "dry"]
    """The first trial; the same with another seed, and then once more as it was; or the
    next ones, up to their first report."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The parameters of the first trial, if they are known."""
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one call gave."""

    state: str
    """``complete``, ``pruned`` or ``failed``; ``running`` of a dry call that lasted too
    long."""
    values: Sequence[float] = ()
    params: Mapping[str, Any]
    attrs: Mapping[str, Any]
    """Of the suggestion, with the distributions of a function's parameters."""
    reports: Sequence[Sequence[float]] = ()
    """Each with its step and its value."""
    losses: Sequence[float] = ()
    """Mean training loss of each epoch of a network."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """User attributes of a function; the ``info`` of a network."""
    message: str | None = None
    """Why it failed."""
    asks_to_prune: bool = False
    seconds: float = 0.0
    """Wall time of the call."""
    epoch_s: float | None = None
    """Wall time of an epoch of a network."""
    peak_bytes: int = 0
    """Largest memory of the process, or of one that it has started."""

    @property
    def suggestion(self) -> Suggestion:
        """What the call asked for."""
        return Suggestion(params=self.params, attrs=self.attrs)


class _EnoughError(Exception):
    """A dry call has reported."""


class _LateError(Exception):
    """A dry call lasts too long."""


def carry_out(order: Order) -> Iterator[Run]:
    """Run what is ordered, call by call.

    Raises:
        HpoError: the objective cannot be imported, or lacks what it needs here.
        ExitedError: it tried to end this process.
    """
    spec = file.restore(order.study, order.about, "hpo check")
    if order.what == "dry":
        yield from _run_dry(spec)
        return
    run = _run_network
    if spec.is_function:
        run = _run_function
    known = None
    if order.what == "second":
        known = Suggestion(params=order.params, attrs=order.attrs)
        yield run(spec, known)
    yield run(spec, None)


def _run_function(spec: StudySpec, known: Suggestion | None) -> Run:
    """Call a function for the first trial; with another seed if it is ``known``."""
    number = 0
    seed = derive_seed(spec.seed, "member", 0)
    if known is not None:
        number = spec.budget.trials
        seed = derive_seed(spec.seed, "confirm", 0)
    call = Call(spec=spec, number=number, seed=seed // 2, fixed=known)
    began_s = time.monotonic()
    try:
        evaluation = call.run()
    except MemoryError:
        return _failed(call.suggestion, "out of memory", began_s)
    return Run(
        state=evaluation.state,
        values=evaluation.values,
        params=evaluation.suggestion.params,
        attrs=evaluation.suggestion.attrs,
        reports=list(evaluation.reports.items()),
        facts=evaluation.facts,
        message=evaluation.message,
        asks_to_prune=evaluation.asked_to_prune,
        seconds=time.monotonic() - began_s,
        peak_bytes=_peak_bytes(),
    )


def _run_dry(spec: StudySpec) -> Iterator[Run]:
    """Call a function for its parameters: up to its first report, or for a while."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise InterruptionError(_LateError())

    def end(step: int, value: float) -> None:
        raise InterruptionError(_EnoughError())

    spec.script.load()  # an import may take longer than a dry call
    signal.signal(signal.SIGALRM, interrupt)
    for number in range(1, 1 + DRY_CALLS):
        seed = derive_seed(spec.seed, "member", 0) // 2
        call = Call(spec=spec, number=number, seed=seed, on_report=end)
        state: str = SlotState.COMPLETE
        signal.alarm(DRY_S)
        try:
            state = call.run().state
        except _EnoughError:
            pass
        except _LateError:
            state = SlotState.RUNNING
        except MemoryError:
            return
        finally:
            signal.alarm(0)
        own = call.suggestion
        yield Run(state=state, params=own.params, attrs=own.attrs)


def _run_network(spec: StudySpec, known: Suggestion | None) -> Run:
    """Train the first network of the first trial for a few epochs; with another seed if
    its parameters are ``known``."""
    suggestion = known or suggest.suggest(spec, 0, [])
    purpose: Literal["member", "confirm"] = "member" if known is None else "confirm"
    reports: list[tuple[int, float]] = []
    times_s: list[float] = []

    def note(progress: Progress) -> None:
        times_s.append(time.monotonic())
        if progress.score is not None:
            reports.append((progress.epoch, float(progress.score)))

    began_s = time.monotonic()
    epochs = max(EPOCHS, spec.budget.score_every or 1)
    try:
        params = spec.params(suggestion.params, epochs=min(epochs, spec.planned_epochs))
        with calling(objectives.module_of(spec.objective)):
            outcome = spec.objective_impl.evaluate(
                params,
                task=spec.task_params.for_member(0),
                protocol=spec.protocol,
                member_seed=derive_seed(spec.seed, purpose, 0),
                on_epoch=note,
            )
        info = facts.member_info(outcome)
    except (HpoError, ExitedError):
        raise
    except Exception:
        return _failed(suggestion, traceback.format_exc(), began_s)
    epoch_s = None
    if len(times_s) > 1:
        epoch_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    return Run(
        state=SlotState.COMPLETE,
        values=[outcome.score],
        params=suggestion.params,
        attrs=suggestion.attrs,
        reports=reports,
        losses=outcome.loss_curve,
        facts=info,
        asks_to_prune=bool(reports),
        seconds=time.monotonic() - began_s,
        epoch_s=epoch_s,
        peak_bytes=_peak_bytes(),
    )


def _failed(suggestion: Suggestion, message: str, began_s: float) -> Run:
    return Run(
        state=SlotState.FAILED,
        params=suggestion.params,
        attrs=suggestion.attrs,
        message=message,
        seconds=time.monotonic() - began_s,
        peak_bytes=_peak_bytes(),
    )


def _peak_bytes() -> int:
    """Return the largest resident memory of this process, or of one of its children."""
    most_kib = 0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        most_kib = max(most_kib, resource.getrusage(who).ru_maxrss)
    return 1024 * most_kib
