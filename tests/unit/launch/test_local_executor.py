"""Local workers that cannot live: they are started again, and given up with their last words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hpo.errors import HpoError
from hpo.launch.executors import local
from hpo.launch.executors.local import LocalExecutor

WRONG_URL = "sqlite:///x.db"


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalExecutor:
    monkeypatch.setattr(local, "PAUSE_S", (0.01, 1.0))
    return LocalExecutor("toy", storage_url=WRONG_URL, logs=tmp_path / "logs" / "toy")


def test_workers_that_die_at_start_are_given_up_with_their_log(executor: LocalExecutor) -> None:
    executor.start(1)
    events: list[str] = []
    deadline = time.monotonic() + 60

    def poll_until_it_gives_up() -> None:
        while time.monotonic() < deadline:
            events.extend(executor.poll())
            time.sleep(0.05)

    with pytest.raises(HpoError) as caught:
        poll_until_it_gives_up()
    executor.stop()
    assert len(events) == 2
    assert events[0].startswith("a worker ended after ")
    assert "(exit status 1); the next one starts in " in events[0]
    message = str(caught.value)
    assert message.startswith(
        "workers must live, but 3 in a row ended at once (exit status 1). The last one said:\n  "
    )
    assert "the storage must be a PostgreSQL database" in message
    assert message.endswith(f"Its log: {executor.logs}/{next(executor.logs.iterdir()).name}")


def test_a_worker_that_dies_with_a_trial_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial, if it is what kills them, stops its study: the launch must live on until then."""
    monkeypatch.setattr(local, "PAUSE_S", (0.01, 0.01))
    deaths: list[str] = []

    def held(name: str, why: str | None) -> bool:
        deaths.append(name)
        return True

    executor = LocalExecutor("toy", storage_url=WRONG_URL, logs=tmp_path, release=held)
    executor.start(1)
    deadline = time.monotonic() + 60
    while len(deaths) <= local.DEATHS_AT_START and time.monotonic() < deadline:
        executor.poll()
        time.sleep(0.05)
    executor.stop(grace_s=0)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.log")} == {0o600}
    assert len(set(deaths)) == local.DEATHS_AT_START + 1


def test_the_address_of_the_database_is_not_on_the_command_line(executor: LocalExecutor) -> None:
    executor.start(1)
    (pid,) = executor.pids
    assert WRONG_URL not in Path(f"/proc/{pid}/cmdline").read_text()
    executor.stop(grace_s=0)
    assert executor.pids == []
    assert not Path(f"/proc/{pid}").exists()


def test_only_the_last_logs_are_kept(executor: LocalExecutor) -> None:
    executor.logs.mkdir(parents=True)
    for number in range(60):
        (executor.logs / f"20200101-000000-{number:03}.log").touch()
    executor.start(1)
    executor.stop(grace_s=0)
    names = sorted(path.name for path in executor.logs.iterdir())
    assert len(names) == local.KEPT_LOGS
    assert names[0] == "20200101-000000-021.log"


def test_stopping_twice_and_stopping_nothing_is_fine(executor: LocalExecutor) -> None:
    executor.stop()
    executor.start(0)
    assert executor.poll() == []
    executor.stop()
    executor.stop()
