"""Ask and tell: clients that evaluate trials themselves, and what is lost when they
die."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from stack import ROOT
from users import User

from hpo.asktell.client import Asked, Client, Nothing
from hpo.errors import StudyError
from hpo.ledger.ledger import Ledger
from hpo.notebook import load
from hpo.postgres.connect import Storage
from hpo.study.ask_and_tell import AskedSlot
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, StudyState
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

INSTRUMENT = """
import hashlib, json, sys
asked = json.loads(sys.argv[1])
digest = hashlib.sha256(json.dumps(asked["params"], sort_keys=True).encode()).digest()
print(asked["trial"], int.from_bytes(digest[:4], "big") / 2**32, "--sd 0.125")
"""
"""A deterministic instrument: its reading is a hash of the parameters."""


def read(params: Mapping[str, Any]) -> float:
    """What ``INSTRUMENT`` reads."""
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def bench(name: str = "bench", *, trials: int = 8, **tables: Any) -> StudySpec:
    """A study of an instrument with one value."""
    return validate(
        {
            "name": name,
            "objective": "ask-and-tell",
            "metrics": "power_nw",
            "directions": "maximize",
            "budget": {"trials": trials, "window": 1},
            "space": {
                "current_ma": {"low": 0.0, "high": 10.0},
                "turns": {"low": 1, "high": 8},
            },
            "sampler": {"name": "kriging-believer", "n_startup_trials": 3},
            **tables,
        },
        where="test",
    )


def asked_by(client: Client) -> Asked:
    """The trial that a client is asked; there is one."""
    asked = client.ask()
    assert isinstance(asked, Asked)
    return asked


def measure_all(client: Client) -> None:
    """Measure until the study is done; others may have to tell first."""
    while True:
        asked = client.ask()
        if isinstance(asked, Asked):
            client.tell(asked.slot, [read(asked.params)], sd=0.125)
        elif asked.done:
            return
        else:
            time.sleep(0.02)


def rows(snapshot: StudySnapshot) -> list[tuple[Any, ...]]:
    """Parameters and values of all trials, as they are stored."""
    found = []
    for trial in (*snapshot.search, *snapshot.confirm):
        values = [(one.score, one.info) for one in trial.members]
        state = (trial.state, dict(trial.params), trial.score)
        found.append((trial.phase, trial.number, trial.source, state, values))
    return found


def undisturbed(ledger: Ledger, storage: Storage, **tables: Any) -> list[Any]:
    """The table of the same study by one client that nobody disturbs."""
    ledger.register(bench("calm", **tables))
    measure_all(Client(storage, "calm"))
    return rows(ledger.snapshot("calm"))


def run_and_kill(line: list[str], user: User, times: int) -> None:
    """Run a program; kill it, with all that it has started, at random moments."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**user.environment, "PATH": os.pathsep.join(places)}
    chance = random.Random(7)
    for left in range(times, -1, -1):
        process = subprocess.Popen(
            line, cwd=user.directory, env=environment, start_new_session=True
        )
        user.started.append(process)
        if left:
            time.sleep(chance.uniform(0.2, 4.0))
            os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(timeout=300) == (-signal.SIGKILL if left else 0)


def test_a_loop_that_is_killed_loses_no_reading_and_counts_none_twice(
    user: User, ledger: Ledger, storage: Storage
) -> None:
    """The loop of the documentation, killed ten times, in ask, tell or between."""
    confirm = {"seeds": 2}
    shutil.copy(ROOT / "docs/examples/bench.sh", user.directory)
    (user.directory / "bench.py").write_text(INSTRUMENT)
    ledger.register(bench(trials=5, confirm=confirm))
    run_and_kill(["sh", "bench.sh"], user, times=10)
    snapshot = ledger.snapshot("bench")
    assert snapshot.state == StudyState.DONE
    assert rows(snapshot) == undisturbed(ledger, storage, trials=5, confirm=confirm)
    assert [len(trial.members) for trial in snapshot.search] == [1] * 5
    assert [len(trial.members) for trial in snapshot.confirm] == [1] * 2


def test_two_clients_make_the_study_of_one(ledger: Ledger, storage: Storage) -> None:
    tables = {"budget": {"trials": 12, "window": 3}}
    ledger.register(bench(**tables))
    clients = [Client(storage, "bench", name) for name in ("left", "right")]
    threads = [threading.Thread(target=measure_all, args=(one,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    snapshot = ledger.snapshot("bench")
    assert rows(snapshot) == undisturbed(ledger, storage, **tables)
    assert {trial.worker for trial in snapshot.search} == {"left", "right"}


def test_a_client_that_comes_back_gets_its_trial_and_others_get_it_later(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(bench())
    first = Client(storage, "bench", "left").ask(lease_s=0.5)
    assert isinstance(first, Asked)
    assert not first.again
    again = Client(storage, "bench", "left").ask(lease_s=0.5)
    assert isinstance(again, Asked)
    assert (again.slot, again.params, again.again) == (first.slot, first.params, True)
    right = Client(storage, "bench", "right")
    wait = right.ask()
    assert isinstance(wait, Nothing)
    assert (wait.done, wait.reason) == (
        False,
        "bench: trial 1 waits for trial 0 (budget.window = 1)",
    )
    time.sleep(0.6)
    other = asked_by(right)
    assert (other.slot, other.params, other.again) == (first.slot, first.params, True)
    with pytest.raises(StudyError, match="of left on trial 0 has passed to right"):
        Client(storage, "bench", "left").renew(first.slot)
    assert not Client(storage, "bench", "left").tell(first.slot, [0.25])
    assert right.tell(first.slot, [0.25]), "told before"
    with pytest.raises(StudyError, match=r"trial 0 before: 0\.25\. The first"):
        right.tell(first.slot, [0.5])
    (trial,) = ledger.snapshot("bench").search
    assert (trial.score, trial.losses, len(trial.members)) == (0.25, 1, 1)


def test_a_lease_that_is_renewed_lasts(ledger: Ledger, storage: Storage) -> None:
    ledger.register(bench())
    left = Client(storage, "bench", "left")
    asked = left.ask(lease_s=0.5)
    assert isinstance(asked, Asked)
    left.renew(asked.slot, lease_s=60)
    time.sleep(0.6)
    assert isinstance(Client(storage, "bench", "right").ask(), Nothing)
    left.tell(asked.slot, [0.5])
    with pytest.raises(StudyError, match="trial 0 is complete already"):
        left.renew(asked.slot)


def test_a_failed_and_a_pruned_trial_are_finished(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(bench())
    client = Client(storage, "bench", "left")
    for state, values in ((SlotState.FAILED, []), (SlotState.PRUNED, [0.125])):
        client.tell(asked_by(client).slot, values, state=state)
    failed, pruned = ledger.snapshot("bench").search
    assert (failed.state, failed.score) == (SlotState.FAILED, None)
    assert (failed.message, pruned.message) == (
        "failed, as left has told",
        "pruned, as left has told",
    )
    assert (pruned.state, pruned.score, pruned.members) == (SlotState.PRUNED, 0.125, ())
    with pytest.raises(StudyError, match="has told trial 0 before: failed"):
        client.tell(AskedSlot(0), [0.5])
    measure_all(client)
    assert ledger.snapshot("bench").state == StudyState.DONE


def test_several_values_are_a_front(ledger: Ledger, storage: Storage) -> None:
    ledger.register(
        bench(
            metrics=["power_nw", "gain"],
            directions=["minimize", "maximize"],
            sampler={"name": "tpe", "n_startup_trials": 2},
            trials=4,
        )
    )
    client = Client(storage, "bench")
    for value in range(4):
        client.tell(asked_by(client).slot, [float(value), 2.0 * value])
    assert isinstance(client.ask(), Nothing)
    result = ledger.result("bench")
    assert [trial.costs for trial in result.search] == [
        (-0.0,),
        (-2.0,),
        (-4.0,),
        (-6.0,),
    ]
    assert len(result.front) == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [float("nan")],
            "study 'bench', trial 0: expected a finite number for power_nw, got nan."
            " Measure again, or tell that it failed: hpo tell bench 0 --state failed.",
        ),
        (
            [1.0, 2.0],
            "study 'bench', trial 0: expected one value (power_nw), got 2. Give as"
            " many values, in this order.",
        ),
    ],
)
def test_values_that_cannot_be_stored_are_refused(
    values: list[float], message: str, ledger: Ledger, storage: Storage
) -> None:
    ledger.register(bench())
    client = Client(storage, "bench")
    asked = asked_by(client)
    with pytest.raises(StudyError) as caught:
        client.tell(asked.slot, values)
    assert str(caught.value) == message


def test_what_was_not_asked_cannot_be_told(ledger: Ledger, storage: Storage) -> None:
    ledger.register(bench(confirm={"seeds": 2}))
    client = Client(storage, "bench")
    for slot in (AskedSlot(0), AskedSlot(0, 1), AskedSlot(0, 9)):
        with pytest.raises(StudyError, match=f"trial {slot} has not been asked"):
            client.tell(slot, [0.5])


def test_the_command_line_says_what_to_do(
    ledger: Ledger, hpo: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "bench.toml"
    file.write_text(
        'objective = "ask-and-tell"\n[budget]\ntrials = 1\nwindow = 1\n'
        "[space]\nx = {low = 0, high = 8}\n"
    )
    hpo("launch", file)
    asked = json.loads(hpo("ask", "bench", "--json"))
    x = asked["params"].pop("x")
    assert isinstance(x, int)
    assert asked == {
        "trial": 0,
        "params": {},
        "confirmation": False,
        "again": False,
        "lease_s": 3600.0,
    }
    assert hpo("ask", "bench") == (
        f"bench: trial 0, asked before\n  x = {x}\nnext: hpo tell bench 0 VALUE\n"
    )
    assert hpo("ask", "bench", "--client", "other", status=3) == ""
    assert hpo("ask", "bench", "--renew", "0", "--lease", "60") == (
        "bench: trial 0 is yours for 60 s more\n"
    )
    told = ("tell", "bench", "0", "-1.5e-3", "--sd", "2e-4")
    assert hpo(*told) == "bench: trial 0 complete -0.0015 ± 0.0002\n"
    assert hpo(*told) == "bench: trial 0 complete -0.0015 ± 0.0002, as told before\n"
    assert "has told trial 0 before" in hpo("tell", "bench", "0", "2", status=1)
    hpo("ask", "bench", status=4)
    (trial,) = ledger.snapshot("bench").search
    assert trial.members[0].info == {"value_sd": 2e-4}


def test_in_python_several_trials_are_out_at_once(
    ledger: Ledger, database_url: str
) -> None:
    """And what an object has asked and not told, the next one is asked first."""
    tables = {"budget": {"trials": 5, "window": 2}}
    ledger.register(bench(confirm={"seeds": 2}, **tables))
    study = load("bench", database_url)
    first, second = study.ask(), study.ask()
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (0, 1)
    with pytest.raises(StudyError, match="have asked first: trial 0, 1") as caught:
        study.ask()
    assert "waits for trial 0" in str(caught.value)
    study.tell(second, read(second.params), sd=0.125)
    first.renew(2.0)
    del study, first
    gc.collect()
    study = load("bench", database_url)
    asked = []
    while (trial := study.ask()) is not None:
        asked.append((trial.number, trial.repetition))
        study.tell(trial, read(trial.params), sd=0.125)
    best = ledger.result("bench").best
    assert best is not None
    again = [(best.number, 1), (best.number, 2)]
    assert asked == [(0, None), (2, None), (3, None), (4, None), *again]
    study.tell(f"{best.number}.1", read(best.params), sd=0.125)
    with pytest.raises(StudyError, match=r"study\.exclude\(0\)"):
        study.tell(0, [7.0])
    assert study.best_params == best.params


def test_in_python_a_wrong_trial_or_state_is_named(
    ledger: Ledger, database_url: str
) -> None:
    ledger.register(bench())
    study: Any = load("bench", database_url)
    with pytest.raises(StudyError, match=r'such as 17 or "7\.3", got None'):
        study.tell(None, 0.5)
    with pytest.raises(StudyError, match='"failed" or "pruned", got \'FAIL\''):
        study.tell(study.ask(), state="FAIL")


def test_whole_numbers_stay_whole(ledger: Ledger) -> None:
    ledger.register(bench())
    space = {
        "current_ma": {"low": 0.0, "high": 10.0},
        "turns": {"low": 1.0, "high": 8.0},
    }
    with pytest.raises(StudyError) as caught:
        ledger.register(bench(space=space))
    assert str(caught.value) == (
        "study 'bench': space.turns: expected the kind of numbers of the study in the"
        " database, got low=1.0, high=8.0. Choose another name: --name NEW."
    )
    assert ledger.register(bench(trials=9)) == "extended"


def test_no_worker_serves_it_and_one_that_serves_all_passes_it_by(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(bench())
    with pytest.raises(StudyError, match="no worker evaluates its trials"):
        Worker(storage, WorkerOptions(study="bench")).run()
    assert ledger.open_studies() == []
