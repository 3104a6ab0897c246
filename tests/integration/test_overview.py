"""All studies at one moment: of those that have changed the trials are read, and of no others."""

from __future__ import annotations

from workers import run_workers, toy_spec

from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.ledger.reader import Overview
from hpo.postgres.connect import Storage
from hpo.study.result import Result
from hpo.study.trials import StudyState
from hpo.views import json_records, overview
from hpo.views.terminal import status

SMALL = {"trials": 6, "window": 2, "members": 1, "epochs": 2}


def check_the_same(ledger: Ledger, name: str, known: Result) -> None:
    """What lists say of a study is what they would say if all of it had been read."""
    whole, (item,) = ledger.result(name), [item for item in ledger.studies() if item.name == name]
    assert json_records.summary(item, known) == json_records.summary(item, whole)
    assert status.study_lines([(item, known)]) == status.study_lines([(item, whole)])
    assert overview.card(known) == overview.card(whole)


def test_what_has_changed_is_read_again(
    storage: Storage, ledger: Ledger, database_url: str
) -> None:
    overview = Overview(Result.of)

    def read() -> dict[str, Result | None]:
        with storage.engine.begin() as connection:
            changes = overview.read(connection)
        found = overview.made(changes)
        assert [study for study, _ in found] == ledger.studies()
        return {study.name: result for study, result in found}

    ledger.register(toy_spec("toy", budget=SMALL))
    ledger.register(toy_spec("idle"))
    before = read()
    assert read() == before
    run_workers(database_url, "toy", 1)
    after = read()
    assert after["idle"] is before["idle"]
    toy = after["toy"]
    assert toy is not None
    assert (toy.state, toy.progress.settled) == (StudyState.DONE, 6)
    check_the_same(ledger, "toy", toy)
    best = toy.best
    assert best is not None
    interventions.exclude(ledger, "toy", best.number, "a bad cable")
    excluded = read()["toy"]
    assert excluded is not None
    check_the_same(ledger, "toy", excluded)
    assert excluded.best != best
    interventions.delete_study(ledger, "idle")
    ledger.register(toy_spec("idle", seed=4))
    assert read()["idle"] != before["idle"]
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hpo_ledger.studies SET state = 'done'")
    assert [result is None for _, result in ledger.results(1)] == [True, False]


def test_a_spec_that_cannot_be_read_harms_its_study_alone(
    storage: Storage, ledger: Ledger, database_url: str
) -> None:
    ledger.register(toy_spec("good", budget=SMALL))
    ledger.register(toy_spec("bad", budget=SMALL, confirm=None))
    run_workers(database_url, "bad", 1)
    with storage.engine.begin() as connection:
        elsewhere = """'{"objective": "a:B", "budget": {"trials": 6}}' WHERE id = 2"""
        connection.exec_driver_sql(f"UPDATE hpo_ledger.studies SET spec = {elsewhere}")
    (good, result), (bad, nothing) = ledger.results()
    assert (good.problem, result is None) == ("", False)
    assert bad.problem.startswith("study 'bad' in the database: ")
    assert (bad.objective, bad.settled, nothing) == ("a:B", 6, None)
