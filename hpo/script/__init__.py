"""A user's script with a function ``objective(trial)``: importing it, and the seeds of
what it draws from."""

from hpo.script.script import Function, Script, is_script, refuse_while_imported
from hpo.script.seeding import seed_generators

__all__ = [
    "Function",
    "Script",
    "is_script",
    "refuse_while_imported",
    "seed_generators",
]
