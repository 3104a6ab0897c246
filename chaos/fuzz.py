"""``python -m chaos.fuzz``: broken inputs; each must be read, or refused in words.

An input is a good one that is changed at random: a study file, ``hpo.toml``, a URL,
environment variables, data, an outcome of an objective, a backup. The reader must
return, or raise an error of one printable paragraph that says what to do, within
seconds. Anything else is a defect, which is printed. The seed and the number of the
input determine everything.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from hpo import config, settings
from hpo.console import Parser, answer, at_least
from hpo.contract import Outcome
from hpo.errors import HpoError, printable
from hpo.launch import from_data
from hpo.ledger import backup
from hpo.objectives.data.look import Request
from hpo.postgres.urls import parse_url
from hpo.search import options
from hpo.study import file

ROOT = Path(__file__).parents[1]
SLOW_S = 20.0
"""Longest time for one input on a busy machine."""
LONGEST = 3000
"""Characters of an error."""
ODD: tuple[Any, ...] = (
    *(
        0,
        -1,
        1,
        2,
        7,
        10**6,
        10**30,
        -(2**63),
        1e-300,
        1e300,
        -0.0,
        0.5,
        1.0000000001,
        1e6,
    ),
    *(
        float("inf"),
        float("-inf"),
        float("nan"),
        True,
        False,
        "",
        " ",
        "0",
        "1",
        "nan",
        "\u202e",
    ),
    *(
        "x" * 300,
        "é",
        "a\0b",
        "\ud800",
        "\x1b[31m",
        "a\nb",
        "../..",
        "/dev/null",
        "%s{}",
        "tpe",
        "random",
        "when",
    ),
    *(
        [],
        {},
        [1, 2],
        [[]],
        ["a"],
        {"low": 1, "high": 0},
        {"choices": []},
        {"a": {"b": {}}},
    ),
    *(
        {"low": 1.0, "high": 2.0, "log": True},
        {"values": [1, 1]},
        [0.1, None],
        [True, "x"],
    ),
)
_EXAMPLES = """\
python -m chaos.fuzz
    1,000 inputs of each kind
python -m chaos.fuzz --kind study --inputs 20000
    as before a release
python -m chaos.fuzz --kind study --seed 3 --first 417 --inputs 1
    one of them again
python -m chaos.fuzz --kind backup --like study.hpo.gz
    a backup, from a good one that `hpo export` wrote"""

Input = Callable[[random.Random, Path], Callable[[], object]]
"""Makes an input, and returns what reads it."""


def _changed_text(rng: random.Random, data: bytes) -> bytes:
    """Some bytes left out, doubled, exchanged or written over."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([1, 1, 2, 8, 60]))
        what = rng.randrange(5)
        new = [
            b"",
            data[at:end] * 2,
            rng.randbytes(end - at),
            data[:40],
            b'"[]{}=\n\x00\xff',
        ][what]
        data = data[:at] + new + data[end:]
    return data


def _changed_tree(rng: random.Random, tree: dict[str, Any]) -> None:
    """A value, a key or a table changed in place, now and then several."""
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        tables = list(_tables(tree))
        table = rng.choice(tables)
        keys = [*table]
        what = rng.randrange(6)
        if what == 0 or not keys:
            table[rng.choice([*_KEYS, "odd key", "τ", ""])] = _odd(rng)
        elif what == 1:
            del table[rng.choice(keys)]
        elif what == 2:
            table[rng.choice(_KEYS)] = table.pop(rng.choice(keys))
        elif what == 3:
            others = [*rng.choice(tables).values()]
            table[rng.choice(keys)] = (
                deepcopy(rng.choice(others)) if others else _odd(rng)
            )
        else:
            key = rng.choice(keys)
            table[key] = _near(rng, table[key]) if what == 4 else _odd(rng)


def _odd(rng: random.Random) -> Any:
    return deepcopy(rng.choice(ODD))


def _near(rng: random.Random, value: Any) -> Any:
    """Another value of the same type, on an edge perhaps."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice([-1, 1, -value, value, 1000])
    if isinstance(value, float):
        return value * rng.choice([-1.0, 0.0, 1e-6, 1e6, 1.0000001])
    if isinstance(value, str):
        return rng.choice(
            [value.upper(), value[:-1], value + "x", value.replace("-", "_")]
        )
    return [value]


def _tables(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for value in tree.values():
        if isinstance(value, dict):
            yield from _tables(value)


_STUDIES = {path.stem: path for path in sorted((ROOT / "studies").glob("*.toml"))}
_TREES = {
    name: tomllib.loads(path.read_text("utf-8")) for name, path in _STUDIES.items()
}
_KEYS = sorted(
    {key for tree in _TREES.values() for table in _tables(tree) for key in table}
)


def _study(rng: random.Random, folder: Path) -> Callable[[], object]:
    """A study file; of one that is taken, trials are suggested as before a launch."""
    name = rng.choice([*_STUDIES])
    if rng.random() < 0.3:
        path = folder / "broken.toml"
        path.write_bytes(_changed_text(rng, _STUDIES[name].read_bytes()))
        return lambda: options.check(file.load(str(path)), "fuzz")
    tree = {"name": name, **deepcopy(_TREES[name])}
    _changed_tree(rng, tree)
    return lambda: options.check(file.read(tree, base=folder, where="fuzz"), "fuzz")


_SITE: dict[str, Any] = {
    "launch": {"executor": "slurm", "workers": 4},
    "slurm": {
        "time": "4:00:00",
        "partition": "short",
        "options": ["--gres=gpu:1"],
        "signal_s": 60,
    },
    "dask": {"scheduler": "tcp://host:8786"},
    "notify": {"command": "mail me", "url": "https://host/hook"},
}


def _site(rng: random.Random, folder: Path) -> Callable[[], object]:
    """``hpo.toml``, or options of a launch."""
    tree = deepcopy(_SITE)
    if rng.random() < 0.5:
        lines = [
            f"[{t}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in own.items())
            for t, own in tree.items()
        ]
        path = folder / "hpo.toml"
        path.write_bytes(_changed_text(rng, "\n".join(lines).encode()))
        with_file = {"HPO_CONFIG": str(path)}
        return lambda: _within(with_file, config.load)
    given = {
        f"{table}_{key}": value
        for table, own in tree.items()
        for key, value in own.items()
    }
    given = {key.removeprefix("launch_"): value for key, value in given.items()}
    _changed_tree(rng, given)
    return lambda: config.load(given)


def _within(variables: dict[str, str], read: Callable[[], object]) -> object:
    with mock.patch.dict(os.environ, variables):
        return read()


_VARIABLES: tuple[str, ...] = (
    "HPO_EPOCH_LIMIT",
    "HPO_EXECUTOR",
    "HPO_LAUNCH_WORKERS",
    "HPO_SLURM_TIME",
    "HPO_HOME",
)
_VARIABLES += (
    "HPO_SLURM_OPTIONS",
    "HPO_NOTIFY_URL",
    "HPO_DASK_SCHEDULER",
    "HPO_CONFIG",
    "HPO_X",
)


def _environment(rng: random.Random, folder: Path) -> Callable[[], object]:
    """Environment variables."""
    odd = [
        str(value).replace("\x00", "").encode(errors="replace").decode()
        for value in ODD
    ]
    chosen = {rng.choice(_VARIABLES): rng.choice(odd) for _ in range(rng.randint(1, 3))}

    def read() -> object:
        return settings.epoch_limit_s(), settings.home(), settings.job(), config.load()

    return lambda: _within(chosen, read)


_URLS = (
    "postgresql://me:secret@server:5432/hpo?sslmode=require",
    "postgresql+psycopg://me@/hpo?host=/var/run/postgresql",
    "postgresql://[::1]:5432/hpo?passfile=/tmp/x",
)


def _url(rng: random.Random, folder: Path) -> Callable[[], object]:
    """The URL of a database."""
    text = _changed_text(rng, rng.choice(_URLS).encode()).decode("utf-8", "replace")
    return lambda: parse_url(text)


def _data(rng: random.Random, folder: Path) -> Callable[[], object]:
    """An ``.npz`` of somebody's, read as a launch does."""
    n = rng.choice([3, 40, 60])
    points = rng.choice([1, 5])
    x = np.random.default_rng(rng.randrange(2**32)).normal(size=(n, points, 2))
    y = np.arange(n) % rng.choice([1, 2, 3])
    x.flat[rng.randrange(x.size)] = rng.choice([np.nan, np.inf, 1e300, 0.0, 1.0, 2.0])
    odd: list[dict[str, Any]] = [
        *[{"x": x, "y": y}] * 4,
        {"x": x[:, 0], "y": y},
        {"x": x, "y": y[:-1]},
        {"x": x.astype(str), "y": y.astype(str)},
        {"x": x, "y": y, "test": y > 0},
        {"x": x, "y": y.astype(float) / 3},
        {"X": x, "y": y, "weights": y},
        {"x": np.ones(x.shape, np.int8), "y": y.astype(np.uint8), "test": np.arange(n)},
        {"x": x[:0], "y": y[:0]},
    ]
    path = folder / "data.npz"
    np.savez(path, **rng.choice(odd))
    if rng.random() < 0.5:
        path.write_bytes(_changed_text(rng, path.read_bytes()))
    tree = {
        "name": "fuzz",
        **deepcopy(_TREES["seqdigits"]),
        "task": {"name": "arrays", "path": str(path)},
    }
    tree.pop("reported", None)
    return lambda: file.read(tree, base=folder, where="fuzz")


def _table(rng: random.Random, folder: Path) -> Callable[[], object]:
    """A table of somebody's, read as ``hpo new study`` does."""
    lines = ["t,walk,power,label"]
    points = rng.choice([1, 4])
    names = rng.choice(["ab", "01", ["run", "2026-01-01"]])
    for row in range(rng.choice([3, 40, 200])):
        walk = row // points
        lines.append(f"{row % points},{walk},{rng.random()},{names[walk % 2]}")
    text = "\n".join(lines).encode()
    path = folder / rng.choice(["data.csv", "data.tsv"])
    if path.suffix == ".tsv":
        text = text.replace(b",", b"\t")
    if rng.random() < 0.7:
        text = _changed_text(rng, text)
    path.write_bytes(text)
    request = Request(
        what=rng.choice([None, "classify", "predict"]),
        labels=rng.choice(["", "label"]),
        series=rng.choice(["", "walk", "row"]),
    )
    return lambda: from_data.draft("fuzz", "fuzz", path, request, None)


def _outcome(rng: random.Random, folder: Path) -> Callable[[], object]:
    """An outcome of an objective."""
    values: dict[str, Any] = {
        "score": 0.5,
        "curve": (0.1, 0.5),
        "diverged": False,
        "info": {"n_scored": 9},
    }
    _changed_tree(rng, values)
    return lambda: Outcome(**values)


KINDS: dict[str, Input] = {
    "study": _study,
    "site": _site,
    "environment": _environment,
    "url": _url,
    "table": _table,
    "data": _data,
    "outcome": _outcome,
}


def _backup(like: Path) -> Input:
    """A backup; it is checked, and nothing is written. Of most what is within is
    changed.

    Raises:
        HpoError: the one that is changed is none itself.
    """
    backup.check(like)
    packed = like.read_bytes()
    good = gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed
    lines = good.rstrip(b"\n").rpartition(b"\n")[0] + b"\n"

    def make(rng: random.Random, folder: Path) -> Callable[[], object]:
        path = folder / like.name
        what = rng.random()
        if what < 0.2:
            data = _changed_text(rng, packed)
        elif what < 0.4:
            data = _changed_text(rng, good)
        else:
            data = (
                _changed_text(rng, lines) if what < 0.7 else _changed_lines(rng, lines)
            )
            data += b'{"sha256":"' + hashlib.sha256(data).hexdigest().encode() + b'"}\n'
        path.write_bytes(data)
        return lambda: backup.check(path)

    return make


def _changed_lines(rng: random.Random, lines: bytes) -> bytes:
    """One line of JSON, as a tree."""
    each = lines.splitlines()
    at = rng.randrange(len(each))
    tree = json.loads(each[at])
    _changed_tree(rng, tree)
    each[at] = json.dumps(tree, separators=(",", ":")).encode()
    return b"\n".join(each) + b"\n"


class LateError(BaseException):
    """An input took too long; nobody who reads one takes it for an error of the
    input."""


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    def late(*_: object) -> None:
        raise LateError(f"it takes longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tried(make: Input, rng: random.Random, folder: Path) -> tuple[str, str]:
    """Return the result of an input (taken, refused or a defect), and its text."""
    read = make(rng, folder)
    try:
        with _limit(SLOW_S):
            read()
    except (HpoError, ValueError) as error:
        text = str(error)
        known = isinstance(error, HpoError) or text.startswith(
            "the objective's `Outcome"
        )
        if not known:
            return "defect", traceback.format_exc(limit=-4)
        shown = printable(text, "\n")  # as commands print it
        if len(shown) > LONGEST or not shown.strip() or "Traceback" in shown:
            return "defect", f"an error that nobody reads: {text[:LONGEST]!r}"
        return "refused", text
    except (Exception, LateError):
        return "defect", traceback.format_exc(limit=-4)
    return "taken", ""


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "python -m chaos.fuzz",
        "Read broken inputs: none may end in a traceback.",
        _EXAMPLES,
    )
    p.add_argument(
        "--kind",
        nargs="+",
        choices=[*KINDS, "backup"],
        help="(default: all but backup)",
    )
    p.add_argument(
        "--inputs",
        type=at_least(1),
        default=1000,
        metavar="N",
        help="of each (default: 1000)",
    )
    p.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="(default: 0)"
    )
    p.add_argument(
        "--first", type=at_least(0), default=0, metavar="N", help="number of the first"
    )
    p.add_argument(
        "--like", type=Path, metavar="FILE", help="a good backup, for --kind backup"
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Try them all; returns the exit status: 0, or 1 with any defect."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Try them all; returns the exit status."""
    kinds = dict(KINDS)
    if arguments.like is not None:
        kinds["backup"] = _backup(arguments.like)
    rows = []
    defects = 0
    for kind in arguments.kind or KINDS:
        if kind not in kinds:
            raise HpoError(
                "--kind backup: expected a backup in --like, got none. Make one with"
                " hpo export."
            )
        counts = Counter[str]()
        slowest_s = 0.0
        for number in range(arguments.first, arguments.first + arguments.inputs):
            with tempfile.TemporaryDirectory(prefix="hpo-fuzz-") as folder:
                rng = random.Random(f"{kind} {arguments.seed} {number}")
                began = time.monotonic()
                became, text = tried(kinds[kind], rng, Path(folder))
                slowest_s = max(slowest_s, time.monotonic() - began)
            counts[became] += 1
            if became == "defect":
                print(f"{kind} {number} (--seed {arguments.seed}): {text}", flush=True)
        rows.append(
            [
                kind,
                *(str(counts[what]) for what in ("taken", "refused", "defect")),
                f"{slowest_s:.1f}",
            ]
        )
        defects += counts["defect"]
    for cells in [["kind", "taken", "refused", "defects", "slowest (s)"], *rows]:
        print("  ".join(cell.rjust(11) for cell in cells))
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
