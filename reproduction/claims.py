"""The paper's claims: each with a rule that was fixed before the measurement, and its verdict.

What is *alike* is said in ``reproduction.judges``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reproduction import judges
from reproduction.jobs import SPLITS, split_of
from reproduction.judges import Studies, Verdict, finished


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the paper and what became of it."""

    text: str
    place: str
    rule: str
    measured: str = "–"
    verdict: Verdict = Verdict.UNKNOWN


@dataclass(frozen=True)
class Question:
    """A claim before it is judged."""

    text: str
    place: str
    rule: str
    studies: tuple[str, ...]
    judge: Callable[[Studies], tuple[str, Verdict]]


def judge_all(studies: Studies) -> list[Claim]:
    """Every claim with its verdict; not measured where a study is missing or unfinished."""
    found = []
    for q in QUESTIONS:
        measured, verdict = "–", Verdict.UNKNOWN
        if all(name in studies and finished(studies[name]) for name in q.studies):
            measured, verdict = q.judge(studies)
        found.append(
            Claim(text=q.text, place=q.place, rule=q.rule, measured=measured, verdict=verdict)
        )
    return found


def _on_all_splits(study: str) -> tuple[str, ...]:
    return tuple(split_of(study, split) for split in (0, *SPLITS))


_ALIKE = "alike to"
_FACTOR = "geometric mean within a factor of 3: reproduced, of 10: partly"
QUESTIONS = (
    Question(
        "spintronic network: 89.83 ± 2.91 %",
        "III",
        "mean at 1 ns over eight splits and ten seeds within the reported standard deviation",
        _on_all_splits("fig2b"),
        judges.accuracy("fig2b"),
    ),
    Question(
        "CTRNN: 89.00 ± 3.48 %",
        "III",
        "mean at 1 ns over eight splits and ten seeds within the reported standard deviation",
        _on_all_splits("fig2b-ctrnn"),
        judges.accuracy("fig2b-ctrnn"),
    ),
    Question(
        "the spintronic network is as good as the CTRNN",
        "III",
        "difference at 1 ns over eight splits not below minus two standard errors",
        (*_on_all_splits("fig2b"), *_on_all_splits("fig2b-ctrnn")),
        judges.as_good,
    ),
    Question(
        "so it is at other time scales",
        "Fig. 2b",
        f"within 0.4 – 2.5 ns, {_ALIKE} the CTRNN's point, or above; partly: at most points",
        ("fig2b", "fig2b-ctrnn"),
        judges.as_good_everywhere,
    ),
    Question(
        "maximum at 1 ns",
        "Fig. 2b",
        f"the highest median is there; partly: at a neighbouring point, {_ALIKE} it",
        ("fig2b",),
        judges.maximum,
    ),
    Question(
        "kept from 0.4 to 2.5 ns, about 5-fold",
        "Fig. 2b",
        "the plateau is this window, to one point"
        " of the grid at either end; partly: it holds half of it, on a log scale",
        ("fig2b",),
        judges.window,
    ),
    Question(
        "significantly degraded well below and well above",
        "Fig. 2b",
        "at both ends (0.05, 20 ns) the upper quartile is below the best's lower; partly: at one",
        ("fig2b",),
        judges.degraded,
    ),
    Question(
        "the optimal time scale grows with τ",
        "Fig. 3a",
        "centres of the three plateaus rise; partly: the last is above the first",
        ("fig3a",),
        judges.shift("fig3a", rising=True),
    ),
    Question(
        "faster inputs require higher learning rates",
        "Fig. 3b",
        "centres of the three plateaus fall; partly: the last is below the first",
        ("fig3b",),
        judges.shift("fig3b", rising=False),
    ),
    Question(
        "always bell-shaped",
        "Fig. 3a, b",
        "no end of the six curves is alike to its best, and no point more than 2 points below one "
        "farther out; partly: of most",
        ("fig3a", "fig3b"),
        judges.bells,
    ),
    Question(
        "best at a cumulative drive of about 1, if Δt < τ",
        "Fig. 3c",
        f"best tenth of the points with Δt < τ: {_FACTOR}",
        ("fig3c", "fig2b", "fig3a", "fig3b"),
        judges.drive,
    ),
    Question(
        "Δt < τ is needed",
        "IV",
        "the best median with Δt ≥ τ below the lower quartile of the best with Δt < τ",
        ("fig3c", "fig2b", "fig3a", "fig3b"),
        judges.needs_memory,
    ),
    Question(
        "learning rate about a hundredth of 1/(Δt S √N)",
        "IV",
        f"best tenth of the broad set with Δt < τ: {_FACTOR}",
        ("fig3c",),
        judges.learning_rate,
    ),
    Question(
        "intra-layer connections down to 10 % without loss",
        "Fig. 4",
        f"{_ALIKE} 100 %, or above",
        ("fig4",),
        judges.reduced(0, 0.1),
    ),
    Question(
        "without any, degraded but still high",
        "Fig. 4",
        "not alike to 100 %, and a median of at least 70 %",
        ("fig4",),
        judges.no_intra,
    ),
    Question(
        "inter-layer connections down to 20 % without loss",
        "Fig. 4",
        f"{_ALIKE} 100 %, or above",
        ("fig4",),
        judges.reduced(1, 0.2),
    ),
    Question(
        "variability grows with density",
        "Fig. 4",
        "mean interquartile range from 50 % on above that of 10 to 49 %, on all curves; "
        "partly: on most",
        ("fig4",),
        judges.variability,
    ),
    Question(
        "global optimum near 50 %",
        "Fig. 4",
        f"highest median between 35 and 75 %, and 100 % not {_ALIKE} it; partly: the former",
        ("fig4",),
        judges.global_optimum,
    ),
    Question("2896 synapses", "V", "counted in the trained networks", ("fig2b",), judges.synapses),
    Question("about 40 pJ per image", "V", "within 10 %", ("fig2b",), judges.energy),
)
