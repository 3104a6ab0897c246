"""A study as a Python object: tables in pandas, the figures of the report, trained
networks, and changes to a study that runs."""

from __future__ import annotations

from hpo.notebook import tables
from hpo.notebook.comparison import StudyComparison, compare
from hpo.notebook.study import Study, load, studies

__all__ = ["Study", "StudyComparison", "compare", "load", "studies", "tables"]
