"""Importance of parameters: a pure function of a result.

It uses trials that trained a network to the end: complete ones, and those pruned
later, with the mean of fewer networks. Other pruned trials have the score of a
shorter training.
"""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.views.figures.palette import BLUE
from hpo.views.figures.style import safe, style
from hpo.views.sentences.formatting import cut

LEAST = 50
"""The fewest trials for a ranking; the best tenth then has five. Measured on a bowl of
seven parameters with weights that halve one by one, in 20 searches each of 25, 50 and
100 random trials:
the most important parameter came first in 9, 14 and 17, first or second in 16, 18 and
19."""


def measure(result: Result) -> dict[str, float] | None:
    """Return the share of each parameter in the total importance, largest first, 0 to
    1.

    None below ``LEAST`` trials, or if all scores are equal. Conditional parameters are
    left out.

    PED-ANOVA (Watanabe, Bansal and Hutter, arXiv:2304.10255), as Optuna implements it:
    the Pearson divergence between the density of a parameter among the best tenth of
    the trials and among all.
    """
    trials = result.comparable
    dimensions = result.spec.dimensions
    names = sorted(name for name in dimensions if dimensions[name].when is None)
    if len(trials) < LEAST or len({trial.score for trial in trials}) == 1 or not names:
        return None
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    from hpo.search.history import quiet
    from hpo.search.space import distributions

    every = distributions(result.spec)
    space = {name: every[name] for name in names}
    with quiet():
        study = optuna.create_study()
    for trial in trials:
        known = optuna.trial.create_trial(
            params={name: trial.params[name] for name in space},
            distributions=space,
            value=-result.sign * (trial.score or 0.0),
        )
        study.add_trial(known)
    shares = PedAnovaImportanceEvaluator().evaluate(study, [*space])
    total = sum(shares.values()) or 1.0
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {name: share / total for name, share in ordered}


def too_few(result: Result) -> str:
    """Say why there is no ranking."""
    return (
        f"No ranking of parameters: it needs at least {LEAST} trials that trained a"
        " network to the end, with different scores; there are"
        f" {len(result.comparable)}."
    )


def bars(shares: Mapping[str, float]) -> go.Figure:
    """Draw a bar for each of the fifteen most important parameters, with its number."""
    shown = list(shares.items())[:15]
    widths = [100 * share for _, share in shown]
    figure = style(go.Figure(), height=110 + 30 * len(shown))
    bar = go.Bar(
        x=widths,
        y=[safe(cut(name, 24)) for name, _ in shown],
        text=[f"{width:.1f}" for width in widths],
        hovertemplate="%{y}: %{x:.3g} %<extra></extra>",
        orientation="h",
        textposition="outside",
        cliponaxis=False,
        marker_color=BLUE,
    )
    top = 1.18 * max([5.0, *widths])
    figure.add_trace(bar).update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
