"""A rehearsal of one trial: does it repeat, does its seed matter, what does it ask for?

Each call runs in a process of its own, as in a worker. No database is read or
written.
"""

from hpo.check.rehearsal import Rehearsal
from hpo.check.run import Run

__all__ = ["Rehearsal", "Run"]
