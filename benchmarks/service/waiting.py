"""Workers that wait for the window: the rule of ``hpo.ledger.claiming`` by discrete
events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

Poll = tuple[float, float]
"""Shortest and longest pause of a worker that waits, in seconds: every pause
doubles."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A worker's time with one trial, in seconds."""

    worker: int
    number: int
    began: float
    ended: float


def simulate(
    seconds: Sequence[float],
    window: int,
    starts: Sequence[float],
    *,
    slowness: Sequence[float] = (1.0,),
    poll: Poll | None = None,
) -> list[Turn]:
    """Run a search; returns its turns, trial 0 first.

    Args:
        seconds: what every trial takes.
        window: trial k may begin once trials up to k - window are finished.
        starts: when every worker asks for its first trial, in seconds.
        slowness: by how much trials take longer, worker by worker, and again from the
            first.
        poll: pauses of a worker that waits; without them it goes on the moment that it
            may.
    """
    asks = [(start, worker) for worker, start in enumerate(starts)]
    heapify(asks)
    turns: list[Turn] = []
    finished = [False] * len(seconds)
    oldest = 0
    held: dict[int, int] = {}
    waiting: dict[int, float] = {}
    while asks:
        now, worker = heappop(asks)
        if worker in held:
            finished[held.pop(worker)] = True
            while oldest < len(turns) and finished[oldest]:
                oldest += 1
            if poll is None:
                for other in waiting:
                    heappush(asks, (now, other))
                waiting.clear()
        number = len(turns)
        if number == len(seconds):
            continue
        if oldest > number - window:
            ended = now + seconds[number] * slowness[worker % len(slowness)]
            turns.append(Turn(worker=worker, number=number, began=now, ended=ended))
            held[worker] = number
            waiting.pop(worker, None)
            heappush(asks, (ended, worker))
        else:
            waiting[worker] = (
                0.0 if poll is None else _longer(waiting.get(worker), poll)
            )
            if poll is not None:
                heappush(asks, (now + waiting[worker], worker))
    return turns


def idle(turns: Sequence[Turn], workers: int, since: float, until: float) -> float:
    """Share of the workers' time between two moments (s) that belongs to no turn."""
    busy = sum(max(0.0, min(t.ended, until) - max(t.began, since)) for t in turns)
    return 1.0 - busy / (workers * (until - since))


def _longer(pause_s: float | None, poll: Poll) -> float:
    return poll[0] if pause_s is None else min(2 * pause_s, poll[1])
