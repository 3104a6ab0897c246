"""Launches whose workers are tasks of a real Dask cluster, and what may happen to
it."""

from __future__ import annotations

import platform
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from dask_cluster import Cluster, cluster, kill
from servers import password_of
from users import User
from workers import table, wait_until

from hpo.config import SiteConfig
from hpo.errors import HpoError
from hpo.launch import executors
from hpo.launch.options import LaunchOptions
from hpo.study.trials import WorkerInfo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class DaskUser(User):
    """Somebody with a Dask cluster, and a database whose URL has a password."""

    def __init__(self, directory: Path, url: str, where: Cluster) -> None:
        line = ("--executor", "dask", "--scheduler", where.address, "--workers", "4")
        self.cluster, self.password = where, password_of(url)
        there = (
            sa.make_url(url)
            .difference_update_query(["passfile"])
            .set(password=self.password)
        )
        whole = there.render_as_string(hide_password=False)
        super().__init__(directory, whole, always=(*line, "--no-report"))


@pytest.fixture
def user(tmp_path: Path, database_url: str) -> Iterator[DaskUser]:
    """Somebody whose cluster has no Dask worker yet."""
    with cluster(tmp_path) as where:
        somebody = DaskUser(tmp_path, database_url, where)
        yield somebody
        somebody.leave()
        print(where.log.read_text())


def gone(workers: list[WorkerInfo]) -> bool:
    return not any(Path(f"/proc/{worker.pid}").exists() for worker in workers)


def test_tasks_run_a_study_to_its_exact_budget_although_a_dask_worker_is_killed(
    user: DaskUser,
) -> None:
    *_, third = [user.cluster.start_worker(threads=2) for _ in range(3)]
    launcher = user.launch("--set", "fixed.sleep_s=0.3", "--workers", "6")
    workers = user.wait_for_workers(4)
    for worker in workers:
        assert user.password not in Path(f"/proc/{worker.pid}/cmdline").read_text()
    kill(third)
    _, err = user.end(launcher)
    assert (
        f"6 workers start in the Dask cluster at {user.cluster.address}; logs in "
        in err
    )
    snapshot = user.snapshot()
    assert table(snapshot) == user.calm()
    assert not any(slot.losses for slot in snapshot.search), (
        "its worker saw that, and ended"
    )
    assert user.password not in user.cluster.log.read_text()
    wait_until(lambda: gone(workers), timeout_s=90)


def test_tasks_of_the_last_dask_worker_go_to_one_that_comes_after_it(
    user: DaskUser,
) -> None:
    """Dask itself would keep them for the address of the lost one, for ever."""
    only = user.cluster.start_worker(threads=2)
    launcher = user.launch("--workers", "2")
    before = {worker.name for worker in user.wait_for_workers(2)}
    kill(only)
    user.cluster.start_worker(threads=2)
    wait_until(
        lambda: len({w.name for w in user.workers()} - before) == 2, timeout_s=90
    )
    user.end(launcher)
    assert table(user.snapshot()) == user.calm()


def test_ctrl_c_and_a_killed_launch_end_the_workers_in_order(user: DaskUser) -> None:
    user.cluster.start_worker(threads=4)
    for signum, status in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        launcher = user.launch(
            "--set", "fixed.sleep_s=0.3", "--set", "budget.trials=60"
        )
        workers = user.wait_for_workers(4)
        launcher.send_signal(signum)
        _, err = user.end(launcher, status)
        wait_until(lambda of=workers: gone(of), timeout_s=90)
        assert not any(slot.held or slot.losses for slot in user.snapshot().search), (
            "released"
        )
        assert signum != signal.SIGINT or "stopped. Resume with:" in err


def test_workers_wait_for_threads_that_come_and_for_a_restarted_scheduler(
    user: DaskUser,
) -> None:
    launcher = user.launch("--set", "fixed.sleep_s=0.3")
    time.sleep(5)
    user.cluster.start_worker()
    user.wait_for_workers(1)
    user.cluster.start_worker(threads=3)
    before = {worker.name for worker in user.wait_for_workers(4)}
    user.cluster.stop()
    user.cluster.start_scheduler()
    user.cluster.start_worker(threads=4)
    wait_until(lambda: bool({w.name for w in user.workers()} - before), timeout_s=120)
    out, _ = user.end(launcher)
    assert "the Dask workers have 0 free threads: 4 of 4 workers wait for more" in out
    assert table(user.snapshot()) == user.calm()


def test_a_database_that_they_cannot_reach(
    user: DaskUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what Dask logs of a task that failed has no password."""
    user.cluster.start_worker(threads=2)
    monkeypatch.setenv("HPO_HOME", str(user.directory / "home"))
    site = {
        "launch": {"executor": "dask"},
        "dask": {"scheduler": user.cluster.address},
    }
    options = LaunchOptions(command="", site=SiteConfig.model_validate(site))
    url = "postgresql://me:hunter2@127.0.0.1:1/hpo"
    executor = executors.executor(options, "toy", url)
    executor.start(2)
    with pytest.raises(HpoError) as caught:
        wait_until(lambda: bool(executor.poll()) and False, timeout_s=150)
    executor.stop()
    said, log = str(caught.value), user.cluster.log.read_text()
    rule = f"dask: the Dask worker on {platform.node()} cannot reach the database: "
    remedy = (
        "Set HPO_STORAGE to an address that every Dask worker reaches"
        " (docs/how-to/dask.md)."
    )
    assert said.startswith(rule)
    assert said.endswith(remedy)
    assert "Compute Failed" in log
    assert "hunter2" not in log + said
