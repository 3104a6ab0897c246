"""A network of a study once more: chosen, trained again, checked against the ledger.

A study stores no networks, but for the best one when it is over. Each is a pure function of its
parameters and its seed, and so it is trained again within seconds; on the same kind of CPU the
result is the same, bit for bit.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hpo.errors import StudyError
from hpo.study.confirmation import checks_info
from hpo.study.result import Result
from hpo.study.tables import ParamValue
from hpo.study.trials import Member, Phase, SlotState, Trial
from hpo.views import caveats, formatting, json_records, verdict
from hpo.views.terminal import tables
from hpo.worker import provenance
from objectives.contract import ObjectiveParams, Outcome, Progress, Protocol
from objectives.inspection import NetworkMember, NetworkObjective

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
SPLITS = {
    Protocol.VALIDATION: "validation data of the training part",
    Protocol.PAPER: "the test part, on which the search was made, too",
    Protocol.CONFIRM: "the test part",
}
"""The data that scores a network, as a sentence names it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One stored network of a study."""

    snapshot: Result
    slot: Trial
    """The search trial, or the confirmation training, that it belongs to."""
    stored: Member
    """What the ledger says about it."""
    suggested: Mapping[str, ParamValue]
    """The suggested parameters of its trial."""

    @property
    def trial(self) -> int:
        """Number of the search trial whose parameters it has."""
        return self.slot.number if self.slot.source is None else self.slot.source

    @property
    def name(self) -> str:
        """``trial 12, member 0``, or ``trial 7, fresh seed 3 of 10``."""
        name = tables.slot_name(self.snapshot, self.slot)
        return name if self.confirmed else f"{name}, member {self.stored.member}"

    @property
    def confirmed(self) -> bool:
        """Whether it belongs to a confirmation."""
        return self.slot.phase == Phase.CONFIRM

    @property
    def fresh_seed(self) -> int | None:
        """Which fresh seed of the confirmation it has, from 1; None in the search."""
        confirm = self.snapshot.spec.confirm
        return self.slot.number % confirm.members + 1 if self.confirmed and confirm else None

    @property
    def protocol(self) -> Protocol:
        """Which data trained and scored it."""
        return Protocol.CONFIRM if self.confirmed else self.snapshot.spec.protocol

    @property
    def scored_on(self) -> str:
        """``the test part``: the data that scored it."""
        return SPLITS[self.protocol]

    @property
    def params(self) -> ObjectiveParams:
        """All parameters of its training."""
        spec = self.snapshot.spec
        epochs = spec.confirm_epochs if self.confirmed else spec.budget.epochs
        return spec.params(self.suggested, epochs=epochs)


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A network that was trained again."""

    choice: Choice
    network: NetworkMember
    outcome: Outcome
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether score and losses are those of the ledger, bit for bit."""
        stored = self.choice.stored
        losses = zip(self.outcome.loss_curve, stored.loss_curve, strict=False)
        return self.outcome.score == stored.score and all(
            new == old or (math.isnan(new) and math.isnan(old)) for new, old in losses
        )

    @property
    def score_at(self) -> str:
        """``at the study's step``: where the score was measured; empty if the equation has none.

        A network of the search has no other score: its time step was not checked.
        """
        integrates = self.choice.snapshot.spec.integrates
        return caveats.AT_STEP if integrates or self.outcome.solved is not None else ""

    @property
    def check(self) -> str:
        """In one sentence: whether it is the stored network, and why it may not be."""
        choice, spec = self.choice, self.choice.snapshot.spec
        stored, score = choice.stored.score, self.outcome.score
        if self.identical:
            return f"{choice.name}: trained again, bit for bit the stored network"
        if score == stored:
            found = "the same score, but other losses than the stored ones"
        else:
            difference = formatting.shown(spec, score - stored)
            now, before = formatting.score_text(spec, score), formatting.score_text(spec, stored)
            found = f"{now}, where {before} is stored: a difference of {difference:+.3g}"
            found += " points" if spec.is_accuracy else ""
        return f"{choice.name}: trained again, it has {found}. {_reason(choice.slot.lineage)}"


def choose(
    snapshot: Result,
    *,
    trial: int | None = None,
    member: int | None = None,
    fresh_seed: int | None = None,
) -> Choice:
    """A network of the study.

    Args:
        snapshot: the study, with curves for an exact check.
        trial: number of a search trial; without it the best one.
        member: network of that trial, from 0.
        fresh_seed: network of that trial's confirmation instead, from 1. Without either, the
            first fresh seed if there is one, else member 0.

    Raises:
        StudyError: there is no such network, or the objective has none to show.
    """
    name = snapshot.spec.name
    if not isinstance(snapshot.spec.objective_impl, NetworkObjective):
        raise StudyError(
            f"{name}: networks that can be trained again must be what its objective trains, but "
            f"got objective={snapshot.spec.objective!r}. Derive it from "
            f"objectives.inspection.NetworkObjective."
        )
    slot = _slot(snapshot, trial)
    fresh = fresh_seeds(snapshot, slot)
    if fresh_seed is not None or (member is None and fresh):
        found = fresh.get(next(iter(fresh), 1) if fresh_seed is None else fresh_seed)
        if found is None:
            raise _missing(f"{name}, trial {slot.number}", "--fresh-seed", fresh_seed, fresh)
        return Choice(snapshot=snapshot, slot=found, stored=found.members[0], suggested=slot.params)
    members = {item.member: item for item in slot.members}
    stored = members.get(member or 0)
    if stored is None:
        raise _missing(f"{name}, trial {slot.number}", "--member", member or 0, members)
    return Choice(snapshot=snapshot, slot=slot, stored=stored, suggested=slot.params)


def _slot(snapshot: Result, trial: int | None) -> Trial:
    """The search trial of that number, or the best one of a search."""
    if trial is None:
        if not snapshot.spec.selects:
            raise StudyError(
                f"{snapshot.spec.name}: a trial must be named, but got none: every point was "
                "measured, and no best one selected. Choose one with --trial."
            )
        if snapshot.best is None:
            raise StudyError(
                f"{snapshot.spec.name}: a complete trial must exist, but got "
                f"{verdict.progress(snapshot)}. Choose one with --trial, or run the study further."
            )
        return snapshot.best
    found = next((slot for slot in snapshot.search if slot.number == trial), None)
    if found is None or not found.members:
        what = "none of that number" if found is None else f"one that is {found.state} without any"
        trained = [slot.number for slot in snapshot.search if slot.members]
        raise StudyError(
            f"{snapshot.spec.name}: a trial with a trained network must hold for --trial, but got "
            f"trial={trial}, {what}. Trials with networks: {_listed(trained)}."
        )
    return found


def fresh_seeds(snapshot: Result, slot: Trial) -> dict[int, Trial]:
    """The finished confirmation trainings of a trial by fresh seed, from 1."""
    confirm = snapshot.spec.confirm
    return {
        item.number % confirm.members + 1: item
        for item in snapshot.confirm
        if confirm and item.source == slot.number and item.state == SlotState.COMPLETE
    }


def _missing(
    where: str, option: str, wanted: int | None, valid: Mapping[int, object]
) -> StudyError:
    there = f"Valid: {_listed(sorted(valid))}." if valid else "It has none; leave the option out."
    return StudyError(
        f"{where}: a trained network must hold for {option}, but got {wanted}. {there}"
    )


def _listed(numbers: Sequence[int]) -> str:
    """Numbers with their runs drawn together.

    Examples:
        >>> _listed([0, 1, 2, 5]), _listed([])
        ('0-2, 5', 'none')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    return ", ".join(texts) or "none"


def build(choice: Choice) -> NetworkMember:
    """The chosen network, drawn from its seed and not trained yet.

    Raises:
        StudyError: the data of its task is not there, or not what it was.
    """
    for variable in _THREADS:  # before numpy and torch load: as in a worker
        os.environ.setdefault(variable, "1")
    spec = choice.snapshot.spec
    objective = spec.objective_impl
    assert isinstance(objective, NetworkObjective)
    try:
        return objective.member(
            choice.params,
            task=spec.task_params,
            protocol=choice.protocol,
            member_seed=choice.stored.seed,
        )
    except (ValueError, OSError) as error:
        raise StudyError(f"{spec.name}: {error}") from error


def train(choice: Choice, network: NetworkMember, say: Callable[[str], None]) -> Retrained:
    """Train the network of ``build`` and hold it against the ledger.

    After every epoch, ``say`` is told in one short line what is going on.
    """
    epochs = choice.params.epochs
    began = time.monotonic()

    def on_epoch(progress: Progress) -> None:
        say(f"training {choice.name} again: epoch {progress.epoch} of {epochs}")

    say(f"training {choice.name} again: {epochs} epochs")
    outcome = network.train(on_epoch)
    seconds = time.monotonic() - began
    return Retrained(choice=choice, network=network, outcome=outcome, seconds=seconds)


def train_shown(choice: Choice, network: NetworkMember) -> Retrained:
    """The same with a line of progress, and of the check against the ledger, on stderr."""
    with progress() as say:
        retrained = train(choice, network, say)
    print(f"{retrained.check} ({retrained.seconds:.1f} s)", file=sys.stderr)
    return retrained


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """One line on stderr: rewritten on a terminal; in a log it says once what is going on."""
    terminal, said = sys.stderr.isatty(), False

    def say(text: str) -> None:
        nonlocal said
        if terminal:
            sys.stderr.write(f"\r\033[K{text}")
        elif not said:
            sys.stderr.write(f"{text}\n")
        said = True
        sys.stderr.flush()

    try:
        yield say
    finally:
        if terminal:
            sys.stderr.write("\r\033[K")


def about(retrained: Retrained) -> dict[str, Any]:
    """What a study knows about one of its networks, JSON-ready: units, scores, lineage."""
    choice = retrained.choice
    spec = choice.snapshot.spec
    confirmed = [c for c in choice.snapshot.confirmations if c.source == choice.trial and c.scores]
    search = next(slot for slot in choice.snapshot.search if slot.number == choice.trial)
    scores: dict[str, Any] = {
        "metric": spec.objective_impl.metric,
        "score": retrained.outcome.score,
        "scored_on": choice.scored_on,
        "score_at": retrained.score_at,
        "protocol": choice.protocol.value,
        "diverged": retrained.outcome.diverged,
        "stored_score": choice.stored.score,
        "identical_to_stored": retrained.identical,
        "trial_search_score": search.score,
        "trial_confirmed_scores": list(confirmed[0].scores) if confirmed else [],
        "trial_confirmed_step_scores": list(confirmed[0].step_scores) if confirmed else [],
        "trial_confirmed_on": caveats.basis(spec, confirmed[0]) if confirmed else "",
        "warning": caveats.warning(spec, confirmed[0]) if confirmed else "",
        **checks_info(retrained.outcome),
        "info": dict(retrained.outcome.info),
    }
    lineage = {
        "study": spec.name,
        "spec_hash": spec.hash,
        "spec": spec.stored(),
        "trial": choice.trial,
        "network": choice.name,
        "member": None if choice.confirmed else choice.stored.member,
        "fresh_seed": choice.fresh_seed,
        "seed": choice.stored.seed,
        "trained_by": provenance.of_this_process(),
        "stored_by": dict(choice.slot.lineage),
    }
    params = choice.params.model_dump()
    units = {
        n: formatting.unit(n) or "1"
        for n, v in params.items()
        if not isinstance(v, str | bool | dict)
    }
    whole = {"parameter_units": units, "scores": scores, "lineage": lineage}
    plain: dict[str, Any] = json.loads(json_records.dumps(whole))
    return plain


def _reason(stored: Mapping[str, Any]) -> str:
    """Why two trainings of one network may differ: what they ran on."""
    here = provenance.of_this_process()
    if stored.get("cpu") != here["cpu"]:
        return (
            f"The CPUs differ, and with them the rounding: {stored.get('cpu')} then, "
            f"{here['cpu']} now."
        )
    changed = [f"{key} {old} then, {new} now" for key, old, new in _changes(stored, here)]
    if changed:
        return f"The kind of CPU is the same; what differs: {'; '.join(changed)}."
    return "Nothing that is recorded differs, neither CPU nor versions: please report this."


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    versions_then, versions_now = old.get("versions") or {}, new["versions"]
    for key in ("revision", "dirty"):
        if old.get(key) != new[key]:
            yield key, old.get(key), new[key]
    for package in sorted({*versions_then, *versions_now}):
        before, after = versions_then.get(package, "none"), versions_now.get(package, "none")
        if before != after:
            yield package, before, after
