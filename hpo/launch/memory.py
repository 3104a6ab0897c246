"""How much memory the workers of a launch will need, beside what this machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from hpo.search import constraints
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from objectives.memory import Found, Memory, of_training

Params = Mapping[str, ParamValue]

DRAWS = 100
"""Uniform draws of the space among which the largest network is looked for."""
_LIMITS = [Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
"""Where Linux says what a container may take."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What workers need that train the largest network of a study, in bytes."""

    network: Memory
    workers: int
    machine: int | None
    """What this machine has; None where the workers are not here, or it does not say."""

    @property
    def total(self) -> int:
        """Of all workers."""
        return self.workers * self.network.worker + self.network.shared

    def text(self) -> str:
        """``about 1.5 GB: 2 workers × 759 MB (7 MB of it trajectories); this machine has 9 GB``."""
        network = self.network
        each = f"{_bytes(network.worker)} ({_bytes(network.trajectory)} of it trajectories)"
        parts = [f"{self.workers} worker{'s' * (self.workers != 1)} × {each}"]
        if network.shared:
            parts.append(f"{_bytes(network.shared)} of data, which they share")
        if network.gpu:
            parts.append(f"{_bytes(network.gpu)} on the GPU of each (not measured)")
        machine = f"; this machine has {_bytes(self.machine)}" if self.machine is not None else ""
        return f"about {_bytes(self.total)}: {', '.join(parts)}{machine}"

    def warning(self) -> str:
        """What is said before a launch that hardly fits; empty of one that does."""
        if self.machine is None or self.workers == 0 or self.total <= self.machine:
            return ""
        fits = (self.machine - self.network.shared) // self.network.worker
        todo = f"Take at most {fits} (--workers)" if fits > 0 else "Make them smaller"
        return f"warning: the largest networks may not fit in memory: {self.text()}. {todo}."


def need(spec: StudySpec, found: Found | None, workers: int, *, here: bool) -> Need | None:
    """What workers need; None where the objective cannot tell.

    Args:
        spec: the study.
        found: what its task reads.
        workers: how many.
        here: whether they run on this machine.
    """
    network = largest(spec, found)
    machine = installed() if here else None
    return Need(network=network, workers=workers, machine=machine) if network else None


def largest(spec: StudySpec, found: Found | None) -> Memory | None:
    """What the network takes that takes most, of those that the study may train.

    Of a search, the largest of some draws, with every parameter, one after the other, at the end
    of its range where it takes more.
    """
    best: tuple[Memory, Params] | None = None
    if spec.sweep is not None:
        for number in range(spec.sweep.size):
            best = _larger(spec, found, spec.point(number), best)
        return best and best[0]
    n = constraints.DRAWS if spec.constraints else DRAWS  # of which hardly any may fit
    for params in islice(constraints.draws(spec, spec.seed, {}), n):
        best = _larger(spec, found, params, best)
    for name, dimension in spec.in_order.items() if best else ():
        for value in dimension.choices or (dimension.low, dimension.high):
            assert best is not None
            assert value is not None
            params = {**best[1], name: spec.as_param(name, value)}
            best = _larger(spec, found, spec.present(params), best)
    return best and best[0]


def _larger(
    spec: StudySpec, found: Found | None, params: Params, best: tuple[Memory, Params] | None
) -> tuple[Memory, Params] | None:
    """The best so far, or these parameters if they take more and may be trained."""
    try:
        valid = spec.params(params)
    except ValidationError:
        return best
    own = of_training(spec.objective_impl, valid, spec.task_params, found)
    if own is None or (best and own.worker + own.gpu <= best[0].worker + best[0].gpu):
        return best
    return best if constraints.broken(spec, params) else (own, dict(params))


def installed() -> int | None:
    """Bytes of memory that this machine has, or that its container may take, if it says."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError):
        return None
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int(path.read_text()))
    return min(found)


def _bytes(n: int) -> str:
    if n < 1e9:
        return f"{n / 1e6:.0f} MB"
    return f"{n / 1e9:.1f} GB" if n < 1e10 else f"{n / 1e9:,.0f} GB"
