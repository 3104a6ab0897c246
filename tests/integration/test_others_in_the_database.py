"""Plain Optuna, and broken rows, in the database of the service: the ledger is the
authority."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import optuna
import pytest
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from settling import claim, finish, run
from workers import kill, run_workers, start_worker, toy_spec, wait_until

from hpo.ledger import interventions
from hpo.ledger.claim_records import Claim
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import SlotState, StudyState


def theirs(storage: Storage) -> optuna.Study:
    return optuna.load_study(study_name="toy", storage=storage.optuna())


REFUSAL = (
    "study toy: hpo runs its trials, so nobody else may add or tell one. Parameters of"
    " yours: hpo enqueue toy NAME=VALUE. More trials: hpo resume toy --trials N. For"
    " study.optimize, create a study of another name."
)


@contextmanager
def refused() -> Iterator[None]:
    """Plain Optuna raises an error, with our words in it or in its cause."""
    errors = (sa.exc.IntegrityError, StorageInternalError)
    with pytest.raises(errors) as caught:
        yield
    assert REFUSAL in f"{caught.value} {caught.value.__cause__}"


def check_mirror(ledger: Ledger, storage: Storage) -> None:
    """Optuna shows the slots of the ledger, each once, and nothing else."""
    ours = ledger.snapshot("toy").search
    study = theirs(storage)
    shown = study.trials
    assert [trial.number for trial in shown] == [slot.number for slot in ours]
    for trial, slot in zip(shown, ours, strict=True):
        assert trial.state == OPTUNA_STATE[slot.state]
        if slot.state == SlotState.COMPLETE:
            assert (trial.value, trial.params) == (slot.score, slot.params)
    done = [slot for slot in ours if slot.state == SlotState.COMPLETE]
    best = max(done, key=lambda slot: (slot.score or 0.0, -slot.number))
    assert (study.best_trial.number, study.best_value) == (best.number, best.score)


OPTUNA_STATE = {
    SlotState.RUNNING: optuna.trial.TrialState.RUNNING,
    SlotState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    SlotState.PRUNED: optuna.trial.TrialState.PRUNED,
    SlotState.FAILED: optuna.trial.TrialState.FAIL,
    SlotState.EXCLUDED: optuna.trial.TrialState.FAIL,
}


def test_plain_optuna_adds_no_trial_to_a_study(
    ledger: Ledger, storage: Storage, database_url: str
) -> None:
    """Its numbers would stand twice, and its values be the best ones."""
    ledger.register(toy_spec(budget={"trials": 4}, confirm=None))
    run_workers(database_url, "toy", 1)
    study = theirs(storage)
    with refused():
        study.optimize(lambda trial: 1e9, n_trials=2)
    with refused():
        study.enqueue_trial({"x": 0.5})
    with refused():
        study.add_trial(optuna.trial.create_trial(value=1e9))
    interventions.extend(ledger, "toy", 8)
    run_workers(database_url, "toy", 1)
    assert len(theirs(storage).trials) == 8
    assert ledger.snapshot("toy").foreign_trials == 0
    check_mirror(ledger, storage)


def test_plain_optuna_runs_studies_of_its_own_beside_ours(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    own = optuna.create_study(study_name="own", storage=storage.optuna())
    own.enqueue_trial({"x": 0.5})
    own.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    assert [trial.number for trial in own.trials] == [0, 1, 2]
    assert own.trials[0].params == {"x": 0.5}


def test_what_plain_optuna_tells_of_a_running_trial_is_refused_or_written_over(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(confirm=None))
    held = claim(ledger)
    study = theirs(storage)
    rdb, told = storage.optuna(), study.trials[0]
    rdb.set_trial_intermediate_value(told._trial_id, 1, 77.0)
    rdb.set_trial_intermediate_value(told._trial_id, 9, 99.0)
    rdb.set_trial_user_attr(told._trial_id, "attempts", 17)
    for state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL):
        values = 123.0 if state == optuna.trial.TrialState.COMPLETE else None
        with refused():
            study.tell(0, values, state=state)
    finish(ledger, held, score=0.5)
    (trial,), (known,) = theirs(storage).trials, ledger.snapshot("toy").search
    assert (trial.value, trial.intermediate_values) == (0.5, {1: 0.1, 2: 0.5})
    assert trial.user_attrs["attempts"] == 1
    assert trial.params == known.params
    check_mirror(ledger, storage)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_program_of_optuna_writes_its_tables_show_our_trials(
    ledger: Ledger, storage: Storage, seed: int
) -> None:
    """Calls of Optuna's storage at random, between claims and ends of ours."""
    ledger.register(toy_spec(budget={"trials": 12, "window": 3}, confirm=None))
    rng = random.Random(seed)
    rdb = storage.optuna()
    study_id = theirs(storage)._study_id
    some = optuna.trial.create_trial(value=1e9)
    state = optuna.trial.TrialState
    unit = optuna.distributions.FloatDistribution(0.0, 1.0)
    held: list[Claim] = []
    for step in range(60):
        trials = rdb.get_all_trials(study_id)
        trial_id = rng.choice(trials)._trial_id if trials else 1
        write = rng.choice(
            [
                lambda: rdb.create_new_trial(study_id),
                lambda: rdb.create_new_trial(study_id, some),
                lambda i=trial_id: rdb.set_trial_state_values(i, state.COMPLETE, [9.0]),
                lambda i=trial_id: rdb.set_trial_state_values(i, state.FAIL),
                lambda i=trial_id: rdb.set_trial_state_values(i, state.RUNNING),
                lambda i=trial_id: rdb.set_trial_intermediate_value(i, 7, 9.0),
                lambda i=trial_id: rdb.set_trial_user_attr(i, "attempts", 9),
                lambda i=trial_id: rdb.set_trial_system_attr(i, "odd", 9),
                lambda i=trial_id: rdb.set_trial_param(i, "odd", 0.9, unit),
                lambda i=trial_id: rdb.set_trial_param(i, "x", 0.9, unit),
            ]
        )
        with suppress(
            sa.exc.IntegrityError, StorageInternalError, RuntimeError, LookupError
        ):
            write()
        answer = ledger.claim("toy", f"w{step}", lease_s=60)
        if isinstance(answer, Claim):
            held.append(answer)
        if held and rng.random() < 0.5:
            finish(ledger, held.pop(rng.randrange(len(held))))
    for left in held:
        finish(ledger, left)
    run(ledger)
    assert len(ledger.snapshot("toy").search) == 12
    check_mirror(ledger, storage)


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
        *("amendments = '{}'", "finished_at = '-infinity'", "lease_until = 'infinity'"),
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
