"""The confusion matrix: what is counted, and what the report says of it."""

from __future__ import annotations

import snapshots

from hpo.views import report as page
from hpo.views.figures.networks import Confusion

FOUND = Confusion(classes=["a", "b"], read_as=["a", "b", ""], counts=[[8, 2, 0], [0, 9, 1]])


def test_the_report_says_it_in_words() -> None:
    study = snapshots.realistic(snapshots.spec())
    said = page.html(study, kept=FOUND)
    assert "17 of 20 series rightly (85.0 %)" in said
    assert "confusion-plot" not in page.html(study)
