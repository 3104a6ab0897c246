"""Sentences on trainings of a confirmation that failed."""

from __future__ import annotations

from hpo.study.failed_trainings import FailedTrainings
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
    count = _count(found, len(item.members))
    return f"{count} trainings failed ({gap}); {_others(spec, found)}"


def cell(spec: StudySpec, found: FailedTrainings, n: int) -> str:
    """Return the same of ``n`` trainings in a table: ``4 of 10; the six others 92.4 ±
    5.2 %``."""
    return f"{_count(found, n)}; {_others(spec, found)}"


def _count(found: FailedTrainings, n: int) -> str:
    return f"{len(found.failed)} of {n}"


def _others(spec: StudySpec, found: FailedTrainings) -> str:
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
