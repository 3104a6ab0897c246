"""How well a parameter separates the scores of a study."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from hpo.study.snapshot import StudySnapshot
from hpo.views import formatting
from hpo.views.numbers.scores import axis_score, scored

GROUPS = 8


def separation(snapshot: StudySnapshot, name: str) -> float:
    """How much of the variance of the scores' ranks lies between groups of a parameter: 0 to 1.

    Groups are its choices, or the eighths of its values (the correlation ratio, eta squared).
    """
    slots = [slot for slot in scored(snapshot) if name in slot.params]
    if len(slots) < 2 * GROUPS:
        return 0.0
    ranks = _ranks([axis_score(snapshot.spec, slot) for slot in slots])
    values = [slot.params[name] for slot in slots]
    if snapshot.spec.space[name].choices is not None:
        keys = [formatting.value_text(value) for value in values]
    else:
        keys = [str(int(GROUPS * rank / len(slots))) for rank in _ranks([float(v) for v in values])]
    groups = defaultdict(list)
    for key, rank in zip(keys, ranks, strict=True):
        groups[key].append(rank)
    middle, all_ = statistics.fmean(ranks), statistics.pvariance(ranks)
    between = sum(len(g) * (statistics.fmean(g) - middle) ** 2 for g in groups.values())
    return between / len(ranks) / all_ if all_ else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each value in their order, from 0; equals share the lowest."""
    order = sorted(values)
    return [float(bisect_left(order, value)) for value in values]
