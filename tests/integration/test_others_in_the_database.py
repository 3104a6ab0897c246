"""Plain Optuna, and broken rows, in the database of the service: the ledger is the
authority."""

from __future__ import annotations

import io
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from rich.console import Console
from settling import claim, finish, run
from workers import kill, start_worker, toy_spec, wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import SlotState, StudyState
from hpo.views.terminal import screen


def theirs(storage: Storage) -> optuna.Study:
    return optuna.load_study(study_name="toy", storage=storage.optuna())


def test_what_plain_optuna_tells_of_a_running_trial_is_written_over(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(confirm=None))
    held = claim(ledger)
    study = theirs(storage)
    rdb, told = storage.optuna(), study.trials[0]
    rdb.set_trial_intermediate_value(told._trial_id, 1, 77.0)
    rdb.set_trial_intermediate_value(told._trial_id, 9, 99.0)
    rdb.set_trial_user_attr(told._trial_id, "attempts", 17)
    study.tell(0, 123.0)
    finish(ledger, held, score=0.5)
    (trial,), (known,) = theirs(storage).trials, ledger.snapshot("toy").search
    assert (trial.value, trial.intermediate_values) == (0.5, {1: 0.1, 2: 0.5})
    assert (trial.state, trial.params) == (
        optuna.trial.TrialState.COMPLETE,
        known.params,
    )
    assert known.score == 0.5
    held = claim(ledger)
    theirs(storage).tell(1, state=optuna.trial.TrialState.FAIL)
    finish(ledger, held, score=0.25)
    assert theirs(storage).trials[1].value == 0.25
    held = claim(ledger)
    theirs(storage).tell(2, 0.75)
    finish(ledger, held, SlotState.FAILED)
    trial = theirs(storage).trials[2]
    assert (trial.state, trial.values) == (optuna.trial.TrialState.FAIL, None)


def test_trials_that_others_have_added_are_told_apart_in_every_view(
    ledger: Ledger, storage: Storage, hpo: Callable[..., str], tmp_path: Path
) -> None:
    ledger.register(toy_spec(budget={"trials": 4}))
    run(ledger, most=2)
    theirs(storage).optimize(lambda trial: 1e9, n_trials=2)
    run(ledger)
    said = (
        "not counted: 2 trials that other programs added to Optuna's tables; Optuna's"
        " best_trial may be one of them"
    )
    assert said in hpo("status", "toy")
    assert json.loads(hpo("status", "toy", "--json"))["foreign_trials"] == 2
    page = tmp_path / "report.html"
    hpo("report", "toy", "-o", page)
    assert "not counted: 2 trials that other programs added" in page.read_text()
    snapshot = ledger.snapshot("toy")
    assert snapshot.settled == 4
    assert theirs(storage).best_value == 1e9, "what is told apart"
    shown = screen.of_study(
        ledger.result("toy"), storage="", notes=[], width=200, height=40
    )
    console = Console(width=200, file=io.StringIO())
    console.print(shown)
    assert said in console.file.getvalue()


REFUSED = {
    "studies": [
        *(
            "state = 'x'",
            "spec = '[]'",
            "created_at = '10000-01-01'",
            "priority = 1001",
        ),
        *(
            "name = E'\\x1b[31m'",
            "code = '[5]'",
            """spec = '{"objective": "\\u0000"}'""",
        ),
    ],
    "slots": [
        *(
            "state = 'x'",
            "phase = 'x'",
            "lineage = '5'",
            "params = '\"x\"'",
            "attrs = '[1]'",
        ),
        *("amendments = '{}'", "settled_at = '-infinity'", "lease_until = 'infinity'"),
        *("score = 'infinity'", "score = 'NaN'", "score = -1e101", "costs = '{NaN}'"),
        *("steps = '{}'", "steps = '[[0, 1, null]]'", "steps = '[[0, 1]]'"),
        *("number = -1", "lease_s = 'NaN'"),
    ],
    "members": [
        "score = 'infinity'",
        "info = 'null'",
        "seconds = 'NaN'",
        "curve = '{NULL}'",
    ],
    "workers": ["state = 'x'", "seen_at = 'infinity'", """refuses = '{"toy": 5}'"""],
    "events": ["at = 'infinity'"],
}


def test_the_database_takes_no_value_that_no_reader_knows(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(budget={"trials": 4}))
    ledger.register_worker("w", host="here", pid=1, lease_s=60.0)
    run(ledger, most=1)
    refused = pytest.raises(
        sa.exc.DBAPIError, match=r"violates check|unsupported Unicode escape"
    )
    for table_name, changes in REFUSED.items():
        for change in changes:
            with refused, storage.engine.begin() as connection:
                connection.exec_driver_sql(
                    f"UPDATE hpo_ledger.{table_name} SET {change}"
                )


BROKEN = [
    """studies
    SET spec = '{"objective": "toy", "budget": {"trials": 12}, "confirm": 7}'""",
    """slots SET amendments = '[{"a": 1}]'""",
]


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_row_ends_no_standing_worker(
    ledger: Ledger,
    storage: Storage,
    database_url: str,
    hpo: Callable[..., str],
    change: str,
) -> None:
    ledger.register(toy_spec(budget={"window": 2, "trials": 12}))
    run(ledger, most=8)
    of_toy = (
        " WHERE name = 'toy'" if change.startswith("studies") else " WHERE number = 1"
    )
    ledger.register(toy_spec("sound", budget={"trials": 2}, confirm=None))
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE hpo_ledger.{change}{of_toy}")
    worker = start_worker(database_url, "--lease=2")
    try:
        wait_until(lambda: ledger.snapshot("sound").state == StudyState.DONE, 60)
        wait_until(lambda: any("refuses toy" in w.doing for w in ledger.workers()), 30)
        assert "sound" in hpo("status")
        where = (
            "study 'toy'"
            if change.startswith("studies")
            else "trial 1: cannot read its row"
        )
        assert hpo("status", "toy", status=1).startswith(f"error: {where}")
        time.sleep(3.0)  # longer than its lease
        assert worker.poll() is None
        with storage.engine.connect() as connection:
            lost = connection.scalar(
                sa.text("SELECT max(losses) FROM hpo_ledger.slots")
            )
        assert lost == 0, "released, not lost"
    finally:
        kill(worker, signal.SIGTERM)
