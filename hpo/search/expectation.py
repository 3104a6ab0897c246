"""What is expected of a configuration, from all that a search has seen: not the luckiest score.

The highest of many scores of single networks is lucky. The process of ``kriging-believer`` knows
how far networks of one configuration scatter, and what its neighbours scored; what it expects of
another network is an honest claim, and tells better which configuration to confirm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpo.search import racing, scales
from hpo.search.cube import Cube
from hpo.search.history import frozen
from hpo.search.kriging_believer import Known
from hpo.search.space import distributions
from hpo.study.spec import StudySpec
from hpo.study.trials import Expected, Past, SlotState


def expected(
    spec: StudySpec, trials: Sequence[Past], n_scored: int | None = None
) -> dict[int, Expected]:
    """Of every complete trial by number, where ``confirm.by`` asks for it; else of none.

    Args:
        spec: the study.
        trials: 0 .. n-1; those that run are passed over.
        n_scored: how many examples score a trial, over all its networks, where that is known. They
            are the same ones for all trials, so that no number of trials averages their choice out:
            a share p of them has its binomial deviation √(p (1 − p) / n), too.
    """
    complete = [number for number, past in enumerate(trials) if _is_complete(past)]
    if spec.confirm is None or spec.confirm.by != "expected" or not complete:
        return {}
    seen = racing.extrapolated(spec, racing.levelled(spec, trials))
    space = distributions(spec)
    made = [frozen(spec, space, number, past) for number, past in enumerate(seen)]
    told = [trial for trial, past in zip(made, seen, strict=True) if _is_complete(past)]
    cube = Cube(space, spec.present if spec.is_conditional else None)
    known = Known(cube, told, maximize=spec.maximize, scale=scales.modelled(spec))
    means, stds = known.expected(cube.points([made[number] for number in complete]))
    if n_scored and spec.is_accuracy:
        share = np.clip(means, 0.0, 1.0)
        stds = np.hypot(stds, np.sqrt(share * (1.0 - share) / n_scored))
    return {
        number: Expected(mean=float(mean), std=float(std))
        for number, mean, std in zip(complete, means, stds, strict=True)
    }


def _is_complete(past: Past) -> bool:
    return past.state == SlotState.COMPLETE and past.score is not None
