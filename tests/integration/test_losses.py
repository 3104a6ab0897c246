"""Lost workers are no data: no trial fails by them, and what kills its workers is found
out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from settling import claim, decide, finish, member, run
from workers import table, toy_spec

from hpo.ledger import interventions
from hpo.ledger.claim_records import Checkpoint, Claim, LeaseLostError, Over
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import MAX_LOSSES, SlotState, StudyState

LEASE_S = 30.0
SHIFTED = (
    ("workers", "seen_at"),
    ("workers", "started_at"),
    ("slots", "lease_until"),
    ("losses", "at"),
)


@pytest.fixture
def elapse(storage: Storage) -> Callable[[float], None]:
    """Lets time pass: everything that is stored is so much longer ago."""

    def shift(seconds: float) -> None:
        with storage.engine.begin() as connection:
            for name, column in SHIFTED:
                earlier = f"{column} - make_interval(secs => {seconds})"
                connection.execute(
                    sa.text(f"UPDATE hpo_ledger.{name} SET {column} = {earlier}")
                )

    return shift


def begin(ledger: Ledger, *names: str) -> None:
    for name in names:
        ledger.register_worker(name, host="h", pid=1, lease_s=LEASE_S)


def take(ledger: Ledger, worker: str) -> Claim:
    return claim(ledger, worker, lease_s=LEASE_S)


def beat(ledger: Ledger, held: Claim) -> None:
    ledger.renew(held.worker, held, doing="training", lease_s=LEASE_S)


def test_power_cuts_count_against_no_trial(
    ledger: Ledger, elapse: Callable[[float], None], hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec())
    for cut in range(2 * MAX_LOSSES):
        names = [f"{cut}-{k}" for k in range(3)]
        begin(ledger, *names)
        assert [take(ledger, name).number for name in names] == [0, 1, 2]
        elapse(2 * LEASE_S)
    begin(ledger, "after")
    assert take(ledger, "after").attempt == 2 * MAX_LOSSES + 1
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.OPEN
    assert snapshot.search[0].losses == 2 * MAX_LOSSES
    assert "trial 0 has lost 20 workers so far; if it crashes them, exclude it" in hpo(
        "status", "toy"
    )


@pytest.mark.parametrize("leases", [1, 4])
def test_a_host_that_is_lost_with_its_workers_counts_against_no_trial(
    ledger: Ledger, elapse: Callable[[float], None], leases: int
) -> None:
    """A worker of another host lives on; one that went with it had as long a lease, or
    a longer."""
    ledger.register(toy_spec())
    begin(ledger, "lives")
    lives = take(ledger, "lives")
    for cut in range(MAX_LOSSES + 1):  # a loss is counted when the next worker finds it
        ledger.register_worker(f"with-{cut}", host="h", pid=1, lease_s=leases * LEASE_S)
        lose(ledger, elapse, lives, [f"w{cut}"])
    assert ledger.snapshot("toy").state == StudyState.OPEN


def test_workers_that_come_back_under_their_names_tell_nothing(
    ledger: Ledger, elapse: Callable[[float], None]
) -> None:
    """As those of a service manager after a power cut."""
    ledger.register(toy_spec())
    names = ["w0", "w1"]
    for _ in range(2 * MAX_LOSSES):
        begin(ledger, *names)
        for number, name in enumerate(names):
            assert take(ledger, name).number == number
        names = [*names[1:], names[0]]
        elapse(2 * LEASE_S)
        ledger._token = f"another process {_}"
    assert ledger.snapshot("toy").state == StudyState.OPEN


def test_resuming_after_losses_accepts_no_failure(ledger: Ledger) -> None:
    ledger.register(toy_spec(budget={"window": 1}))
    for number in range(3):
        for attempt in range(MAX_LOSSES if number == 2 else 0):
            take(ledger, f"w{attempt}")
            ledger.record_loss(f"w{attempt}", "killed by SIGSEGV")
        if number == 2:
            interventions.resume(ledger, "toy")
        finish(ledger, take(ledger, "w"), SlotState.FAILED)
    assert ledger.snapshot("toy").state == StudyState.FAILED, "as without the losses"


def lose(
    ledger: Ledger, elapse: Callable[[float], None], lives: Claim, names: list[str]
) -> list[Claim]:
    """Workers that fall silent one after the other with what they hold; another one
    lives on."""
    lost = []
    for name in names:
        begin(ledger, name)
        lost.append(take(ledger, name))
        for _ in range(4):
            elapse(LEASE_S / 3)
            beat(ledger, lives)
    return lost


def test_what_kills_its_workers_alone_stops_the_study_and_is_no_data(
    ledger: Ledger, elapse: Callable[[float], None]
) -> None:
    ledger.register(toy_spec())
    begin(ledger, "lives")
    lives = take(ledger, "lives")
    lost = lose(ledger, elapse, lives, [f"w{k}" for k in range(MAX_LOSSES)])
    assert {held.number for held in lost} == {1}
    begin(ledger, "next")
    assert ledger.claim("toy", "next", lease_s=LEASE_S) == Over(
        "toy is failed", failed=True
    )
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.FAILED
    assert [slot.state for slot in snapshot.search] == 2 * [SlotState.RUNNING], (
        "nothing is opened"
    )
    assert (
        snapshot.reason
        == "trial 1 has lost 10 workers in a row without progress, it alone; the last"
        " one, w9: silent for longer than its lease: killed, out of memory, or cut"
        " off from the database."
    )
    finish(ledger, lives)
    assert interventions.resume(ledger, "toy") == (StudyState.FAILED, 0)
    again = take(ledger, "next")
    assert (again.number, ledger.snapshot("toy").state) == (1, StudyState.OPEN)
    finish(ledger, again)
    run(ledger)
    undisturbed = toy_spec("undisturbed")
    ledger.register(undisturbed)
    run(ledger, "undisturbed")
    tables = [
        table(ledger.snapshot(name, curves=True)) for name in ("toy", "undisturbed")
    ]
    assert tables[0] == tables[1]


def test_what_is_known_of_the_end_of_a_worker_decides_and_is_told(
    ledger: Ledger,
) -> None:
    ledger.register(toy_spec())
    for number in range(2 * MAX_LOSSES):
        assert take(ledger, f"killed-{number}").number == 0
        ledger.record_loss(f"killed-{number}")
        ledger.record_loss(f"killed-{number}", "it died once")
    for number in range(MAX_LOSSES):
        assert ledger.snapshot("toy").state == StudyState.OPEN
        assert take(ledger, f"crashed-{number}").number == 0
        ledger.record_loss(f"crashed-{number}", "killed by SIGSEGV")
    snapshot = ledger.snapshot("toy")
    assert (snapshot.state, snapshot.search[0].losses) == (
        StudyState.FAILED,
        3 * MAX_LOSSES,
    )
    assert snapshot.reason is not None
    assert snapshot.reason.endswith("the last one, crashed-9: killed by SIGSEGV")


def crash(ledger: Ledger, host: str, number: int = 0) -> int:
    """A worker of a host crashes with the next trial; return the trial's number."""
    name = f"{host}-{number}"
    ledger.register_worker(name, host=host, pid=1, lease_s=LEASE_S)
    held = take(ledger, name)
    ledger.record_loss(name, "killed by SIGSEGV")
    return held.number


def test_what_one_host_loses_stops_nothing_while_another_serves_the_study(
    ledger: Ledger, elapse: Callable[[float], None]
) -> None:
    ledger.register(toy_spec())
    ledger.register_worker("waits", host="sound", pid=1, lease_s=LEASE_S)
    for number in range(2 * MAX_LOSSES):
        assert crash(ledger, "broken", number) == 0
        ledger.record_loss(f"broken-{number}")
    assert ledger.snapshot("toy").state == StudyState.OPEN
    elapse(2 * LEASE_S)
    crash(ledger, "broken")
    assert ledger.snapshot("toy").state == StudyState.FAILED, "nobody else is there"


def test_a_trial_that_two_hosts_lose_stops_the_study(ledger: Ledger) -> None:
    ledger.register(toy_spec())
    ledger.register_worker("waits", host="third", pid=1, lease_s=LEASE_S)
    for number in range(MAX_LOSSES - 1):
        crash(ledger, "one", number)
    assert ledger.snapshot("toy").state == StudyState.OPEN
    crash(ledger, "other")
    assert ledger.snapshot("toy").state == StudyState.FAILED


def test_a_host_that_loses_what_others_finish_is_left_out_for_a_while(
    ledger: Ledger, elapse: Callable[[float], None]
) -> None:
    ledger.register(toy_spec())
    ledger.register_worker("sound", host="sound", pid=1, lease_s=LEASE_S)
    for number in range(3):
        crash(ledger, "broken")
        assert ledger.explain_losses_of("broken", 300.0) == {}, "not finished yet"
        assert crash(ledger, "broken") == number, "counts once"
        finish(ledger, take(ledger, "sound"))
    said = (
        "this host has lost 3 trials that others then finished; the last time: killed"
        " by SIGSEGV"
    )
    assert ledger.explain_losses_of("broken", 300.0) == {"toy": said}
    assert ledger.explain_losses_of("sound", 300.0) == {}
    elapse(300.0)
    assert ledger.explain_losses_of("broken", 300.0) == {}, "it may try again"
    crash(ledger, "broken")
    assert ledger.explain_losses_of("broken", 300.0) == {"toy": said}
    finish(ledger, take(ledger, "broken-0"))
    assert ledger.explain_losses_of("broken", 300.0) == {}, "it is mended"


def test_a_trial_that_gets_further_stops_nothing(ledger: Ledger) -> None:
    ledger.register(toy_spec())
    for attempt in range(27):
        held = take(ledger, f"w{attempt}")
        if attempt == 9:
            ledger.store_suggestion(held, decide(ledger, held))
            ledger.store_member(held, member(0))
        if attempt == 18:
            saved = Checkpoint(
                member=1, epoch=1, curve=(0.1,), scored_at=(1,), seconds=1.0, data=b"x"
            )
            ledger.store_checkpoint(held, saved)
        ledger.record_loss(f"w{attempt}", "exit status 9")
    assert ledger.snapshot("toy").state == StudyState.OPEN
    take(ledger, "last")
    ledger.record_loss("last", "exit status 9")
    assert ledger.snapshot("toy").state == StudyState.FAILED, (
        "ten in a row since the checkpoint"
    )


def test_a_trial_that_kills_its_workers_can_be_set_aside(
    ledger: Ledger, hpo: Callable[..., str], tmp_path: Path
) -> None:
    ledger.register(toy_spec(budget={"window": 2}))
    run(ledger, most=4)
    for attempt in range(MAX_LOSSES):
        held = take(ledger, f"w{attempt}")
        if attempt == 0:
            ledger.store_suggestion(held, decide(ledger, held))
        ledger.record_loss(held.worker, "killed by SIGSEGV")
    assert (
        "run `hpo resume toy`, or first exclude the trial: `hpo exclude toy --"
        in hpo("status", "toy")
    )
    said = hpo("exclude", "toy", "--trial", "4", "--reason", "kills its workers")
    assert "toy: trial 4 excluded; trials from 5 on do not see it" in said
    assert "next: `hpo resume toy`" in said
    with pytest.raises(LeaseLostError):
        ledger.store_member(held, member(0))
    assert "open" in hpo("resume", "toy")
    later = take(ledger, "later")
    assert (later.number, decide(ledger, later).params != {}) == (5, True)
    finish(ledger, later)
    run(ledger)
    snapshot = ledger.result("toy")
    assert (snapshot.state, snapshot.search[4].state) == (
        StudyState.DONE,
        SlotState.EXCLUDED,
    )
    assert 4 not in [slot.number for slot in snapshot.ranking]
    assert "excluded, for trials from 5 on: kills its workers" in hpo("trials", "toy")
    for view in (
        ("report", "toy", "-o", tmp_path / "report.html"),
        ("export", "toy"),
        ("status", "toy", "--json"),
    ):
        hpo(*view)
