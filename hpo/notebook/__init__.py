"""A study as a Python object: tables by pandas, the figures of the report, trained networks."""

from hpo.notebook.study import Study, load

__all__ = ["Study", "load"]
