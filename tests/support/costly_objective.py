"""The toy with costs that are known before training, and one that tells them
wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from toy_objective import ToyObjective, ToyParams, ToyTask


class CostlyObjective(ToyObjective):
    """Tells before training what ``ToyObjective`` tells after it."""

    name: ClassVar[str] = "costly"

    def costs_of(self, params: ToyParams, task: ToyTask) -> Mapping[str, float]:
        """See ``hpo.contract.KnowsCosts``."""
        energy_pj = round(0.5 * params.k * (0.2 + params.x), 6)
        return {"energy_pj": energy_pj, "n_synapses": 100 * params.k}


class CostlyReturnObjective(CostlyObjective):
    """Its scores are no accuracies, and have no bounds."""

    metric: ClassVar[str] = "return"


class HalfTheCostObjective(CostlyObjective):
    """Tells half of it."""

    def costs_of(self, params: ToyParams, task: ToyTask) -> Mapping[str, float]:
        """See ``hpo.contract.KnowsCosts``."""
        return {name: cost / 2 for name, cost in super().costs_of(params, task).items()}
