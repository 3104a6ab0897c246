"""Where the results of this process come from: source revision, versions, host, CPU."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

from hpo.objectives import rounding, source
from hpo.worker.crew import THREADS

_PACKAGES = ("hpo-dynamics", "optuna", "torch", "numba", "numpy", "scikit-learn")


@cache
def of_this_process() -> dict[str, Any]:
    """What is the same for every result of this process, by name."""
    return {
        **source.revision(),
        "versions": {"python": platform.python_version(), **rounding.versions(_PACKAGES)},
        "numerics": rounding.numerics(THREADS),
        "host": platform.node(),
        "cpu": rounding.cpu_lines().get("model name") or platform.processor() or platform.machine(),
    }
