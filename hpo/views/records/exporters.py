"""Formats in which other packages write a result.

A package names its exporters in its ``pyproject.toml``; ``hpo export STUDY --format
mlflow -o PATH`` then calls ``write(result, PATH)``::

    [project.entry-points."hpo.exporters"]
    mlflow = "my_package.my_module:write"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from hpo.errors import HpoError
from hpo.study.result import Result

GROUP = "hpo.exporters"
Exporter = Callable[[Result, Path], None]
"""Writes a result to a file or folder. Its members have curves under ``--curves``. An
``HpoError`` is shown to the user as a message."""


def load(name: str) -> Exporter:
    """Return the exporter of this name.

    Raises:
        HpoError: no installed package has it, or it cannot be imported.
    """
    installed = metadata.entry_points(group=GROUP)
    if name not in installed.names:
        valid = ", ".join(sorted(installed.names)) or "(none)"
        raise HpoError(
            f"--format: no installed package has the exporter {name!r}. Valid: {valid}."
        )
    entry = installed[name]
    try:
        exporter: Exporter = entry.load()
    except Exception as error:  # a package may do anything as it is imported
        raise HpoError(
            f"--format {name}: {entry.value} cannot be imported: {error}."
        ) from error
    return exporter
