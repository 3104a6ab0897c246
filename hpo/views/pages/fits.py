"""The fit of a device to measurements as one HTML file."""

from __future__ import annotations

from hpo.objectives.fitting.result import Fit
from hpo.views.figures import fits
from hpo.views.pages.page import render
from hpo.views.sentences import fits as words


def page(fit: Fit, command: str) -> str:
    """Return table and figure as a self-contained page, with the command that makes
    it."""
    head, *rows = words.rows(fit)
    return render(
        "fits.html.j2",
        {"fit": fits.figure(fit)},
        title=f"Fit of {fit.objective}",
        heading=words.heading(fit),
        head=head,
        rows=rows,
        notes=words.notes(fit),
        n_drawn=fits.MOST_DRAWN,
        command=command,
    )
