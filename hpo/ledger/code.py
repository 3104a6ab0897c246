"""Which source a study was computed with: pinned by whoever works on it first.

That of its objective, and of what decides here: the search, and what is read out of a study file.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

import hpo.study
from hpo.errors import StudyError
from hpo.ledger import statements, writing
from hpo.ledger.tables import ask
from hpo.study.spec import StudySpec
from objectives import source

_DECIDES = ("search/*.py", "study/spec.py", "study/dimensions.py")


@cache
def _service() -> Mapping[str, str]:
    """A hash of the source of each module of the service that trials depend on."""
    root = Path(hpo.study.__path__[0]).parent
    files = sorted(path for pattern in _DECIDES for path in root.glob(pattern))
    names = (".".join(path.relative_to(root.parent).with_suffix("").parts) for path in files)
    return {n: source.of_file(path.read_bytes()) for n, path in zip(names, files, strict=True)}


def modules(objective: str) -> dict[str, str]:
    """A hash of the source of each module that the trials of an objective depend on."""
    return {**source.modules(objective), **_service()}


def fingerprint(objective: str) -> str:
    """One hash of ``modules``."""
    return source.of_modules(modules(objective))


def pin(connection: Connection, study: Row[Any], spec: StudySpec) -> str:
    """Check that the source is the study's, or write it down where none is; returns its hash there.

    That the registry names other objectives, too, changes nothing. The transaction holds the lock
    on ``study``, its row.

    Raises:
        StudyError: it is another one; the message names the modules that differ.
    """
    own = fingerprint(spec.objective)
    known = study.code
    if not known:
        _write(connection, study, spec)
    elif known[-1]["hash"] != own:
        here, before = modules(spec.objective), known[-1]["modules"]
        names = sorted(here.keys() | before.keys())
        changed = [name for name in names if here.get(name) != before.get(name)]
        if changed == [source.REGISTRY]:
            return str(known[-1]["hash"])
        raise StudyError(
            f"study {study.name!r}: it must be computed with the source that its trials were, "
            f"but got changes in {', '.join(changed)}. Launch it under another name: --name "
            f"NEW. Or, if the results do not depend on them, or may: hpo accept-code {study.name}, "
            "which notes from which trial on."
        )
    return own


def check_numerics(connection: Connection, study: Row[Any], own: str) -> None:
    """Check that sums round here as they did for the study's first trial, if that has begun.

    What it was trained by says its lineage, and as long as it is not settled the worker that holds
    it, or has left a part of it. The transaction holds the lock on ``study``, its row.

    Raises:
        StudyError: they may round otherwise.
    """
    found = ask(connection, statements.FIRST_NUMERICS, study_id=study.id).one_or_none()
    first = own if found is None else found.numerics
    if first != own:
        raise StudyError(
            f"study {study.name!r}: with require_same_numerics, processor, versions and threads "
            f"must be those of its first trial (numerics={first}), but got numerics={own} on "
            f"{platform.node()}. Start its workers on hosts like that one, which the lineage of "
            "its trials names. Or launch it with require_same_numerics = false."
        )


def accept(connection: Connection, study: Row[Any], spec: StudySpec) -> int | None:
    """Go on with the source as it is here; the first trial of it, None if it is the study's."""
    known = study.code
    if known and known[-1]["hash"] == fingerprint(spec.objective):
        return None
    return _write(connection, study, spec)


def _write(connection: Connection, study: Row[Any], spec: StudySpec) -> int:
    entry = {
        "since": ask(connection, statements.OLDEST, study_id=study.id).scalar_one(),
        "hash": fingerprint(spec.objective),
        "modules": modules(spec.objective),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
    }
    writing.change(connection, study.id, code=[*study.code, entry])
    return int(entry["since"])
