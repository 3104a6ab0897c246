"""An objective that tells how many threads its process may use."""

from __future__ import annotations

from typing import Any

from toy_objective import ToyTask

from objectives.contract import Objective, ObjectiveParams, Outcome


class ThreadsParams(ObjectiveParams):
    """Something to search."""

    x: float = 0.0


class ThreadsObjective(Objective[ThreadsParams, ToyTask]):
    """Its score is one over the threads of PyTorch."""

    name = "threads"
    Params = ThreadsParams
    tasks = {"toy": ToyTask}  # noqa: RUF012

    def evaluate(self, params: ThreadsParams, **arguments: Any) -> Outcome:
        import numba
        import torch

        threads = {"torch": torch.get_num_threads(), "numba": numba.get_num_threads()}
        return Outcome(score=1.0 / threads["torch"], info={**threads})
