"""The page of the same search with several study seeds."""

from __future__ import annotations

from hpo.study.replication import Replication
from hpo.views.figures.replication import figure
from hpo.views.pages.page import Section, Table, plot, render_sections
from hpo.views.sentences import replication as sentences

_FIGURE = (
    "A row for each search: the confirmed score on the held-out test set, mean ±"
    " standard deviation over its networks, beside what the search claimed. The band"
    " has the quartiles of the confirmed scores, the green line their median."
)


def html(replication: Replication) -> str:
    """Return the page: verdict, figure, and a row for each search."""
    verdict = sentences.verdict(replication)
    drawn = plot("searches", "; ".join(verdict), figure(replication))
    rows = sentences.rows(replication)
    return render_sections(
        "replication.html.j2",
        [
            Section("searches", _FIGURE, [drawn]),
            Section("scores", "", [Table("Searches", rows)]),
        ],
        name=replication.name,
        names=[result.name for result in replication.results],
        verdict=verdict,
    )
