"""Backup files that were cut, changed, continued, or made by something else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frozen import FIXTURES

from hpo.errors import HpoError, SpecError
from hpo.ledger.backup import file as backup_file
from hpo.ledger.backup.check import check
from hpo.ledger.backup.file import BackupError
from hpo.ledger.tables import SCHEMA_VERSION

FILE = FIXTURES / f"backup-v{SCHEMA_VERSION}.jsonl.gz"
PACKED = FILE.read_bytes()
PLAIN = gzip.decompress(PACKED)
COPY = "It was changed; take another copy."


def said(tmp_path: Path, content: bytes) -> str:
    """Why a file is refused, after its path."""
    file = tmp_path / "f"
    file.write_bytes(content)
    with pytest.raises(BackupError) as caught:
        check(file)
    assert str(caught.value).startswith(f"{file}: ")
    return str(caught.value).removeprefix(f"{file}: ")


def test_a_sound_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(PLAIN)
    for file in (FILE, tmp_path / "f"):
        found = check(file)
        assert found.spec.name == "half"
        assert dict(found.states) == {"complete": 9, "pruned": 1, "running": 2}
        assert check(file, "other").spec.name == found.study["name"].replace("half", "other")


@pytest.mark.parametrize("content", [PLAIN, PACKED], ids=["plain", "gzip"])
def test_cut_short_anywhere(tmp_path: Path, content: bytes) -> None:
    ends = [i + 1 for i, byte in enumerate(PLAIN) if byte == 10][:-1] if content is PLAIN else []
    for end in [*ends, *random.Random(0).sample(range(len(content)), 40), len(content) - 1]:
        text = said(tmp_path, content[:end])
        assert "cut short" in text or "must begin with its header" in text, (end, text)


@pytest.mark.parametrize("content", [PLAIN, PACKED], ids=["plain", "gzip"])
def test_a_changed_byte_anywhere(tmp_path: Path, content: bytes) -> None:
    generator = random.Random(1)
    for place in generator.sample(range(10, len(content)), 60):
        changed = bytearray(content)
        changed[place] ^= generator.randrange(1, 256)
        file = tmp_path / "f"
        file.write_bytes(changed)
        with pytest.raises(HpoError, match=r"^.*/f: "):
            check(file)


@pytest.mark.parametrize("column", ["number", "attrs", "score", "settled_at", "started_at"])
def test_an_older_file_lacks_only_what_was_added_since(tmp_path: Path, column: str) -> None:
    older = gzip.decompress((FIXTURES / "backup-v2.jsonl.gz").read_bytes())
    header, slot, *rest = older.splitlines()
    changed = json.loads(slot)
    del changed["slot"][column]
    lines = [header, json.dumps(changed).encode(), *rest]
    text = said(tmp_path, b"\n".join(lines) + b"\n")
    assert text.endswith(f", but differs in {column}. {COPY}")


def test_anything_else(tmp_path: Path) -> None:
    header = (
        "line 1: a backup must begin with its header, but does not. `hpo export STUDY --backup "
        "FILE` writes one; a table of trials cannot be imported."
    )
    for content in (b"", b"\n", b"\0\xff\n", b'{"study": "toy", "phase": "search"}\n', b"x" * 9999):
        assert said(tmp_path, content) == header
    assert said(tmp_path, b"\x28\xb5\x2f\xfd...") == (
        "a backup must be plain or gzip, but got zstd. Run `zstd -d` on it."
    )


def test_two_in_one(tmp_path: Path) -> None:
    for content in (PLAIN, PACKED):
        assert said(tmp_path, content + content) == (
            "line 15: the file must end after its seal, but goes on. Two backups in one? Split "
            "them."
        )


def test_slots_twice_or_left_out(tmp_path: Path) -> None:
    lines = PLAIN.splitlines(keepends=True)
    double = b"".join([*lines[:3], lines[2], *lines[3:]])
    assert said(tmp_path, double).startswith("line 4: slots.number: search slots count up to bud")
    short = b"".join([*lines[:-2], lines[-1]])
    assert said(tmp_path, short).startswith("line 13: the sum over the file must be sha256=")
    assert said(tmp_path, short).endswith(COPY)


def sealed(header: dict[str, Any], records: list[dict[str, Any]]) -> bytes:
    """A file whose seal is right, whatever it says."""
    body = b"".join(json.dumps(record).encode() + b"\n" for record in (header, *records))
    body = body.replace(b'{"hpo_backup": ', b'{"hpo_backup":')
    return body + json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"


def parts() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    header, *records, _ = (json.loads(line) for line in PLAIN.splitlines())
    return header, records


def slot(records: list[dict[str, Any]], number: int = 0) -> Any:
    return records[number]["slot"]


Change = Callable[[dict[str, Any], list[dict[str, Any]]], object]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda h, r: h.update(hpo_backup=2),
            "line 1: its format must be 1, but got hpo_backup=2. Update this installation: a newer "
            "one wrote the file.",
        ),
        (
            lambda h, r: h.update(schema=SCHEMA_VERSION + 1),
            f"line 1: schema must be {SCHEMA_VERSION} or older, but got "
            f"schema={SCHEMA_VERSION + 1}. Update this installation: a newer one wrote the file.",
        ),
        (
            lambda h, r: h["counts"].update(members=3),
            "it must hold as many records as its header says, {'slots': 12, 'members': 3, "
            "'checkpoints': 1}, but got {'slots': 12, 'members': 19, 'checkpoints': 1}. Take "
            "another copy.",
        ),
        (lambda h, r: h.pop("counts"), "line 1: counts must give slots, members, checkpoints, but"),
        (lambda h, r: h.pop("study"), "line 1: a row of studies must be an object, but got None."),
        (
            lambda h, r: h["study"].update(state="asleep"),
            "line 1: studies.state must be one of open, done, failed",
        ),
        (lambda h, r: h["study"].update(spec=[]), "line 1: studies.spec must be an object."),
        (
            lambda h, r: h["study"].update(name="other"),
            "line 1: the study must have the name of its spec, but got name='other' and "
            f"spec.name='half'. {COPY}",
        ),
        (lambda h, r: h.update(additions=3), "line 1: additions must be those of a study, but got"),
        (
            lambda h, r: h["additions"]["user"].update(key="no JSON"),
            "line 1: additions must be those of a study, but got: Expecting value",
        ),
        (lambda h, r: r[3].update(more=1), "line 5: a line must hold slot, members and checkpoint"),
        (lambda h, r: r[3].pop("members"), "line 5: a line must hold slot, members and checkpoint"),
        (
            lambda h, r: slot(r).pop("attempts"),
            "line 2: a row of slots must have the columns phase, number,",
        ),
        (lambda h, r: slot(r).update(owner="me"), "but differs in owner. It was changed"),
        (
            lambda h, r: slot(r).update(state="lost"),
            "line 2: slots.state must be one of running, complete, pruned, failed",
        ),
        (
            lambda h, r: slot(r).update(attempts="1"),
            f"line 2: slots.attempts must be integer, but got '1' (of another type). {COPY}",
        ),
        (
            lambda h, r: slot(r).update(attempts=2**31),
            f"line 2: slots.attempts must be integer, but got 2147483648 (too large). {COPY}",
        ),
        (lambda h, r: slot(r).update(attempts=True), "but got True (of another type)"),
        (
            lambda h, r: slot(r).update(message="a\0b"),
            "line 2: slots.message must be text, but got 'a\\x00b' (no text that PostgreSQL can",
        ),
        (
            lambda h, r: slot(r).update(worker="\ud800"),
            "line 2: slots.worker must be text, but got '\\ud800' ('utf-8' codec can't encode",
        ),
        (lambda h, r: slot(r).update(started_at="yesterday"), "line 2: slots.started_at must be "),
        (
            lambda h, r: slot(r).update(started_at="2025-01-01T00:00:00"),
            "got '2025-01-01T00:00:00' (without time zone)",
        ),
        (
            lambda h, r: slot(r).update(steps=[0.1, "much"]),
            "line 2: slots.steps must be array, but got [0.1, 'much'] (of another type)",
        ),
        (
            lambda h, r: slot(r).update(score="nan"),
            f"line 2: slots.score: complete slots have a finite score, but got nan. {COPY}",
        ),
        (lambda h, r: slot(r).update(score=None), "complete slots have a finite score, but got No"),
        (
            lambda h, r: slot(r).update(settled_at=None),
            "line 2: slots.settled_at: settled slots alone have it, but got None.",
        ),
        (lambda h, r: slot(r, 10).update(params={"x": 1}), "line 12: slots.params: they lie in th"),
        (lambda h, r: slot(r)["params"].update(x=1.01), "slots.params: they lie in the spec's sp"),
        (
            lambda h, r: slot(r)["params"].update(colour="blue"),
            "slots.params: they lie in the spec",
        ),
        (lambda h, r: slot(r).update(attrs=[]), "line 2: slots.attrs: it is an object, but got []"),
        (
            lambda h, r: slot(r).update(amendments=[{"what": "retry"}]),
            "line 2: slots.amendments: they are what amendments are, but got [{'what': 'retry'}].",
        ),
        (lambda h, r: slot(r, 4).update(number=3), "line 6: slots.number: search slots count up"),
        (
            lambda h, r: slot(r, 11).update(phase="confirm", source=99),
            "line 13: slots.number: confirmations follow the search in order, but got 11.",
        ),
        (
            lambda h, r: r[0]["members"][1].update(member=0),
            f"line 2: members.member: members come once, in order, but got [0, 0]. {COPY}",
        ),
        (
            lambda h, r: r[0]["members"][1].update(score="inf"),
            f"line 2: members.score: a score is finite, but got inf. {COPY}",
        ),
        (
            lambda h, r: r[0]["members"][0].update(seconds="nan"),
            f"line 2: seconds: they are finite, from 0, but got nan. {COPY}",
        ),
        (
            lambda h, r: r[10]["checkpoint"].update(data="!"),
            "line 12: checkpoints.data must be blob, but got '!'",
        ),
    ],
)
def test_nonsense_under_a_right_seal(tmp_path: Path, change: Change, text: str) -> None:
    header, records = parts()
    change(header, records)
    assert text in said(tmp_path, sealed(header, records))


def test_a_spec_that_breaks_its_own_rules(tmp_path: Path) -> None:
    header, records = parts()
    header["study"]["spec"]["budget"]["window"] = 0
    (tmp_path / "f").write_bytes(sealed(header, records))
    with pytest.raises(SpecError, match=r"f: line 1: spec: budget.window: "):
        check(tmp_path / "f")


def test_lines_that_are_no_json(tmp_path: Path) -> None:
    first, *_ = PLAIN.splitlines(keepends=True)
    for line in (b"{", b"[]", b'{"a": NaN}', b'{"a": "\xff"}', b"[" * 100_000):
        text = said(tmp_path, first + line + b"\n")
        assert text.startswith("line 2: a line must be a JSON object, but got: "), text
        assert text.endswith(COPY)


def test_a_line_longer_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_file, "LONGEST_LINE", 2000)
    first = b'{"hpo_backup":1,"a":"' + b"x" * 5000
    assert said(tmp_path, first).startswith("line 1: a line must be shorter than 2,000 bytes, but")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def records() -> Any:
        yield {"slot": 1}
        raise RuntimeError("the database is gone")

    (tmp_path / "b.jsonl").write_text("an older backup")
    with pytest.raises(RuntimeError, match="gone"):
        backup_file.write(tmp_path / "b.jsonl", {}, records())
    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]
    assert (tmp_path / "b.jsonl").read_text() == "an older backup"


def test_bombs_are_refused_before_memory_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = PLAIN.splitlines(keepends=True)
    monkeypatch.setattr(backup_file, "MOST_VALUES", 1000)
    many = said(tmp_path, first + b'{"a":[' + b"[]," * 1000 + b"[]]}\n")
    assert many.startswith("line 2: a line must hold at most 1,000 values, but got 2,003.")
    monkeypatch.setattr(backup_file, "FREE_BYTES", 10_000)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(first + 10_000 * (b'{"a":"' + b"x" * 1000 + b'"}\n')))
    with pytest.raises(BackupError, match="it must unpack to at most 200 times its size, but goes"):
        list(backup_file.read(path))
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(BackupError, match="a backup must be a regular file, but is not"):
        list(backup_file.read(tmp_path / "pipe.jsonl"))
