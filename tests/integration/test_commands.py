"""The commands that look at studies and at their database, as a user runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from users import User
from workers import ledger_at

HEAVY = {"matplotlib", "numba", "optuna", "pandas", "plotly", "scipy", "sklearn", "torch"}


@pytest.mark.parametrize(
    "line", ["status", "status toy", "best toy", "trials toy", "studies", "export toy"]
)
def test_who_only_looks_waits_for_no_heavy_import(line: str, owner: User) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hpo", *line.split()],
        cwd=owner.directory,
        env=owner.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    named = (row.rsplit("|", 1)[-1].strip() for row in done.stderr.splitlines())
    assert {name.split(".")[0] for name in named} & HEAVY == set()


def test_every_view_of_a_study(owner: User) -> None:
    snapshot = owner.snapshot()
    best = snapshot.best
    assert best is not None

    out, _ = owner.run("studies")
    assert re.search(r"^toy +done +12/12 +96 +0 ", out, re.MULTILINE)
    assert "seqdigits" in out
    listed = json.loads(owner.run("studies", "--json")[0])
    assert listed["studies"][0]["name"] == "toy"

    assert owner.run("status", "toy")[0].startswith("toy: done, confirmed ")
    status = json.loads(owner.run("status", "toy", "--json")[0])
    assert (status["settled"], status["complete"], status["best"]["number"]) == (
        12,
        12,
        best.number,
    )
    assert "toy" in owner.run("status")[0]
    assert json.loads(owner.run("status", "--json")[0])["studies"][0]["settled"] == 12

    lines = owner.run("trials", "toy")[0].splitlines()
    assert len(lines) == 1 + 12 + 3
    assert lines[0].split() == ["trial", "state", "score", "members", "seconds", "x", "k", "colour"]
    assert len(owner.run("trials", "toy", "--csv")[0].splitlines()) == 1 + 12 + 3
    trials = json.loads(owner.run("trials", "toy", "--json")[0])["trials"]
    assert [t["score"] for t in trials] == [s.score for s in (*snapshot.search, *snapshot.confirm)]
    assert len(owner.run("trials", "toy", "--state", "failed")[0].splitlines()) == 1

    out, _ = owner.run("best", "toy", "--top", "2")
    assert f"trial {best.number}" in out
    assert "reported" in out
    assert len(json.loads(owner.run("best", "toy", "--top", "2", "--json")[0])["best"]) == 2

    out, _ = owner.run("report", "toy", "-o", "deep/toy.html")
    assert out == "deep/toy.html\n"
    assert (owner.directory / "deep" / "toy.html").stat().st_size > 100_000
    _, err = owner.run("report", "toy", "-o", "toy.toml/x.html", status=1)
    assert err.startswith("error: toy.toml/x.html: the report cannot be written: ")


def test_export_holds_every_member(owner: User) -> None:
    snapshot = owner.snapshot()
    owner.run("export", "toy", "-o", "toy.csv")
    rows = (owner.directory / "toy.csv").read_text().splitlines()
    assert len(rows) == 1 + 12 * 2 + 3
    owner.run("export", "toy", "-o", "toy.jsonl", "--curves")
    records = [
        json.loads(line) for line in (owner.directory / "toy.jsonl").read_text().splitlines()
    ]
    exported = [member["curve"] for record in records for member in record["members"]]
    stored = [list(m.curve) for s in (*snapshot.search, *snapshot.confirm) for m in s.members]
    assert exported == stored
    out, _ = owner.run("export", "toy", "--format", "jsonl")
    assert len(out.splitlines()) == 15
    _, err = owner.run("export", "toy", "-o", "toy.xls", status=1)
    assert "the ending must be .csv or .jsonl, but got .xls." in err


def test_an_unknown_study_lists_those_that_exist(user: User, owner: User) -> None:
    _, err = user.run("status", "toy", status=1)
    assert "study 'toy': the database must hold it, but it holds no study yet." in err
    for command in ("status", "trials", "best", "report", "export"):
        _, err = owner.run(command, "toi", status=1)
        assert err.startswith("error: study 'toi': the database must hold it, but it holds toy.")


def test_a_database_that_is_not_there_is_one_message(user: User) -> None:
    user.url = "postgresql://me:secret@127.0.0.1:1/nowhere"
    for line in (["status"], ["launch", "--study", "toy.toml"], ["storage", "url"]):
        _, err = user.run(*line, status=1)
        assert err.startswith("error: database nowhere at 127.0.0.1:1, user me: ")
        assert "secret" not in err


def test_storage_of_a_url(user: User) -> None:
    assert user.run("storage", "status")[0].startswith("PostgreSQL ")
    url = user.run("storage", "url")[0].strip()
    assert json.loads(user.run("storage", "url", "--json")[0]) == {"url": url}
    with ledger_at(url) as ledger:
        assert ledger.studies() == []


def test_the_embedded_server_is_held_looked_at_and_stopped(hpo_home: Path, tmp_path: Path) -> None:
    user = User(tmp_path, "")

    def hpo(*line: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "hpo", "storage", *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert "not running; starts when needed" in hpo("status").communicate(timeout=30)[0]
    holder = hpo("url", "--hold")
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    user.url = url
    time.sleep(4)  # longer than the server outlives its last user
    status = json.loads(hpo("status", "--json").communicate(timeout=30)[0])
    assert status["server"]["running"]
    assert status["server"]["home"] == str(hpo_home)
    refused = hpo("stop")
    assert "must be unused to be stopped" in refused.communicate(timeout=30)[1]
    assert refused.returncode == 1
    holder.send_signal(signal.SIGINT)
    holder.communicate(timeout=30)
    assert holder.returncode == 130
    stopped = hpo("stop")
    assert "is stopped" in stopped.communicate(timeout=100)[0]
    assert stopped.returncode == 0
