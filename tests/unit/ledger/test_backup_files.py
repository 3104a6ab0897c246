"""Backup files that were cut, changed, continued, or made by something else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from workers import toy_spec

from hpo.errors import HpoError, SpecError
from hpo.ledger import backup_file
from hpo.ledger.backup import Header, Record, check
from hpo.ledger.backup_file import BackupError
from hpo.ledger.schema import SCHEMA_VERSION

COPY = "The file was changed; use another copy."
AT = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
PARAMS = {"x": 0.5, "k": 2, "rate_per_ns": 0.1, "colour": "red"}


def parts() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and records of a sound file: two trials that ended, and one with a
    checkpoint."""
    spec = toy_spec()
    study: dict[str, Any] = {
        "name": "toy",
        "spec": spec.stored(),
        "about": spec.about.stored(),
        "spec_hash": spec.hash,
    }
    study |= {
        "state": "open",
        "state_since": AT,
        "reason": None,
        "priority": 3,
        "amendments": 0,
    }
    study |= {
        "failures_from": 0,
        "search_end": None,
        "search_end_reason": None,
        "code": [],
    }
    study |= {"baselines": [{"name": "chance", "score": 0.1}], "differences": []}
    header = {"hpo_backup": SCHEMA_VERSION, "software": "0.3.0", "written_at": AT}
    header |= {"study": {**study, "created_at": AT}, "additions": []}
    header |= {"sources": []}
    records: list[dict[str, Any]] = []
    for number, state in enumerate(["complete", "pruned", "running"]):
        running = state == "running"
        slot: dict[str, Any] = {"phase": "search", "number": number, "source": None}
        slot |= {"state": state, "params": {**PARAMS}, "attrs": {}}
        slot |= {
            "score": None if running else 0.5,
            "costs": [],
            "steps": [[0, 1, 0.5]],
            "worker": "w",
        }
        slot |= {
            "token": "t",
            "attempts": 1,
            "losses": 0,
            "losses_in_a_row": 0,
            "message": None,
        }
        slot |= {"lineage": {}, "amendments": []}
        slot |= {"begins_at": number, "ends_at": number}
        slot |= {"started_at": AT, "finished_at": None if running else AT}
        member: dict[str, Any] = {
            "seed": 1,
            "score": 0.5,
            "epochs": 2,
            "curve": [0.5, "NaN"],
            "scored_at": [1, 2],
            "loss_curve": [],
        }
        member |= {"info": {}, "diverged": False, "seconds": 1.0, "worker": "w"}
        saved = {
            "member": 1,
            "epoch": 0,
            "curve": [],
            "scored_at": [],
            "seconds": 1.0,
            "data": "AAAA",
        }
        trained = [{"member": index, **member} for index in range(1 if running else 2)]
        record = {
            "slot": slot,
            "members": trained,
            "checkpoint": saved if running else None,
        }
        records.append({**record, "network": None})
    return header, records


def sealed(header: dict[str, Any], records: list[dict[str, Any]]) -> bytes:
    """A file with a valid seal, whatever its content."""
    rows = (json.dumps(row, separators=(",", ":")) for row in (header, *records))
    body = "".join(f"{row}\n" for row in rows).encode()
    return body + b'{"sha256":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()


PLAIN = sealed(*parts())
PACKED = gzip.compress(PLAIN, mtime=0)


def said(tmp_path: Path, content: bytes) -> str:
    """Why a file is refused, after its path."""
    file = tmp_path / "f"
    file.write_bytes(content)
    with pytest.raises(BackupError) as caught:
        check(file)
    assert str(caught.value).startswith(f"{file}: ")
    return str(caught.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize("content", [PLAIN, PACKED], ids=["plain", "gzip"])
def test_a_sound_one_and_one_that_was_cut_or_changed_anywhere(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    assert dict(check(file).states) == {"complete": 1, "pruned": 1, "running": 1}
    assert check(file, "other").spec.name == "other"
    generator = random.Random(0)
    for end in [*generator.sample(range(len(content)), 40), len(content) - 1]:
        text = said(tmp_path, content[:end])
        assert "cut short" in text or "not the header of a backup" in text, (end, text)
    for place in generator.sample(range(10, len(content)), 60):
        changed = bytearray(content)
        changed[place] ^= generator.randrange(1, 256)
        file.write_bytes(changed)
        with pytest.raises(HpoError, match=r"^.*/f: "):
            check(file)
    twice = (
        "line 6: the file continues after its seal. Split it if it holds two backups."
    )
    assert said(tmp_path, content + content) == twice


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\0\xff\n", b'{"study": "toy"}\n', b"x" * 9999, b"\x28\xb5\x2f\xfd."],
)
def test_anything_else(tmp_path: Path, content: bytes) -> None:
    assert (
        said(tmp_path, content)
        == "line 1: not the header of a backup. `hpo export STUDY --backup FILE` writes"
        " one; a table of trials cannot be imported."
    )


def test_slots_twice_or_left_out(tmp_path: Path) -> None:
    lines = PLAIN.splitlines(keepends=True)
    double = b"".join([*lines[:3], lines[2], *lines[3:]])
    assert said(tmp_path, double).startswith(
        "line 4: slot.number: expected search slots in"
    )
    short = b"".join([*lines[:-2], lines[-1]])
    assert said(tmp_path, short) == f"line 4: the seal does not match the file. {COPY}"


def at(
    row: int, *way: str, **changes: Any
) -> tuple[int, tuple[str, ...], dict[str, Any]]:
    """Changes of what the header (row 0) or a slot's record holds there."""
    return row, way, changes


LEFT_OUT = object()
WRONG = [
    (
        at(0, hpo_backup=SCHEMA_VERSION + 1),
        "Update this installation: a newer one wrote the",
    ),
    (
        at(0, hpo_backup=1),
        "got hpo_backup=1. Import it with the release that wrote it.",
    ),
    (at(0, study=LEFT_OUT), "line 1: study: Field required, got {"),
    (
        at(0, additions=[{"kind": "user", "key": "k", "text": "no"}]),
        "additions.0.text: Value err",
    ),
    (
        at(0, "study", state="asleep"),
        f"'done', 'failed' or 'stopped', got 'asleep'. {COPY}",
    ),
    (at(0, "study", spec=[]), "line 1: study.spec: Input should be an object"),
    (at(0, "study", name="other"), f"spec's: name='other', spec.name='toy'. {COPY}"),
    (at(3, more=1), "line 4: more: Extra inputs are not permitted, got 1."),
    (at(1, "slot", attempts=2**31), "less than or equal to 2147483647, got 2147483648"),
    (
        at(1, "slot", started_at="2025-01-01T00:00:00"),
        "started_at: Input should have timezone",
    ),
    (at(1, "slot", score="NaN"), "line 2: slot.score: Input should be a valid number"),
    (
        at(1, "slot", score=1e101),
        "line 2: slot.score: Input should be less than or equal to",
    ),
    (
        at(1, "slot", score=None),
        "slot.score: expected a score of complete slots, got None.",
    ),
    (
        at(1, "slot", finished_at=None),
        "finished_at: expected a time for finished slots alone, got",
    ),
    (
        at(1, "slot", lineage={"a": float("nan")}),
        "slot.lineage: Value error, Out of range float",
    ),
    (
        at(1, "slot", costs=[1.0]),
        "expected a number for each cost of the study, got [1.0].",
    ),
    (
        at(1, "slot", params={**PARAMS, "x": 1.01}),
        "params: expected parameters in the study's",
    ),
    (
        at(1, "slot", attrs={"fixed_params": 1}),
        "attrs: expected fixed_params in the study's space",
    ),
    (
        at(1, "slot", amendments=[{"what": "retry"}]),
        "amendments.0: Value error, not an amendment",
    ),
    (
        at(2, "slot", number=0),
        "line 3: slot.number: expected search slots in order, got 0.",
    ),
    (
        at(3, "slot", phase="confirm", source=99),
        "expected confirmations in order, got 2.",
    ),
    (
        at(3, "checkpoint", data="!"),
        "line 4: checkpoint.data: Data should be valid base64",
    ),
    (at(1, network=[1]), "line 2: network: Input should be a valid bytes"),
]


@pytest.mark.parametrize(("change", "text"), WRONG)
def test_nonsense_under_a_right_seal(tmp_path: Path, change: Any, text: str) -> None:
    header, records = parts()
    row, way, values = change
    part: Any = [header, *records][row]
    for step in way:
        part = part[step]
    part |= values
    for name in [name for name, value in values.items() if value is LEFT_OUT]:
        del part[name]
    assert text in said(tmp_path, sealed(header, records))


def test_a_spec_that_breaks_its_own_rules(tmp_path: Path) -> None:
    header, records = parts()
    header["study"]["spec"]["budget"]["window"] = 0
    (tmp_path / "f").write_bytes(sealed(header, records))
    with pytest.raises(SpecError, match=r"f: line 1: spec: budget.window: "):
        check(tmp_path / "f")


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"a": "\xff"}', b"[" * 100_000])
def test_lines_that_are_no_record(tmp_path: Path, line: bytes) -> None:
    first, *_ = PLAIN.splitlines(keepends=True)
    text = said(tmp_path, first + line + b"\n")
    assert text.startswith("line 2: ")
    assert text.endswith(COPY)


def test_no_file_makes_us_spend_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = PLAIN.splitlines(keepends=True)
    monkeypatch.setattr(backup_file, "MOST_VALUES", 1000)
    many = said(tmp_path, first + b'{"a":[' + b"[]," * 1000 + b"[]]}\n")
    assert many.startswith(
        "line 2: longer than 268,435,456 bytes and 4,000,000 values. This is"
    )
    monkeypatch.setattr(backup_file, "LONGEST_LINE", 20_000)
    bomb = gzip.compress(first + b'{"a":"' + b"x" * 1_000_000)
    assert said(tmp_path, bomb).startswith("line 2: longer than ")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackupError, match="expected a regular file"):
        check(tmp_path / "pipe")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def records() -> Any:
        yield Record.model_validate_json(json.dumps(parts()[1][0]))
        raise RuntimeError("the database is gone")

    header = Header.model_validate_json(json.dumps(parts()[0]))
    (tmp_path / "b.jsonl").write_text("an older backup")
    with pytest.raises(RuntimeError, match="gone"):
        backup_file.write(tmp_path / "b.jsonl", header, records())
    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]
    assert (tmp_path / "b.jsonl").read_text() == "an older backup"
    with pytest.raises(BackupError, match="expected a name that ends in"):
        backup_file.write(tmp_path / "b.csv", header, [])
