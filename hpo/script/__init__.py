"""A user's script with a function ``objective(trial)``: reading and importing it, and
the seeds of what it draws from."""

from hpo.script.reading import Source
from hpo.script.script import Function, Script, is_script, refuse_while_imported
from hpo.script.seeding import seed_generators

__all__ = [
    "Function",
    "Script",
    "Source",
    "is_script",
    "refuse_while_imported",
    "seed_generators",
]
