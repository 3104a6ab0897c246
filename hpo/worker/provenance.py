"""Where the results of this process come from: source revision, versions, host, CPU.

``python -m hpo.worker.provenance`` prints the revision of a checkout as JSON. Kept as
`hpo/revision.json`, it tells an installation without the checkout, such as a container,
what it was made from.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hpo.worker.crew import THREADS

_PACKAGES = ("hpo-dynamics", "optuna", "torch", "numba", "numpy", "scikit-learn")
_COMPUTE = ("torch", "numba", "llvmlite", "numpy", "scipy", "scikit-learn", "optuna", "cmaes")
"""Packages of which another version may round otherwise, or suggest otherwise."""
_CPU_KEYS = ("vendor_id", "cpu family", "model", "flags", "Features", "CPU implementer", "CPU part")
"""Lines of /proc/cpuinfo from which compilers and BLAS choose their kernels."""
_VARIABLES = (
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "OPENBLAS_CORETYPE", "MKL_CBWR"),
    *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", *THREADS),
)
"""Environment variables that choose other ones, or split sums otherwise."""


@cache
def of_this_process() -> dict[str, Any]:
    """What is the same for every result of this process, by name.

    ``dirty``: whether tracked files differ from the revision, documents aside: no result depends on
    them, and the reproduction writes some while it runs.
    """
    return {
        **source(Path(__file__).resolve().parents[2]),
        "versions": {"python": platform.python_version(), **_versions(_PACKAGES)},
        "numerics": numerics(),
        "host": platform.node(),
        "cpu": _cpu_lines().get("model name") or platform.processor() or platform.machine(),
    }


def source(root: Path) -> dict[str, Any]:
    """Revision and dirty flag of a checkout, or of the one that an installation was made from."""
    if revision := _git(root, "rev-parse", "HEAD"):
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ":!docs")
        return {"revision": revision, "dirty": bool(changed)}
    try:
        kept: dict[str, Any] = json.loads((root / "hpo/revision.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"revision": "unknown (not a git checkout)", "dirty": False}
    return kept


def numerics() -> str:
    """A hash of what decides the last bits of a result here, but for the source.

    The processor's kind and features, environment variables that choose kernels or threads, and the
    versions of packages that compute.
    """
    cpu = {key: " ".join(sorted(value.split())) for key, value in _cpu_lines().items()}
    chosen = {"machine": platform.machine(), **{key: cpu[key] for key in _CPU_KEYS if key in cpu}}
    variables = {name: os.environ.get(name) for name in _VARIABLES}
    facts = json.dumps([chosen, variables, _versions(_COMPUTE)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:8]


def _cpu_lines() -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor; nothing where it is not Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _versions(packages: Sequence[str]) -> dict[str, str]:
    return {name: _version(name) for name in packages}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


if __name__ == "__main__":
    print(json.dumps(source(Path(__file__).resolve().parents[2])))
