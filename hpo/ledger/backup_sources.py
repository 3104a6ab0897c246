"""The source of a study's own modules in its backup: a device, an objective, a sampler.

Such a module is somebody's code. A backup carries it as text: an import neither writes
nor runs it by itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.files import check_writable, write_new
from hpo.ledger.backup_file import CHANGED, BackupError, BackupLine
from hpo.provenance import source
from hpo.study.spec import StudySpec

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NEVER = {"hpo", "sitecustomize", "usercustomize", *sys.stdlib_module_names}
"""Modules that no study has: Python or we would import them unasked."""


class SourceLine(BackupLine):
    """The source of a module."""

    module: str
    is_package: bool
    hash: str
    """As pinned with the study, without comments, docstrings and blank lines."""
    text: str

    @property
    def path(self) -> Path:
        """The file of the module, from the folder in which imports begin."""
        path = Path(*self.module.split("."))
        if self.is_package:
            return path / "__init__.py"
        return path.with_suffix(".py")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What an export has found of a study's own modules."""

    found: tuple[SourceLine, ...] = ()
    missing: Mapping[str, str]
    """Modules that it lacks, each with the reason."""


def _list_own(code: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the hashes of a study's own modules by name, as it has pinned them
    last."""
    pinned = code[-1].get("modules") if code else None
    if not isinstance(pinned, Mapping):
        return {}
    return {
        name: own
        for name, own in pinned.items()
        if name.partition(".")[0] != "hpo" and not name.startswith(source.PACKAGE)
    }


def collect(spec: StudySpec, code: Sequence[Mapping[str, Any]]) -> Sources:
    """Read the source of a study's own modules on this host; nothing is imported.

    A module is left out if it is not found here, or is another one than pinned.
    """
    found = []
    missing = {}
    for name, pinned in _list_own(code).items():
        path = source.find(name)
        if spec.is_function:
            path = spec.script.find(name)
        if path is None or not path.is_file():
            missing[name] = "not found in the working directory, nor installed"
            continue
        content = path.read_bytes()
        if source.hash_source(content) != pinned:
            missing[name] = "it has changed since"
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError:
            missing[name] = "it is not UTF-8"
            continue
        is_package = path.name == "__init__.py"
        found.append(
            SourceLine(module=name, is_package=is_package, hash=pinned, text=text)
        )
    return Sources(found=tuple(found), missing=missing)


def check(
    sources: Iterable[SourceLine], code: Sequence[Mapping[str, Any]], where: str
) -> None:
    """Check that sources are those that the study has pinned, and that none would be
    imported unasked.

    Raises:
        BackupError: one of them is another one.
    """
    pinned = _list_own(code)
    for index, own in enumerate(sources):
        key = f"{where}: sources.{index}"
        top = own.module.partition(".")[0]
        if not _MODULE.fullmatch(own.module) or top in _NEVER:
            rule = "the name of a module of one's own"
            raise BackupError(
                f"{key}.module: expected {rule}, got {own.module[:60]!r}. {CHANGED}"
            )
        try:
            found = source.hash_source(own.text.encode())
        except (MemoryError, RecursionError):
            found = "a text that Python cannot parse"
        if not own.hash == found == pinned.get(own.module):
            raise BackupError(
                f"{key}.text: expected the module of the study, of hash"
                f" {pinned.get(own.module)}, got {found}. {CHANGED}"
            )


def write(sources: Iterable[SourceLine], folder: Path) -> list[Path]:
    """Write modules into a folder, all or none, and return their paths.

    Raises:
        HpoError: another file is there, or one cannot be written.
    """
    texts = {folder / own.path: own.text for own in sources}
    for path in texts:
        check_writable(path)
    write_new(texts)
    return list(texts)
