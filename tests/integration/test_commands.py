"""The commands that look at studies and at their database, as a user runs them.

What they say of a study is frozen in ``tests/golden``.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from servers import connect
from users import User
from workers import ledger_at

from hpo.cli.main import main

HEAVY = {
    "jinja2",
    "matplotlib",
    "numba",
    "optuna",
    "pandas",
    "plotly",
    "rich",
    "scipy",
    "sklearn",
}
HEAVY |= {"torch"}
LOOKING = """
import sys
from hpo.cli.main import main
for line in ("status", "status toy", "status --all", "best toy", "trials toy"):
    main(line.split())
main(["export", "toy"])
print(*sys.modules, file=sys.stderr)
"""


def test_who_only_looks_waits_for_no_heavy_import(owner: User) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOKING],
        cwd=owner.directory,
        env=owner.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stderr.split()) & HEAVY == set()


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("status", 0, "The database has no study yet. Start one with: hpo launch NAME"),
        ("status --json", 0, '"studies": []'),
        ("status --all", 0, "The database has no such study yet."),
        ("status toy", 1, "The first `hpo launch NAME` makes all"),
        ("export toy --backup toy.jsonl", 1, "The first `hpo launch NAME` makes all"),
        ("storage log", 0, "no events yet"),
        ("storage log --json", 0, '"events": []'),
        ("storage url", None, "The first `hpo launch NAME` makes all"),
    ],
)
def test_who_only_looks_creates_nothing(
    line: str,
    status: int | None,
    said: str,
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HPO_HOME", str(home))
    for url in ("", empty_database_url):
        monkeypatch.setenv("HPO_STORAGE", url)
        ended = main(line.split())
        out, err = capsys.readouterr()
        if status is None and url:  # it needs no table
            assert (ended, sa.make_url(out.strip())) == (0, sa.make_url(url))
            continue
        assert ended == (status is None or status)
        assert said in out + err
    assert not home.exists()
    with connect(empty_database_url) as connection:
        count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'hpo_ledger'"
        assert connection.execute(count).fetchone() == (0,)
        assert connection.execute(schemas).fetchone() == (0,)


def test_studies_and_trials_are_listed(owner: User) -> None:
    out, _ = owner.run("status", "--all")
    assert re.search(r"^toy +done +12/12 +96 +0 ", out, re.MULTILINE)
    assert "seqdigits" in out
    assert json.loads(owner.run("status", "--all", "--json")[0])["studies"][0][
        "name"
    ] == ("toy")
    assert len(owner.run("trials", "toy")[0].splitlines()) == 1 + 12 + 3
    assert len(owner.run("trials", "toy", "--state", "failed")[0].splitlines()) == 1


def test_a_report_goes_where_it_is_told(owner: User) -> None:
    out, _ = owner.run("report", "toy", "-o", "deep/toy.html")
    assert out == "deep/toy.html\n"
    assert (owner.directory / "deep" / "toy.html").stat().st_size > 100_000
    _, err = owner.run("report", "toy", "-o", "toy.toml/x.html", status=1)
    assert err.startswith("error: toy.toml/x.html: cannot be written: ")


def test_export_holds_every_member(owner: User) -> None:
    snapshot = owner.snapshot()
    owner.run("export", "toy", "-o", "toy.csv")
    rows = (owner.directory / "toy.csv").read_text().splitlines()
    assert len(rows) == 1 + 12 * 2 + 3
    owner.run("export", "toy", "-o", "toy.jsonl", "--curves")
    lines = (owner.directory / "toy.jsonl").read_text().splitlines()
    exported = [m["curve"] for line in lines for m in json.loads(line)["members"]]
    stored = [
        list(m.curve) for s in (*snapshot.search, *snapshot.confirm) for m in s.members
    ]
    assert exported == stored
    owner.run("report", "toy", "toy")
    assert "They agree." in (owner.directory / "toy-toy-report.html").read_text()
    _, err = owner.run("export", "toy", "-o", "toy.xls", status=1)
    assert "expected the ending .csv or .jsonl, got .xls." in err


def test_storage_of_a_url(user: User) -> None:
    assert user.run("storage", "status")[0].startswith("PostgreSQL ")
    url = user.run("storage", "url")[0].strip()
    assert json.loads(user.run("storage", "url", "--json")[0]) == {"url": url}
    with ledger_at(url) as ledger:
        assert ledger.studies() == []


def test_the_embedded_server_is_held_looked_at_and_stopped(
    hpo_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").symlink_to(hpo_home)
    user = User(tmp_path, "")
    assert "not running; starts when needed" in user.run("storage", "status")[0]
    holder = user.start("storage", "url", "--hold")
    assert holder.stdout is not None
    assert holder.stdout.readline().startswith("postgresql")
    assert user.run("storage", "url")[1] == (
        "the embedded server ends 2 s after its last user; to use the URL in other"
        " programs, keep it running: hpo storage url --hold\n"
    )
    time.sleep(4)  # longer than the server outlives its last user
    server = json.loads(user.run("storage", "status", "--json")[0])["server"]
    assert (server["running"], server["home"]) == (True, str(hpo_home))
    assert (
        "processes use the embedded server" in user.run("storage", "stop", status=1)[1]
    )
    holder.send_signal(signal.SIGINT)
    user.end(holder, 130)
    assert "is stopped" in user.run("storage", "stop")[0]
