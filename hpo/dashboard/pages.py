"""The page, and those of our own for when there is no study to show, or no database to ask."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 12vh auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }}
pre {{ font-size: 0.95rem; padding: 0.8rem 1rem; border-radius: 6px; overflow-x: auto;
  background: color-mix(in srgb, currentColor 8%, transparent); }}
p.small {{ font-size: 0.85rem; opacity: 0.7; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
<p class="small">This page looks again every five seconds.</p>
</body>
</html>
"""


_OURS_FIRST = """\
<style>
/* Figures of hpo, and the grid that holds them, before those of Optuna. */
.MuiGrid-root:has([id^="user-defined-plot:hpo-"]) { order: -1; }
.MuiGrid-container:has([id^="user-defined-plot:hpo-"]) { padding-top: 16px; }
/* Tables of notes, whose columns touch otherwise. */
.MuiCardContent-root table:not([class]) :is(th, td) { padding: 2px 20px 2px 0; text-align: left; }
</style>
"""


@cache
def studies() -> str:
    """optuna-dashboard's page, on which a study begins with our figures."""
    import optuna_dashboard

    page = Path(optuna_dashboard.__file__).with_name("index.html").read_text(encoding="utf-8")
    return page.replace("</head>", f"{_OURS_FIRST}</head>", 1)


def no_study(storage: str) -> str:
    """A page that says how to start a study.

    Args:
        storage: options that lead a command to this database, without a password; mostly empty.
    """
    lines = (f"hpo launch --study seqdigits{storage}", f"hpo studies{storage}")
    body = (
        "<p>The database has no study yet. Start one from a terminal:</p>"
        f"<pre>{escape(lines[0])}</pre>"
        "<p>What else can be launched, and how to write a study file of your own:</p>"
        f"<pre>{escape(lines[1])}\nhpo launch --help</pre>"
    )
    return _PAGE.format(title="No study yet", body=body)


def unavailable(reason: str) -> str:
    """A page that says why nothing can be shown now."""
    body = f"<p>{escape(reason)}</p><p>Studies and workers are not disturbed by this page.</p>"
    return _PAGE.format(title="The database does not answer", body=body)
