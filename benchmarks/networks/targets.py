"""What is measured of networks, for the vectors of this processor and for those of
AVX2.

For which instructions numba, PyTorch and XLA compile is settled as they load: a process
for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.networks import implementations, layouts, parts
from benchmarks.networks.implementations import Timing
from benchmarks.networks.layouts import Crossing
from benchmarks.networks.parts import Parts
from hpo.objectives.networks.kernels.products import REGISTERS

AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    # none beyond what it had: else numba takes those of this processor
    "NUMBA_CPU_FEATURES": "",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
"""Environment of a process with vectors of 256 bits; XLA has a flag."""
_AVX2_OF_XLA = "--xla_cpu_max_isa=AVX2"
NARROW_WIDTHS = (32,)


@dataclass(kw_only=True)
class Found:
    """Of one process."""

    timings: list[Timing] = field(default_factory=list)
    parts: list[Parts] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What does not run here."""


def measure(
    say: Callable[[str], None], widths: Iterable[int] = implementations.WIDTHS
) -> Found:
    """Everything, in this process."""
    results = Found()

    def note(text: str) -> None:
        say(text)
        if "does not run" in text:
            results.notes.append(text.strip())

    say("  where our time goes; layouts")
    results.parts = list(parts.measure())
    results.crossings = list(layouts.measure())
    try:
        results.timings.extend(implementations.measure(note, widths))
    except KeyboardInterrupt:
        results.notes.append("Stopped before its end: rows are missing.")
    return results


def narrow() -> Found | None:
    """The same in a process with vectors of 256 bits; None where this one has no longer
    ones."""
    if REGISTERS == 16:
        return None
    with tempfile.TemporaryDirectory() as cache:
        flags = f"{os.environ.get('XLA_FLAGS', '')} {_AVX2_OF_XLA}"
        env = {**os.environ, **AVX2, "XLA_FLAGS": flags, "NUMBA_CACHE_DIR": cache}
        command = [sys.executable, "-m", "benchmarks.networks.targets"]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    results: dict[str, Any] = json.loads(done.stdout)
    kinds = {"timings": Timing, "parts": Parts, "crossings": Crossing}
    rows = {name: [of(**row) for row in results[name]] for name, of in kinds.items()}
    return Found(**rows, notes=results["notes"])


def main() -> None:
    """Measure the narrow networks, and print the results."""
    results = measure(
        lambda text: print(text, file=sys.stderr, flush=True), NARROW_WIDTHS
    )
    print(json.dumps(asdict(results)))


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main()
