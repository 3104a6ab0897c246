"""A toy objective for tests of the service: instant, deterministic, and broken on
demand.

``objective = "toy_objective:ToyObjective"``; processes that a test starts need
``PYTHONPATH=tests/support``. The score is a quadratic with its optimum at ``x = 0.3, k
= 5, colour = "green"``, reached exponentially over the epochs, plus noise drawn from
the member's seed.

``tests/golden`` has what comes of it: what is to be different is derived.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from hpo.contract import (
    Baseline,
    Objective,
    ObjectiveParams,
    OnEpoch,
    Outcome,
    Progress,
    Protocol,
    TaskParams,
)


class ToyParams(ObjectiveParams):
    """Parameters to search, and faults of the training."""

    x: Annotated[float, Field(ge=0, le=1, description="best at 0.3")] = 0.5
    k: Annotated[int, Field(ge=1, le=8, description="best at 5")] = 4
    rate_per_ns: Annotated[float, Field(gt=0, le=10, description="best at 0.1")] = 0.1
    colour: Annotated[Literal["red", "green"], Field(description="best when green")] = (
        "red"
    )
    noise: Annotated[
        float, Field(ge=0, description="standard deviation of the score")
    ] = 0.01
    score_every: Annotated[
        int, Field(ge=1, description="epochs from one score to the next")
    ] = 1
    sleep_s: Annotated[
        float, Field(ge=0, description="seconds that an epoch takes")
    ] = 0.0
    memory_gib: Annotated[
        float, Field(ge=0, description="what a training asks for at once")
    ] = 0.0
    fail: Annotated[
        Literal["no", "always", "odd-x", "odd-k", "late", "diverge"],
        Field(
            description=(
                "raise: never, always, where the third decimal of x is odd, where k is "
                "odd, after the first epoch; or diverge: a score, not an error"
            )
        ),
    ] = "no"


class ToyTask(TaskParams):
    """The one task."""

    name: Literal["toy"] = "toy"
    test_gap: Annotated[float, Field(description="what the test half scores below")] = (
        0.01
    )


class ToyObjective(Objective[ToyParams, ToyTask]):
    """Maximises a noisy quadratic, called accuracy."""

    name: ClassVar[str] = "toy"
    Params: ClassVar[type[ObjectiveParams]] = ToyParams
    tasks: ClassVar[dict[str, type[TaskParams]]] = {"toy": ToyTask}
    costs: ClassVar[Mapping[str, str]] = {
        "energy_pj": "grows with x and k, whose best values are in between",
        "n_synapses": "grows with k",
    }

    def evaluate(
        self,
        params: ToyParams,
        *,
        task: ToyTask,
        protocol: Protocol,
        member_seed: int,
        on_epoch: OnEpoch,
        resume: bytes | None = None,
    ) -> Outcome:
        """Pretend to train; a checkpoint holds the curves so far."""
        curve, loss_curve = json.loads(resume) if resume is not None else ([], [])
        curve, loss_curve = list(curve), list(loss_curve)
        confirming = protocol == Protocol.CONFIRM
        if _fails_at_once(params):
            raise RuntimeError(f"the toy breaks, as fail={params.fail!r} asks of it")
        _room = np.empty(int(params.memory_gib * 2**30), dtype=np.uint8)
        for epoch in range(len(loss_curve) + 1, params.epochs + 1):
            time.sleep(params.sleep_s)
            if params.fail == "late" and epoch > 1:
                raise RuntimeError(
                    "the toy breaks after its first epoch, as fail='late' asks"
                )
            score = _score(params, epoch, member_seed, protocol, task.test_gap)
            scored = epoch % params.score_every == 0 or epoch == params.epochs
            curve += [score] * scored
            loss_curve.append(math.inf if params.fail == "diverge" else 1.0 - score)
            state = json.dumps([curve, loss_curve]).encode()
            on_epoch(
                Progress(
                    epoch=epoch,
                    score=score if scored and not confirming else None,
                    checkpoint=lambda state=state: state,
                )
            )
        return Outcome(
            score=curve[-1],
            curve=() if confirming else tuple(curve),
            loss_curve=tuple(loss_curve),
            diverged=params.fail == "diverge",
            info={
                "n_epochs": params.epochs,
                "energy_pj": round(0.5 * params.k * (0.2 + params.x), 6),
                "n_synapses": 100 * params.k,
            },
        )


class ToyLossObjective(ToyObjective):
    """The same toy to be minimised: an objective with a loss as metric."""

    name: ClassVar[str] = "toy-loss"
    metric: ClassVar[str] = "rmse_mv"
    direction: ClassVar[Literal["maximize", "minimize"]] = "minimize"

    def evaluate(self, params: ToyParams, *, on_epoch: OnEpoch, **how: Any) -> Outcome:
        """One minus the accuracy, in the outcome and in every report."""

        def flipped(progress: Progress) -> None:
            score = None if progress.score is None else 1.0 - progress.score
            on_epoch(replace(progress, score=score))

        outcome = super().evaluate(params, on_epoch=flipped, **how)
        curve = tuple(1.0 - s for s in outcome.curve)
        return outcome.replace(score=1.0 - outcome.score, curve=curve)


class ToyBesideObjective(ToyObjective):
    """The same toy, with baselines of its own."""

    name: ClassVar[str] = "toy-beside"

    def baselines(self, params: ToyParams, task: ToyTask, seed: int) -> list[Baseline]:
        """Three that anybody could guess."""
        linear = {"score": 0.68, "std": 0.01, "n": 5, "tried": 12, "n_scored": 500}
        return [
            Baseline(name="chance", score=0.5, is_chance=True),
            Baseline(name="linear model of toys", **linear),
            Baseline(name=f"k = {params.k}", score=0.61, n_scored=500, is_like=True),
        ]


class ToyLuckyObjective(ToyObjective):
    """The same toy, but a seed that suits some parameters does not suit others."""

    name: ClassVar[str] = "toy-lucky"

    def evaluate(self, params: ToyParams, *, member_seed: int, **how: Any) -> Outcome:
        """Noise drawn from the seed and ``x`` together."""
        return super().evaluate(
            params, member_seed=member_seed ^ int(params.x * 2**32), **how
        )


def _fails_at_once(params: ToyParams) -> bool:
    return (
        params.fail == "always"
        or (params.fail == "odd-x" and int(params.x * 1000) % 2 == 1)
        or (params.fail == "odd-k" and params.k % 2 == 1)
    )


def _score(
    params: ToyParams, epoch: int, member_seed: int, protocol: Protocol, test_gap: float
) -> float:
    """Accuracy after an epoch, a pure function of its arguments."""
    if params.fail == "diverge":
        return 0.1
    reach = 0.97 - 0.8 * (params.x - 0.3) ** 2 - 0.005 * (params.k - 5) ** 2
    reach -= 0.05 * abs(math.log10(params.rate_per_ns / 0.1))
    reach -= 0.03 if params.colour == "red" else 0.0
    learned = 1.0 - math.exp(-epoch / 4.0)
    generator = random.Random(f"{member_seed}/{epoch}")
    score = 0.1 + (reach - 0.1) * learned + generator.gauss(0.0, params.noise)
    if protocol != Protocol.VALIDATION:
        score -= test_gap
    return min(max(score, 0.0), 1.0)
