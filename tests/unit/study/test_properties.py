"""Properties that hold for whatever is put in: specs, values, names, files."""

from __future__ import annotations

import json
import tempfile
import tomllib
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, TypeAdapter

from hpo.ledger import backup
from hpo.ledger.backup_file import BackupError, parse
from hpo.ledger.backup_lines import CheckpointLine, MemberLine
from hpo.study import file as study_file
from hpo.study.file import validate
from hpo.study.seeds import derive_seed

# The same examples in every run, however slow the machine is.
settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=30,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("steady")

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
STORABLE = TEXT.filter(lambda text: "\0" not in text)  # which no database holds
FLOATS = st.floats()
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), FINITE, TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone.max])
TIME = TypeAdapter[datetime](AwareDatetime)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES)


# --- specs ---


def ranges(
    low: float, high: float, *, log: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """A dimension within these bounds."""
    ends = st.tuples(st.floats(low, high), st.floats(low, high)).filter(
        lambda e: e[0] != e[1]
    )
    return ends.map(lambda e: {"low": min(e), "high": max(e), "log": log})


SPECS = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9_äß][A-Za-z0-9_.+-]{0,99}", fullmatch=True),
        "objective": st.just("toy_objective:ToyObjective"),
        "budget": st.fixed_dictionaries(
            {"trials": st.integers(1, 100_000), "window": st.integers(1, 1024)},
            optional={
                "seeds": st.integers(1, 1000),
                "epochs": st.integers(1, 100_000),
            },
        ),
        "space": st.fixed_dictionaries(
            {"x": ranges(0.0, 1.0)},
            optional={"rate_per_ns": ranges(1e-300, 10.0, log=True)},
        ),
    },
    optional={
        "description": STORABLE,
        "seed": st.integers(0, 2**31 - 1),
        "task": st.fixed_dictionaries({"test_gap": st.floats(-1e300, 1e300)}),
        "fixed": st.fixed_dictionaries({"noise": st.floats(0, 1e308)}),
        "reported": st.fixed_dictionaries(
            {"score": st.floats(0, 1), "source": STORABLE},
            optional={"std": st.floats(0, 1e9)},
        ),
    },
)


ODD = {
    "name": "odd",
    "objective": "toy_objective:ToyObjective",
    "description": 'quotes " and \\ and\nlines\tand \x7f\x01 and é 🌀',
    "budget": {"trials": 1},
    "space": {
        "x": {"low": 1e-05, "high": 1.0, "log": True},
        "k": {"low": 1, "high": 8},
    },
}


@given(SPECS)
@example(ODD)
def test_a_spec_written_as_a_file_or_stored_is_the_same_spec(
    raw: dict[str, Any],
) -> None:
    spec = validate(raw, where="property")
    written = tomllib.loads(study_file.dumps(spec))
    stored = json.loads(json.dumps(spec.stored()))
    for again in (
        validate(written, where="written"),
        validate(stored, where="database"),
    ):
        assert (again, again.hash) == (spec, spec.hash)
        assert again.differences(spec) == []


# --- backups ---


MEMBERS = st.builds(
    MemberLine,
    member=st.integers(0, 2**31 - 1),
    seed=st.integers(-(2**63), 2**63 - 1),
    score=st.floats(-1e100, 1e100),
    curve=st.lists(FLOATS, max_size=5),
    loss_curve=st.lists(FLOATS, max_size=5),
    diverged=st.booleans(),
    info=st.dictionaries(TEXT, JSONS, max_size=4),
    seconds=st.floats(0, 1e12),
    worker=STORABLE,
)


@given(MEMBERS, st.binary(), TIMES)
def test_a_row_survives_its_file(member: Any, data: bytes, at: datetime) -> None:
    read = parse(MemberLine, member.model_dump_json().encode(), "f")
    assert repr(read) == repr(member)
    saved = CheckpointLine(
        member=0, epoch=0, curve=[], scored_at=[], seconds=0.0, data=data
    )
    assert parse(CheckpointLine, saved.model_dump_json().encode(), "f") == saved
    assert TIME.validate_json(TIME.dump_json(at)) == at


@given(st.binary(max_size=300) | JSONS.map(lambda value: json.dumps(value).encode()))
@pytest.mark.parametrize("before", [b"", b'{"hpo_backup":303', b'{"hpo_backup":303}\n'])
def test_no_file_does_worse_than_being_refused(before: bytes, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "f"
        file.write_bytes(before + content)
        with pytest.raises(BackupError, match=r"^.*/f: "):
            backup.check(file)


@given(st.sampled_from(sorted(MemberLine.model_fields)), JSONS, MEMBERS)
def test_no_value_does_worse_than_being_refused(
    name: str, value: Any, member: Any
) -> None:
    changed = {**json.loads(member.model_dump_json()), name: value}
    with suppress(BackupError):
        parse(MemberLine, json.dumps(changed).encode(), "f: line 1")


# --- seeds ---


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 10**6))
def test_seeds_are_fixed_in_range_and_apart(seed: int, other: int, index: int) -> None:
    own = [
        derive_seed(seed, purpose, index)
        for purpose in ("suggest", "member", "confirm")
    ]
    assert own == [
        derive_seed(seed, p, index) for p in ("suggest", "member", "confirm")
    ]
    assert all(0 <= value < 2**32 for value in own)
    assert len(set(own)) == 3
    if other != seed:
        assert derive_seed(other, "member", index) != own[1]
