"""What people do to a study by hand: retry, exclude, stop, resume, extend, delete."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from settling import claim, decide, finish, run
from workers import kill, start_worker, toy_spec, wait_until

from hpo.cli import main
from hpo.errors import StudyError
from hpo.ledger import interventions
from hpo.ledger.claim_records import End, LeaseLostError, Over
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.search.suggest import suggest
from hpo.study import file
from hpo.study.trials import Phase, SlotState, StudyState
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

# --- exclude ---


def test_an_excluded_trial_counts_for_later_trials_alone(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(budget={"window": 2}))  # trial 3 is the best of them
    run(ledger, most=8)
    before, other = claim(ledger, "before"), claim(ledger, "other")
    assert (before.number, other.number) == (8, 9)
    decided = decide(ledger, before)
    assert interventions.exclude(ledger, "toy", 3, "bad data") == 10
    assert interventions.exclude(ledger, "toy", 3) == 10, "again is harmless"
    for anybody in (ledger, Ledger(storage)):
        assert decide(anybody, before) == decided, "it was claimed before"
    finish(ledger, before)
    finish(ledger, other)
    after = claim(ledger)
    history = ledger.history(after)
    assert history[3].state == SlotState.EXCLUDED
    assert history == Ledger(storage).history(after)
    assert decide(ledger, after) == decide(Ledger(storage), after)
    without = [*history]
    without[3] = type(history[3])(
        suggestion=history[3].suggestion, state=SlotState.FAILED
    )
    assert decide(ledger, after) == suggest(after.spec, 10, without)
    seen = [*history]
    seen[3] = history[3].before[0][1]
    specs = [toy_spec(seed=seed, budget={"window": 2}) for seed in range(9)]
    matters = [suggest(s, 10, without) != suggest(s, 10, seen) for s in specs]
    assert any(matters), "otherwise this test says nothing"


def test_an_excluded_trial_is_in_no_ranking_and_every_view_says_so(
    ledger: Ledger, storage: Storage, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec(budget={"trials": 10}))
    run(ledger)
    first, *others = [c.source for c in ledger.result("toy").confirmations]
    said = hpo("exclude", "toy", "--trial", str(first), "--reason", "wrong data")
    assert f"toy: trial {first} excluded; trials from 10 on do not see it" in said
    snapshot = ledger.result("toy")
    assert snapshot.state == StudyState.OPEN, "another trial is to be confirmed now"
    assert first not in [slot.number for slot in snapshot.ranking]
    assert "hpo worker --study toy" in said
    run(ledger)
    snapshot = ledger.result("toy")
    assert snapshot.state == StudyState.DONE
    assert [c.source for c in snapshot.confirmations][:1] == others
    assert len(snapshot.confirmations) == 2
    assert all(c.complete for c in snapshot.confirmations)
    message = "excluded, for trials from 10 on: wrong data"
    assert f"  trial {first}: {message}" in hpo("status", "toy")
    assert "1 excluded" in hpo("status", "toy")
    assert message in hpo("trials", "toy", "--state", "excluded")
    assert f"search,{first},,excluded," in hpo("export", "toy")
    record = json.loads(hpo("trials", "toy", "--json"))["trials"][first]
    assert record["amendments"][0]["what"] == "exclude"
    assert record["amendments"][0]["since"] == 10
    from hpo.views.pages import report as page

    assert f">trial {first}</th>" in page.html(snapshot).partition('id="excluded"')[2]
    trial = optuna.load_study(study_name="toy", storage=storage.optuna()).trials[first]
    assert trial.state == optuna.trial.TrialState.FAIL
    assert trial.user_attrs["message"] == message
    assert trial.user_attrs["excluded:score"] == snapshot.search[first].score


def test_only_a_result_can_be_excluded(ledger: Ledger, hpo: Callable[..., str]) -> None:
    ledger.register(toy_spec())
    finish(ledger, claim(ledger), SlotState.FAILED)
    claim(ledger)
    for number, text in (
        (
            0,
            (
                "trial 0 has failed, and counts in no ranking. To run it again: hpo"
                " resume toy --retry 0"
            ),
        ),
        (
            1,
            (
                "w is at work on trial 1. Wait until it is finished: hpo status toy. If"
                " its worker"
            ),
        ),
        (int("9" * 20), f"trial {'9' * 20} has not begun. Valid: 0 to 1."),
    ):
        said = hpo("exclude", "toy", "--trial", number, status=1)
        assert said.startswith("error: study 'toy'")
        assert text in said


# --- retry ---


def test_a_retried_trial_counts_for_later_trials_alone(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(budget={"window": 2}))
    run(ledger, most=5)
    failing = claim(ledger)
    storage.optuna().set_trial_user_attr(failing.optuna_trial_id, "seen by", "me")
    finish(ledger, failing, SlotState.FAILED)
    run(ledger, most=3)
    before, other = claim(ledger, "before"), claim(ledger, "other")
    decided = decide(ledger, before)
    assert interventions.retry(ledger, "toy", 5) == [(Phase.SEARCH, 5)]
    assert interventions.retry(ledger, "toy", 5) == [], "again is harmless"
    again = claim(ledger, "again")
    assert (again.number, again.attempt) == (5, 2)
    assert again.suggestion is not None, "its parameters are kept"
    finish(ledger, before)
    finish(ledger, other)
    assert decide(Ledger(storage), before) == decided, "it was claimed before"
    waits = ledger.claim("toy", "next", lease_s=60)
    assert "trial 11 waits for trial 5" in str(waits), (
        "those after it learn from the result"
    )
    finish(ledger, again)
    after = claim(ledger)
    assert ledger.history(after)[5].state == SlotState.COMPLETE
    assert decide(Ledger(storage), before) == decided
    assert decide(ledger, after) == decide(Ledger(storage), after)
    trial = optuna.load_study(study_name="toy", storage=storage.optuna()).trials[5]
    assert trial.state == optuna.trial.TrialState.COMPLETE
    assert trial.user_attrs["amendments"] == [{"what": "retry", "since": 11}]
    assert "message" not in trial.user_attrs
    assert trial.user_attrs["seen by"] == "me", "what others have added stays"


def test_a_failed_study_is_shown_with_its_next_step_and_goes_on_after_a_retry(
    ledger: Ledger, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec(budget={"trials": 6, "window": 4}, confirm=False))
    held = [claim(ledger, f"w{number}") for number in range(4)]
    for number in range(3):
        finish(ledger, held[number], SlotState.FAILED)
    assert not ledger.renew("w3", held[3], doing="", lease_s=60)[0], (
        "its study is not open"
    )
    ledger.release(held[3])
    shown = hpo("status", "toy")
    assert (
        "toy: study failed: 3 trials in a row failed; the last one: ValueError: trial 2"
        in shown
    )
    assert "3 of 6 trials finished: 3 failed; 1 begun, waiting for a worker" in shown
    assert "3 failed; the last:\n  trial 0: ValueError: trial 0" in shown
    assert "  after fixing the cause: hpo resume toy --retry\n" in shown
    assert "retry these trials with `hpo resume toy --retry`" in shown
    assert "waiting" in hpo("trials", "toy")
    assert "toy: will run again: trial 0; trial 1; trial 2" in hpo(
        "resume", "toy", "--retry"
    )
    assert ledger.snapshot("toy").state == StudyState.OPEN
    run(ledger)
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.DONE
    assert [slot.attempts for slot in snapshot.search] == [2, 2, 2, 2, 1, 1]
    assert hpo("resume", "--study", "toy", "--retry") == "toy: no trial has failed\n"
    assert "trial 0 has not failed, it is complete." in hpo(
        "resume", "toy", "--retry", "0", status=1
    )


def test_a_failed_confirmation_is_retried(ledger: Ledger) -> None:
    ledger.register(toy_spec(budget={"trials": 2}, confirm={"top": 1, "seeds": 2}))
    run(ledger, most=2)
    held = claim(ledger)
    assert held.phase == Phase.CONFIRM
    finish(ledger, held, SlotState.FAILED)
    run(ledger)
    snapshot = ledger.result("toy")
    assert (snapshot.state, snapshot.confirmations[0].failed) == (StudyState.DONE, 1)
    assert interventions.retry(ledger, "toy", held.source) == [
        (Phase.CONFIRM, held.number)
    ]
    run(ledger)
    snapshot = ledger.result("toy")
    assert (snapshot.state, snapshot.confirmations[0].failed) == (StudyState.DONE, 0)


def test_resuming_a_failed_study_accepts_its_failures(
    ledger: Ledger, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec(budget={"trials": 8}, confirm=False))
    for _ in range(3):
        finish(ledger, claim(ledger), SlotState.FAILED)
    assert ledger.claim("toy", "w", lease_s=60) == Over("toy is failed", failed=True)
    assert "open again; earlier failures no longer count" in hpo("resume", "toy")
    for _ in range(2):
        finish(ledger, claim(ledger), SlotState.FAILED)
    assert ledger.snapshot("toy").state == StudyState.OPEN, (
        "5 failed, but 2 of them since"
    )
    finish(ledger, claim(ledger), SlotState.FAILED)
    assert ledger.snapshot("toy").state == StudyState.FAILED
    hpo("resume", "toy")
    run(ledger)
    assert ledger.snapshot("toy").state == StudyState.DONE
    assert "already done; for more trials: hpo resume toy --trials N" in hpo(
        "resume", "toy"
    )
    refused = hpo("stop", "toy", status=1)
    assert (
        "study 'toy': it is done already, and no worker claims its trials." in refused
    )


# --- stop, resume, delete: with real workers ---


def test_a_study_is_deleted_whole_and_only_when_nobody_works_on_it(
    ledger: Ledger, storage: Storage, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec("kept"))
    ledger.register(toy_spec())
    run(ledger, most=3)
    held = claim(ledger)
    assert (
        "refusing to delete it without confirmation. Use: hpo delete toy --yes."
        in hpo("delete", "toy", status=1)
    )
    said = hpo("delete", "toy", "--yes", status=1)
    assert (
        "workers are at work on it: w. Stop it first, and wait until they have stop"
        in said
    )
    assert ledger.snapshot("toy").finished == 3
    assert "toy: already open; 1 running trial released" in hpo(
        "resume", "toy", "--release"
    )
    ledger.renew("w", held, doing="", lease_s=60)
    heir = claim(ledger, "heir", lease_s=3 * 86400.0)
    assert heir.number == held.number, "whoever was thought dead has lost it only now"
    assert "toy: stopped; workers save 1 running trial at the next epoch; " in hpo(
        "stop", "toy"
    )
    assert "toy: stopped; resume with: hpo resume toy" in hpo(
        "stop", "toy", "--release"
    )
    assert hpo("delete", "toy", "--yes") == "toy: deleted\n"
    assert [study.name for study in ledger.studies()] == ["kept"]
    with storage.engine.connect() as connection:
        for table_ in (
            sa.table("slots", schema="hpo_ledger"),
            sa.table("members", schema="hpo_ledger"),
            sa.table("trials"),
            sa.table("trial_params"),
        ):
            count = connection.scalar(sa.select(sa.func.count()).select_from(table_))
            assert count == 0, table_.name
    for late in (
        lambda: ledger.settle(held, End(state=SlotState.COMPLETE, score=1.0)),
        lambda: ledger.renew("w", held, doing="", lease_s=60),
    ):
        with pytest.raises(
            LeaseLostError, match="trial 3: deleted while w was at work"
        ):
            late()
    assert ledger.register(toy_spec(seed=4)) == "created", "the name is free"


def test_a_study_deleted_in_the_dashboard_can_be_deleted_here(
    ledger: Ledger, storage: Storage, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec())
    run(ledger, most=2)
    held = claim(ledger)
    optuna.delete_study(study_name="toy", storage=storage.optuna())
    finish(ledger, held)  # no result is lost
    text = (
        r"study 'toy': deleted from Optuna's tables, as .* "
        r"to use the name again: hpo delete toy"
    )
    for again in (
        lambda: ledger.claim("toy", "w", lease_s=60),
        lambda: ledger.register(toy_spec(budget={"trials": 30})),
    ):
        with pytest.raises(StudyError, match=text):
            again()
    with pytest.raises(StudyError, match=text):
        Worker(storage, WorkerOptions(study="toy"), "hers").run()
    (seen,) = ledger.workers()
    assert not seen.alive
    assert seen.doing.startswith("study 'toy': deleted from Optuna's tables"), (
        "it is not lost"
    )
    assert ledger.snapshot("toy").finished == 3
    hpo("delete", "toy", "--yes")
    assert ledger.register(toy_spec()) == "created"


def test_a_serving_worker_outlives_a_study_deleted_in_the_dashboard(
    ledger: Ledger, storage: Storage, database_url: str
) -> None:
    ledger.register(toy_spec())
    optuna.delete_study(study_name="toy", storage=storage.optuna())
    ledger.register(toy_spec("good", budget={"trials": 2}))
    worker = start_worker(database_url)
    wait_until(lambda: ledger.snapshot("good").state == StudyState.DONE, 60)
    said = kill(worker, signal.SIGTERM)
    assert worker.returncode == 0
    assert "leaving out study toy: study 'toy': deleted from Optuna's tables" in said


# --- extend ---


def test_extending_during_a_confirmation_leaves_no_partial_one(
    ledger: Ledger, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec(budget={"trials": 3}, confirm={"top": 1, "seeds": 3}))
    run(ledger, most=3)
    finished, running = claim(ledger, "a"), claim(ledger, "b", lease_s=0.2)
    finish(ledger, finished)
    source = finished.source
    assert "toy: extended; 3 of 12 trials finished" in hpo(
        "resume", "toy", "--trials", "12"
    )
    assert "already has that budget" in hpo(
        "resume", "--study", "toy", "--trials", "12"
    )
    time.sleep(0.3)
    run(ledger)
    snapshot = ledger.result("toy")
    assert snapshot.state == StudyState.DONE
    assert snapshot.best is not None
    assert snapshot.best.number != source
    assert [(c.source, c.complete) for c in snapshot.confirmations] == [
        (snapshot.best.number, True)
    ]
    assert all(slot.state != SlotState.RUNNING for slot in snapshot.confirm)
    with pytest.raises(LeaseLostError):
        ledger.settle(running, End(state=SlotState.COMPLETE, score=0.5))
    assert "budget.trials: expected at least " in hpo(
        "resume", "toy", "--trials", "2", status=1
    )


# --- what people did is written down, and shown whatever they call themselves ---


def test_names_of_people_are_shown_as_they_can_be(
    ledger: Ledger,
    storage: Storage,
    hpo: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "\x1b[31mevil\nline\udcff" + 99 * "x")
    ledger.register(toy_spec())
    (event,) = ledger.events(9)
    assert event.who == ("?[31mevil?line?" + 99 * "x")[:80]
    assert event.who in hpo("storage", "log")
    interventions.delete_study(ledger, "toy")
    ledger.register(toy_spec())
    assert [e.what for e in ledger.events(9, "toy")] == ["submitted"], (
        "of the one that is there"
    )
    assert len(ledger.events(9)) == 3
    with storage.engine.begin() as connection:  # whoever has the workers' password can
        sql = (
            "INSERT INTO hpo_ledger.events (who, what, study) VALUES (E'\\x1b[2J', 'x',"
            " 'y')"
        )
        connection.execute(sa.text(sql))
    assert "?[2J" in hpo("storage", "log")


def test_a_study_that_nobody_could_be_started_for_is_withdrawn(
    ledger: Ledger,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Standing workers would take it; one that was there before stays."""
    study = tmp_path / "toy.toml"
    study.write_text(file.dumps(toy_spec()))
    monkeypatch.setenv("PATH", str(tmp_path))  # without sbatch
    slurm = [
        "--executor",
        "slurm",
        "--workers",
        "1",
        "--no-report",
        "--storage",
        database_url,
    ]
    line = ["launch", "--study", str(study), *slurm]
    assert main.main(line) == 1
    assert "toy: removed again, since no worker could start" in capsys.readouterr().err
    assert not ledger.studies()
    ledger.register(toy_spec())
    assert main.main(line) == 1
    assert "removed again" not in capsys.readouterr().err
    assert [study.name for study in ledger.studies()] == ["toy"]
    assert [event.what for event in ledger.events(9)] == [
        "submitted",
        "withdrawn",
        "submitted",
    ]
