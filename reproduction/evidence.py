"""What was measured under one reading of the paper: networks by condition, all splits
together."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from hpo.objectives.hardware import physics
from hpo.study.networks import Member
from hpo.study.trials import StudySnapshot, Trial, trained
from reproduction import jobs, readings
from reproduction.readings import Reading

Studies = Mapping[str, StudySnapshot]


FIGURE_SPLITS = (0, *jobs.WHOLE_SPLITS)
"""Of the images: those of the figures' points, as far as they were measured there."""


class Condition(NamedTuple):
    """What a point of a figure is measured at; of every number four digits count."""

    point_ns: float
    tau_ns: float
    lr0: float
    s: float
    density_inter: float
    density_intra: float


@dataclass(frozen=True)
class Network:
    """A trained network."""

    split: int
    seed: int
    accuracy: float
    """In per cent, on the solved equation unless the reading is a map."""
    drive: float | None
    """Cumulative drive of its weights, the mean over the connections that exist."""
    mean_weight_per_ns: float | None


@dataclass(frozen=True)
class Point:
    """The networks of a condition."""

    x: float
    """Where it stands on its curve."""
    condition: Condition
    networks: tuple[Network, ...]

    @cached_property
    def quartiles(self) -> tuple[float, float, float]:
        """25th percentile, median, 75th percentile of the accuracies, in per cent."""
        accuracies = [network.accuracy for network in self.networks]
        if len(accuracies) == 1:  # of a trial run: the standard library asks for two
            return accuracies[0], accuracies[0], accuracies[0]
        low, median, high = statistics.quantiles(accuracies, n=4, method="inclusive")
        return low, median, high

    @property
    def low(self) -> float:
        """25th percentile."""
        return self.quartiles[0]

    @property
    def median(self) -> float:
        """Median accuracy, in per cent."""
        return self.quartiles[1]

    @property
    def high(self) -> float:
        """75th percentile."""
        return self.quartiles[2]

    @property
    def mean_weight_per_ns(self) -> float | None:
        """Mean absolute weight of the connections that exist, median over the
        networks."""
        known = [
            n.mean_weight_per_ns
            for n in self.networks
            if n.mean_weight_per_ns is not None
        ]
        return statistics.median(known) if known else None

    @property
    def drive(self) -> float | None:
        """Cumulative drive, median over the networks."""
        known = [n.drive for n in self.networks if n.drive is not None]
        return statistics.median(known) if known else None

    @property
    def lr_ratio(self) -> float:
        """Learning rate over the optimal weight 1 / (Δt S √N)."""
        c = self.condition
        fan_in = physics.fan_in(
            width=32, density_inter=c.density_inter, density_intra=c.density_intra
        )
        weight = physics.recommended_weight_per_ns(
            point_ns=c.point_ns, s=c.s, fan_in=fan_in
        )
        return c.lr0 / weight


Curve = Sequence[Point]
"""Points in the order of x."""


class Evidence:
    """The networks that were trained under one reading.

    Args:
        reading: what is read how.
        networks: those of the figures' points, by condition.
        broad: those of the broad set of Fig. 3(c).
        layers: what the neurons do, by density of all connections at 1 ns; see
            ``layers``.
    """

    def __init__(
        self,
        reading: Reading,
        networks: Mapping[Condition, tuple[Network, ...]],
        broad: Sequence[tuple[Condition, tuple[Network, ...]]],
        layers: Mapping[float, Sequence[Any]],
    ) -> None:
        """Take all as it is."""
        self.reading = reading
        self.layers = layers
        self._splits = FIGURE_SPLITS if reading is readings.PLAIN else (0,)
        self._networks = networks
        self._broad = broad
        self._curves: dict[Any, Curve] = {}
        """Those that were asked for: every claim asks again."""

    def time_scales(self, *, tau: float = 1.0, lr0: float = 1.0) -> Curve:
        """A curve of Fig. 2(b), 3(a) or 3(b): τ and lr0 times those of the optimum."""
        tau_ns = _short(tau * self.reading.tau_ns)
        rate = _short(lr0 * readings.LR0)
        wanted = (tau_ns, rate, readings.DENSITY, readings.DENSITY)
        if wanted not in self._curves:
            self._curves[wanted] = self._along(
                "point_ns",
                lambda c: (c.tau_ns, c.lr0, c.density_inter, c.density_intra) == wanted,
            )
        return self._curves[wanted]

    def densities(self, which: str) -> Curve:
        """A curve of Fig. 4: of ``intra``, ``inter`` or ``all`` connections."""
        optimum = (1.0, _short(self.reading.tau_ns), readings.LR0)
        rules = {
            "intra": lambda c: c.density_inter == 1.0,
            "inter": lambda c: c.density_intra == 1.0,
            "all": lambda c: c.density_inter == c.density_intra,
        }
        along = "density_intra" if which == "intra" else "density_inter"
        if which not in self._curves:
            self._curves[which] = self._along(
                along, lambda c: c[:3] == optimum and rules[which](c)
            )
        return self._curves[which]

    def at_optimum(self) -> Point | None:
        """The paper's point, at 1 ns, on all splits at which it was measured."""
        return next(
            (
                Point(c.point_ns, c, networks)
                for c, networks in self._networks.items()
                if c.point_ns == 1.0 and self._is_optimal(c)
            ),
            None,
        )

    def broad_set(self) -> list[Point]:
        """The points of Fig. 3(c) that are no other figure's."""
        return [Point(c.point_ns, c, found) for c, found in self._broad]

    def resampled(self, draw: random.Random) -> Evidence:
        """The same with the networks of every condition drawn again, those of each
        split apart.

        Of the broad set, the points are drawn again, and then their networks.
        """

        def again(networks: tuple[Network, ...]) -> tuple[Network, ...]:
            by_split = defaultdict(list)
            for network in networks:
                by_split[network.split].append(network)
            return tuple(
                n for own in by_split.values() for n in draw.choices(own, k=len(own))
            )

        networks = {
            condition: again(found) for condition, found in self._networks.items()
        }
        points = draw.choices(self._broad, k=len(self._broad)) if self._broad else []
        broad = [(condition, again(found)) for condition, found in points]
        layers = {d: draw.choices(rows, k=len(rows)) for d, rows in self.layers.items()}
        return Evidence(self.reading, networks, broad, layers)

    def as_few(self) -> Evidence:
        """The points and networks that other readings have: as few, and on the same
        splits."""
        tau_ns = self.reading.tau_ns
        outer = [(0.25 * tau_ns, readings.LR0), (4.0 * tau_ns, readings.LR0)]
        outer += [(tau_ns, 0.2 * readings.LR0), (tau_ns, 5.0 * readings.LR0)]
        shifted = {(_short(tau), _short(lr0)) for tau, lr0 in outer}
        chosen = {}
        for c, networks in self._networks.items():
            splits = {0}
            if self._is_optimal(c) and c.point_ns == 1.0:
                splits |= set(readings.SPLITS)
            elif not (
                ((c.tau_ns, c.lr0) in shifted and c.point_ns in readings.SHIFT_TIMES_NS)
                or (self._is_optimal(c) and c.point_ns in readings.TIMES_NS)
                or (
                    c.point_ns == 1.0
                    and (c.density_inter, c.density_intra) in readings.DENSITIES
                )
            ):
                continue
            n = readings.N_SEEDS
            own = [
                [m for m in networks if m.split == split][:n]
                for split in sorted(splits)
            ]
            chosen[c] = tuple(network for found in own for network in found)
        broad = [(c, found[: readings.N_BROAD]) for c, found in self._broad[::2]]
        return Evidence(readings.CONTROL, chosen, broad, self.layers)

    def _is_optimal(self, c: Condition) -> bool:
        """Whether all but the time scale is as in the paper's optimum."""
        half = readings.DENSITY
        optimum = (_short(self.reading.tau_ns), readings.LR0, half, half)
        return (c.tau_ns, c.lr0, c.density_inter, c.density_intra) == optimum

    def _along(self, name: str, belongs: Any) -> Curve:
        """Other readings than the figures' have other splits at 1 ns alone: no curve
        has them."""
        found = []
        for c in filter(belongs, self._networks):
            own = tuple(n for n in self._networks[c] if n.split in self._splits)
            if own:
                found.append(Point(getattr(c, name), c, own))
        return sorted(found, key=lambda point: point.x)


def gather(
    studies: Studies, layers: Mapping[str, Mapping[float, Any]]
) -> dict[str, Evidence]:
    """What there is of every reading, by its name, and of the figures as few
    networks."""
    found: dict[str, Evidence] = {}
    for reading in (readings.PLAIN, *readings.OTHERS, *readings.COMBINED):
        own = [job for job in jobs.JOBS if job.reading == reading.name]
        networks = _networks(reading, [j for j in own if not j.is_broad], studies)
        broad = _networks(reading, [j for j in own if j.is_broad], studies)
        if networks or broad:
            measured = layers.get(reading.name, {})
            found[reading.name] = Evidence(
                reading, networks, list(broad.items()), measured
            )
    if plain := found.get(readings.PLAIN.name):
        found[readings.CONTROL.name] = plain.as_few()
    return found


def ctrnn(studies: Studies) -> Curve:
    """The CTRNN's curve of Fig. 2(b)."""
    own = [job for job in jobs.JOBS if job.study == "fig2b-ctrnn"]
    networks = _networks(readings.PLAIN, own, studies)
    points = [Point(c.point_ns, c, found) for c, found in networks.items()]
    return sorted(points, key=lambda point: point.x)


def pooled(studies: Studies, name: str) -> StudySnapshot:
    """The study of a figure with the networks that its points have on other splits,
    too."""
    more: dict[tuple[Any, ...], list[Member]] = defaultdict(list)
    for split in jobs.WHOLE_SPLITS:
        if other := studies.get(jobs.split_of(name, split)):
            own = {_key(slot): slot.members for slot in trained(other.search)}
            for key, members in own.items():
                more[key] += members
    slots = tuple(
        replace(slot, members=(*slot.members, *more[_key(slot)]))
        for slot in studies[name].search
    )
    return replace(studies[name], search=slots)


def finished(snapshot: StudySnapshot | None) -> bool:
    """Whether every network of a study without pruning is there; none of its trials
    failed."""
    return (
        snapshot is not None
        and len(trained(snapshot.search)) == snapshot.spec.budget.trials
    )


def _key(slot: Trial) -> tuple[Any, ...]:
    return tuple(sorted((name, value) for name, value in slot.params.items()))


def _networks(
    reading: Reading, own: Iterable[jobs.Job], studies: Studies
) -> dict[Condition, tuple[Network, ...]]:
    """Each network once: figures share points. Studies that are not as declared are
    left out."""
    found: dict[Condition, dict[tuple[int, int], Network]] = defaultdict(dict)
    for job in own:
        snapshot = studies.get(job.name)
        if (
            snapshot is None
            or not finished(snapshot)
            or job.declared.differences(snapshot.spec)
        ):
            continue
        for slot in trained(snapshot.search):
            values: dict[str, Any] = {**_DEFAULTS, **snapshot.spec.fixed, **slot.params}
            condition = Condition(
                *(_short(float(values[name])) for name in Condition._fields)
            )
            scores = (
                [m.score for m in slot.members] if reading.as_a_map else slot.scores
            )
            for member, score in zip(slot.members, scores, strict=True):
                found[condition][job.split, member.seed] = Network(
                    split=job.split,
                    seed=member.seed,
                    accuracy=100.0 * score,
                    drive=_number(member, "cumulative_drive"),
                    mean_weight_per_ns=_number(member, "mean_weight_per_ns"),
                )
    return {
        condition: tuple(networks.values()) for condition, networks in found.items()
    }


_DEFAULTS = {"point_ns": 1.0}


def _number(member: Member, name: str) -> float | None:
    value = member.info.get(name)
    return (
        float(value)
        if isinstance(value, int | float) and math.isfinite(value)
        else None
    )


def _short(value: float) -> float:
    return float(f"{value:.4g}")
