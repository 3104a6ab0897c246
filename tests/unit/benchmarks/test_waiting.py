"""Workers that wait for the window: the simulation against cases worked out by hand."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from benchmarks.waiting import Turn, idle, simulate


def spans(turns: list[Turn]) -> list[tuple[int, float, float]]:
    return [(t.worker, t.began, t.ended) for t in turns]


def test_a_slow_trial_closes_the_window() -> None:
    """Trial 2 may begin when trial 0 is settled, so worker 1 waits from 1 to 3."""
    turns = simulate([3, 1, 1, 1], 2, [0, 0])
    assert spans(turns) == [(0, 0, 3), (1, 0, 1), (0, 3, 4), (1, 3, 4)]
    assert idle(turns, 2, 0, 4) == pytest.approx(2 / 8)


def test_a_waiting_worker_asks_at_growing_pauses() -> None:
    """Worker 1 asks at 1, 1.5, 2.5 and 4.5, though the window has been open since 3."""
    turns = simulate([3, 1, 5, 1], 2, [0, 0], poll=(0.5, 2.0))
    assert spans(turns) == [(0, 0, 3), (1, 0, 1), (0, 3, 8), (1, 4.5, 5.5)]


def test_slow_hosts_and_late_starts() -> None:
    turns = simulate([1, 1, 1], 2, [0, 0.5], slowness=(1.0, 2.0))
    assert spans(turns) == [(0, 0, 1), (1, 0.5, 2.5), (0, 1, 2)]


@pytest.mark.parametrize("window", [1, 2, 5, 16])
@pytest.mark.parametrize("poll", [None, (0.1, 2.0)])
def test_the_window_and_the_budget_are_kept(window: int, poll: tuple[float, float] | None) -> None:
    generator = random.Random(window)
    seconds = [generator.expovariate(1.0) for _ in range(200)]
    turns = simulate(seconds, window, [0.0] * 5, poll=poll)
    assert [t.number for t in turns] == list(range(200))
    assert all(before.began <= after.began for before, after in pairwise(turns))
    for turn in turns[window:]:
        assert turn.began >= max(t.ended for t in turns[: turn.number - window + 1])
    for worker in range(5):
        own = [t for t in turns if t.worker == worker]
        assert all(before.ended <= after.began for before, after in pairwise(own))
