"""A network of a study: the one that its confirmation has kept, else trained again.

The ledger keeps the network of the first fresh seed of every confirmed trial. Every other one is a
pure function of its parameters and its seed, so it is trained again within seconds to a minute; on
the same kind of CPU the result is the same, bit for bit.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from hpo.errors import StudyError
from hpo.files import writing
from hpo.ledger.reader import LedgerReader
from hpo.objectives import facts, network_file
from hpo.objectives.contract import ObjectiveParams, Protocol
from hpo.objectives.inspection import NetworkMember, NetworkObjective
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.trials import Phase, SlotState, Trial
from hpo.views import caveats, formatting, json_records, verdict
from hpo.worker import provenance
from hpo.worker.crew import THREADS

_SPLITS = {
    Protocol.VALIDATION: "validation data of the training part",
    Protocol.PAPER: "the test part, on which the search was made, too",
    Protocol.CONFIRM: "the test part",
}
"""The data that scores a network, as a sentence names it."""
_RAN_ON = ("cpu", "numerics", "revision", "dirty")
"""What the lineage of a trial says of that on which last digits depend."""


@dataclass(frozen=True, kw_only=True)
class StudyNetwork:
    """One network of a study: chosen first, loaded when it is needed."""

    result: Result
    trial: Trial
    """The search trial whose parameters it has."""
    slot: Trial
    """That trial, or the training of its confirmation that it comes from."""
    stored: Member
    """What the ledger says about it."""
    data: bytes | None = None
    """The network as safetensors, see ``Outcome.network``; None before it is trained again."""
    trained: Member | None = None
    """What its training gave, if it was trained again."""

    @property
    def name(self) -> str:
        """``trial 12, member 0``, or ``trial 7, fresh seed 3 of 10``."""
        name = self.result.called(self.slot)
        return name if self.confirmed else f"{name}, member {self.stored.member}"

    @property
    def confirmed(self) -> bool:
        """Whether it belongs to a confirmation."""
        return self.slot.phase == Phase.CONFIRM

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

    @property
    def measured(self) -> Member:
        """What its training gave: here, else when the ledger wrote it down."""
        return self.trained or self.stored

    @property
    def identical(self) -> bool:
        """Whether score and losses are those of the ledger, bit for bit."""
        new, old = self.measured, self.stored
        return new.score == old.score and np.array_equal(
            new.loss_curve, old.loss_curve, equal_nan=True
        )

    @property
    def score_at(self) -> str:
        """``at the study's step``: where the score was measured; empty if the equation has none."""
        integrates = self.result.spec.integrates or self.measured.solved is not None
        return caveats.AT_STEP if integrates else ""

    @property
    def check(self) -> str:
        """In one sentence: whether it is the network of the study, and why it may not be."""
        if self.trained is None:
            return f"{self.name}: the very network that was confirmed"
        if self.identical:
            return f"{self.name}: trained again, bit for bit the stored network"
        found, stored = (
            formatting.score_text(self.result.spec, member.score)
            for member in (self.trained, self.stored)
        )
        here, then = provenance.of_this_process(), self.slot.lineage
        differs = [
            f"{name} ({then.get(name)} then)" for name in _RAN_ON if then.get(name) != here[name]
        ]
        return (
            f"{self.name}: trained again, it is not the stored network bit for bit: {found}, where "
            f"{stored} is stored. Its host differs in: {', '.join(differs) or 'nothing known'}"
        )


# --- which one ------------------------------------------------------------------------------------


def choose(
    result: Result,
    ledger: LedgerReader | None = None,
    *,
    trial: int | None = None,
    member: int | None = None,
    fresh_seed: int | None = None,
) -> StudyNetwork:
    """Return a network of the study, loaded if it was kept.

    Args:
        result: the study, with curves for an exact check.
        ledger: has what is kept of it; without it, every network is to be trained again.
        trial: number of a search trial; without it the best one.
        member: network of that trial, from 0.
        fresh_seed: network of that trial's confirmation instead, from 1. Without either, the
            first fresh seed if there is one, else member 0.

    Raises:
        StudyError: there is no such network.
    """
    chosen, name = _trial(result, trial), result.spec.name
    members = {item.member: (chosen, item) for item in chosen.members}
    fresh = {
        _fresh_seed(result, slot): (slot, slot.members[0])
        for slot in result.confirm
        if slot.source == chosen.number and slot.state == SlotState.COMPLETE
    }
    option, wanted, valid = "--member", member or 0, members
    if fresh_seed is not None or (member is None and fresh):
        option, wanted, valid = "--fresh-seed", fresh_seed or next(iter(fresh)), fresh
    if wanted not in valid:
        there = f"Valid: {', '.join(map(str, sorted(valid)))}."
        raise StudyError(
            f"{name}, trial {chosen.number}: a trained network must hold for {option}, but got "
            f"{wanted}. {there if valid else 'It has none; leave the option out.'}"
        )
    slot, stored = valid[wanted]
    kept = ledger.network(name, slot.number) if ledger and valid is fresh else None
    return StudyNetwork(result=result, trial=chosen, slot=slot, stored=stored, data=kept)


def _fresh_seed(result: Result, slot: Trial) -> int:
    """Which fresh seed of its confirmation a training has, from 1."""
    assert result.spec.confirm is not None
    return slot.number % result.spec.confirm.members + 1


def _trial(result: Result, trial: int | None) -> Trial:
    """The search trial of that number, or the best one of a search."""
    name = result.spec.name
    if trial is None:
        if result.best is not None:
            return result.best
        why = verdict.progress(result) if result.selects else "a study that measures every point"
        raise StudyError(
            f"{name}: a best trial must be there, but got {why}. Choose one with --trial."
        )
    found = next((item for item in result.search if item.number == trial), None)
    if found is None or not found.members:
        what = "none of that number" if found is None else f"one that is {found.state} without any"
        raise StudyError(
            f"{name}: a trial with a trained network must hold for --trial, but got "
            f"trial={trial}, {what}. See those that are there: hpo trials {name}."
        )
    return found


# --- the network itself ---------------------------------------------------------------------------


def build(chosen: StudyNetwork) -> NetworkMember:
    """Return the chosen network as an object: with its weights if it was kept, else not trained.

    Raises:
        StudyError: the data of its task is not there, or not what it was, what is kept is something
            else, or the objective trains no network that can be shown.
    """
    for variable in THREADS:  # before numpy and torch load: as in a worker
        os.environ.setdefault(variable, "1")
    spec = chosen.result.spec
    objective = spec.objective_impl
    if not isinstance(objective, NetworkObjective):
        raise StudyError(
            f"{spec.name}: a network that can be shown, or trained again, must be what its "
            f"objective trains, but got objective={spec.objective!r}. Derive it from "
            f"hpo.objectives.inspection.NetworkObjective."
        )
    try:
        member = objective.member(
            chosen.params,
            task=spec.task_params,
            protocol=chosen.protocol,
            member_seed=chosen.stored.seed,
        )
        if chosen.data is not None:
            member.restore(chosen.data)
    except (ValueError, OSError) as error:
        raise StudyError(f"{spec.name}, {chosen.name}: {error}") from error
    return member


def load(chosen: StudyNetwork, member: NetworkMember | None = None) -> StudyNetwork:
    """Return the network with its data: as it was kept, else trained again; stderr says which.

    ``member`` is the one of ``build``, which then has its weights, too.

    Raises:
        StudyError: it must be trained again, but cannot; see ``build``.
    """
    if chosen.data is not None:
        print(chosen.check, file=sys.stderr)
        return chosen
    from hpo.worker.trial import member_of  # Optuna, which a kept network does not need

    member = member or build(chosen)
    epochs, began = chosen.params.epochs, time.monotonic()
    console = Console(stderr=True)
    console.print(f"training {chosen.name} again: {epochs} epochs", highlight=False)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("epochs", total=epochs)
        outcome = member.train(lambda progress: bar.update(task, completed=progress.epoch))
    seconds, stored = time.monotonic() - began, chosen.stored
    trained = member_of(stored.member, stored.seed, outcome, seconds)
    loaded = replace(chosen, data=outcome.network or member.packed(), trained=trained)
    print(f"{loaded.check} ({seconds:.1f} s)", file=sys.stderr)
    return loaded


# --- its file -------------------------------------------------------------------------------------


def write(loaded: StudyNetwork, path: Path) -> None:
    """Write a network that is loaded, and beside it what a study knows about it.

    Raises:
        HpoError: it cannot be written.
    """
    assert loaded.data is not None
    with writing(path):
        try:
            network_file.write(path, loaded.data, about(loaded))
        except ValueError as error:  # of an objective of somebody's own
            raise StudyError(
                f"the network that its objective gave as `Outcome.network`: {error}. Give what "
                "`hpo.objectives.network_file.packed` makes."
            ) from None


def about(loaded: StudyNetwork) -> dict[str, Any]:
    """Return what a study knows about one of its networks, JSON-ready: units, scores, lineage."""
    whole = {
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameter_units": {
            name: formatting.unit(name) or "1"
            for name, value in loaded.params.model_dump().items()
            if not isinstance(value, str | bool | dict)
        },
        "scores": _scores(loaded),
        "lineage": _lineage(loaded),
    }
    plain: dict[str, Any] = json.loads(json_records.dumps(whole))
    return plain


def _scores(loaded: StudyNetwork) -> dict[str, Any]:
    measured, spec = loaded.measured, loaded.result.spec
    of_trial = [c for c in loaded.result.confirmations if c.source == loaded.trial.number]
    item = of_trial[0] if of_trial and of_trial[0].scores else None
    checks = {name: value for name, value in measured.info.items() if name in facts.RESERVED}
    return {
        "metric": spec.objective_impl.metric,
        "score": measured.score,
        "scored_on": loaded.scored_on,
        "score_at": loaded.score_at,
        "protocol": loaded.protocol.value,
        "diverged": measured.diverged,
        "stored_score": loaded.stored.score,
        "identical_to_stored": loaded.identical,
        "trial_search_score": loaded.trial.score,
        "trial_confirmed_scores": list(item.scores) if item else [],
        "trial_confirmed_step_scores": list(item.step_scores) if item else [],
        "trial_confirmed_on": caveats.basis(spec, item) if item else "",
        "warning": caveats.of(spec, item).warning if item else "",
        **checks,
        "info": {name: value for name, value in measured.info.items() if name not in checks},
    }


def _lineage(loaded: StudyNetwork) -> dict[str, Any]:
    spec, confirmed = loaded.result.spec, loaded.confirmed
    here, stored_by = provenance.of_this_process(), dict(loaded.slot.lineage)
    return {
        "study": spec.name,
        "spec_hash": spec.hash,
        "spec": spec.stored(),
        "trial": loaded.trial.number,
        "network": loaded.name,
        "member": None if confirmed else loaded.stored.member,
        "fresh_seed": _fresh_seed(loaded.result, loaded.slot) if confirmed else None,
        "seed": loaded.stored.seed,
        "trained_by": here if loaded.trained else {key: stored_by.get(key) for key in here},
        "stored_by": stored_by,
    }
