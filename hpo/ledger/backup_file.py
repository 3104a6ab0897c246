"""Backup files: lines of JSON, the first a header, the last a seal.

    {"hpo_backup": 303, "study": {...}, ...}
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
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from hpo.errors import HpoError
from hpo.ledger.schema import SCHEMA_VERSION

CHANGED = "It was changed; take another copy."

ENDINGS = (".jsonl", ".jsonl.gz")
LONGEST_LINE = 2**28
"""Bytes of one slot at most, nearly all of them those of its checkpoint and its network."""
MOST_VALUES = 4_000_000
"""Of one slot, its learning curves above all: no file makes us ask for more memory than that."""
_LIMITS = f"{LONGEST_LINE:,} bytes and {MOST_VALUES:,} values"
_GZIP = b"\x1f\x8b"
_BEGIN = re.compile(rb'\{"hpo_backup":(\d{1,9})')


class BackupError(HpoError):
    """A backup file cannot be written, or cannot be trusted."""


class Line(BaseModel):
    """Something that a file holds: nothing may be left out, added, or of another type."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        from_attributes=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
    )


class Seal(Line):
    """The last line of a file."""

    sha256: str


L = TypeVar("L", bound=Line)


def parsed(model: type[L], line: bytes, where: str) -> L:
    """A line of a file; ``where`` is said in messages.

    Raises:
        BackupError: something is missing, unknown, of the wrong type, or out of bounds.
    """
    try:
        return model.model_validate_json(line)
    except RecursionError as error:
        raise BackupError(f"{where}: it must be nested less deeply. {CHANGED}") from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)[0]
        place = "".join(f"{part}." for part in found["loc"])[:-1]
        said = f"{place}: {found['msg']}, but got {ascii(found['input'])[:60]}"
        raise BackupError(f"{where}: {said.removeprefix(': ')}. {CHANGED}") from error


def write(path: Path, header: Line, records: Iterable[Line]) -> None:
    """Write a backup file, whole or not at all.

    Raises:
        BackupError: the ending of its name is none of ``ENDINGS``, or the file cannot be written.
    """
    if not path.name.endswith(ENDINGS):
        raise BackupError(
            f"{path}: the name of a backup must end in {' or '.join(ENDINGS)}, but got "
            f"name={path.name}. Choose one of them; any tool may compress a .jsonl further."
        )
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as raw:
            with _packed(raw, "wb") if path.name.endswith(".gz") else nullcontext(raw) as stream:
                _write_lines(stream, itertools.chain([header], records))
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(path)
    except OSError as error:
        raise BackupError(f"{path}: cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _packed(raw: IO[bytes], mode: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile("", mode, compresslevel=1, fileobj=raw, mtime=0))


def _write_lines(stream: IO[bytes], rows: Iterable[Line]) -> None:
    seal = hashlib.sha256()
    for row in rows:
        line = row.model_dump_json().encode() + b"\n"
        if _is_too_large(line):
            raise BackupError(
                f"a slot must have at most {_LIMITS}, or no import takes it. Leave out its curves: "
                "hpo export STUDY -o FILE.jsonl."
            )
        seal.update(line)
        stream.write(line)
    stream.write(Seal(sha256=seal.hexdigest()).model_dump_json().encode() + b"\n")


def read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each line of a backup file but its seal, and where it is: the header first.

    Nothing that was yielded may be kept before the iterator has come to its end: only then is the
    file known to be whole.

    Raises:
        BackupError: the file cannot be read, is no backup, is of another release, was cut short,
            changed or continued. The message says at which line.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BackupError(f"{path}: a backup must be a regular file, but is not.")
        with path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP
            raw.seek(0)
            yield from _lines(path, _packed(raw, "rb") if is_packed else raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(
            f"{path}: its compression must be sound, but got: {error}. It was cut short or "
            f"changed; take another copy."
        ) from error
    except OSError as error:
        raise BackupError(f"{path}: cannot be read: {error.strerror or error}.") from error


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
    if parsed(Seal, line, where).sha256 != seal.hexdigest():
        raise BackupError(f"{where}: the seal must be that of the file, but is not. {CHANGED}")
    if stream.read(1):
        raise BackupError(
            f"{path}: line {number + 1}: the file must end after its seal, but goes on. Two "
            f"backups in one? Split them."
        )


def _check(line: bytes, where: str) -> None:
    if _is_too_large(line):
        raise BackupError(f"{where}: a line must have at most {_LIMITS}. It is no slot of a study.")
    if not line.endswith(b"\n"):
        raise BackupError(
            f"{where}: a backup must end with its seal, but ends {'here' if line else 'before it'}"
            f". It was cut short; take another copy."
        )


def _check_begin(line: bytes, where: str) -> None:
    begin = _BEGIN.match(line)
    if begin is None:
        raise BackupError(
            f"{where}: a backup must begin with its header, but does not. `hpo export STUDY "
            f"--backup FILE` writes one; a table of trials cannot be imported."
        )
    found = int(begin[1])
    if found != SCHEMA_VERSION:
        newer = "Update this installation: a newer one wrote the file."
        older = "Import it with the release that wrote it."
        raise BackupError(
            f"{where}: its format must be {SCHEMA_VERSION}, but got hpo_backup={found}. "
            f"{newer if found > SCHEMA_VERSION else older}"
        )


def _is_too_large(line: bytes) -> bool:
    n_values = sum(line.count(sign) for sign in (b",", b"[", b"{"))
    return len(line) >= LONGEST_LINE or n_values > MOST_VALUES
