"""Sentences on trainings of a confirmation that failed."""

from __future__ import annotations

from hpo.study.networks import Confirmation
from hpo.study.spec import StudySpec
from hpo.views.sentences.formatting import score_text


def clause(spec: StudySpec, item: Confirmation) -> str:
    """Count the trainings that failed; empty if none did.

    ``4 of 10 trainings failed (training loss at least 0.52, of the others at most
    0.11); the six others 92.4 ± 5.2 %``.
    """
    found = item.failed_trainings
    if found is None:
        return ""
    gap = (
        f"training loss at least {found.least_loss:.2g}, of the others at most"
        f" {found.largest_loss:.2g}"
    )
    return f"{_count(item)} trainings failed ({gap}); {_others(spec, item)}"


def cell(spec: StudySpec, item: Confirmation) -> str:
    """Return the same in a table: ``4 of 10; the six others 92.4 ± 5.2 %``."""
    return f"{_count(item)}; {_others(spec, item)}"


def _count(item: Confirmation) -> str:
    found = item.failed_trainings
    n_failed = len(found.failed) if found else 0
    return f"{n_failed} of {len(item.members)}"


def _others(spec: StudySpec, item: Confirmation) -> str:
    found = item.failed_trainings
    if found is None:
        return ""
    score = score_text(spec, found.mean, found.std)
    n = len(found.others)
    if n == 1:
        return f"the other one {score}"
    return f"the {_WORDS.get(n, str(n))} others {score}"


_WORDS = {
    2: "two",
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    9: "nine",
}
