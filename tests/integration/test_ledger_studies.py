"""The ledger's promises about whole studies: their specs, their ends, and which comes
next."""

from __future__ import annotations

import re
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from servers import connect
from settling import claim, finish, run
from workers import toy_spec

from hpo.errors import StorageError, StudyError
from hpo.ledger.claim_records import Claim, End, Over, Wait
from hpo.ledger.ledger import Ledger
from hpo.ledger.schema import SCHEMA_VERSION
from hpo.postgres.connect import Storage, open_storage
from hpo.study.trials import SlotState, StudyState


def test_a_fifth_of_failures_stops_the_study(ledger: Ledger) -> None:
    ledger.register(toy_spec(budget={"trials": 15, "window": 4}))
    for number in range(5):
        held = claim(ledger, "w")
        if number % 2 == 0:
            ledger.settle(held, End(state=SlotState.FAILED, message="boom"))
        else:
            finish(ledger, held)
    assert ledger.snapshot("toy").reason == "3 of 15 trials failed; the last one:\nboom"


def test_failures_count_by_number_not_by_time(ledger: Ledger) -> None:
    """Fast failures that overtake slower trials stop nothing by themselves."""
    ledger.register(toy_spec(budget={"window": 8}))
    held = [claim(ledger, f"w{i}") for i in range(5)]
    for number in (0, 1, 4):
        ledger.settle(
            held[number], End(state=SlotState.FAILED, message=f"boom {number}")
        )
    assert ledger.snapshot("toy").state == StudyState.OPEN
    finish(ledger, held[3])
    ledger.settle(held[2], End(state=SlotState.FAILED, message="boom 2"))
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.FAILED
    assert snapshot.reason == "3 trials in a row failed; the last one:\nboom 4"
    assert ledger.claim("toy", "w", lease_s=60) == Over("toy is failed", failed=True)


def test_confirmation_of_the_best_and_extension(ledger: Ledger) -> None:
    spec = toy_spec(budget={"trials": 10})
    assert ledger.register(spec) == "created"
    run(ledger)
    snapshot = ledger.result("toy")
    assert snapshot.state == StudyState.DONE
    assert [c.source for c in snapshot.confirmations] == [3, 6]
    assert [slot.number for slot in snapshot.confirm] == [9, 10, 11, 18, 19, 20]
    assert all(c.complete for c in snapshot.confirmations)
    assert ledger.register(spec) == "continued"
    assert ledger.register(toy_spec(budget={"trials": 21})) == "extended"
    assert ledger.snapshot("toy").state == StudyState.OPEN
    run(ledger)
    snapshot = ledger.result("toy")
    assert len(snapshot.search) == 21
    assert [c.source for c in snapshot.confirmations] == [3, 20]


def test_without_confirmation_the_study_stays_open(ledger: Ledger) -> None:
    ledger.register(toy_spec(budget={"trials": 1}))
    finish(ledger, claim(ledger, "w"))
    over = ledger.claim("toy", "w", lease_s=60, confirm=False)
    assert over == Over("toy: every trial is finished")
    assert ledger.snapshot("toy").state == StudyState.OPEN


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        (
            {"seed": 4, "budget": {"window": 5}},
            (
                "study 'toy' exists already, and it differs in budget.window: 4 -> 5,"
                " seed: 3 -> 4. Only a larger budget.trials is accepted; otherwise"
                " choose another name: --name NEW."
            ),
        ),
        (
            {"budget": {"trials": 20}},
            (
                "study 'toy': budget.trials: expected at least 24, as in the database,"
                " got 20. Give --trials 24, or choose another name: --name NEW."
            ),
        ),
        (
            {"space": {"x": {"low": 0.0, "high": 0.5}}},
            "space.k.low: 1 -> None, and 4 more. Only a larger budget.trials",
        ),
    ],
)
def test_changed_spec_is_refused(
    ledger: Ledger, tables: dict[str, Any], text: str
) -> None:
    ledger.register(toy_spec())
    with pytest.raises(StudyError) as caught:
        ledger.register(toy_spec(**tables))
    assert text in str(caught.value)
    assert ledger.snapshot("toy").spec == toy_spec()


def test_study_of_something_else_is_refused(ledger: Ledger, storage: Storage) -> None:
    foreign = optuna.create_study(
        study_name="toy", storage=storage.optuna(), direction="maximize"
    )
    foreign.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(StudyError, match="another program has made an Optuna study"):
        ledger.register(toy_spec())


def test_unknown_study_lists_those_that_exist(ledger: Ledger) -> None:
    with pytest.raises(StudyError, match="which has no study yet"):
        ledger.snapshot("nope")
    ledger.register(toy_spec())
    with pytest.raises(
        StudyError, match="study 'nope': not in the database, which has toy"
    ):
        ledger.claim("nope", "w", lease_s=60)


def test_busy_studies_come_last(ledger: Ledger) -> None:
    for name in ("a", "b"):
        ledger.register(toy_spec(name))
    claim(ledger, "w", study="a")
    assert ledger.open_studies() == [("b", 0, 0, 1), ("a", 1, 0, 1)]


def test_of_studies_equally_busy_the_one_that_waited_longest_comes_first(
    ledger: Ledger,
) -> None:
    for name in ("a", "b", "c"):
        ledger.register(toy_spec(name))
    for turn in ("a", "b", "c", "a", "b", "c"):
        assert ledger.open_studies()[0] == (turn, 0, 0, 1)
        ledger.settle(
            claim(ledger, "w", study=turn), End(state=SlotState.FAILED, message="why")
        )


def test_who_is_not_the_first_looks_again_which_study_has_the_fewest(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    mine = ledger.claim("toy", "w", lease_s=60, at_work=0)
    assert isinstance(mine, Claim)
    again = ledger.claim("toy", "w", lease_s=60, at_work=0)
    assert isinstance(again, Claim), "its own slot: the answer was lost"
    assert again.slot_id == mine.slot_id
    other = Ledger(storage)
    assert other.claim("toy", "v", lease_s=60, at_work=0) == Wait(
        "toy: another worker was faster", stale=True
    )
    assert isinstance(other.claim("toy", "v", lease_s=60, at_work=1), Claim)


def content(url: str) -> dict[str, Any]:
    """Every row of every table of ours and of Optuna's, and every column."""
    with connect(url) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM"
            " information_schema.columns WHERE table_schema IN ('public', 'hpo_ledger')"
            " ORDER BY 1, 2, 3"
        ).fetchall()
        names = {f"{schema}.{name}" for schema, name, _ in columns}
        rows = {
            n: connection.execute(f"SELECT * FROM {n}").fetchall()
            for n in sorted(names)
        }
    return {"columns": columns, **rows}


@pytest.mark.parametrize(
    ("version", "todo"),
    [
        (
            300,
            (
                "No release changes older tables: use another database, or the release"
                " that made"
            ),
        ),
        (
            SCHEMA_VERSION + 1,
            "Update this installation: a newer one has used the database.",
        ),
    ],
)
def test_a_database_of_another_version_is_refused_in_words_and_left_as_it_is(
    database_url: str, version: int, todo: str
) -> None:
    said = f"expected tables of version {SCHEMA_VERSION}, got version={version}. {todo}"
    with open_storage(database_url) as storage:
        ledger = Ledger(storage)
        ledger.register(toy_spec())
        with storage.engine.begin() as connection:
            connection.execute(
                sa.text(f"UPDATE hpo_ledger.version SET version = {version}")
            )
            connection.execute(sa.text("DROP TABLE hpo_ledger.events"))
        before = content(database_url)
        with pytest.raises(StorageError, match=re.escape(said)):
            ledger.claim("toy", "w", lease_s=60)
        with pytest.raises(StorageError, match=re.escape(said)):
            Ledger(storage)
    assert content(database_url) == before
