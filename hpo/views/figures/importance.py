"""Importance of parameters: a pure function of a result.

It uses trials that trained a network to the end: complete ones, and those pruned
later, with the mean of fewer networks. Other pruned trials have the score of a
shorter training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views.figures.palette import BLUE, INK
from hpo.views.figures.style import safe, style
from hpo.views.sentences.formatting import cut

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

LEAST = 20
"""The fewest trials for a ranking. Measured on a bowl of seven parameters with weights
that halve one by one, in 20 searches each of 20, 35 and 50 random trials: fANOVA put
the most important parameter first in all of them; PED-ANOVA, Optuna's default, in 6, 11
and 15."""
_RESAMPLES = 16
"""The bootstrap resamples of the trials."""
_MOST = 64
"""The most trials in a resample, which bounds the time to half a second. The standard
deviation over resamples of m of n trials is taken times sqrt(m / n); with 100 and 300
trials it was then that of whole resamples."""
_TREES = 4
"""Regression trees per resample."""
_BARS = 15
"""The most parameters in the figure."""


@dataclass(frozen=True)
class Share:
    """The share of one parameter in the total importance, 0 to 1."""

    mean: float
    """Mean over bootstrap resamples of the trials."""
    std: float
    """Standard deviation over such resamples: how uncertain the share is."""


def measure(result: Result) -> dict[str, Share] | None:
    """Return the share of each parameter in the total importance, largest first.

    None below ``LEAST`` trials, or if all scores are equal. Parameters that a trial
    lacks are left out.

    fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014), as Optuna implements it: how much
    of the variance of the score over the space is due to each parameter alone,
    predicted by regression trees. Each of 16 bootstrap resamples of the trials gets
    four trees.
    """
    trials = result.comparable
    names = [
        name
        for name in sorted(result.spec.dimensions)
        if all(name in trial.params for trial in trials)
    ]
    if len(trials) < LEAST or len({trial.score for trial in trials}) == 1 or not names:
        return None
    from hpo.search.space import distributions

    every = distributions(result.spec)
    space = {name: every[name] for name in names}
    resampled = _resample(trials, space)
    if len(resampled) < 2:
        return None
    rows = np.array(resampled)
    means = rows.mean(axis=0).tolist()
    part = min(1.0, math.sqrt(_MOST / len(trials)))
    stds = (part * rows.std(axis=0, ddof=1)).tolist()
    shares = {
        name: Share(mean, std)
        for name, mean, std in zip(names, means, stds, strict=True)
    }
    return dict(sorted(shares.items(), key=lambda item: (-item[1].mean, item[0])))


def _in_optuna(
    trials: Sequence[Trial], space: Mapping[str, BaseDistribution]
) -> list[FrozenTrial]:
    """Return the trials as Optuna's, with the parameters of a space alone."""
    from optuna.trial import create_trial

    frozen = []
    for trial in trials:
        params = {name: trial.params[name] for name in space}
        frozen.append(
            create_trial(params=params, distributions=dict(space), value=trial.score)
        )
    return frozen


def _resample(
    trials: Sequence[Trial], space: Mapping[str, BaseDistribution]
) -> list[list[float]]:
    """Return the shares of the parameters in each resample; the same at each call.

    A resample in which all scores are alike says nothing, and is left out.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator

    from hpo.search.history import quiet

    generator = np.random.default_rng(0)
    size = min(len(trials), _MOST)
    rows = []
    for seed in range(_RESAMPLES):
        with quiet():
            study = optuna.create_study()
        chosen = generator.integers(len(trials), size=size)
        study.add_trials(_in_optuna([trials[index] for index in chosen], space))
        evaluator = FanovaImportanceEvaluator(n_trees=_TREES, seed=seed)
        try:
            found = evaluator.evaluate(study, list(space))
        except RuntimeError:  # none of its trees has seen two different scores
            continue
        total = sum(found.values())
        if total > 0:
            rows.append([found[name] / total for name in space])
    return rows


def too_few(result: Result) -> str:
    """Say why there is no ranking."""
    which = "complete trials"
    if result.spec.has_class:
        which = "trials that trained a network to the end"
    return (
        f"No ranking of parameters: it needs at least {LEAST} {which}, with different"
        f" scores; there are {len(result.comparable)}."
    )


def bars(shares: Mapping[str, Share]) -> go.Figure:
    """Draw a bar for each of the fifteen most important parameters, with its number and
    its standard deviation."""
    shown = list(shares.items())[:_BARS]
    widths = [100 * share.mean for _, share in shown]
    errors = [100 * share.std for _, share in shown]
    figure = style(go.Figure(), height=110 + 30 * len(shown))
    numbers = [
        f"{width:.0f} ± {error:.0f}"
        for width, error in zip(widths, errors, strict=True)
    ]
    bar = go.Bar(
        x=widths,
        y=[safe(cut(name, 24)) for name, _ in shown],
        text=numbers,
        error_x={
            "array": errors,
            "arrayminus": np.minimum(errors, widths),  # no share is below 0
            "color": INK,
            "thickness": 1.5,
            "width": 4,
        },
        hovertemplate="%{y}: %{text} %<extra></extra>",
        orientation="h",
        textposition="none",
        cliponaxis=False,
        marker_color=BLUE,
    )
    figure.add_trace(bar)
    ends = [width + error for width, error in zip(widths, errors, strict=True)]
    for place, (end, number) in enumerate(zip(ends, numbers, strict=True)):
        figure.add_annotation(
            x=end, y=place, text=number, xanchor="left", xshift=6, showarrow=False
        )
    top = 1.3 * max([5.0, *ends])
    figure.update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
