"""The toy of ``toy_objective`` on a task with random splits, which differ in
difficulty."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from toy_objective import ToyObjective, ToyParams

from hpo.contract import Baseline, Outcome, TaskParams

STEP = 0.02
"""What a split scores more than the one before."""


class SplitTask(TaskParams):
    """Its split is random."""

    name: Literal["split"] = "split"
    split_seed: int = 0
    test_gap: float = 0.01

    def on_split(self, number: int) -> Self:
        return self.model_copy(update={"split_seed": self.split_seed + number})

    def check_splits(self) -> None:
        pass


class SplitObjective(ToyObjective):
    """Scores more on later splits, and has a baseline that does, too."""

    name: ClassVar[str] = "split"
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"split": SplitTask}

    def evaluate(self, params: ToyParams, *, task: Any, **how: Any) -> Outcome:
        outcome = super().evaluate(params, task=task, **how)
        return outcome.replace(score=outcome.score + STEP * task.split_seed)

    def baselines(self, params: ToyParams, task: Any, seed: int) -> list[Baseline]:
        return [Baseline(name="guess", score=0.5 + STEP * task.split_seed)]
