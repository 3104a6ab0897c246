"""Real workers wait for the window as the simulation of docs/explanation/window.md says."""

from __future__ import annotations

import pytest

from benchmarks import window
from hpo.postgres.connect import open_storage


@pytest.mark.slow  # it must see trials that differ by seconds
def test_real_workers_wait_as_simulated(database_url: str) -> None:
    """Four workers, every fifth trial ten times as long as the others."""
    with open_storage(database_url) as storage:
        small, large = (
            window.check(storage, [0.15, 0.18, 0.21, 0.24, 1.8], 4, size, 40) for size in (4, 16)
        )
    for found in (small, large):
        assert found.measured == pytest.approx(found.simulated, abs=0.15)
    assert small.measured > large.measured + 0.1
