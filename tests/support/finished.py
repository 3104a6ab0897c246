"""Studies that are there before a test begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from servers import database
from workers import undisturbed

from hpo.study.spec import StudySpec


@contextmanager
def finished(server_url: str, template: str, *specs: StudySpec) -> Iterator[str]:
    """Name of a new database in which one worker has run these studies, to be
    copied."""
    with database(server_url, template) as url:
        for spec in specs:
            undisturbed(url, spec)
        yield str(sa.make_url(url).database)
