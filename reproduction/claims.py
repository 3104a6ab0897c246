"""The paper's claims: each with a rule that was fixed before the measurement, and its
verdict.

What is *alike*, and what *without loss*, is said in ``reproduction.measures``.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hpo.objectives.hardware import physics
from reproduction import architecture, judges, measures, readings
from reproduction.evidence import Curve, Evidence, Point
from reproduction.measures import TOLERANCE, Finding, Judge, Verdict, alike

OVER_ALL = "over all entries"
"""What is added to the name of a reading for ``Claim.over_all``."""
MOST = 0.9
"""Share of the readings from which on a claim holds under most, if it fails under
none."""
FEWEST = 5
"""Readings under which a claim must have been judged, for a verdict over all."""
SETTLED = 0.9
"""Share of the resamples from which on a verdict is not one of chance."""


class Kind(StrEnum):
    """What becomes of a claim over all readings."""

    YES = "reproduced"
    MOST = "under most readings"
    PARTLY = "at most in part"
    NO = "not reproduced under any reading"
    DEPENDS = "depends on the reading"
    OPEN = "cannot be decided"
    FEW = "judged under too few readings"
    UNKNOWN = "not measured"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the paper says, and how it is judged."""

    text: str
    place: str
    rule: str
    judge: Judge
    short: str
    """For a row of the matrix."""
    fitted: str = ""
    """What was chosen by the number that the claim is about."""
    over_all: Judge | None = None
    """The same rule with ⟨|W|⟩ over all entries of the matrices, which no training
    depends on."""


@dataclass(frozen=True)
class Cell:
    """A claim under one reading."""

    finding: Finding
    holds: tuple[bool, ...]
    """Whether it holds in each of the resamples of the networks."""

    @property
    def share(self) -> float:
        """Of the resamples in which it holds."""
        return statistics.fmean(self.holds)

    @property
    def is_settled(self) -> bool:
        """Whether nine of ten resamples say what the networks say."""
        says = self.finding.verdict is Verdict.YES
        return (self.share if says else 1.0 - self.share) >= SETTLED


@dataclass(frozen=True)
class Answer:
    """A claim over all readings."""

    claim: Claim
    cells: Mapping[str, Cell]
    """By the name of the reading, as far as they were measured."""

    @property
    def plain(self) -> Cell | None:
        """That of the figures."""
        return self.cells.get(readings.PLAIN.name)

    @property
    def judged(self) -> dict[str, Cell]:
        """Its cells by reading; the figures' networks count once."""
        return {
            key: cell
            for key, cell in self.cells.items()
            if reading_of(key) != readings.CONTROL.name
        }

    def count(self, verdict: Verdict) -> int:
        """The number of readings with a verdict."""
        return sum(cell.finding.verdict is verdict for cell in self.judged.values())

    def settled(self, *, holds: bool) -> list[str]:
        """The readings under which it surely holds, or surely does not; *partly* does
        not."""
        return [
            key
            for key, cell in self.judged.items()
            if cell.is_settled and (cell.finding.verdict is Verdict.YES) is holds
        ]

    @property
    def kind(self) -> Kind:
        """The verdict over all readings where they agree, or nearly; else by those that
        settle it."""
        if self.plain is None:
            return Kind.UNKNOWN
        if len(self.judged) < FEWEST:
            return Kind.FEW
        yes = self.settled(holds=True)
        no = self.settled(holds=False)
        if yes and self._holds_under_most:
            n = len(self.judged)
            return Kind.YES if self.count(Verdict.YES) == n else Kind.MOST
        if yes and no:
            return Kind.DEPENDS
        if self.count(Verdict.YES) or not (yes or no):
            return Kind.OPEN
        return Kind.PARTLY if self.count(Verdict.PARTLY) else Kind.NO

    @property
    def _holds_under_most(self) -> bool:
        held = self.count(Verdict.YES)
        return held >= MOST * len(self.judged) and not self.count(Verdict.NO)

    def turned_by(self) -> list[str]:
        """The readings with one other choice that surely turn its verdict under our
        default, from *holds* or to it."""
        if self.plain is None:
            return []
        holds = self.plain.finding.verdict is Verdict.YES
        single = {reading.name for reading in readings.OTHERS}
        turned = []
        for key in self.settled(holds=not holds):
            alone = key in single
            only_the_mean = key == over_all(readings.PLAIN.name)
            if alone or only_the_mean:
                turned.append(key)
        return turned

    def effects(self) -> dict[str, float]:
        """The main effect of each crossed choice: how much larger the share of the
        resamples in which it holds is with the choice than without it.

        Nothing unless it was judged under all eight readings of the factorial.
        """
        design = {r.name: r.chosen for r in readings.ALL if len(r.chosen) in (1, 3)}
        if not design.keys() <= self.cells.keys():
            return {}
        found = {}
        for choice in readings.CROSSED:
            shares: dict[bool, list[float]] = {True: [], False: []}
            for name, chosen in design.items():
                shares[choice in chosen].append(self.cells[name].share)
            found[choice] = statistics.fmean(shares[True]) - statistics.fmean(
                shares[False]
            )
        return found


def over_all(name: str) -> str:
    """The key of a reading whose mean of the weights is over all entries."""
    return f"{name}, {OVER_ALL}"


def reading_of(key: str) -> str:
    """The name of the reading of a cell."""
    return key.removesuffix(f", {OVER_ALL}")


def answer_all(
    evidences: Mapping[str, Evidence], n_resamples: int = 100
) -> list[Answer]:
    """Every claim under every reading that was measured, and under resamples of its
    networks."""
    cells: list[dict[str, Cell]] = [{} for _ in CLAIMS]
    for name, evidence in evidences.items():
        draw = random.Random(0)
        resamples = [evidence.resampled(draw) for _ in range(n_resamples)]
        for claim, own in zip(CLAIMS, cells, strict=True):
            for key, judge in _judges(claim, name).items():
                cell = _judge(judge, evidence, resamples)
                if cell is not None:
                    own[key] = cell
    return [Answer(claim, own) for claim, own in zip(CLAIMS, cells, strict=True)]


def _judges(claim: Claim, name: str) -> dict[str, Judge]:
    """The rules of a claim under a reading, by the keys of their cells."""
    judges_of_it = {name: claim.judge}
    if claim.over_all is not None:
        judges_of_it[over_all(name)] = claim.over_all
    return judges_of_it


def _judge(
    judge: Judge, evidence: Evidence, resamples: Sequence[Evidence]
) -> Cell | None:
    finding = judge(evidence)
    if finding is None:
        return None
    found = [judge(again) for again in resamples]
    holds = (f is not None and f.verdict is Verdict.YES for f in found)
    return Cell(finding, tuple(holds))


def together(answers: Sequence[Answer]) -> dict[str, tuple[bool, float]]:
    """Whether ``TOGETHER`` hold at once, by reading, and in what share of its
    resamples."""
    chosen = [answer for answer in answers if answer.claim.short in TOGETHER]
    assert len(chosen) == len(TOGETHER)
    found = {}
    for reading in readings.ALL:
        cells = [answer.cells.get(reading.name) for answer in chosen]
        known = [cell for cell in cells if cell is not None]
        if len(known) == len(cells):
            joint = [
                all(row) for row in zip(*(cell.holds for cell in known), strict=True)
            ]
            holds = all(cell.finding.verdict is Verdict.YES for cell in known)
            found[reading.name] = (holds, statistics.fmean(joint))
    return found


@dataclass(frozen=True)
class Undecided:
    """A claim about the CTRNN, whose constants the paper does not give."""

    text: str
    place: str
    measured: str


def undecided(plain: Evidence, theirs: Curve) -> list[Undecided]:
    """What our CTRNN, with constants that were fitted at 1 ns, does; it decides
    nothing."""
    ours = plain.time_scales()
    point = measures.at(theirs, 1.0)
    mine = plain.at_optimum()
    if point is None or mine is None:
        return []
    found = judges.accuracy_of(point, *measures.PAPER["fig2b-ctrnn"]).text
    gaps = _gaps(mine, point)
    if len(gaps) < 2:
        return []
    low, high = measures.mean_interval(gaps)
    verdict = "as good, to" if low >= -TOLERANCE else "not shown to be as good, to"
    both = [(p, q) for p in ours if (q := measures.at(theirs, p.x))]
    inside = [
        (p, q) for p, q in both if measures.WINDOW_NS[0] <= p.x <= measures.WINDOW_NS[1]
    ]
    behind, behind_in = (
        sum(not alike(p, q) for p, q in pairs) for pairs in (both, inside)
    )
    return [
        Undecided("CTRNN: 89.00 ± 3.48 %", "III", found),
        Undecided(
            "the spintronic network is as good as the CTRNN",
            "III",
            f"{statistics.fmean(gaps):+.2f} points, {low:+.2f} to {high:+.2f} by the"
            f" splits: {verdict} 2 points",
        ),
        Undecided(
            "so it is at other time scales",
            "Fig. 2b",
            f"behind at {behind_in} of {len(inside)} points of the window, "
            f"{behind} of {len(both)} in all",
        ),
    ]


def _gaps(ours: Point, theirs: Point) -> list[float]:
    """Differences of the means of both, at each split."""
    a = measures.by_split(ours)
    b = measures.by_split(theirs)
    return [
        statistics.fmean(a[k]) - statistics.fmean(b[k])
        for k in sorted(a.keys() & b.keys())
    ]


def arithmetic(n_synapses: int) -> list[tuple[str, str, str]]:
    """What follows from the paper's own numbers, without a training: text, place,
    ours."""
    energies = [
        physics.energy_pj(n_neurons=96, n_synapses=n_synapses, presentation_ns=ns)
        for ns in (100.0, 64.0)
    ]
    return [
        (
            "2896 synapses",
            "V",
            (
                f"{n_synapses:,}: (1×32 + 2×32×32 + 3×32×32) × 0.5 + 32×10, with the"
                " input weights sparsified and the readout dense"
            ),
        ),
        (
            "about 40 pJ per image",
            "V",
            (
                f"{energies[0]:.1f} pJ in 100 ns; {energies[1]:.1f} pJ in the 64 ns"
                " that an image takes at 1 ns"
            ),
        ),
        (
            "learning rate about a hundredth of 1/(Δt S √N)",
            "IV",
            (
                "the paper's own lr0 = 0.149, S = 0.5, N = 32 and Δt = 1 ns make it"
                " 0.42, not 0.01"
            ),
        ),
    ]


_ALIKE = "alike to"
_FACTOR = "geometric mean within a factor of 3; partly: of 10"
_F_CUT = "f_cut, on one split, by the accuracy at 1 ns of a one-step map"
CLAIMS = (
    Claim(
        text="accuracy at 1 ns: 89.83 ± 2.91 %",
        short="89.83 ± 2.91 %",
        place="III",
        rule=(
            "mean at 1 ns within the reported standard deviation, by its whole 95 %"
            " interval by the seeds; partly: by the mean"
        ),
        judge=judges.accuracy,
        fitted=_F_CUT,
    ),
    Claim(
        text="accuracy is highest at 1 ns",
        short="maximum at 1 ns",
        place="Fig. 2b",
        rule=(
            f"the highest median is there; partly: at a neighbouring point, {_ALIKE} it"
        ),
        judge=judges.maximum,
        fitted=_F_CUT,
    ),
    Claim(
        text="accuracy kept from 0.4 to 2.5 ns",
        short="window 0.4 – 2.5 ns",
        place="Fig. 2b",
        rule=(
            "the plateau is this window, to one point"
            " of the grid at either end; partly: it holds half of it, on a log scale"
        ),
        judge=judges.window,
    ),
    Claim(
        text="accuracy falls well below and well above 1 ns",
        short="loss at both ends",
        place="Fig. 2b",
        rule=(
            "at both ends the upper quartile is below the best's lower; partly: at one"
        ),
        judge=judges.degraded,
    ),
    Claim(
        text="the optimal time scale grows with τ",
        short="shift with τ",
        place="Fig. 3a",
        rule=(
            "centres of the three plateaus rise, over the points that all curves have;"
            " partly: the last is above the first"
        ),
        judge=judges.shift_with_tau,
    ),
    Claim(
        text="faster inputs require higher learning rates",
        short="shift with lr0",
        place="Fig. 3b",
        rule=(
            "centres of the three plateaus fall, over the points that all curves have;"
            " partly: the last is below the first"
        ),
        judge=judges.shift_with_lr0,
    ),
    Claim(
        text="accuracy against Δt is always bell-shaped",
        short="bells",
        place="Fig. 3a, b",
        rule=(
            "no end of the five curves is alike to its best, and no point more than 2"
            " points below one farther out; partly: of most"
        ),
        judge=judges.bells,
    ),
    Claim(
        text="accuracy always kept over about a 5-fold range of Δt",
        short="windows of Fig. 3",
        place="Fig. 3a, b",
        rule="every plateau at least 3-fold; partly: most",
        judge=judges.windows,
    ),
    Claim(
        text="faster inputs need higher weights",
        short="fast: large weights",
        place="IV",
        rule=(
            "⟨|W|⟩ at the best of three learning rates, by a power law in Δt: at 0.4 ns"
            " at least 1.2 times that at 2.5 ns; partly: above it"
        ),
        judge=judges.weights_of_fast_inputs,
    ),
    Claim(
        text="higher learning rates allow higher weights",
        short="lr0: large weights",
        place="IV",
        rule="⟨|W|⟩ at 1 ns rises over the three; partly: from the first to the last",
        judge=judges.weights_of_learning_rates,
    ),
    Claim(
        text="best at a cumulative drive of about 1, if Δt < τ",
        short="drive about 1",
        place="Fig. 3c",
        rule=(
            "best tenth of the points with Δt < τ: geometric mean within a factor of 3;"
            " partly: of 10. ⟨|W|⟩ is over the connections that exist; over all entries"
            " is another reading of each"
        ),
        judge=judges.drive,
        over_all=judges.drive_over_all_entries,
    ),
    Claim(
        text="Δt < τ is needed",
        short="Δt < τ",
        place="IV",
        rule=(
            "best median of the broad set with Δt ≥ τ more than 2 points below the best"
            " of as many points with Δt < τ; partly: below it"
        ),
        judge=judges.needs_memory,
    ),
    Claim(
        text="learning rate about a hundredth of 1/(Δt S √N)",
        short="rule for lr0",
        place="IV",
        rule=f"best tenth of the broad set with Δt < τ: {_FACTOR}",
        judge=judges.learning_rate,
    ),
    Claim(
        text="intra-layer connections down to 10 % without loss",
        short="intra 10 %",
        place="Fig. 4",
        rule=(
            "within 2 points of 100 %, by the whole 95 % interval; partly: by the"
            " medians"
        ),
        judge=architecture.lossless("intra", 0.1),
    ),
    Claim(
        text="without intra-layer connections, lower but still high",
        short="no intra",
        place="Fig. 4",
        rule="not alike to 100 %, and a median of at least 70 %; partly: one of them",
        judge=architecture.no_intra,
    ),
    Claim(
        text="inter-layer connections down to 20 % without loss",
        short="inter 20 %",
        place="Fig. 4",
        rule=(
            "within 2 points of 100 %, by the whole 95 % interval; partly: by the"
            " medians"
        ),
        judge=architecture.lossless("inter", 0.2),
    ),
    Claim(
        text="half of all connections without loss",
        short="all 50 %",
        place="VI",
        rule=(
            "within 2 points of 100 %, by the whole 95 % interval; partly: by the"
            " medians"
        ),
        judge=architecture.lossless("all", 0.5),
    ),
    Claim(
        text="accuracies vary more at higher density of connections",
        short="variability",
        place="Fig. 4",
        rule=(
            "mean interquartile range from 50 % on above that of 10 to 49 %, on all"
            " curves; partly: on most"
        ),
        judge=architecture.variability,
    ),
    Claim(
        text="more saturation and failed trainings at higher density",
        short="failures",
        place="Fig. 4",
        rule=(
            "the share of x within 0.1 of 0 or 1 rises from 0.2 to 0.5 to 1, and more"
            " networks end 10 points below the best median above 50 % than at 10 to 50"
            " %; partly: one of both"
        ),
        judge=architecture.failures,
    ),
    Claim(
        text="the best density is near 50 %",
        short="optimum near 50 %",
        place="Fig. 4",
        rule=(
            "highest median of five densities or more between 35 and 75 %, and 100 %"
            f" not {_ALIKE} it; partly: the former"
        ),
        judge=architecture.global_optimum,
    ),
    Claim(
        text="x varies around half of its maximum",
        short="x around 1/2",
        place="Fig. 1",
        rule=(
            "half of the neurons of every layer, or more, are as in Fig. 1: mean x from"
            " 0.4 to 0.6, within 0.1 of 0 or 1 less than half of the time; partly: a"
            " tenth of them"
        ),
        judge=architecture.around_half,
    ),
    Claim(
        text="each layer slows the signal down",
        short="layers slow down",
        place="Fig. 1",
        rule=(
            "the mean frequency falls by 5 % from the input and through every layer;"
            " partly: from the first layer to the last"
        ),
        judge=architecture.slows,
    ),
)
TOGETHER = ("89.83 ± 2.91 %", "maximum at 1 ns", "loss at both ends", "shift with τ")
"""The headline and what it stands on: short names."""
