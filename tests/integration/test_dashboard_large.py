"""The dashboard with a study of 5,000 trials and 60 intermediate values each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import large
import optuna
import psutil
import pytest
from dashboards import Dashboard, dashboard

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage

TRIALS, POINTS = 5000, 60
PLOTS = ("contour", "rank", "slice", "parallel_coordinate", "edf", "timeline")


@pytest.fixture
def running(database_url: str) -> Iterator[Dashboard]:
    with open_storage(database_url) as storage:
        Ledger(storage).register(large.spec(TRIALS, POINTS))
        large.fill(storage, 1, trials=TRIALS, points=POINTS)
        study = optuna.create_study(study_name="wide", storage=storage.optuna())
        large.fill(storage, study._study_id, trials=TRIALS, points=POINTS)
    with dashboard("--storage", database_url) as running:
        yield running


def memory_mib(running: Dashboard) -> float:
    """The most that a dashboard has had resident."""
    lines = Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def cpu_s(running: Dashboard) -> float:
    """The processor time that it has used: a busy machine does not change it."""
    times = psutil.Process(running.process.pid).cpu_times()
    return float(times.user + times.system)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_viewers_of_a_large_study(running: Dashboard) -> None:
    def get(path: str) -> int:
        got = running.get(path, Accept_Encoding="gzip")
        assert got.status == 200, (path, got.body[:200])
        return len(got.body)

    began_s, began_cpu_s = time.monotonic(), cpu_s(running)
    size = get("/api/studies/1")
    print(
        f"\ncold: {time.monotonic() - began_s:.1f} s, {cpu_s(running) - began_cpu_s:.1f} s CPU, "
        f"{size / 1e6:.1f} MB, {memory_mib(running):.0f} MiB"
    )
    warm = []
    for _ in range(5):
        before_s, before_cpu_s = time.monotonic(), cpu_s(running)
        get("/api/studies/1")
        warm.append((cpu_s(running) - before_cpu_s, time.monotonic() - before_s))
        time.sleep(1.1)  # so that the trials are looked at again
    print(f"warm: {min(warm)[0]:.2f} s CPU, {min(w for _, w in warm):.2f} s")
    assert min(used for used, _ in warm) < 1.0
    assert min(took for _, took in warm) < 3.0

    paths = ["/api/studies"]
    for study in ("1", "2"):
        paths += [f"/api/studies/{study}", f"/csv/{study}"]
        paths += [f"/api/studies/{study}/param_importances"]
        paths += [f"/api/studies/{study}/plot/{name}" for name in PLOTS]
    with ThreadPoolExecutor(12) as viewers:
        for _ in range(3):
            list(viewers.map(get, paths * 2))
            print(f"12 viewers of two such studies: {memory_mib(running):.0f} MiB")
    shown = running.get("/api/studies/1?after=5000").json["plotly_graph_objects"]
    assert shown, running.errors
    print(f"{len(shown)} published figures, {max(len(f['graph_object']) for f in shown)} bytes")
    plain = running.get("/api/studies/1").body
    assert len(plain) > 20e6
    print(f"and uncompressed, {len(plain) / 1e6:.0f} MB: {memory_mib(running):.0f} MiB")
    assert memory_mib(running) < 1000
    status, seconds = running.end()
    assert (status, seconds < 2.0) == (0, True), seconds
