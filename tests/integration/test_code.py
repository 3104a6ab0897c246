"""A study is of the source of its objective, too: another one is refused, or accepted
by name."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import forkserver
import pytest
from servers import connect
from settling import decide
from users import User
from workers import (
    SUPPORT,
    kill,
    run_workers,
    start_worker,
    table,
    toy_spec,
    wait_until,
)

from hpo.errors import StudyError
from hpo.ledger import interventions, pins
from hpo.ledger.claim_records import Checkpoint, Claim
from hpo.ledger.ledger import Ledger
from hpo.ledger.statements.studies import SET_CODE
from hpo.postgres import sessions
from hpo.postgres.connect import Storage, open_storage
from hpo.provenance import source
from hpo.study import file
from hpo.study.trials import StudyState

OBJECTIVE = """
\"\"\"Mine.\"\"\"
from toy_objective import ToyObjective

import helper


class Mine(ToyObjective):
    def evaluate(self, params, **rest):
        outcome = super().evaluate(params, **rest)
        return helper.changed(outcome)
"""
HELPER = """


def changed(outcome):
    return outcome.replace(score=0.5 * outcome.score)  # a half
"""

EDITS = [
    ("hpo.ledger.past", "ORDER BY number", "ORDER BY number DESC"),
    ("hpo.search.pruning", '"""', '# another comment\n"""'),
    ("hpo.search.suggest", "ATTEMPTS = 8", "ATTEMPTS = 9"),
    ("hpo.statistics.scales", "_EDGE = 0.002", "_EDGE = 0.003"),
    ("hpo.study.effort", "from enum", "import math\nfrom enum"),
    ("hpo.study.result", "from dataclasses", "import math\nfrom dataclasses"),
    ("hpo.worker.trial", "LARGEST = 16", "LARGEST = 15"),
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A directory with an objective of the user's, and what it imports."""
    (tmp_path / "mine.py").write_text(OBJECTIVE)
    (tmp_path / "helper.py").write_text(HELPER)
    return tmp_path


@pytest.fixture
def user(package: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> User:
    """Somebody who is where that objective is."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (package, SUPPORT))))
    return User(package, database_url)


def register(ledger: Ledger, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(package)
    ledger.register(
        toy_spec("mine", objective="mine:Mine", budget={"trials": 4}, confirm=None)
    )


def test_another_source_is_refused_until_it_is_accepted(
    ledger: Ledger, package: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ledger, package, monkeypatch)
    for name in ("mine", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    user.run("worker", "--study", "mine")
    before = table(ledger.snapshot("mine", curves=True))
    (package / "helper.py").write_text(HELPER.replace("# a half", "# half of it"))
    user.run("resume", "mine", "--trials", "5")
    user.run("worker", "--study", "mine")  # a comment changes nothing
    (package / "helper.py").write_text(HELPER.replace("0.5", "0.25"))
    _, refused = user.run("resume", "mine", "--trials", "8", status=1)
    assert (
        refused
        == "error: study 'mine': the source has changed since its trials began. To go"
        " on: hpo resume mine --accept-code (all open studies: hpo resume --all"
        " --accept-code), which notes from which trial on; or start a new study (--name"
        " NEW). These modules differ: helper\n"
    )
    (package / "helper.py").write_text(HELPER)
    user.run("resume", "mine", "--trials", "8")
    (package / "helper.py").write_text(HELPER.replace("0.5", "0.25"))
    _, refused = user.run("worker", "--study", "mine", status=1)
    assert "These modules differ: helper" in refused
    assert ledger.snapshot("mine").finished == 5
    accepted, _ = user.run("resume", "mine", "--accept-code")
    assert (
        "mine: accepted the source on this host, from trial 5 on: helper;" in accepted
    )
    assert (
        "mine: the source has not changed"
        in user.run("resume", "mine", "--accept-code")[0]
    )
    user.run("worker", "--study", "mine")
    snapshot = ledger.snapshot("mine", curves=True)
    assert (snapshot.state, snapshot.code_changes) == (StudyState.DONE, (5,))
    assert table(snapshot)[:4] == before
    assert len({slot.lineage["code"] for slot in snapshot.search}) == 2
    status, _ = user.run("status", "mine")
    assert (
        "source of the objective changed at trial 5 (hpo resume --accept-code)"
        in status
    )
    assert json.loads(user.run("status", "mine", "--json")[0])["code_changes"] == [5]


def test_after_an_update_all_open_studies_go_on_by_one_command(
    ledger: Ledger, package: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(ledger, package, monkeypatch)
    ledger.register(toy_spec("toy", budget={"trials": 2}, confirm=None))
    claim = ledger.claim("toy", "before", lease_s=600)
    assert isinstance(claim, Claim)
    with ledger.locked("toy") as study:
        [code] = study.row.code
        older = json.dumps(
            [
                {
                    **code,
                    "hash": code["hash"][::-1],
                    "modules": {**code["modules"], "hpo.search.suggest": "0"},
                }
            ]
        )
        study.ask(SET_CODE, code=older, about=json.dumps(study.row.about))
    (package / "helper.py").write_text(HELPER.replace("0.5", "0.25"))
    worker = user.start("worker", "--lease=3")
    wait_until(lambda: len(refused(ledger)) == 2, 60)
    first, *_ = user.run("status")[0].splitlines()
    assert first.startswith("mine: refused by 1 worker on ")
    assert "To go on: hpo resume mine --accept-code (all open studies: hpo" in first
    said, _ = user.run("resume", "--all", "--accept-code", status=1)
    accepted_s = time.monotonic()
    assert sorted(said.splitlines()) == [
        "mine: error: its own modules differ: helper. Accept them where they lie: hpo"
        " resume mine --accept-code",
        "toy: accepted the source on this host, from trial 0 on: hpo.search.suggest;"
        " workers that refused it go on within seconds; 1 running trial (0) may end on"
        " the source before",
    ]
    ledger.release(claim)
    user.run("resume", "mine", "--accept-code")
    wait_until(lambda: all(one.running or one.finished for one in ledger.studies()), 30)
    assert time.monotonic() - accepted_s < 10
    wait_until(lambda: refused(ledger) == set(), 10)
    kill(worker, signal.SIGTERM)


def refused(ledger: Ledger) -> set[str]:
    """Return the studies that living workers refuse."""
    return {name for one in ledger.workers() if one.alive for name in one.refuses}


def test_a_worker_of_another_version_of_the_service_is_refused(
    ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    """Two copies of the service, of which one breaks ties otherwise, at work on one
    study."""
    ledger.register(toy_spec(budget={"trials": 8}, confirm=None))
    run_workers(storage.url, "toy", 1)
    ledger.register(toy_spec(budget={"trials": 12}, confirm=None))
    root = Path(pins.__file__).parents[2]
    shutil.copytree(root / "hpo", tmp_path / "hpo")
    (tmp_path / "hpo/revision.json").write_text(
        '{"revision": "0123456789abc", "dirty": false}'
    )
    for name, old, new in EDITS:
        file = tmp_path / f"{name.replace('.', '/')}.py"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    with forkserver.genuine():
        other = start_worker(storage.url, "--study", "toy", code=code)
    said = other.communicate(timeout=100)[1]
    named = ", ".join(sorted(name for name, _, new in EDITS if not new.startswith("#")))
    assert f"this is 0123456789, and these modules differ: {named}\n" in said
    assert (other.returncode, ledger.snapshot("toy").finished) == (1, 8)
    assert {slot.lineage["code"] for slot in ledger.snapshot("toy").search} == {
        pins.fingerprint(toy_spec())
    }


def test_another_version_of_optuna_is_refused(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(toy_spec())
    about = tmp_path / "optuna-9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: optuna\nVersion: 9.9\n")
    own = version("optuna")
    monkeypatch.syspath_prepend(tmp_path)
    named = rf"modules differ: package optuna \(theirs {own}, here 9\.9\)"
    with pytest.raises(StudyError, match=named):
        ledger.register(toy_spec())


def test_a_worker_that_rounds_otherwise_is_refused_where_the_study_asks_for_it(
    ledger: Ledger, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(toy_spec(budget={"trials": 2}, confirm=None))
    run_workers(storage.url, "toy", 1)
    (own,) = {slot.lineage["numerics"] for slot in ledger.snapshot("toy").search}
    ledger.register(
        toy_spec(budget={"trials": 4}, confirm=None, require_same_numerics=True)
    )
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    other = start_worker(storage.url, "--study", "toy")
    said = other.communicate(timeout=60)[1]
    assert other.returncode == 1
    assert f"threads of its first trial (numerics={own}), got numerics=" in said
    assert "Or launch it with require_same_numerics = false." in said
    assert ledger.snapshot("toy").finished == 2


def test_no_lock_is_held_while_an_objective_is_imported_and_its_source_is_read(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine that takes longer than a transaction may idle."""
    ledger.register(toy_spec())
    with connect(database_url) as connection:
        connection.execute("UPDATE hpo_ledger.studies SET code = '[]'")
    monkeypatch.setattr(sessions, "IDLE_S", 1)

    def slow_at_first(owner: Any, name: str) -> None:
        waits, real = [2.0], getattr(owner, name)

        def slow(*arguments: Any, **named: Any) -> Any:
            time.sleep(waits.pop() if waits else 0.0)
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, slow)

    def accept(ledger: Ledger, name: str) -> int:
        accepted = interventions.accept_code(ledger, name)
        assert accepted is not None
        return accepted.since

    acts: tuple[Callable[[Ledger, str], int], ...] = (
        accept,
        partial(interventions.enqueue, params={"x": 0.5}),
    )
    for act in acts:
        slow_at_first(file, "validate")
        slow_at_first(source, "modules")
        with open_storage(database_url) as storage:
            assert act(Ledger(storage), "toy") == 0


def test_of_workers_that_round_otherwise_the_first_decides(ledger: Ledger) -> None:
    ledger.register(toy_spec(require_same_numerics=True))
    for name, numerics in (("a", "1"), ("b", "2")):
        ledger.register_worker(name, host="h", pid=1, lease_s=60, numerics=numerics)

    def claim(name: str) -> Claim:
        found = ledger.claim(
            "toy", name, lease_s=60, numerics={"a": "1", "b": "2"}[name]
        )
        assert isinstance(found, Claim)
        return found

    ledger.release(claim("b"))  # as where it lacks the data: it has computed nothing
    first = claim("a")
    for _ in range(2):
        with pytest.raises(StudyError, match=r"\(numerics=1\), got numerics=2 on "):
            claim("b")
    ledger.store_suggestion(first, decide(ledger, first))
    ledger.store_checkpoint(
        first,
        Checkpoint(
            member=0,
            epoch=1,
            curve=(0.5,),
            scored_at=(1,),
            seconds=1.0,
            data=b"half a network",
        ),
    )
    ledger.release(first)
    with pytest.raises(StudyError, match=r"\(numerics=1\)"):
        claim("b")
    assert ledger.register(toy_spec()) == "continued", "no trial depends on it"
    assert claim("b").checkpoint is not None
