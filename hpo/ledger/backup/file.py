"""Backup files, format 1: lines of JSON, the first a header, the last a seal.

    {"hpo_backup": 1, "counts": {"slots": 80, ...}, ...}
    {...}                                   one line per slot
    {"sha256": "..."}                       over every byte before this line

Text of any size passes through line by line. A file that ends in ``.gz`` is compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import stat
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from hpo.errors import HpoError

FORMAT = 1
ENDINGS = (".jsonl", ".jsonl.gz")
LONGEST_LINE = 2**28
"""Bytes of one slot at most, nearly all of them those of its checkpoint."""
MOST_VALUES = 4_000_000
"""Of one slot, its learning curves above all: no file makes us ask for more memory than that."""
MOST_RATIO, FREE_BYTES = 200, 2**26
"""A file unpacks to so many times its size at most, and these bytes; ours to ten times."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class BackupError(HpoError):
    """A backup file cannot be written, or cannot be trusted."""


def write(path: Path, header: Mapping[str, Any], records: Iterator[Mapping[str, Any]]) -> None:
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
            with _compressed(raw, path) as stream:
                _write_lines(stream, {"hpo_backup": FORMAT, **header}, records)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(path)
    except OSError as error:
        raise BackupError(f"{path}: cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def _compressed(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if not path.name.endswith(".gz"):
        yield raw
        return
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as stream:
        yield stream  # type: ignore[misc]


def _write_lines(
    stream: IO[bytes], header: Mapping[str, Any], records: Iterator[Mapping[str, Any]]
) -> None:
    seal = hashlib.sha256()
    for record in itertools.chain([header], records):
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(line) >= LONGEST_LINE or _n_values(line) > MOST_VALUES:
            raise BackupError(
                f"a slot must have at most {LONGEST_LINE:,} bytes and {MOST_VALUES:,} values, or "
                f"no import takes it, but got {len(line):,} and {_n_values(line):,}. Leave out its "
                "curves: hpo export STUDY --format jsonl."
            )
        seal.update(line)
        stream.write(line)
    stream.write(json.dumps({"sha256": seal.hexdigest()}).encode() + b"\n")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the header of a backup file, then its records.

    Nothing that was yielded may be kept before the iterator has come to its end: only then is the
    file known to be whole.

    Raises:
        BackupError: the file cannot be read, is no backup, is of a newer format, was cut short,
            changed or continued. The message says at which line.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BackupError(f"{path}: a backup must be a regular file, but is not.")
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic == _ZSTD:
                raise BackupError(
                    f"{path}: a backup must be plain or gzip, but got zstd. Run `zstd -d` on it."
                )
            info = os.fstat(raw.fileno())
            if magic.startswith(_GZIP):
                with gzip.GzipFile(fileobj=raw) as stream:
                    most = MOST_RATIO * info.st_size + FREE_BYTES
                    yield from _records(path, cast("IO[bytes]", stream), most)
            else:
                yield from _records(path, raw, info.st_size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(
            f"{path}: its compression must be sound, but got: {error}. It was cut short or "
            f"changed; take another copy."
        ) from error
    except OSError as error:
        raise BackupError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _records(path: Path, stream: IO[bytes], most: int) -> Iterator[dict[str, Any]]:
    """The records of a stream of so many bytes at ``most``."""
    seal = hashlib.sha256()
    number, line, record = 1, *_line(path, 1, stream)
    header = _checked_header(path, record)
    yield record
    found: Counter[str] = Counter()
    while True:
        seal.update(line)
        number, most = number + 1, most - len(line)
        if most < 0:
            raise BackupError(
                f"{path}: line {number}: it must unpack to at most {MOST_RATIO} times its size, "
                f"but goes on. It is no backup of this project."
            )
        line, record = _line(path, number, stream)
        if "sha256" in record:
            break
        found["slots"] += 1
        members = record.get("members")
        found["members"] += len(members) if isinstance(members, list) else 0
        found["checkpoints"] += record.get("checkpoint") is not None
        yield record
    if record["sha256"] != seal.hexdigest():
        raise BackupError(
            f"{path}: line {number}: the sum over the file must be sha256={seal.hexdigest()}, but "
            f"got sha256={record['sha256']}. It was changed; take another copy."
        )
    if stream.read(1):
        raise BackupError(
            f"{path}: line {number + 1}: the file must end after its seal, but goes on. Two "
            f"backups in one? Split them."
        )
    if header != {name: found[name] for name in header}:
        raise BackupError(
            f"{path}: it must hold as many records as its header says, {header}, but got "
            f"{dict(found)}. Take another copy."
        )


def _line(path: Path, number: int, stream: IO[bytes]) -> tuple[bytes, dict[str, Any]]:
    line = stream.readline(LONGEST_LINE)
    where = f"{path}: line {number}"
    if number == 1 and not line.startswith(b'{"hpo_backup"'):
        raise BackupError(
            f"{where}: a backup must begin with its header, but does not. `hpo export STUDY "
            f"--backup FILE` writes one; a table of trials cannot be imported."
        )
    if len(line) == LONGEST_LINE:
        raise BackupError(
            f"{where}: a line must be shorter than {LONGEST_LINE:,} bytes, but is not."
        )
    if (values := _n_values(line)) > MOST_VALUES:
        raise BackupError(
            f"{where}: a line must hold at most {MOST_VALUES:,} values, but got {values:,}. It is "
            f"no slot of a study."
        )
    if not line.endswith(b"\n"):
        raise BackupError(
            f"{where}: a backup must end with its seal, but ends {'here' if line else 'before it'}"
            f". It was cut short; take another copy."
        )
    try:
        record = json.loads(line, parse_constant=_refuse)
        if not isinstance(record, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:  # of JSON, and of UTF-8
        raise BackupError(
            f"{where}: a line must be a JSON object, but got: {error}. It was changed; take "
            f"another copy."
        ) from error
    return line, record


def _n_values(line: bytes) -> int:
    return sum(line.count(sign) for sign in (b",", b"[", b"{"))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _checked_header(path: Path, header: Mapping[str, Any]) -> dict[str, int]:
    """The counts that a header gives."""
    found = header["hpo_backup"]
    if found != FORMAT:
        raise BackupError(
            f"{path}: line 1: its format must be {FORMAT}, but got hpo_backup={found!r}. Update "
            f"this installation: a newer one wrote the file."
        )
    counts = header.get("counts")
    names = ("slots", "members", "checkpoints")
    if not isinstance(counts, dict) or set(counts) != set(names):
        raise BackupError(
            f"{path}: line 1: counts must give {', '.join(names)}, but got counts={counts!r}. It "
            f"was changed; take another copy."
        )
    return {name: counts[name] for name in names}
