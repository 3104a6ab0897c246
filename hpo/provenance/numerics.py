"""How sums round on this host: facts that decide the last bits of a result, besides the
source."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

_COMPUTE = (
    "torch",
    "numba",
    "llvmlite",
    "numpy",
    "scipy",
    "scikit-learn",
    "sympy",
    "optuna",
    "cmaes",
)
"""Packages whose versions may round, or suggest, differently."""
_CPU_KEYS = (
    "vendor_id",
    "cpu family",
    "model",
    "flags",
    "Features",
    "CPU implementer",
    "CPU part",
)
"""Lines of /proc/cpuinfo from which compilers and BLAS choose their kernels."""
_VARIABLES = (
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "OPENBLAS_CORETYPE",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
)
"""Environment variables that choose other kernels."""


def numerics(threads: Sequence[str]) -> str:
    """Return a hash of the facts that decide the last bits of a result, besides the
    source.

    These are the type and features of the processor, environment variables that choose
    kernels or the number of ``threads``, and the versions of the C library and of
    packages that compute.
    """
    cpu = {"machine": platform.machine()}
    lines = cpu_lines()
    for key in _CPU_KEYS:
        if key in lines:
            cpu[key] = " ".join(sorted(lines[key].split()))
    variables = {name: os.environ.get(name) for name in (*_VARIABLES, *threads)}
    facts = [cpu, variables, platform.libc_ver(), versions(_COMPUTE)]
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def cpu_lines() -> dict[str, str]:
    """Return the lines of /proc/cpuinfo on the first processor; {} if it is not
    Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the installed versions of packages, by name."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
