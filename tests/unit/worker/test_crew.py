"""A crew: it restarts workers, gives up those that cannot live, and stops all in
order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forkserver import genuine
from processes import script
from workers import wait_until

from hpo import settings
from hpo.errors import HpoError
from hpo.worker import __main__ as worker
from hpo.worker import crew
from hpo.worker.crew import Crew, WorkerSetup

WRONG_URL = "sqlite:///x.db"
AWAY_URL = "postgresql://me@127.0.0.1:1/hpo"


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Ended workers, and whether they held a trial; ``""`` sets it for the next
    ones."""
    workers = {"": False}

    def release(name: str, why: str | None, url: str | None) -> bool:
        workers[name] = workers[""]
        return workers[""]

    monkeypatch.setattr(crew, "report_loss", release)
    return workers


def follow(several: Crew, over: Callable[[], bool]) -> list[str]:
    """Poll until it is over; return the crew's events."""
    events: list[str] = []
    deadline = time.monotonic() + 60
    while not over():
        assert time.monotonic() < deadline, events
        events += several.poll()
        time.sleep(0.05)
    return events


def test_workers_that_die_at_start_are_given_up_with_their_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PAUSE_S", (0.01, 1.0))
    logs = tmp_path / "logs"
    several = Crew(WorkerSetup(study="toy", storage_url=WRONG_URL, logs=logs))
    several.start(1)
    events: list[str] = []
    with pytest.raises(HpoError) as caught:
        follow(several, lambda: events.extend(several.poll()) is not None)
    several.stop()
    assert len(events) == 2
    assert " s (exit status 1); the next one starts in " in events[0]
    message = str(caught.value)
    assert message.startswith(
        "3 workers in a row died at once (exit status 1). The last one wrote:\n  "
    )
    assert "expected the URL of a PostgreSQL database" in message
    [log] = logs.iterdir()
    assert message.endswith(f"Its log: {log}")
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("status", "holds"),
    [(1, True), (crew.SPOILED, False), (0, True)],
    ids=["with a trial", "hung", "ended by its objective"],
)
def test_a_worker_that_was_able_to_start_is_started_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    held: dict[str, bool],
    status: int,
    holds: bool,
) -> None:
    """The trial, if it is what ends them, stops its study: the crew must live on until
    then."""
    monkeypatch.setattr(crew, "PAUSE_S", (0.01, 0.01))
    script(tmp_path / "python", f"exit {status}")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    held[""] = holds
    several = Crew(WorkerSetup(study="toy", storage_url=AWAY_URL, logs=tmp_path))
    with genuine():
        several.start(1)
        follow(several, lambda: len(held) > 1 + crew.DEATHS_AT_START)
        several.stop(grace_s=0)


def test_workers_get_a_gpu_each_and_their_threads_and_no_address_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    several = Crew(
        WorkerSetup(study="toy", storage_url=AWAY_URL, logs=tmp_path, threads=3)
    )
    several.start(3)
    seen = []
    for pid in several.pids:
        environ = Path(f"/proc/{pid}/environ")
        wait_until(
            lambda at=environ: at.read_bytes() != b"", 10
        )  # empty while it is made anew
        lines = environ.read_bytes().decode().split("\0")
        given = dict(line.partition("=")[::2] for line in lines)
        seen.append((given["CUDA_VISIBLE_DEVICES"], given["OMP_NUM_THREADS"]))
        assert AWAY_URL not in Path(f"/proc/{pid}/cmdline").read_text()
    several.stop(grace_s=0)
    assert several.pids == []
    assert (
        several._prefix
        != Crew(WorkerSetup(study="toy", storage_url=AWAY_URL, logs=tmp_path))._prefix
    )
    assert seen == [("4", "3"), ("7", "3"), ("4", "3")]


def test_old_logs_are_removed(tmp_path: Path) -> None:
    for name, days in (
        ("old.log", 31),
        ("old.kills", 31),
        ("new.log", 29),
        ("old.txt", 31),
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 86400 * days,) * 2)
    crew.remove_old_logs(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"new.log", "old.txt"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_a_signal_stops_it_in_order(tmp_path: Path, signum: signal.Signals) -> None:
    line = ["--study=toy", "--workers=2", f"--logs={tmp_path}", "--usr2-grace=20"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hpo.worker", *line],
        env={**os.environ, "HPO_STORAGE": AWAY_URL},  # its workers wait for it
        stdout=subprocess.PIPE,
        text=True,
    )
    with process as running:
        wait_until(
            lambda: sum(log.stat().st_size > 0 for log in tmp_path.glob("*.log")) == 2
        )
        running.send_signal(signum)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert f"2 workers start here; logs in {tmp_path}" in out
    assert "asked to stop: the workers have stopped" in out


def test_options_of_one_worker_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        worker.worker(["toy", "--workers", "2", "--name", "me"])
    assert "--name is for one worker, --workers for several" in capsys.readouterr().err


def test_it_is_small() -> None:
    code = "import sys, hpo.worker.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numba", "optuna", "sqlalchemy", "pydantic", "numpy"}
    assert not heavy & set(done.stdout.split())


def test_a_process_knows_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HPO_JOB",
        "SLURM_JOB_ID",
        "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    assert settings.job() is None
    monkeypatch.setenv("SLURM_JOB_ID", "4715")
    assert settings.job() == "slurm 4715"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert settings.job() == "slurm 4711_3"
    monkeypatch.setenv("HPO_JOB", "container 1f2e3d")
    assert (settings.job(), settings.slurm_job()) == ("container 1f2e3d", "4711_3")
