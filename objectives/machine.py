"""What this machine gives the kernels, as JSON: ``python -m objectives.machine``.

A program of its own, so that ``hpo doctor`` need not load PyTorch and numba, and sees how long that
takes in a fresh process, as in a worker.
"""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

_TELLING = ("avx512f", "avx2", "fma", "neon", "sve")


def about() -> dict[str, Any]:
    """Facts by name, with units."""
    import llvmlite.binding as llvm  # type: ignore[import-untyped]
    import torch

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always", UserWarning)
        from objectives.networks import fused
        from objectives.networks.kernels import spintronic

    began = time.perf_counter()
    fused.warm_up()
    kernels: Any = spintronic.forward
    features: dict[str, bool] = llvm.get_host_cpu_features()
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "cpu": llvm.get_host_cpu_name(),
        "simd": [name for name in _TELLING if features.get(name)],
        "torch_threads": torch.get_num_threads(),
        "kernels_s": round(time.perf_counter() - began, 3),
        "kernels_cached": bool(kernels.stats.cache_hits),
        "kernel_cache": kernels.stats.cache_path,
        "complaints": [str(complaint.message) for complaint in complaints],
        "gpus": [torch.cuda.get_device_name(k) for k in range(n_gpus)],
    }


def main() -> None:
    """Print them."""
    print(json.dumps(about()))


if __name__ == "__main__":
    main()
