"""The ledger's promises, one by one, on a real database."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from settling import claim, decide, finish, member, run, set_clock
from workers import toy_spec, wait_until

from hpo.dashboard.pages import Pages
from hpo.ledger import claiming, interventions, pins, snapshots
from hpo.ledger.claim_records import Claim, Claimant, End, LeaseLostError, Wait
from hpo.ledger.ledger import Ledger
from hpo.postgres import sessions
from hpo.postgres.connect import Storage
from hpo.search.suggest import suggest
from hpo.study.trials import (
    SlotState,
    Step,
    StudySnapshot,
    StudyState,
    Suggestion,
)
from hpo.views.pages import metrics
from hpo.views.terminal.status import worker_lines
from hpo.worker.heartbeat import Heartbeat, WorkerOptions


def test_slots_are_claimed_in_order_and_within_the_window(ledger: Ledger) -> None:
    ledger.register(toy_spec(budget={"window": 3}))
    held = [claim(ledger, f"w{i}") for i in range(3)]
    assert [c.number for c in held] == [0, 1, 2]
    waiting = ledger.claim("toy", "w3", lease_s=60)
    assert waiting == Wait("toy: trial 3 waits for trial 0 (budget.window = 3)")
    finish(ledger, held[0])
    assert claim(ledger, "w3").number == 3
    ledger.release(held[1])
    again = claim(ledger, "w9")
    assert (again.number, again.attempt) == (1, 2)
    assert ledger.snapshot("toy").search[1].losses == 0


def test_by_the_clock_a_trial_waits_until_no_other_can_end_before(
    ledger: Ledger,
) -> None:
    ledger.register(toy_spec(budget={"window": 2, "clock": True}))
    slow = claim(ledger, "slow")
    assert slow.begins_at == 0.0
    for number, end in ((1, 5.0), (2, 7.0)):
        held = claim(ledger, "quick")
        assert held.number == number
        ledger.store_suggestion(held, decide(ledger, held))
        failed = End(state=SlotState.FAILED, message="boom", ends_at=end)
        ledger.settle(held, failed)
        waiting = ledger.claim("toy", "quick", lease_s=60)
        why = f"toy: trial {number + 1} waits for trial 0 (budget.window = 2)"
        assert waiting == Wait(why)
        ledger.store_bound(slow, end + 1.0)
        ledger.store_bound(slow, end)  # told late
    third = claim(ledger, "quick")
    assert (third.number, third.begins_at) == (3, 7.0)
    assert [past.ends_at for past in ledger.history(third)] == [8.0, 5.0, 7.0]


def test_claims_that_wait_for_each_other_get_trials_of_their_own(
    ledger: Ledger, storage: Storage
) -> None:
    """Whatever isolation level the database's sessions have."""
    ledger.register(toy_spec(budget={"window": 3}))
    with storage.engine.begin() as admin:
        level = "SET default_transaction_isolation = 'repeatable read'"
        admin.exec_driver_sql(f'ALTER DATABASE "{storage.engine.url.database}" {level}')
    storage.engine.dispose()
    claim(ledger, "w")
    with ThreadPoolExecutor() as pool, storage.engine.begin() as first:
        code = pins.fingerprint(toy_spec())
        who = Claimant(worker="a", token="t", lease_s=60.0, code=code)
        claiming.open_next(first, "toy", who, looked_after=True)
        second = pool.submit(claim, ledger, "b")
        time.sleep(0.5)
        first.commit()
        assert second.result().number == 2


def test_silent_worker_loses_its_slot_and_its_late_result(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    late = claim(ledger, "late")
    ledger.store_suggestion(late, decide(ledger, late))
    ledger.store_member(late, member(0))
    set_clock(storage, "61 s")
    heir = claim(ledger, "heir")
    assert heir.number == late.number == 0
    assert [m.member for m in heir.finished] == [0], "what was finished is kept"
    for write in (
        lambda: ledger.store_member(late, member(1)),
        lambda: ledger.store_suggestion(late, Suggestion(params={"x": 0.1})),
        lambda: ledger.settle(late, End(state=SlotState.COMPLETE, score=1.0)),
        lambda: ledger.renew("late", late, doing="", lease_s=60),
        lambda: ledger.release(late),
    ):
        with pytest.raises(
            LeaseLostError, match="the lease of late has passed to another worker"
        ):
            write()
    finish(ledger, heir, score=0.25)
    slot = ledger.snapshot("toy").search[0]
    assert (slot.score, slot.losses, slot.attempts) == (0.25, 1, 2)


def test_a_clock_that_was_set_back_locks_nothing(
    ledger: Ledger, storage: Storage
) -> None:
    """It was an hour ahead; no lease counts for longer than itself, whoever looks."""
    for name in ("toy", "other"):
        ledger.register(toy_spec(name))
    ledger.register_worker("dead", host="h", pid=1, lease_s=60)
    set_clock(storage, "1 hour")
    held = [
        claim(ledger, "dead"),
        claim(ledger, "lost"),
        claim(ledger, "gone", study="other"),
    ]
    ledger.renew("dead", held[0], doing="trains", lease_s=60)
    set_clock(storage, "0 s")
    (dead,) = ledger.workers()
    assert (dead.alive, dead.seconds_silent) == (False, None)
    assert worker_lines([dead])[1].endswith("  before the clock was set back")
    assert '{worker="dead",host="h"} inf\n' in metrics.metrics([], [dead], 0.0)
    assert not any(slot.held for slot in ledger.snapshot("toy").search)
    assert [at_work for _, at_work, *_ in ledger.open_studies()] == [0, 0]
    assert interventions.stop(ledger, "toy") == 0
    interventions.resume(ledger, "toy")
    assert interventions.exclude(ledger, "toy", 1) == 2
    heir = claim(ledger, "heir")
    assert heir.number == 0
    with pytest.raises(LeaseLostError):
        ledger.settle(held[0], End(state=SlotState.COMPLETE, score=0.5))
    finish(ledger, heir)
    interventions.delete_study(ledger, "other")


def test_a_clock_that_is_set_back_a_little_frees_nothing(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    set_clock(storage, "15 s")
    claim(ledger, "lives")
    set_clock(storage, "0 s")
    assert claim(ledger, "other").number == 1


@pytest.mark.parametrize("steps", [("0 s", "1 hour"), ("1 hour", "0 s")])
def test_who_sees_that_the_clock_was_set_waits_until_all_that_live_have_renewed(
    ledger: Ledger, storage: Storage, steps: tuple[str, str]
) -> None:
    ledger.register(toy_spec())
    set_clock(storage, steps[0])
    held = claim(ledger, "lives")
    heart = Heartbeat("sees", WorkerOptions(lease_s=60.0))
    assert Heartbeat("long", WorkerOptions(lease_s=3 * 86_400.0))._beat_s == 10.0
    heart.begin(ledger)
    try:
        heart._beat()
        heart._cut_off_s -= 61.0  # a lease later
        assert heart.in_touch()
        set_clock(storage, steps[1])
        for number in (1, 2):  # before its next beat, and after
            found = ledger.claim("toy", "sees", lease_s=60, in_touch=heart.in_touch)
            assert isinstance(found, Claim)
            assert found.number == number
            finish(ledger, found)
            heart._beat()
            assert not heart.in_touch()
        ledger.renew("lives", held, doing="", lease_s=60)
        heart._cut_off_s -= 61.0
        assert heart.in_touch()
        assert claim(ledger, "sees").number == 3
    finally:
        heart.end()


def test_a_clock_that_was_set_back_starves_no_study_and_hides_no_end(
    ledger: Ledger, storage: Storage
) -> None:
    for name in ("ahead", "now"):
        ledger.register(toy_spec(name, budget={"trials": 2}, confirm=None))
    set_clock(storage, "1 hour")
    finish(ledger, claim(ledger, study="ahead"))
    run(ledger, "now")
    assert ledger.claim_notice("now", StudyState.DONE)
    ledger.settle_notice("now", StudyState.DONE, sent=True)
    interventions.extend(ledger, "now", 4)
    set_clock(storage, "0 s")
    finish(ledger, claim(ledger, study="now"))
    assert [name for name, *_ in ledger.open_studies()] == ["ahead", "now"]
    run(ledger, "now")
    set_clock(storage, "1 hour")
    assert ledger.claim_notice("now", StudyState.DONE), "it has ended again"
    set_clock(storage, "0 s")  # whoever was to tell it has died
    assert ledger.due_notices(None) == [("now", StudyState.DONE)]


def test_a_worker_that_was_cut_off_takes_nothing_over(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    silent = claim(ledger, "silent")
    released = claim(ledger, "released")
    ledger.release(released)
    set_clock(storage, "61 s")
    numbers = []
    for worker in ("back-1", "back-2"):
        found = ledger.claim("toy", worker, lease_s=60, in_touch=lambda _: False)
        assert isinstance(found, Claim)
        numbers.append(found.number)
    assert numbers == [released.number, 2]
    ledger.renew("silent", silent, doing="training", lease_s=60)
    assert ledger.snapshot("toy").search[0].losses == 0


def test_a_restarted_worker_of_the_same_name_is_another_one(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    first = claim(ledger, "w")
    restarted = Ledger(storage)
    assert claim(restarted, "w").number == 1, "the first may still be alive"
    set_clock(storage, "61 s")
    again = claim(restarted, "w")
    assert (again.number, again.attempt) == (0, 2)
    assert ledger.snapshot("toy").search[0].losses == 1, "a crash loop is counted"
    with pytest.raises(LeaseLostError):
        ledger.settle(first, End(state=SlotState.COMPLETE, score=0.5))


def test_a_beat_that_comes_after_settling_is_no_loss(ledger: Ledger) -> None:
    ledger.register(toy_spec())
    for end in (lambda held: finish(ledger, held), ledger.release):
        held = claim(ledger, "w")
        end(held)
        assert ledger.renew("w", held, doing="", lease_s=60)[0]
    assert not ledger.snapshot("toy").search[1].held, (
        "nor is a released slot taken again"
    )


def test_repeated_calls_are_harmless(ledger: Ledger) -> None:
    """The answer to a commit can be lost; the call is then repeated."""
    ledger.register(toy_spec())
    first = claim(ledger, "w")
    assert claim(ledger, "w") == first
    finish(ledger, first, score=0.5)
    ledger.settle(first, End(state=SlotState.COMPLETE, score=0.5))
    snapshot = ledger.snapshot("toy")
    assert len(snapshot.search) == 1
    assert len(snapshot.search[0].members) == 2
    second = claim(ledger, "w")
    for _ in range(2):
        ledger.lose(second, "out of memory")
    assert ledger.snapshot("toy").search[1].losses == 1


def test_what_is_finished_is_read_once(ledger: Ledger, storage: Storage) -> None:
    ledger.register(toy_spec(budget={"window": 3}))
    for _ in range(3):
        finish(ledger, claim(ledger, "me"))
    held, other = claim(ledger, "me"), claim(ledger, "other")
    assert other.number == 4
    before = ledger.history(other)
    assert [past.state for past in before] == [
        *[SlotState.COMPLETE] * 3,
        SlotState.RUNNING,
    ]
    finish(ledger, held)
    after = ledger.history(other)
    assert all(past is known for past, known in zip(after[:3], before, strict=False))
    assert after[3].state == SlotState.COMPLETE
    assert after == Ledger(storage).history(other)
    assert ledger.history(held) == after[:3]


def test_what_changed_is_built_when_the_transaction_is_over(
    ledger: Ledger, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20,000 trials on a busy host it takes longer than a transaction may be
    idle."""
    ledger.register(toy_spec())
    connections, build, read = [], snapshots.build, snapshots._group_by_study
    storage.engine.dispose()  # another session idles for a second at most
    monkeypatch.setattr(sessions, "IDLE_S", 1)
    monkeypatch.setattr(
        snapshots, "_group_by_study", lambda rows: time.sleep(1.2) or read(rows)
    )

    def counted(rows: snapshots.Fetched) -> StudySnapshot:
        connections.append(storage.engine.pool.checkedout())  # type: ignore[attr-defined]
        return build(rows)

    monkeypatch.setattr(snapshots, "build", counted)
    assert ledger.snapshot("toy").search == ()
    assert len(ledger.results()) == 1
    pages = Pages(storage)
    wait_until(lambda: b"0 of 24 trials finished" in pages.study("toy").reply("").body)
    wait_until(lambda: b"/study/toy" in pages.home().reply("").body)
    assert connections == [0] * 4


def test_no_text_of_an_objective_steers_a_terminal(
    ledger: Ledger, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec())
    for _ in range(3):
        held = claim(ledger)
        ledger.settle(
            held, End(state=SlotState.FAILED, message="\x1b[2J\x07boom\nat last")
        )
    snapshot = ledger.snapshot("toy")
    assert snapshot.search[0].message == "?[2J?boom\nat last"
    assert "?[2J?boom" in str(snapshot.reason)
    assert "\x1b" not in hpo("status", "toy") + hpo("trials", "toy") + hpo("status")


def test_optuna_sees_the_same_trials(ledger: Ledger, storage: Storage) -> None:
    ledger.register(toy_spec(sampler={"name": "cmaes", "n_startup_trials": 1}))
    for state in (
        SlotState.COMPLETE,
        SlotState.PRUNED,
        SlotState.FAILED,
        SlotState.RUNNING,
    ):
        held = claim(ledger, "w" + state)
        own = suggest(held.spec, held.number, ledger.history(held))
        ledger.store_suggestion(held, own)
        if state == SlotState.RUNNING:
            break
        ledger.store_member(held, member())
        score = None if state == SlotState.FAILED else 0.5
        ledger.settle(
            held,
            End(
                state=state,
                score=score,
                steps=(Step(0, 1, 0.25), Step(0, 2, 0.5), Step(1, 2, 0.75)),
                message="why" if state == SlotState.FAILED else None,
                lineage={"spec_hash": held.spec.hash},
            ),
        )
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    assert [t.state.name for t in study.trials] == [
        "COMPLETE",
        "PRUNED",
        "FAIL",
        "RUNNING",
    ]
    assert [t.value for t in study.trials] == [0.5, 0.5, None, None]
    done = study.trials[0]
    assert done.intermediate_values == {1: 0.25, 2: 0.5, 3: 0.75}
    assert done.user_attrs["lineage:spec_hash"] == study.user_attrs["hpo:spec_hash"]
    assert done.user_attrs["members:score"] == [0.5]
    assert study.trials[2].user_attrs["message"] == "why"
    started = (
        ledger.snapshot("toy").search[0].started_at.astimezone().replace(tzinfo=None)
    )
    assert done.datetime_start is not None
    assert abs((done.datetime_start - started).total_seconds()) < 5


def test_texts_that_json_can_hold_and_postgresql_cannot_are_kept(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec())
    held = claim(ledger, "w")
    odd = {"nul": "a\0b", "half": "\ud800", "rung": 0.5}
    ledger.settle(
        held,
        End(state=SlotState.COMPLETE, score=0.5, attrs=odd, lineage={"host": "\udc80"}),
    )
    (trial,) = optuna.load_study(study_name="toy", storage=storage.optuna()).trials
    assert trial.system_attrs == odd
    assert trial.user_attrs["lineage:host"] == "\udc80"
