"""Facts on this machine and its kernels, as JSON: ``python -m hpo.objectives.machine``.

A separate program, so that ``hpo doctor`` need not load PyTorch and numba.
"""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

_SIMD = ("avx512f", "avx2", "fma", "neon", "sve")


def about() -> dict[str, Any]:
    """Return the facts by name, with units."""
    import llvmlite.binding as llvm  # type: ignore[import-untyped]
    import torch

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always", UserWarning)
        from .networks.kernels import driver
        from .training.warm_up import warm_up

    kernels_s = warm_up()
    kernels: Any = driver.forward
    features: dict[str, bool] = llvm.get_host_cpu_features()
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "cpu": llvm.get_host_cpu_name(),
        "simd": [name for name in _SIMD if features.get(name)],
        "kernels_s": round(kernels_s, 3),
        "kernels_cached": bool(kernels.stats.cache_hits),
        "kernel_cache": kernels.stats.cache_path,
        "complaints": [str(complaint.message) for complaint in complaints],
        "gpus": [torch.cuda.get_device_name(k) for k in range(n_gpus)],
        "equation": equation(),
    }


def equation() -> dict[str, Any]:
    """Return the errors of the kernel for a small spintronic network.

    The kernel in float32, with the default step and with one that solves the equation,
    is compared with the reference in float64 with the second step. Errors are relative,
    by the norm.
    """
    import torch

    from hpo import objectives

    from .networks.kernels.sizes import SERIES
    from .training.solved_equation import finer_steps, solving_steps

    objective: Any = objectives.load("spintronic")
    params = objective.Params(layers=2, width=8)
    network = objective.network(params, [0], channels=1, outputs=4)
    n_series = SERIES + 1  # two blocks, the second not full
    frequencies = torch.linspace(0.2, 0.6, n_series)
    u = (frequencies[:, None] * torch.arange(20.0)).sin().square().unsqueeze(2)
    with torch.no_grad():
        for weight in (network.w_in, network.w_inter, network.w_intra):
            weight.mul_(2.0)  # as training does, so that drives matter
        reference = copy.deepcopy(network).double()
        network.backend = "fused"
        reference.backend = "reference"
        by_default = network.output(u)
        steps, _ = solving_steps(network, u)
        with finer_steps(network, steps), finer_steps(reference, steps):
            solved = network.output(u)
            exact = reference.output(u.double())
    return {
        "integrator": network.physics.integrator,
        "step_ns": network.physics.step_ns,
        "solving_steps": steps,
        "kernel_error": float((solved - exact).norm() / exact.norm()),
        "step_error": float((by_default - exact).norm() / exact.norm()),
    }


def main() -> None:
    """Print the facts."""
    print(json.dumps(about()))


if __name__ == "__main__":
    main()
