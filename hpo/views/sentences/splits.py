"""Sentences on a confirmation on several splits of the data."""

from __future__ import annotations

import math

from hpo.study import splits
from hpo.study.networks import Confirmation
from hpo.study.spec import StudySpec
from hpo.study.splits import SplitScores
from hpo.views.sentences.formatting import plural, score_text, shown

SEEN = (
    "the test sets of the other splits hold series that the search has trained and"
    " validated on, so its parameters were chosen with them"
)
"""What the search had seen of a confirmation on several splits."""


def clauses(spec: StudySpec, item: Confirmation) -> list[str]:
    """Say how much the score scatters, and what the search had seen; empty of one
    split.

    ``sd 0.35 points between the means of 5 splits, 0.77 points between the seeds of
    one``.
    """
    found = item.splits
    if not found:
        return []
    between = _deviation(spec, splits.std_between(found))
    scatter = f"sd {between} between the means of {len(found)} splits"
    within = splits.std_within(found)
    if not math.isnan(within):
        scatter += f", {_deviation(spec, within)} between the seeds of one"
    used = "the search used split 0 alone"
    if found[0].number == 0:
        used += f" ({split_text(spec, found[0])})"
    return [scatter, f"{used}: {SEEN}"]


def split_text(spec: StudySpec, split: SplitScores) -> str:
    """Return the score of a split: ``95.2 ± 0.7 % on 10 fresh seeds``."""
    std = None
    if len(split.scores) > 1:
        std = split.std
    seeds = plural(len(split.scores), "fresh seed")
    return f"{score_text(spec, split.mean, std)} on {seeds}"


def _deviation(spec: StudySpec, std: float) -> str:
    text = f"{shown(spec, std):.2g}"
    if spec.is_accuracy:
        text += " points"
    return text
