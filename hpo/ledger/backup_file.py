"""Backup files: lines of JSON, the first a header, the last a seal.

    {"hpo_backup": 306, "study": {...}, ...}
    {"slot": {...}, "members": [...], ...}  one line per slot
    {"sha256": "..."}                       over every byte before this line

Text of any size passes through line by line. A file that ends in ``.gz`` is compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from hpo.errors import HpoError
from hpo.files import writing
from hpo.ledger.schema import SCHEMA_VERSION

CHANGED = "The file was changed; use another copy."

ENDINGS = (".jsonl", ".jsonl.gz")
LONGEST_LINE = 2**28
"""Most bytes of one slot, nearly all of them its checkpoint and its network."""
MOST_VALUES = 4_000_000
"""Most values of one slot, mainly its learning curves; this bounds the memory for any
file."""
_LIMITS = f"{LONGEST_LINE:,} bytes and {MOST_VALUES:,} values"
_GZIP = b"\x1f\x8b"
_BEGIN = re.compile(rb'\{"hpo_backup":(\d{1,9})')


class BackupError(HpoError):
    """A backup file cannot be written, or cannot be trusted."""


class BackupLine(BaseModel):
    """A part of a file: no field may be missing, added, or of another type."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        from_attributes=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
    )


class Seal(BackupLine):
    """The last line of a file."""

    sha256: str


L = TypeVar("L", bound=BackupLine)


def parse(model: type[L], line: bytes, where: str) -> L:
    """Parse a line of a file; messages begin with ``where``.

    Raises:
        BackupError: a field is missing, unknown, of the wrong type, or out of bounds.
    """
    try:
        return model.model_validate_json(line)
    except RecursionError as error:
        raise BackupError(f"{where}: nested too deeply. {CHANGED}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if place:
            place += ": "
        got = ascii(first["input"])[:60]
        raise BackupError(
            f"{where}: {place}{first['msg']}, got {got}. {CHANGED}"
        ) from error


def write(path: Path, header: BackupLine, records: Iterable[BackupLine]) -> None:
    """Write a backup file completely, or not at all.

    Raises:
        BackupError: its name has none of the ``ENDINGS``.
        HpoError: the file cannot be written.
    """
    if not path.name.endswith(ENDINGS):
        raise BackupError(
            f"{path}: expected a name that ends in {' or '.join(ENDINGS)}, got"
            f" {path.name}. Choose one of these; any tool may compress a .jsonl"
            " further."
        )
    with writing(path) as draft, draft.open("wb") as raw:
        rows = itertools.chain([header], records)
        if path.suffix == ".gz":
            with _packed(raw, "wb") as packed:
                _write_lines(packed, rows)
        else:
            _write_lines(raw, rows)
        raw.flush()
        os.fsync(raw.fileno())


def _packed(raw: IO[bytes], mode: str) -> IO[bytes]:
    return cast(
        "IO[bytes]", gzip.GzipFile("", mode, compresslevel=1, fileobj=raw, mtime=0)
    )


def _write_lines(stream: IO[bytes], rows: Iterable[BackupLine]) -> None:
    seal = hashlib.sha256()
    for row in rows:
        line = row.model_dump_json().encode() + b"\n"
        if _is_too_large(line):
            raise BackupError(
                f"a slot exceeds {_LIMITS}, so no import would accept the file. Export"
                " without curves instead: hpo export STUDY -o FILE.jsonl."
            )
        seal.update(line)
        stream.write(line)
    stream.write(Seal(sha256=seal.hexdigest()).model_dump_json().encode() + b"\n")


def read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the place and content of each line of a backup file except its seal; the
    header first.

    Commit no line before the iterator ends: only then is the file verified.

    Raises:
        BackupError: the file cannot be read, is no backup, is of another release, was
            cut short, changed or continued. The message names the line.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BackupError(f"{path}: expected a regular file.")
        with path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP
            raw.seek(0)
            yield from _lines(path, _packed(raw, "rb") if is_packed else raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(
            f"{path}: cannot decompress: {error}. It was cut short or changed; use"
            " another copy."
        ) from error
    except OSError as error:
        raise BackupError(
            f"{path}: cannot be read: {error.strerror or error}."
        ) from error


def _lines(path: Path, stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    seal = hashlib.sha256()
    for number in itertools.count(1):
        where = f"{path}: line {number}"
        line = stream.readline(LONGEST_LINE)
        if number == 1:
            _check_begin(line, where)
        _check(line, where)
        if line.startswith(b'{"sha256":'):
            break
        seal.update(line)
        yield where, line
    if parse(Seal, line, where).sha256 != seal.hexdigest():
        raise BackupError(f"{where}: the seal does not match the file. {CHANGED}")
    if stream.read(1):
        raise BackupError(
            f"{path}: line {number + 1}: the file continues after its seal. Split it if"
            " it holds two backups."
        )


def _check(line: bytes, where: str) -> None:
    if _is_too_large(line):
        raise BackupError(
            f"{where}: longer than {_LIMITS}. This is no slot of a study."
        )
    if not line.endswith(b"\n"):
        raise BackupError(
            f"{where}: the file ends {'here' if line else 'before it'}, without its"
            " seal. It was cut short; use another copy."
        )


def _check_begin(line: bytes, where: str) -> None:
    """Check that a file begins as a backup of this release, before a line is parsed.

    ``hpo_backup`` has to stay the first field of the header.

    Raises:
        BackupError: it begins otherwise, or is of another release.
    """
    begin = _BEGIN.match(line)
    if begin is None:
        raise BackupError(
            f"{where}: not the header of a backup. `hpo export STUDY --backup FILE`"
            " writes one; a table of trials cannot be imported."
        )
    version = int(begin[1])
    if version != SCHEMA_VERSION:
        newer = "Update this installation: a newer one wrote the file."
        older = "Import it with the release that wrote it."
        raise BackupError(
            f"{where}: expected format {SCHEMA_VERSION}, got hpo_backup={version}. "
            f"{newer if version > SCHEMA_VERSION else older}"
        )


def _is_too_large(line: bytes) -> bool:
    n_values = sum(line.count(sign) for sign in (b",", b"[", b"{"))
    return len(line) >= LONGEST_LINE or n_values > MOST_VALUES
