"""Measuring some networks of committed data again, to say what differs, without writing
anything."""

from __future__ import annotations

import math
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from scipy import stats

from hpo.errors import HpoError
from hpo.study.networks import Member
from hpo.study.trials import StudySnapshot, Trial, trained
from hpo.views.sentences.formatting import duration_text
from hpo.worker.crew import THREADS
from hpo.worker.provenance import of_this_process
from reproduction import data, jobs
from reproduction.jobs import Job

NOISE = 0.99
"""The share of further networks of a point that lie within its noise."""
DIGITS = 5
"""Digits of the weights in a file."""


class Found(StrEnum):
    """How a network that was trained again compares with the committed one."""

    EQUAL = "equal to the bit"
    NOISE = "within noise"
    OUTSIDE = "outside the noise"


@dataclass(frozen=True, kw_only=True)
class Again:
    """A network of a point, as it was committed and as it is now."""

    slot: Trial
    stored: Member
    score: float
    solved: float | None
    mean_weight_per_ns: float | None

    @property
    def claimed(self) -> float:
        """Score now, on the solved equation where it was solved."""
        return self.score if self.solved is None else self.solved

    @property
    def found(self) -> Found:
        """How it compares."""
        stored = self.stored
        same = [
            self.score == stored.score,
            self.solved == stored.info.get("solved_score"),
            _short(self.mean_weight_per_ns) == stored.info.get("mean_weight_per_ns"),
        ]
        if all(same):
            return Found.EQUAL
        low, high = noise([member.claimed for member in self.slot.members])
        return Found.NOISE if low <= self.claimed <= high else Found.OUTSIDE


def check(figure: str | None, n_networks: int, docs: Path) -> bool:
    """Train some networks of each study of a figure again; print how they compare.

    Returns:
        Whether all are equal to the committed ones, or within their noise.

    Raises:
        HpoError: there is no such figure, or no data of it.
    """
    folder = docs / "reproduction"
    chosen = [job for job in jobs.chosen(figure) if job.figure != "search"]
    if not data.read_all(folder, [job.name for job in chosen]):
        raise HpoError(
            f"{folder}: no data of {figure or 'any figure'} to check. Searches are not"
            " checked. Measure first: make reproduce"
        )
    return check_jobs(chosen, n_networks, folder)


def check_jobs(chosen: Sequence[Job], n_networks: int, folder: Path) -> bool:
    """Train some networks of each study again; see ``check``."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # as workers have it
    studies = data.read_all(folder, [job.name for job in chosen])
    there = [job for job in chosen if _is_there(job, studies.get(job.name))]
    picked = {job.name: pick(studies[job.name], n_networks) for job in there}
    seconds = [member.seconds for own in picked.values() for _, member in own]
    _say(
        f"{len(seconds)} networks; they took {duration_text(sum(seconds))} of one core"
        " when they were measured"
    )
    counts: Counter[Found] = Counter()
    for job in there:
        snapshot = studies[job.name]
        for slot, member in picked[job.name]:
            again = _train(snapshot, slot, member)
            counts[again.found] += 1
            print(_line(job.name, again), flush=True)
        print(f"{job.name}: {changes(slot.lineage, here())}", flush=True)
    print(", ".join(f"{counts[found]} {found}" for found in Found))
    return counts[Found.OUTSIDE] == 0


def pick(snapshot: StudySnapshot, n: int) -> list[tuple[Trial, Member]]:
    """Return networks that are spread over the points of a study, at most ``n``."""
    rounds = max(len(slot.members) for slot in snapshot.search)
    everything = [
        (slot, slot.members[k])
        for k in range(rounds)
        for slot in trained(snapshot.search)
        if k < len(slot.members)
    ]
    n_points = len(trained(snapshot.search))
    if n >= n_points:
        return everything[:n]
    return [everything[(2 * k + 1) * n_points // (2 * n)] for k in range(n)]


def noise(scores: Sequence[float]) -> tuple[float, float]:
    """Return where one more network lies in 99 of 100 cases, by Student's t.

    >>> low, high = noise([0.86, 0.87, 0.88, 0.89])
    >>> round(low, 3), round(high, 3)
    (0.791, 0.959)
    """
    n = len(scores)
    if n < 2:
        return -math.inf, math.inf
    t = float(stats.t.ppf(0.5 + NOISE / 2, n - 1))
    half = t * statistics.stdev(scores) * math.sqrt(1 + 1 / n)
    mean = statistics.fmean(scores)
    return mean - half, mean + half


def here() -> dict[str, str]:
    """Return what a file would say of the source and of this machine."""
    return dict(_flat(of_this_process()))


def changes(stored: Mapping[str, Any], now: Mapping[str, str]) -> str:
    """Say what differs between the source and machine of a file and those of now."""
    parts = []
    for key in data.LINEAGE:
        before = str(stored.get(key, "unknown"))
        if before != now[key]:
            own = now[key]
            if key == "revision":
                before = before[:7]
                own = own[:7]
            parts.append(f"{key} {before}, here {own}")
    return "; ".join(parts) or "the same source, numerics and versions"


def _is_there(job: Job, snapshot: StudySnapshot | None) -> bool:
    if snapshot is None:
        _say(f"{job.name}: no data")
        return False
    keys = job.declared.differences(snapshot.spec)
    if keys:
        _say(f"{job.name}: not as declared ({', '.join(keys)}), left out")
        return False
    return True


def _train(snapshot: StudySnapshot, slot: Trial, member: Member) -> Again:
    """Train and score the network of a seed, on one thread."""
    import torch

    torch.set_num_threads(1)
    spec = snapshot.spec
    outcome = spec.objective_impl.evaluate(
        spec.params(slot.params, epochs=spec.budget.epochs),
        task=spec.task_params,
        protocol=spec.protocol,
        member_seed=member.seed,
        on_epoch=lambda progress: None,
    )
    weight = outcome.info.get("mean_weight_per_ns")
    return Again(
        slot=slot,
        stored=member,
        score=outcome.score,
        solved=outcome.solved.score if outcome.solved else None,
        mean_weight_per_ns=None if weight is None else float(weight),
    )


def _line(name: str, again: Again) -> str:
    point_ns = again.slot.params.get("point_ns")
    where = "" if point_ns is None else f", {float(point_ns):g} ns"
    scores = [member.claimed for member in again.slot.members]
    low, high = noise(scores)
    text = f"{name}, trial {again.slot.number}{where}, seed {again.stored.seed}: "
    text += f"{again.stored.claimed:.2%} stored, {again.claimed:.2%} now: {again.found}"
    if again.found is Found.EQUAL:
        return text
    if math.isinf(low):
        return text + " (a point of one network: its noise is not known)"
    return text + f" (99 % of networks: {low:.1%} to {high:.1%}, n = {len(scores)})"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
