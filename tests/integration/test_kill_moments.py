"""A worker killed at any moment: its heir goes on within the lease, and ends as if
nothing was."""

from __future__ import annotations

import itertools
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, Self

import pytest
from servers import connect
from settling import claim
from workers import ended, kill, start_worker, table, toy_spec, undisturbed, wait_until

from hpo.ledger.ledger import Ledger
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.trials import StudyState, Trial

LEASE_S = 2.0
HEIR_S = 15.0
"""Beyond the lease, until the heir of a slot has begun."""
EPOCHS_TOLD = """
import sys, toy_objective
evaluate = toy_objective.ToyObjective.evaluate
def told(self, params, *, resume=None, **rest):
    done = len(__import__("json").loads(resume)[0]) if resume else 0
    print("trains", done + 1, params.epochs, file=sys.stderr)
    return evaluate(self, params, resume=resume, **rest)
toy_objective.ToyObjective.evaluate = told
"""
"""A worker that says from which epoch to which it trains."""

GATE_KEY = 4711
GATE_NUMBERS = itertools.count()


class Gate:
    """A gate before a statement; use it in ``with``.

    A worker's own SQL stops there until the test lets it go. Nothing in the worker
    knows of it: a trigger asks for an advisory lock that the test holds.

    Args:
        url: the database.
        statement: as in ``UPDATE OF params ON hpo_ledger.slots``.
        when: condition on the rows OLD and NEW under which the gate is shut.
    """

    def __init__(self, url: str, statement: str, when: str = "true") -> None:
        self._url, self._name = url, f"gate_{next(GATE_NUMBERS)}"
        self._key = GATE_KEY + next(GATE_NUMBERS)
        name = self._name
        with connect(url) as connection:
            connection.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" PERFORM pg_advisory_xact_lock({self._key}); RETURN NEW; END $$"
            )
            connection.execute(
                f"CREATE TRIGGER {name} BEFORE {statement} FOR EACH ROW WHEN ({when}) "
                f"EXECUTE FUNCTION {name}()"
            )
        self._holder = connect(url)
        self._holder.execute(f"SELECT pg_advisory_lock({self._key})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.open()

    def wait(self) -> None:
        """Return when somebody stands before the gate."""
        query = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid ="
            f" {self._key}"
        )
        with connect(self._url) as connection:
            count = f"{query} AND NOT granted"
            wait_until(lambda: connection.execute(count).fetchone() != (0,))

    def cut(self) -> None:
        """End the sessions that stand before the gate: what they were at is undone."""
        with connect(self._url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                f"WHERE locktype = 'advisory' AND objid = {self._key} AND NOT granted"
            )

    def open(self) -> None:
        """Let everybody through."""
        self._holder.close()


def one_trial(name: str, **fixed: object) -> StudySpec:
    budget = {"trials": 1, "seeds": 2, "epochs": 6}
    return toy_spec(name, budget=budget, fixed=fixed, confirm=None)


def slot(ledger: Ledger) -> Trial:
    return ledger.snapshot("killed").search[0]


class Scene:
    """A victim at the moment of its death, an heir that waits, and what becomes of the
    study."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self.url, self.ledger = url, ledger
        self.stored_at_death: tuple[Member, ...] = ()

    def start(self, name: str, *options: str, code: str = "") -> subprocess.Popen[str]:
        arguments = [
            "--study",
            "killed",
            "--name",
            name,
            f"--lease={LEASE_S}",
            *options,
        ]
        return start_worker(self.url, *arguments, code=code)

    def succeed(
        self, victim: subprocess.Popen[str], open_gate: Callable[[], object]
    ) -> str:
        """Kill the victim while an heir waits; returns what the heir said, in the
        end."""
        heir = self.start("heir")
        wait_until(lambda: "heir" in [worker.name for worker in self.ledger.workers()])
        kill(victim, signal.SIGKILL)
        killed_s = time.monotonic()
        self.stored_at_death = slot(self.ledger).members
        open_gate()
        wait_until(lambda: slot(self.ledger).worker == "heir", LEASE_S + HEIR_S)
        assert time.monotonic() - killed_s < LEASE_S + HEIR_S
        said = ended(heir)
        assert self.ledger.snapshot("killed").state == StudyState.DONE
        return said


@pytest.fixture
def scene(database_url: str, ledger: Ledger) -> Scene:
    return Scene(database_url, ledger)


@pytest.fixture(scope="module")
def alone(server_url: str) -> list[tuple[Any, ...]]:
    """The table of an undisturbed study, in a database of its own."""
    with connect(server_url) as connection:
        connection.execute(
            "DROP DATABASE IF EXISTS alone"
        )  # once before, in the same process
        connection.execute("CREATE DATABASE alone")
    return undisturbed(server_url.replace("/hpo?", "/alone?"), one_trial("alone"))


def check(
    scene: Scene, alone: list[tuple[Any, ...]], *, trained_by_victim: int
) -> None:
    """The table is that of an undisturbed study; what the victim had stored was not
    repeated."""
    disturbed = scene.ledger.snapshot("killed", curves=True)
    assert table(disturbed) == alone
    only = disturbed.search[0]
    assert (only.attempts, only.losses) == (2, 1)
    query = "SELECT worker FROM hpo_ledger.members WHERE slot_id = 1 ORDER BY member"
    with scene.ledger._engine.connect() as connection:
        by = list(connection.exec_driver_sql(query).scalars())
    assert by == ["victim"] * trained_by_victim + ["heir"] * (2 - trained_by_victim)


@pytest.mark.parametrize(
    ("statement", "when", "trained"),
    [
        pytest.param(
            "UPDATE OF params ON hpo_ledger.slots", "true", 0, id="before-suggestion"
        ),
        pytest.param(
            "INSERT ON hpo_ledger.members", "NEW.member = 0", 0, id="storing-a-member"
        ),
        pytest.param(
            "UPDATE OF finished_at ON hpo_ledger.slots", "true", 1, id="settling"
        ),
        pytest.param(
            "UPDATE OF datetime_complete ON trials", "true", 1, id="end-of-settling"
        ),
    ],
)
def test_at_a_statement(
    scene: Scene, alone: list[tuple[Any, ...]], statement: str, when: str, trained: int
) -> None:
    scene.ledger.register(one_trial("killed"))
    with Gate(scene.url, statement, when) as gate:
        victim = scene.start("victim")
        gate.wait()
        scene.succeed(victim, lambda: (gate.cut(), gate.open()))
    check(scene, alone, trained_by_victim=trained)


def test_between_a_failed_trial_and_the_verdict_on_its_study(
    scene: Scene, database_url: str
) -> None:
    """Three failures in a row stop a study: whoever claims next judges, if their worker
    is dead."""
    breaks = toy_spec(
        "killed",
        budget={"trials": 20, "window": 1, "seeds": 1},
        fixed={"fail": "always"},
        pruner={"name": "none"},
    )
    scene.ledger.register(breaks)
    verdict = "UPDATE OF state ON hpo_ledger.studies"
    with Gate(scene.url, verdict, "NEW.state = 'failed'") as gate:
        victim = scene.start("victim")
        gate.wait()
        kill(victim, signal.SIGKILL)
        gate.cut()
    assert scene.ledger.snapshot("killed").state == StudyState.OPEN
    ended(scene.start("heir"))
    snapshot = scene.ledger.snapshot("killed")
    assert snapshot.state == StudyState.FAILED
    assert [slot.worker for slot in snapshot.search] == ["victim"] * 3


def test_before_a_suggestion_that_many_others_wait_for(
    scene: Scene, database_url: str
) -> None:
    """They wait for it a while, then work it out themselves, all at about the same
    moment."""
    budget = {"trials": 8, "window": 6, "seeds": 1, "clock": True}
    spec = toy_spec("killed", budget=budget)
    scene.ledger.register(spec)
    claim(scene.ledger, "dead", study="killed", lease_s=3600)
    workers = [scene.start(f"waiter-{k}") for k in range(3)]
    wait_until(lambda: scene.ledger.snapshot("killed").finished == 5)
    assert not scene.ledger.snapshot("killed").search[0].params
    scene.ledger.record_loss("dead")
    for worker in workers:
        ended(worker)
    alone = toy_spec("undisturbed", budget=budget)
    snapshot = scene.ledger.snapshot("killed", curves=True)
    assert table(snapshot) == undisturbed(database_url, alone)


def test_a_worker_paused_in_the_middle_of_a_transaction_holds_nobody_up(
    scene: Scene, database_url: str
) -> None:
    """It holds the lock on the study while it opens a confirmation; its session is
    ended."""
    tables = {
        "budget": {"trials": 1, "seeds": 1},
        "confirm": {"top": 1, "seeds": 2},
    }
    scene.ledger.register(toy_spec("killed", **tables))
    code = "import hpo.postgres.sessions; hpo.postgres.sessions.IDLE_S = 1"
    opens = Gate(scene.url, "INSERT ON hpo_ledger.slots", "NEW.phase = 'confirm'")
    with opens as gate:
        victim = scene.start("victim", code=code)
        gate.wait()
        victim.send_signal(signal.SIGSTOP)
    ended(scene.start("heir"))
    victim.send_signal(signal.SIGCONT)
    ended(victim)
    snapshot = scene.ledger.snapshot("killed", curves=True)
    assert [s.worker for s in snapshot.confirm] == ["heir", "heir"]
    assert table(snapshot) == undisturbed(
        database_url, toy_spec("undisturbed", **tables)
    )


def test_a_killed_training_goes_on_from_its_checkpoint(
    scene: Scene, alone: list[tuple[Any, ...]]
) -> None:
    scene.ledger.register(one_trial("killed", sleep_s=0.3))
    victim = scene.start(
        "victim",
        code="from hpo.worker import training; training.CHECKPOINT_S = (0.1, 0.1)",
    )
    with scene.ledger._engine.connect() as connection:
        kept = "SELECT cardinality(curve) FROM hpo_ledger.checkpoints"
        read = connection.execution_options(
            isolation_level="AUTOCOMMIT"
        ).exec_driver_sql
        wait_until(lambda: (read(kept).scalar() or 0) >= 3)
        kill(victim, signal.SIGKILL)
        member, epochs = read(
            "SELECT member, cardinality(curve) FROM hpo_ledger.checkpoints"
        ).one()
        said = ended(scene.start("heir", code=EPOCHS_TOLD))
        trained = [
            line.split()[1:] for line in said.splitlines() if line.startswith("trains ")
        ]
        assert trained[0] == [str(epochs + 1), "6"]
        assert read(kept).scalar() is None, "a finished trial needs no checkpoint"
    check(scene, alone, trained_by_victim=member)
