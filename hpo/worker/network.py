"""A network of a study: stored by its confirmation, or else retrained.

The ledger stores the network of the first fresh seed of every confirmed trial. Every
other one is a pure function of its parameters and its seed: retraining takes seconds to
a minute, and on the same type of CPU the result is bit-for-bit identical.
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

from hpo.contract import (
    NetworkMember,
    NetworkObjective,
    ObjectiveParams,
    Protocol,
    facts,
)
from hpo.errors import StudyError
from hpo.files import writing
from hpo.ledger.reader import LedgerReader
from hpo.objectives.networks import network_file
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.trials import Phase, SlotState, Trial
from hpo.views.records import json_records
from hpo.views.sentences import caveats, formatting, verdict
from hpo.worker import provenance
from hpo.worker.crew import THREADS

_SPLITS = {
    Protocol.VALIDATION: "validation data of the training part",
    Protocol.PAPER: "the test part, on which the search was made, too",
    Protocol.CONFIRM: "the test part",
}
"""Name of the data that scores a network, for sentences."""
_RAN_ON = ("cpu", "numerics", "revision", "dirty")
"""Entries of a trial's lineage on which last digits depend."""


@dataclass(frozen=True, kw_only=True)
class StudyNetwork:
    """One network of a study: chosen first, loaded when needed."""

    result: Result
    trial: Trial
    """The search trial that sets its parameters."""
    slot: Trial
    """That trial, or the confirmation training that made the network."""
    stored: Member
    """Its row in the ledger."""
    data: bytes | None = None
    """The network as safetensors, see ``Outcome.network``; None before retraining."""
    trained: Member | None = None
    """Result of the retraining, if there was one."""

    @property
    def name(self) -> str:
        """``trial 12, member 0``, or ``trial 7, fresh seed 3 of 10``."""
        name = self.result.label(self.slot)
        return name if self.confirmed else f"{name}, member {self.stored.member}"

    @property
    def confirmed(self) -> bool:
        """Return whether it belongs to a confirmation."""
        return self.slot.phase == Phase.CONFIRM

    @property
    def protocol(self) -> Protocol:
        """The protocol: the data that trained and scored it."""
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
        """Result of its training: retrained here, or else as stored."""
        return self.trained or self.stored

    @property
    def identical(self) -> bool:
        """Return whether score and losses equal the stored ones, bit for bit."""
        new, old = self.measured, self.stored
        return new.score == old.score and np.array_equal(
            new.loss_curve, old.loss_curve, equal_nan=True
        )

    @property
    def score_at(self) -> str:
        """``at the study's step``: the step of the score; empty if the equation has
        none."""
        integrates = self.result.spec.integrates or self.measured.solved is not None
        return caveats.AT_STEP if integrates else ""

    @property
    def check(self) -> str:
        """One sentence: whether it is the study's network, and if not, possible
        reasons."""
        if self.trained is None:
            return f"{self.name}: the confirmed network itself"
        if self.identical:
            return (
                f"{self.name}: trained again, bit-for-bit identical to the stored"
                " network"
            )
        retrained, stored = (
            formatting.score_text(self.result.spec, member.score)
            for member in (self.trained, self.stored)
        )
        here, then = provenance.of_this_process(), self.slot.lineage
        differs = [
            f"{name} ({then.get(name)} then)"
            for name in _RAN_ON
            if then.get(name) != here[name]
        ]
        return (
            f"{self.name}: trained again, but not bit-for-bit identical to the stored"
            f" network: {retrained}, stored {stored}. This host differs in:"
            f" {', '.join(differs) or 'nothing known'}"
        )


# --- which one ---


def choose(
    result: Result,
    ledger: LedgerReader | None = None,
    *,
    trial: int | None = None,
    member: int | None = None,
    fresh_seed: int | None = None,
) -> StudyNetwork:
    """Return a network of the study, loaded if it is stored.

    Args:
        result: the study, with learning curves for an exact check.
        ledger: where its networks are stored; without it, every network must be
            retrained.
        trial: number of a search trial; by default the best one.
        member: network of that trial, from 0.
        fresh_seed: network of that trial's confirmation instead, from 1. By default,
            the first fresh seed if there is one, else member 0.

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
    option, number, valid = "--member", member or 0, members
    if fresh_seed is not None or (member is None and fresh):
        option, number, valid = "--fresh-seed", fresh_seed or next(iter(fresh)), fresh
    if number not in valid:
        choices = f"Valid: {', '.join(map(str, sorted(valid)))}."
        raise StudyError(
            f"{name}, trial {chosen.number}: no trained network for {option} {number}. "
            f"{choices if valid else 'There is none; leave the option out.'}"
        )
    slot, stored = valid[number]
    kept = ledger.network(name, slot.number) if ledger and valid is fresh else None
    return StudyNetwork(
        result=result, trial=chosen, slot=slot, stored=stored, data=kept
    )


def _fresh_seed(result: Result, slot: Trial) -> int:
    """Return the number of a confirmation training's fresh seed, from 1."""
    assert result.spec.confirm is not None
    return slot.number % result.spec.confirm.members + 1


def _trial(result: Result, trial: int | None) -> Trial:
    """Return the search trial of that number, or the best one of a search."""
    name = result.spec.name
    if trial is None:
        if result.best is not None:
            return result.best
        why = (
            verdict.progress(result)
            if result.selects
            else "the study measures every point"
        )
        raise StudyError(
            f"{name}: there is no best trial: {why}. Choose one with --trial."
        )
    item = next((item for item in result.search if item.number == trial), None)
    if item is None or not item.members:
        why = (
            "does not exist"
            if item is None
            else f"is {item.state} and has no trained network"
        )
        raise StudyError(
            f"{name}: trial {trial} {why}. List the trials: hpo trials {name}."
        )
    return item


# --- the network itself ---


def build(chosen: StudyNetwork) -> NetworkMember:
    """Return the chosen network as an object: with its weights if it is stored, else
    untrained.

    Raises:
        StudyError: the data of its task is missing or has changed, the stored network
            does not fit, or the objective trains no network that can be shown.
    """
    for variable in THREADS:  # before numpy and torch load: as in a worker
        os.environ.setdefault(variable, "1")
    spec = chosen.result.spec
    objective = spec.objective_impl
    if not isinstance(objective, NetworkObjective):
        raise StudyError(
            f"{spec.name}: objective {spec.objective!r} trains no network that can be"
            " shown or retrained. Derive it from"
            " hpo.contract.NetworkObjective."
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
    """Return the network with its data, stored or else retrained; stderr says which.

    ``member`` is the object from ``build``, which then has its weights, too.

    Raises:
        StudyError: it cannot be retrained; see ``build``.
    """
    if chosen.data is not None:
        print(chosen.check, file=sys.stderr)
        return chosen
    from hpo.worker.trial import (
        member_of,  # imports Optuna, which a stored network does not need
    )

    member = member or build(chosen)
    epochs, began = chosen.params.epochs, time.monotonic()
    console = Console(stderr=True)
    console.print(f"training {chosen.name} again: {epochs} epochs", highlight=False)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("epochs", total=epochs)
        outcome = member.train(
            lambda progress: bar.update(task, completed=progress.epoch)
        )
    seconds, stored = time.monotonic() - began, chosen.stored
    trained = member_of(stored.member, stored.seed, outcome, seconds)
    loaded = replace(chosen, data=outcome.network or member.to_bytes(), trained=trained)
    print(f"{loaded.check} ({seconds:.1f} s)", file=sys.stderr)
    return loaded


# --- its file ---


def write(loaded: StudyNetwork, path: Path) -> None:
    """Write a loaded network, and the study's facts about it, to one file.

    Raises:
        HpoError: it cannot be written.
    """
    assert loaded.data is not None
    with writing(path):
        try:
            network_file.write(path, loaded.data, about(loaded))
        except ValueError as error:  # from a user's objective
            raise StudyError(
                f"the objective returned an invalid `Outcome.network`: {error}. Return"
                " the output of `hpo.objectives.networks.network_file.to_bytes`."
            ) from None


def about(loaded: StudyNetwork) -> dict[str, Any]:
    """Return the facts about a network, JSON-ready: units, scores, lineage."""
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
    return dict(json.loads(json_records.dumps(whole)))


def _scores(loaded: StudyNetwork) -> dict[str, Any]:
    measured, spec = loaded.measured, loaded.result.spec
    confirmed = [
        c for c in loaded.result.confirmations if c.source == loaded.trial.number
    ]
    item = confirmed[0] if confirmed and confirmed[0].scores else None
    checks = {
        name: value for name, value in measured.info.items() if name in facts.RESERVED
    }
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
        "info": {
            name: value for name, value in measured.info.items() if name not in checks
        },
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
        "trained_by": (
            here if loaded.trained else {key: stored_by.get(key) for key in here}
        ),
        "stored_by": stored_by,
    }
