"""The dashboard with a study of 5,000 trials and 60 intermediate values each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import large
import psutil
import pytest
from dashboards import Dashboard, dashboard
from workers import wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage

TRIALS, POINTS, VIEWERS = 5000, 60, 12


@pytest.fixture
def running(database_url: str) -> Iterator[Dashboard]:
    with open_storage(database_url) as storage:
        Ledger(storage).register(large.spec(TRIALS, POINTS))
        large.fill(storage, 1, trials=TRIALS, points=POINTS)
    with dashboard("--storage", database_url) as running:
        yield running


def cpu_s(running: Dashboard) -> float:
    """The processor time that it has used: a busy machine does not change it."""
    times = psutil.Process(running.process.pid).cpu_times()
    return float(times.user + times.system)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pages_of_a_large_study_are_made_once_for_many_viewers(running: Dashboard) -> None:
    def get(path: str) -> bytes:
        got = running.get(path, Accept_Encoding="")
        assert got.status == 200, (path, got.body[:200])
        return got.body

    for path in ("/study/large", "/"):
        began_s = time.monotonic()
        assert b"<h1>" in get(path)
        assert time.monotonic() - began_s < 1.0, path
    for path, there in (("/study/large", b"convergence-plot"), ("/", b"5,000 of 5,000 settled")):
        wait_until(lambda path=path, there=there: there in get(path), 60)
    before_s = cpu_s(running)
    with ThreadPoolExecutor(VIEWERS) as viewers:
        list(viewers.map(get, 10 * VIEWERS * ["/study/large", "/study/large/now", "/"]))
    assert cpu_s(running) - before_s < 5.0, "360 answers, of which none is drawn anew"
    status, seconds = running.end()
    assert (status, seconds < 2.0) == (0, True), seconds
