"""Workers on difficult hosts: short of memory, with a wrong clock, on a full disk."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from servers import connect, database, password_of
from settling import claim, finish
from workers import (
    ended,
    kill,
    ledger_at,
    start_worker,
    table,
    toy_spec,
    undisturbed,
    wait_until,
)

from hpo.cli import doctor
from hpo.cli.doctor import of_storage, of_working_directory
from hpo.dashboard.pages import Pages
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import FULL, open_storage
from hpo.postgres.embedded import Embedded
from hpo.study.trials import StudyState
from hpo.worker.crew import Crew, WorkerSetup

LITTLE_MEMORY = (
    "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))"
)
SHORT_WAIT = (
    "from hpo.worker import loop;"
    " loop.WorkerOptions.__init__.__kwdefaults__['refusal_s']=1"
)
WRONG_CLOCK = """
import datetime, time
true_time, true_ns, truth = time.time, time.time_ns, datetime.datetime
time.time = lambda: true_time() + {off_s}
time.time_ns = lambda: true_ns() + {off_s} * 10**9
class Wrong(truth):
    @classmethod
    def now(cls, tz=None):
        return truth.now(tz) + datetime.timedelta(seconds={off_s})
datetime.datetime = Wrong
"""


def start(
    url: str, name: str, code: str = "", lease_s: int = 1
) -> subprocess.Popen[str]:
    return start_worker(
        url, "--study", "toy", "--name", name, f"--lease={lease_s}", code=code
    )


# --- what a host lacks ---

BROKEN = """
import os, platform, sys
os.environ["BROKEN"] = "1"
platform.node = lambda: "broken"
"""
MODULE = """
import mmap, os
from toy_objective import ToyObjective

class Mine(ToyObjective):
    def evaluate(self, *args, **options):
        if "BROKEN" in os.environ:
            {lacks}
        return super().evaluate(*args, **options)
"""
SMALL: dict[str, Any] = {
    "budget": {"trials": 12},
    "fixed": {"sleep_s": 0.05},
    "confirm": None,
}
FULL_DISK = "open('/dev/full', 'w', buffering=1).write('x\\n')"
LACKS = {
    "package": (
        "sys.modules['sklearn'] = None",  # which baselines need before the first trial
        "import sklearn",
        "an import fails here: ModuleNotFoundError: import of sklearn halted",
    ),
    "disk": (
        "",
        FULL_DISK,
        "a disk fails here: OSError: [Errno 28] No space left on device",
    ),
}


@pytest.fixture
def module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Writes a module whose training lacks something on a host that is broken."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ['PYTHONPATH']}")

    def write(name: str, lacks: str) -> None:
        text = MODULE.format(lacks=lacks)
        (tmp_path / f"{name}.py").write_text(text)

    return write


@pytest.mark.parametrize("what", LACKS)
def test_beside_a_sound_host_one_that_lacks_something_changes_nothing(
    module: Callable[[str, str], None],
    ledger: Ledger,
    database_url: str,
    hpo: Callable[..., str],
    what: str,
) -> None:
    before, lacks, said = LACKS[what]
    module(f"lacks_{what}", lacks)
    mine = {"objective": f"lacks_{what}:Mine", **SMALL}
    ledger.register(toy_spec(**mine))
    code = "\n".join([BROKEN, before, SHORT_WAIT])
    broken = start_worker(database_url, "--name=broken", "--lease=3", code=code)
    wait_until(lambda: any(worker.refuses for worker in ledger.workers()), 60)
    assert "refused by 1 worker on broken: " + said in hpo("status", "toy")
    ended(start(database_url, "sound"))
    assert kill(broken, signal.SIGTERM).count("leaving out study toy: ") > 1
    assert broken.returncode == 0
    snapshot = ledger.snapshot("toy", curves=True)
    assert {slot.worker for slot in snapshot.search} == {"sound"}
    assert {slot.losses for slot in snapshot.search} == {0}
    assert table(snapshot) == undisturbed(database_url, toy_spec("alone", **mine))


LOSES = {
    "mapping": (
        "mmap.mmap(-1, 2**60)",
        "out of memory ([Errno 12] Cannot allocate memory)",
    ),
    "exit": ("os._exit(3)", "loses_exit:Mine called os._exit(3)"),
}


@pytest.mark.parametrize("what", LOSES)
def test_beside_a_sound_host_one_that_loses_its_trials_is_left_out(
    module: Callable[[str, str], None], ledger: Ledger, database_url: str, what: str
) -> None:
    lacks, said = LOSES[what]
    module(f"loses_{what}", lacks)
    more = {"trials": 18}  # time enough to lose three
    mine = {"objective": f"loses_{what}:Mine", **SMALL, "budget": more}
    ledger.register(toy_spec(**mine))
    # a sound host serves the study, too, but is busy elsewhere for now
    ledger.register_worker("busy", host="sound", pid=1, lease_s=3600.0)
    code = "\n".join([BROKEN, SHORT_WAIT])
    broken = start_worker(database_url, "--name=broken", "--lease=3", code=code)
    wait_until(lambda: any(slot.losses for slot in ledger.snapshot("toy").search), 60)
    ended(start(database_url, "sound"))
    told = kill(broken, signal.SIGTERM)
    begin = r"leaving out study toy: this host has lost (\d+) trials that others then"
    lost = re.search(rf"{begin} finished; the last time: {re.escape(said)}", told)
    assert lost, told
    assert int(lost[1]) >= 3
    snapshot = ledger.snapshot("toy", curves=True)
    assert snapshot.state == StudyState.DONE
    assert {slot.worker for slot in snapshot.search} == {"sound"}
    assert table(snapshot) == undisturbed(database_url, toy_spec("alone", **mine))


def test_a_host_that_loses_its_trials_is_left_out_when_its_workers_start_again(
    ledger: Ledger, database_url: str, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec())
    ledger.register_worker("sound", host="sound", pid=1, lease_s=60.0)
    for number in range(3):
        name = f"crashed-{number}"
        ledger.register_worker(name, host="broken", pid=1, lease_s=60.0)
        claim(ledger, name)
        ledger.record_loss(name, "killed by SIGILL")
        finish(ledger, claim(ledger, "sound"))
    worker = start_worker(database_url, "--study=toy", "--name=next", code=BROKEN)
    _, said = worker.communicate(timeout=60)
    why = "this host has lost 3 trials that others then finished; the last time: killed"
    assert (worker.returncode, f"refuses toy: {why} by SIGILL" in said) == (1, True)
    assert why in hpo("status", "toy")
    assert ledger.events(1, "toy")[0].what.startswith(f"left out on broken: {why[:40]}")


# --- memory ---


def test_a_host_with_little_memory_leaves_the_trial_to_one_with_more(
    ledger: Ledger, database_url: str
) -> None:
    one = {"budget": {"trials": 1}, "confirm": None}
    ledger.register(toy_spec(**one, fixed={"memory_gib": 3.0}))
    small = start(
        database_url, "small", f"{SHORT_WAIT}\n{LITTLE_MEMORY}", lease_s=3 * 86400
    )
    wait_until(lambda: any(s.losses for s in ledger.snapshot("toy").search))
    os.kill(small.pid, signal.SIGSTOP)
    ended(start(database_url, "large"))
    os.kill(small.pid, signal.SIGCONT)
    assert "toy: trial 0: out of memory; leaving it to others for 1 s" in ended(small)
    snapshot = ledger.snapshot("toy", curves=True)
    assert (snapshot.state, snapshot.search[0].worker) == (StudyState.DONE, "large")
    assert table(snapshot) == undisturbed(database_url, toy_spec("alone", **one))


def test_too_little_memory_everywhere_stops_the_study_and_says_so(
    ledger: Ledger, database_url: str
) -> None:
    ledger.register(
        toy_spec(budget={"trials": 1}, confirm=None, fixed={"memory_gib": 3.0})
    )
    ended(start(database_url, "small", LITTLE_MEMORY))
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.FAILED
    begin, end = (
        (
            "trial 0 has lost 10 workers in a row without progress, it alone; the last"
            " one, small: out of memory (Unable to allocate 3.00 GiB for an array with"
            " shape "
        ),
        (
            "Run fewer workers at a time, use hosts with more memory, or make the"
            " networks smaller."
        ),
    )
    assert re.fullmatch(f"{re.escape(begin)}.*{re.escape(end)}", snapshot.reason or "")


def held(ledger: Ledger) -> bool:
    return any(slot.held for slot in ledger.snapshot("toy").search)


@pytest.fixture
def tiny_cgroup() -> Iterator[Path]:
    """The file that takes the process ids of a control group with 1 MiB of memory."""
    for root, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        group = Path("/sys/fs/cgroup", root, f"hpo-test-{os.getpid()}")
        with suppress(OSError):
            group.mkdir()
        if not os.access(group / limit, os.W_OK):
            with suppress(OSError):
                group.rmdir()
            continue
        (group / limit).write_text(str(2**20))
        break
    else:
        pytest.skip("no control group of memory can be made here: it takes root")
    inside = group / "cgroup.procs"
    yield inside
    for pid in map(int, inside.read_text().split()):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not inside.read_text())
    group.rmdir()


def test_what_ended_a_worker_is_known_where_it_can_be(
    ledger: Ledger, database_url: str, tmp_path: Path, tiny_cgroup: Path
) -> None:
    hungry = {"objective": "odd_objectives:HungryObjective", "budget": {"epochs": 100}}
    ledger.register(toy_spec(fixed={"sleep_s": 0.2}, **hungry))
    crew, said = (
        Crew(WorkerSetup(study="toy", storage_url=database_url, logs=tmp_path)),
        list[str](),
    )

    def told() -> int:
        said.extend(crew.poll())
        return len(said)

    crew.start(1)
    try:
        for n, end in enumerate(
            (
                lambda pid: os.kill(pid, signal.SIGKILL),
                lambda pid: os.kill(pid, signal.SIGSEGV),
                lambda pid: tiny_cgroup.write_text(str(pid)),
            )
        ):
            wait_until(lambda: told() >= 0 and held(ledger))
            end(crew.pids[0])
            wait_until(lambda n=n: told() > n)  # type: ignore[misc]
    finally:
        crew.stop()
    assert [re.findall(r"\((.*)\)", line)[0] for line in said] == [
        "killed by SIGKILL",
        "killed by SIGSEGV",
        "out of memory: killed by the kernel",
    ]
    assert ledger.snapshot("toy").search[0].losses == 3


# --- clock ---


def test_clocks_that_are_an_hour_off_move_no_lease(
    ledger: Ledger, database_url: str
) -> None:
    budget = {"trials": 2, "seeds": 1}
    ledger.register(toy_spec(budget=budget, fixed={"sleep_s": 0.7}, confirm=None))
    offsets_s = {"ahead": 3600, "behind": -3600}
    workers = [
        start(database_url, n, WRONG_CLOCK.format(off_s=s))
        for n, s in offsets_s.items()
    ]
    for worker in workers:
        ended(worker)
    for slot in ledger.snapshot("toy").search:
        assert (slot.attempts, slot.losses) == (1, 0)
        assert slot.finished_at is not None
        assert 0 <= (slot.finished_at - slot.started_at).total_seconds() < 60


# --- disk ---


@pytest.fixture
def small_disk(new_home: Path) -> Iterator[Path]:
    """HPO_HOME on a file system of 120 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=0711", "none", str(new_home)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield new_home
    subprocess.run(["umount", "--lazy", str(new_home)], check=True)


def home_page(url: str) -> str:
    """The first page of a dashboard, drawn once."""
    with open_storage(url, creates=False) as storage:
        return Pages(storage)._read_home(None).shown.reply("").body.decode()


def test_a_full_disk_is_waited_for(
    small_disk: Path,
    server_url: str,
    with_tables: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Embedded(small_disk) as server:
        url = server.acquire()
        with connect(
            url
        ) as admin:  # so that the disk is full soon, and not only the next WAL file
            admin.execute(
                "CREATE TABLE room AS SELECT repeat('x', 1000) FROM"
                " generate_series(1, 9)"
            )
        tables: dict[str, Any] = {
            "budget": {"trials": 20, "epochs": 4},
            "fixed": {"sleep_s": 0.05},
            "confirm": None,
        }
        with open_storage(url) as storage:
            patient = Ledger(storage, patience_s=60.0)
            patient.register(toy_spec(**tables))
            ballast = small_disk / "ballast"
            worker = start(url, "worker")
            wait_until(lambda: patient.snapshot("toy").finished >= 2, 120)
            subprocess.run(
                ["dd", "if=/dev/zero", f"of={ballast}"], capture_output=True
            )  # all of it
            time.sleep(4.0)  # of some trials
            assert worker.poll() is None
            assert storage.full_disk() == small_disk
            full = f"{small_disk}: its disk is full; workers wait until it has room"
            assert storage.explain_full_disk() == full
            elsewhere = sa.make_url(url).set(password=password_of(url))
            elsewhere = elsewhere.difference_update_query(["passfile"])
            for place in (url, elsewhere.render_as_string(hide_password=False)):
                found = next(of_storage(place))
                assert found.found.endswith(FULL)
                assert found.verdict == "error"
                assert FULL in home_page(place)
            monkeypatch.chdir(small_disk)
            (here,) = of_working_directory()
            assert (
                here.found == f"cannot write to {small_disk}: No space left on device"
            )
            monkeypatch.setenv("HPO_HOME", str(small_disk))
            assert doctor._space().found == f"{small_disk}: its disk is full"
            with database(server_url, with_tables) as sound:
                with ledger_at(sound) as ledger:
                    ledger.register(toy_spec())
                said = home_page(sound)
            assert f"HPO_HOME, {small_disk}: its disk is full; logs of" in said
            assert FULL not in said
            ballast.unlink()
            assert storage.explain_full_disk() == ""
            assert "disk is full" not in home_page(url)
            said = ended(worker)  # the server itself may have stopped
            assert "disk of the database is full for" in said or "unreachable" in said
            snapshot = patient.snapshot("toy", curves=True)
            assert snapshot.state == StudyState.DONE
            assert table(snapshot) == undisturbed(url, toy_spec("alone", **tables))
