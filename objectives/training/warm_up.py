"""Compile the built-in kernels into numba's cache: ``python -m
hpo.objectives.training.warm_up``."""

from __future__ import annotations

import itertools
import time
from typing import Any

import torch

from hpo import objectives

from ..data.examples import Examples
from ..networks.kernels.updates import Descent, Updates
from ..networks.simulated_chips import Training
from .train import choose_updates


def warm_up() -> float:
    """Train a small network of each kind on one batch; return the seconds that it
    took."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], fused=True)
    del optimizer  # the first optimizer loads parts of PyTorch, which is not measured
    began = time.perf_counter()
    for name, density in itertools.product(objectives.BUILT_IN, (0.5, 1.0)):
        objective: Any = objectives.load(name)
        if objective.direction == "minimize":  # the same kernels
            continue
        cases: list[tuple[dict[str, float], bool]] = [({}, False)]
        if "thermal_power" in objective.Params.model_fields:
            cases = [
                ({"thermal_power": 0.0}, False),
                ({"thermal_power": 1e-3}, False),
                ({"thermal_power": 1e-3}, True),
            ]
        for values, noise in cases:
            params = objective.Params(
                layers=1,
                width=4,
                density_inter=density,
                density_intra=density,
                **values,
            )
            _train(objective.network(params, [0], channels=1, outputs=2), noise)
    return time.perf_counter() - began


def _train(network: Any, noise: bool) -> None:
    u = torch.ones(1, 1, 1)
    examples = Examples(x=u.numpy(), label=torch.zeros(1, dtype=torch.int64).numpy())
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    updates: Updates = choose_updates(network, optimizer, examples, noisy=noise)
    chip, _ = next(Training(network=network, seed=0, noise=noise).chips(0, 1))
    descent = Descent(learning_rate=1e-3, max_gradient=1.0)
    for label in (torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1, 2)):
        updates.update(u, label, descent, chip)
    with torch.no_grad():
        network(u)


if __name__ == "__main__":
    print(f"kernels ready after {warm_up():.1f} s")
