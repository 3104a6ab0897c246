"""The routes of the dashboard: those that there are, and what to do instead of the others."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What answers a route."""

    HEALTH = "health"
    PAGE = "page"
    FILE = "file"
    API = "api"
    STUDY = "study"
    IMPORTANCE = "importance"
    PLOT = "plot"
    TABLE = "table"
    ARTIFACT = "artifact"
    NOTE = "note"


_ID = r"[0-9]{1,9}"
_READ = (
    (Kind.HEALTH, r"/healthz"),
    (Kind.PAGE, rf"/|/dashboard(/|/studies/{_ID}(/[A-Za-z0-9-]+)*/?|/compare-studies/?)?"),
    (Kind.FILE, r"/favicon\.ico|/static/[A-Za-z0-9._-]+"),
    (Kind.API, r"/api/meta|/api/studies"),
    (Kind.STUDY, rf"/api/studies/{_ID}"),
    (Kind.IMPORTANCE, rf"/api/studies/{_ID}/param_importances"),
    (Kind.PLOT, rf"/api/studies/{_ID}/plot/[a-z_]+"),
    (Kind.TABLE, rf"/csv/{_ID}"),
    (Kind.ARTIFACT, rf"/artifacts/{_ID}(/{_ID})?/[0-9a-fA-F-]{{1,64}}"),
)
_READ_PATTERNS = tuple((kind, re.compile(pattern)) for kind, pattern in _READ)
_NOTE = re.compile(rf"/api/studies/{_ID}(/{_ID})?/note")
_INSTEAD = (
    (r"/note$", "Notes can be edited where it was started with --notes."),
    (r"^/api/studies$", "Start a study with: hpo launch --study FILE."),
    (r"/rename$", "A study keeps its name; `hpo import --name NEW` makes a copy of another."),
    (rf"^/api/studies/{_ID}$", "Delete a study with: hpo delete NAME."),
    (r"/tell$", "Trials are settled by workers alone; see `hpo exclude` and `hpo retry`."),
    (r"^/api/artifacts", "Files of a study are made by its workers."),
)


def readable(path: str) -> Kind | None:
    """The kind of a route that may be read, or None."""
    return next((kind for kind, p in _READ_PATTERNS if p.fullmatch(path)), None)


def is_note(path: str) -> bool:
    """Whether this is where optuna-dashboard's page sends an edited note."""
    return _NOTE.fullmatch(path) is not None


def refusal(path: str) -> str:
    """Why a request that would change something is refused, and what to do instead."""
    instead = next((text for p, text in _INSTEAD if re.search(p, path)), "See: hpo --help.")
    return f"This dashboard only shows. {instead}"
