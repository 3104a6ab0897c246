"""A score in words and in the unit in which it is shown."""

from __future__ import annotations

import math

from hpo.study.spec import StudySpec

LARGEST_GAP = 0.005
"""Between two scores of the same networks, in accuracy or as a share of another score: above it,
they are two results."""


def is_percent(spec: StudySpec) -> bool:
    """Whether scores are shown in per cent: accuracies, and nothing else."""
    return spec.objective_impl.metric == "accuracy"


def shown(spec: StudySpec, score: float) -> float:
    """A score in the unit in which it is shown."""
    return 100.0 * score if is_percent(spec) else score


def score_text(spec: StudySpec, mean: float, std: float | None = None) -> str:
    """A score with its deviation: ``94.9 ± 0.7 %``, or ``0.0312 ± 0.0011``."""
    known = std is not None and math.isfinite(std)
    if not is_percent(spec):
        return f"{mean:.4g} ± {std:.2g}" if known else f"{mean:.4g}"
    spread = 100.0 * std if known and std is not None else 1.0
    decimals = 2 if 0 < spread < 0.1 else 1
    text = f"{100.0 * mean:.{decimals}f}"
    return f"{text} ± {spread:.{decimals}f} %" if known else f"{text} %"


def differs(spec: StudySpec, score: float, claimed: float) -> bool:
    """Whether a score of the same networks is another result than the claimed one."""
    unit = 1.0 if is_percent(spec) else abs(claimed)
    return abs(score - claimed) > LARGEST_GAP * unit + 1e-9
