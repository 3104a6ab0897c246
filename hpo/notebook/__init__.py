"""A study as a Python object: tables by pandas, the figures of the report, trained networks."""

from hpo.notebook.study import Confirmed, Study, Trial, load

__all__ = ["Confirmed", "Study", "Trial", "load"]
