"""A network of a study: the one that its confirmation has kept, else trained again.

The ledger keeps the network of the first fresh seed of every confirmed trial. Every other one is a
pure function of its parameters and its seed, so it is trained again within seconds to a minute; on
the same kind of CPU the result is the same, bit for bit.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import Progress

from hpo.errors import StudyError
from hpo.ledger.reader import LedgerReader
from hpo.study.confirmation import checks_info
from hpo.study.result import Result
from hpo.study.trials import Member, Phase, SlotState, Trial
from hpo.views import caveats, formatting, json_records, verdict
from hpo.views.terminal import tables
from hpo.worker import provenance
from objectives.contract import ObjectiveParams, Outcome, Protocol
from objectives.inspection import NetworkMember, NetworkObjective

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_SPLITS = {
    Protocol.VALIDATION: "validation data of the training part",
    Protocol.PAPER: "the test part, on which the search was made, too",
    Protocol.CONFIRM: "the test part",
}
"""The data that scores a network, as a sentence names it."""
_RAN_ON = ("cpu", "numerics", "revision", "dirty")
"""What the lineage of a trial says of that on which last digits depend."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One network of a study."""

    result: Result
    trial: Trial
    """The search trial whose parameters it has."""
    slot: Trial
    """That trial, or the training of its confirmation that it comes from."""
    stored: Member
    """What the ledger says about it."""
    kept: bytes | None = None
    """The network itself, if it was kept."""

    @property
    def name(self) -> str:
        """``trial 12, member 0``, or ``trial 7, fresh seed 3 of 10``."""
        name = tables.slot_name(self.result, self.slot)
        return name if self.confirmed else f"{name}, member {self.stored.member}"

    @property
    def confirmed(self) -> bool:
        """Whether it belongs to a confirmation."""
        return self.slot.phase == Phase.CONFIRM

    @property
    def fresh_seed(self) -> int | None:
        """Which fresh seed of the confirmation it has, from 1; None in the search."""
        confirm = self.result.spec.confirm
        return self.slot.number % confirm.members + 1 if self.confirmed and confirm else None

    @property
    def protocol(self) -> Protocol:
        """Which data trained and scored it."""
        return Protocol.CONFIRM if self.confirmed else self.result.spec.protocol

    @property
    def scored_on(self) -> str:
        """``the test part``: the data that scored it."""
        return _SPLITS[self.protocol]

    @property
    def params(self) -> ObjectiveParams:
        """All parameters of its training."""
        spec = self.result.spec
        epochs = spec.confirm_epochs if self.confirmed else spec.budget.epochs
        return spec.params(self.trial.params, epochs=epochs)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A trained network of a study."""

    choice: Choice
    data: bytes
    """The network as safetensors; see ``Outcome.network``."""
    trained: Member
    """What its training gave."""

    @property
    def identical(self) -> bool:
        """Whether score and losses are those of the ledger, bit for bit."""
        stored = self.choice.stored
        losses = zip(self.trained.loss_curve, stored.loss_curve, strict=False)
        return self.trained.score == stored.score and all(
            new == old or (math.isnan(new) and math.isnan(old)) for new, old in losses
        )

    @property
    def score_at(self) -> str:
        """``at the study's step``: where the score was measured; empty if the equation has none.

        A network of the search has no other score: its time step was not checked.
        """
        integrates = self.choice.result.spec.integrates
        return caveats.AT_STEP if integrates or self.trained.solved is not None else ""

    @property
    def check(self) -> str:
        """In one sentence: whether it is the network of the study, and why it may not be."""
        choice, spec = self.choice, self.choice.result.spec
        if choice.kept is not None:
            return f"{choice.name}: the very network that was confirmed"
        if self.identical:
            return f"{choice.name}: trained again, bit for bit the stored network"
        stored, score = choice.stored.score, self.trained.score
        if score == stored:
            found = "the same score, but other losses than the stored ones"
        else:
            difference = formatting.shown(spec, score - stored)
            now, before = formatting.score_text(spec, score), formatting.score_text(spec, stored)
            found = f"{now}, where {before} is stored: a difference of {difference:+.3g}"
            found += " points" if spec.is_accuracy else ""
        return f"{choice.name}: trained again, it has {found}. {_reason(choice.slot.lineage)}"


# --- which one ------------------------------------------------------------------------------------


def find(ledger: LedgerReader, study: str, **which: int | None) -> Choice:
    """Return a network of a study, with what is kept of it; ``which`` as ``choose`` takes it.

    Raises:
        StudyError: there is no such study or network.
    """
    return with_kept(ledger, choose(ledger.result(study, curves=True), **which))


def with_kept(ledger: LedgerReader, choice: Choice) -> Choice:
    """Return the choice with the network that is kept of it, if one is."""
    if not choice.confirmed:
        return choice
    return replace(choice, kept=ledger.network(choice.result.spec.name, choice.slot.number))


def choose(
    result: Result,
    *,
    trial: int | None = None,
    member: int | None = None,
    fresh_seed: int | None = None,
) -> Choice:
    """Return a network of the study.

    Args:
        result: the study, with curves for an exact check.
        trial: number of a search trial; without it the best one.
        member: network of that trial, from 0.
        fresh_seed: network of that trial's confirmation instead, from 1. Without either, the
            first fresh seed if there is one, else member 0.

    Raises:
        StudyError: there is no such network.
    """
    chosen = _trial(result, trial)
    where = f"{result.spec.name}, trial {chosen.number}"
    confirm = result.spec.confirm
    fresh = {
        item.number % confirm.members + 1: item
        for item in result.confirm
        if confirm and item.source == chosen.number and item.state == SlotState.COMPLETE
    }
    if fresh_seed is not None or (member is None and fresh):
        slot = fresh.get(next(iter(fresh), 1) if fresh_seed is None else fresh_seed)
        if slot is None:
            raise _missing(where, "--fresh-seed", fresh_seed, fresh)
        return Choice(result=result, trial=chosen, slot=slot, stored=slot.members[0])
    members = {item.member: item for item in chosen.members}
    if (stored := members.get(member or 0)) is None:
        raise _missing(where, "--member", member or 0, members)
    return Choice(result=result, trial=chosen, slot=chosen, stored=stored)


def _trial(result: Result, trial: int | None) -> Trial:
    """The search trial of that number, or the best one of a search."""
    name = result.spec.name
    if trial is None:
        if not result.spec.selects:
            raise StudyError(
                f"{name}: a trial must be named, but got none: every point was measured, and no "
                "best one selected. Choose one with --trial."
            )
        if result.best is None:
            raise StudyError(
                f"{name}: a complete trial must exist, but got {verdict.progress(result)}. "
                "Choose one with --trial, or run the study further."
            )
        return result.best
    found = next((item for item in result.search if item.number == trial), None)
    if found is None or not found.members:
        what = "none of that number" if found is None else f"one that is {found.state} without any"
        raise StudyError(
            f"{name}: a trial with a trained network must hold for --trial, but got "
            f"trial={trial}, {what}. See those that are there: hpo trials {name}."
        )
    return found


def _missing(
    where: str, option: str, wanted: int | None, valid: Mapping[int, object]
) -> StudyError:
    there = "It has none; leave the option out."
    if valid:
        there = f"Valid: {', '.join(map(str, sorted(valid)))}."
    return StudyError(
        f"{where}: a trained network must hold for {option}, but got {wanted}. {there}"
    )


# --- the network itself ---------------------------------------------------------------------------


def build(choice: Choice) -> NetworkMember:
    """Return the chosen network, drawn from its seed and not trained yet.

    Raises:
        StudyError: the data of its task is not there, or not what it was, or the objective trains
            no network that can be shown.
    """
    for variable in _THREADS:  # before numpy and torch load: as in a worker
        os.environ.setdefault(variable, "1")
    spec = choice.result.spec
    objective = spec.objective_impl
    if not isinstance(objective, NetworkObjective):
        raise StudyError(
            f"{spec.name}: a network that can be shown, or trained again, must be what its "
            f"objective trains, but got objective={spec.objective!r}. Derive it from "
            f"objectives.inspection.NetworkObjective."
        )
    try:
        return objective.member(
            choice.params,
            task=spec.task_params,
            protocol=choice.protocol,
            member_seed=choice.stored.seed,
        )
    except (ValueError, OSError) as error:
        raise StudyError(f"{spec.name}: {error}") from error


def load(choice: Choice, member: NetworkMember | None = None) -> Found:
    """Return the chosen network: the kept one, else trained again; stderr says which.

    ``member`` is the one of ``build``, which is to have its weights.

    Raises:
        StudyError: it must be trained again, but cannot; see ``build``.
    """
    if choice.kept is None:
        return _train(choice, member or build(choice))
    if member is not None:
        restore(choice, member)
    found = Found(choice=choice, data=choice.kept, trained=choice.stored)
    print(found.check, file=sys.stderr)
    return found


def restore(choice: Choice, member: NetworkMember) -> None:
    """Give the network of ``build`` the weights that were kept of it.

    Raises:
        StudyError: they are of something else.
    """
    assert choice.kept is not None
    try:
        member.restore(choice.kept)
    except ValueError as error:
        raise StudyError(
            f"{choice.result.spec.name}, {choice.name}: what is kept must be this network, but: "
            f"{error}"
        ) from error


def _train(choice: Choice, member: NetworkMember) -> Found:
    """Train it, with a bar of progress on a terminal, and hold it against the ledger."""
    from hpo.worker.trial import member_of  # Optuna, which a kept network does not need

    epochs, began = choice.params.epochs, time.monotonic()
    console = Console(stderr=True)
    console.print(f"training {choice.name} again: {epochs} epochs", highlight=False)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("epochs", total=epochs)
        outcome = member.train(lambda progress: bar.update(task, completed=progress.epoch))
    seconds, stored = time.monotonic() - began, choice.stored
    trained = member_of(stored.member, stored.seed, outcome, seconds)
    found = Found(choice=choice, data=outcome.network or member.packed(), trained=trained)
    print(f"{found.check} ({seconds:.1f} s)", file=sys.stderr)
    return found


# --- what is known of it --------------------------------------------------------------------------


def about(found: Found) -> dict[str, Any]:
    """Return what a study knows about one of its networks, JSON-ready: units, scores, lineage."""
    choice, trained = found.choice, found.trained
    spec = choice.result.spec
    confirmed = [
        c for c in choice.result.confirmations if c.source == choice.trial.number and c.scores
    ]
    checked: Any = {"solved": trained.solved, "thermal": trained.thermal, "chips": trained.chips}
    checks = checks_info(Outcome(score=trained.score, **checked))
    scores: dict[str, Any] = {
        "metric": spec.objective_impl.metric,
        "score": trained.score,
        "scored_on": choice.scored_on,
        "score_at": found.score_at,
        "protocol": choice.protocol.value,
        "diverged": trained.diverged,
        "stored_score": choice.stored.score,
        "identical_to_stored": found.identical,
        "trial_search_score": choice.trial.score,
        "trial_confirmed_scores": list(confirmed[0].scores) if confirmed else [],
        "trial_confirmed_step_scores": list(confirmed[0].step_scores) if confirmed else [],
        "trial_confirmed_on": caveats.basis(spec, confirmed[0]) if confirmed else "",
        "warning": caveats.warning(spec, confirmed[0]) if confirmed else "",
        **checks,
        "info": {name: value for name, value in trained.info.items() if name not in checks},
    }
    here, stored_by = provenance.of_this_process(), dict(choice.slot.lineage)
    lineage = {
        "study": spec.name,
        "spec_hash": spec.hash,
        "spec": spec.stored(),
        "trial": choice.trial.number,
        "network": choice.name,
        "member": None if choice.confirmed else choice.stored.member,
        "fresh_seed": choice.fresh_seed,
        "seed": choice.stored.seed,
        "trained_by": {key: stored_by.get(key) for key in here} if choice.kept else here,
        "stored_by": stored_by,
    }
    units = {
        name: formatting.unit(name) or "1"
        for name, value in choice.params.model_dump().items()
        if not isinstance(value, str | bool | dict)
    }
    saved_at = datetime.now(UTC).isoformat(timespec="seconds")
    whole = {"saved_at": saved_at, "parameter_units": units, "scores": scores, "lineage": lineage}
    plain: dict[str, Any] = json.loads(json_records.dumps(whole))
    return plain


def _reason(stored: Mapping[str, Any]) -> str:
    """Why two trainings of one network may differ: what they ran on."""
    here = provenance.of_this_process()
    differs = [
        f"{name} {stored.get(name)} then, {here[name]} now"
        for name in _RAN_ON
        if stored.get(name) != here[name]
    ]
    what = "; ".join(differs) or "nothing that is recorded: please report this"
    return f"What differs where they were trained: {what}."
