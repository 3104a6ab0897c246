"""Pins of a study: properties fixed at registration, so that results stay reproducible.

Pinned are the source of its objective, its sampler and our search; the versions of the
packages that suggest and prune; the rounding of sums, if the study asks for it; and the
points and trials of earlier studies, see ``earlier``.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import hpo.search
from hpo import objectives
from hpo.errors import OTHER_NAME, SpecError, StudyError, advise
from hpo.ledger.locked_study import LockedStudy
from hpo.ledger.schema import Row
from hpo.ledger.statements.claims import SELECT_FIRST_NUMERICS
from hpo.ledger.statements.interventions import SELECT_HELD_TRIALS
from hpo.ledger.statements.studies import SET_CODE
from hpo.provenance import source
from hpo.script import is_script
from hpo.study import file
from hpo.study.spec import StudySpec

_ROOT = Path(hpo.search.__path__[0]).parents[1]
_ALONE = (
    "hpo.ledger.past",
    "hpo.study.pareto",
    "hpo.study.result",
    "hpo.worker.suggestions",
    "hpo.worker.training",
    "hpo.worker.trial",
)
"""Modules that every study depends on, but not on all that they import."""
_OF_FUNCTIONS = ("hpo.worker.function_call", "hpo.worker.function_run")
"""Likewise of studies of a function."""
_OF_ASK_AND_TELL = ("hpo.asktell.client",)
"""Likewise of studies whose trials somebody asks for."""
_DECIDING = ("optuna", "cmaes")
"""Packages that suggest and prune."""


@dataclass(frozen=True)
class Accepted:
    """A source that was accepted."""

    since: int
    """The first trial that may be computed with it."""
    running: list[int]
    """The trials from there on at which workers are at work, with another source."""
    modules: list[str]
    """What differs from the source before."""


def _list_modules(room: str) -> list[str]:
    """Return the names of the modules of one of our rooms."""
    return [f"hpo.{room}.{path.stem}" for path in _ROOT.glob(f"hpo/{room}/*.py")]


@cache
def _hash_service(rooms: tuple[str, ...], alone: tuple[str, ...]) -> Mapping[str, str]:
    """Return a hash of each of our modules that trials depend on.

    These are the modules of ``rooms`` and all their imports, such as parsing of study
    files, networks and comparison of scores; and those of ``alone``, without their
    imports.
    """
    own = [name for room in rooms for name in _list_modules(room)]
    return source.hash_tree(_ROOT, *own, alone=alone)


def _packages(spec: StudySpec) -> list[str]:
    """Return the installed packages that suggest and prune for a study."""
    if spec.sampler.name == "cmaes":
        return ["optuna", "cmaes"]
    return ["optuna"]


def hash_modules(spec: StudySpec) -> dict[str, str]:
    """Return a hash of each module that the trials of a study depend on, and the
    version of each package that decides on them.

    Raises:
        SpecError: one of them cannot be imported here.
    """
    rooms: tuple[str, ...] = ("search",)
    alone: tuple[str, ...] = _ALONE
    samplers = [spec.sampler.name] if spec.sampler.is_own else []
    try:
        if spec.is_function:
            modules = {**spec.script.hashes(), **objectives.sampler_modules(*samplers)}
            rooms = ("functions", "script", "search")
            alone += _OF_FUNCTIONS
        elif spec.is_ask_and_tell:
            modules = objectives.sampler_modules(*samplers)
            alone += _OF_ASK_AND_TELL
        else:
            modules = objectives.modules(spec.objective, *samplers)
    except LookupError as error:
        raise SpecError(f"study {spec.name!r} in the database: {error}.") from None
    packages = source.package_versions(_packages(spec))
    return {**modules, **packages, **_hash_service(rooms, alone)}


def fingerprint(spec: StudySpec) -> str:
    """Return one hash of all ``hash_modules``."""
    return source.hash_modules(hash_modules(spec))


def pin(study: LockedStudy) -> str:
    """Check that the source is the study's, or store it if there is none; return the
    stored hash.

    Changes of the registry alone do not count.

    Raises:
        StudyError: the source has changed; the message names the modules that differ.
    """
    own = fingerprint(study.spec)
    if not study.row.code:
        pin_anew(study, study.spec)
        return own
    pinned = study.row.code[-1]
    if pinned["hash"] == own:
        return own
    here = hash_modules(study.spec)
    before = pinned["modules"]
    changed = _list_changes(before, here)
    if changed == [source.REGISTRY]:
        return str(pinned["hash"])
    accept = advise(
        f"hpo resume {study.name} --accept-code (all open studies: hpo resume --all"
        " --accept-code)",
        f"hpo.load({study.name!r}).accept_code()",
    )
    raise study.refusal(
        f"the source has changed since its trials began. To go on: {accept}, which"
        " notes from which trial on; or start a new study"
        f" ({advise(*OTHER_NAME)}). {_describe_changes(pinned['revision'], changed)}"
    )


def _list_changes(before: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Return what differs from the source of a study here, packages with both
    versions."""
    changed = []
    for name in sorted(here.keys() | before.keys()):
        theirs = before.get(name, "none")
        ours = here.get(name, "none")
        if theirs == ours:
            continue
        if name.startswith(source.PACKAGE):
            name += f" (theirs {theirs}, here {ours})"
        changed.append(name)
    return changed


def _describe_changes(theirs: str, changed: list[str]) -> str:
    """Name the changed modules, and both revisions if they are two."""
    named = ", ".join(changed)
    ours = _describe_revision()
    if theirs == ours:
        return f"These modules differ: {named}"
    revisions = f"Theirs is revision {theirs}, this is {ours}"
    return f"{revisions}, and these modules differ: {named}"


def _describe_revision() -> str:
    """Return the short revision of this installation."""
    own = source.revision()
    short: str = own["revision"].partition(" ")[0][:10]
    endings = {True: " with changes", False: "", "unknown": ", perhaps with changes"}
    return short + endings[own["dirty"]]


def check_numerics(study: LockedStudy, own: str) -> None:
    """Check that sums round here as for the study's first trial, if that has begun.

    A finished trial's lineage has the numerics; before, the worker that holds it or has
    stored a part of it.

    Raises:
        StudyError: sums may round differently.
    """
    row = study.ask(SELECT_FIRST_NUMERICS).one_or_none()
    if row is not None and row.numerics != own:
        raise study.refusal(
            "require_same_numerics expects the processor,"
            f" versions and threads of its first trial (numerics={row.numerics}), got"
            f" numerics={own} on {platform.node()}. Start its workers on hosts like"
            " that one, which the lineage of its trials names. Or launch it with"
            " require_same_numerics = false."
        )


def accept(study: LockedStudy, *, only_ours: bool = False) -> Accepted | None:
    """Accept this host's source; return None if nothing has changed.

    Raises:
        StudyError: ``only_ours``, and modules of its own have changed.
    """
    code = study.row.code
    before: Mapping[str, str] = {}
    if code:
        before = code[-1]["modules"]
    if code and code[-1]["hash"] == fingerprint(study.spec):
        return None
    where = f"study {study.name!r} in the database"
    spec = file.validate(study.row.spec, where=where)
    changed = _list_changes(before, hash_modules(spec))
    if only_ours:
        _refuse_own(study.name, changed)
    since = _store_source(study, spec, before=code)
    running = study.ask(SELECT_HELD_TRIALS).scalars().all()
    return Accepted(since, [*running], changed)


def check_own(row: Row) -> None:
    """Check that the modules of a study's own are here as they were; import none.

    The script of a function is found by its folder, see ``accept``.

    Raises:
        StudyError: they differ.
    """
    if not row.code or is_script(row.spec["objective"]):
        return
    before = row.code[-1]["modules"]
    own = {
        name: digest
        for name, digest in before.items()
        if not name.startswith(("hpo.", source.PACKAGE))
    }
    found = {name: source.read_module(name) for name in own}
    here = {name: module[0] for name, module in found.items() if module is not None}
    _refuse_own(row.name, _list_changes(own, here))


def _refuse_own(study: str, changed: Sequence[str]) -> None:
    """Refuse changes of modules that are neither ours nor of packages that suggest."""
    ours = ("hpo.", *(f"{source.PACKAGE}{name} " for name in _DECIDING))
    own = [name for name in changed if not name.startswith(ours)]
    if own:
        raise StudyError(
            f"its own modules differ: {', '.join(own)}. Accept them where they lie: hpo"
            f" resume {study} --accept-code"
        )


def pin_anew(study: LockedStudy, spec: StudySpec) -> None:
    """Store this host's source as the only one of a study: no trial depends on
    another."""
    _store_source(study, spec, before=())


def _store_source(
    study: LockedStudy, spec: StudySpec, *, before: Sequence[Mapping[str, Any]]
) -> int:
    """Store the source of this host as the study's, and what is known of the objective
    by it, after the sources ``before``; return the first trial that it may compute."""
    since: int = study.progress().oldest
    entry = {
        "since": since,
        "hash": fingerprint(spec),
        "modules": hash_modules(spec),
        "revision": _describe_revision(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
    }
    about = json.dumps(spec.about.stored())
    study.ask(SET_CODE, code=json.dumps([*before, entry]), about=about)
    return since
