"""A study given in Python: whether workers can import its classes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from hpo.errors import SpecError
from hpo.script import is_script
from hpo.study.python_values import explain_no_module
from hpo.study.spec import StudySpec

_FIND = """
import sys
from importlib.util import find_spec
from hpo.console import working_directory_last
working_directory_last()
found = find_spec(sys.argv[1])
print(found.origin if found else "")
"""
"""What a worker would import as a module, in a process that begins as a worker does."""


def check(spec: StudySpec, where: str) -> None:
    """Check that a worker imports objective and sampler from the same files as this
    process.

    Raises:
        SpecError: it cannot; the message says why, and what to do.
    """
    addresses = {"sampler.name": spec.sampler.name}
    if not spec.is_function:
        addresses["objective"] = spec.objective
    for key, address in addresses.items():
        module, colon, name = address.partition(":")
        if module == "__main__":
            raise SpecError(f"{where}: {key}: {explain_no_module(name)}")
        if colon and not is_script(address):
            _check_module(module, f"{where}: {key}: {address}")


def _check_module(module: str, what: str) -> None:
    own = importlib.util.find_spec(module)
    origin = own.origin if own else None
    found = subprocess.run(
        [sys.executable, "-P", "-c", _FIND, module],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if origin is None or (found and Path(found).samefile(origin)):
        return
    instead = f"find {found}" if found else "do not find it"
    raise SpecError(
        f"{what} was imported from {origin}, but workers {instead}. Start from its"
        f" folder, {Path(origin).parent}, or add that to PYTHONPATH."
    )
