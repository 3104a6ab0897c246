"""Kept networks: choose one in the ledger, restore its weights, write its file.

The ledger keeps of every confirmed trial the network of least training loss.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

from hpo import objectives
from hpo.contract import (
    ExitedError,
    NetworkMember,
    NetworkObjective,
    Protocol,
    calling,
)
from hpo.errors import HpoError, StudyError, advise
from hpo.files import writing
from hpo.ledger.reader import LedgerReader
from hpo.objectives.networks import network_file
from hpo.study import file
from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views.figures.networks import Confusion
from hpo.views.records import kept_network
from hpo.views.records.kept_network import KeptNetwork
from hpo.views.sentences import progress
from hpo.worker.crew import THREADS

log = logging.getLogger(__name__)

_LACKING = (HpoError, ExitedError, ImportError, MemoryError, RuntimeError)
"""Errors that mean that this host lacks something; PyTorch raises RuntimeError."""


def choose(
    result: Result, ledger: LedgerReader, trial: int | None = None
) -> KeptNetwork:
    """Return the kept network of a confirmed trial.

    Args:
        result: the study.
        ledger: where its networks are stored.
        trial: number of the search trial; default: the best one.

    Raises:
        StudyError: there is no such trial, or it has no network.
    """
    chosen = _trial(result, trial)
    where = f"{result.spec.name}, trial {chosen.number}"
    stored = ledger.network(result.spec.name, chosen.number)
    if stored is None:
        raise StudyError(f"{where}: no network is stored{_lacking(result, chosen)}")
    number, data = stored
    for slot in result.confirm:
        if slot.number == number and slot.members:
            return KeptNetwork(result=result, trial=chosen, slot=slot, data=data)
    raise StudyError(
        f"{where}: a fresh seed of less training loss has just replaced the network."
        " Run this again."
    )


def _lacking(result: Result, trial: Trial) -> str:
    """Say why a trial has no network, and which trials may have one."""
    trained = {slot.source or 0 for slot in result.confirm if slot.members}
    others = ", ".join(map(str, sorted(trained - {trial.number})))
    counted = progress.fresh_seeds(result, trial.number)
    if not counted:
        return f". Only confirmed trials have one: {others or 'none yet'}."
    why = f": {counted}"
    if trial.number in trained:
        why += "; their networks were too large, or the objective returned none"
    return f"{why}. Other confirmed trials: {others or 'none yet'}."


def _trial(result: Result, number: int | None) -> Trial:
    """Return the search trial of that number, or the best one of a search."""
    name = result.spec.name
    if number is not None:
        for trial in result.search:
            if trial.number == number:
                return trial
        raise StudyError(
            f"{name}: trial {number} does not exist."
            f" List the trials: {advise(f'hpo trials {name}', 'study.trials')}."
        )
    if result.best is not None:
        return result.best
    why = "the study measures every point"
    if result.selects:
        why = progress.progress(result)
    raise StudyError(f"{name}: there is no best trial: {why}.")


def restore(kept: KeptNetwork) -> NetworkMember:
    """Return a kept network as an object with its weights.

    Raises:
        SpecError: the class of the objective cannot be imported here, or is another
            one.
        StudyError: the data of its task is missing or has changed, the stored network
            does not fit, or the objective trains no network that can be shown.
    """
    for variable in THREADS:  # before numpy and torch load: as in a worker
        os.environ.setdefault(variable, "1")
    stored = kept.result.spec.stored()
    where = f"study {kept.result.name!r}, to show its network"
    spec = file.validate(stored, where=where)  # another class may have its name here
    objective = spec.objective_impl
    if not isinstance(objective, NetworkObjective):
        raise StudyError(
            f"{spec.name}: objective {spec.objective!r} trains no network that can be"
            " shown. Derive it from hpo.contract.NetworkObjective."
        )
    try:
        member = objective.member(
            kept.params,
            task=spec.task_params,
            protocol=Protocol.CONFIRM,
            member_seed=kept.measured.seed,
        )
        member.restore(kept.data)
    except (ValueError, OSError) as error:
        raise StudyError(f"{spec.name}, {kept.name}: {error}") from error
    return member


def write(kept: KeptNetwork, path: Path) -> None:
    """Write a kept network, and the study's facts about it, to one file.

    Raises:
        HpoError: it cannot be written.
    """
    with writing(path):
        try:
            network_file.write(path, kept.data, kept_network.record(kept))
        except ValueError as error:  # from a user's objective
            raise StudyError(
                f"the objective returned an invalid `Outcome.network`: {error}. Return"
                " the output of `hpo.objectives.networks.network_file.to_bytes`."
            ) from None


def confusion(ledger: LedgerReader, result: Result) -> Confusion | None:
    """Return the confusion matrix of the best network on the test part, if a classifier
    is stored.

    If this host lacks something, such as the data, return None.
    """
    if result.best is None or not result.spec.about.shows_networks:
        return None
    try:
        kept = choose(result, ledger)
    except StudyError:
        return None
    try:
        with calling(objectives.module_of(result.spec.objective)):
            member = restore(kept)
            if not member.classes:
                return None
            read = member.read().tolist()
    except _LACKING as error:
        log.warning("no confusion matrix here: %s", error)
        return None
    return _matrix(member, read)


def _matrix(member: NetworkMember, read: list[int]) -> Confusion:
    """Count the classes that a network reads; the last column is of unfinite outputs,
    if there are any."""
    pairs = Counter(zip(member.test_labels.tolist(), read, strict=True))
    numbers = list(range(len(member.classes)))
    names = list(member.classes)
    if -1 in read:
        numbers.append(-1)
        names.append("")
    counts = []
    for label in range(len(member.classes)):
        counts.append([pairs[label, number] for number in numbers])
    return Confusion(classes=member.classes, read_as=names, counts=counts)
