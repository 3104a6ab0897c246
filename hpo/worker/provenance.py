"""Provenance of this process's results: source revision, versions, host, CPU."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

from hpo.provenance import numerics as rounding
from hpo.provenance import source
from hpo.worker.crew import THREADS

_PACKAGES = ("hpo-dynamics", "optuna", "torch", "numba", "numpy", "scikit-learn")


@cache
def of_this_process() -> dict[str, Any]:
    """Return the facts that all results of this process share, by name."""
    return {
        **source.revision(),
        "versions": {
            "python": platform.python_version(),
            **rounding.versions(_PACKAGES),
        },
        "numerics": rounding.numerics(THREADS),
        "host": platform.node(),
        "cpu": rounding.cpu_lines().get("model name")
        or platform.processor()
        or platform.machine(),
    }
