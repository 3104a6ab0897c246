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
from hpo.views.figures.scores import comparable
from hpo.views.figures.style import safe, style
from hpo.views.sentences import formatting

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
    trials, spec = comparable(result), result.spec
    names = sorted(
        name for name, dimension in spec.dimensions.items() if dimension.when is None
    )
    if len(trials) < LEAST or len({trial.score for trial in trials}) == 1 or not names:
        return None
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    from hpo.search.history import quiet
    from hpo.search.space import distributions

    dists, sign = distributions(spec), -1.0 if spec.maximize else 1.0
    space = {name: dists[name] for name in names}
    with quiet():
        study = optuna.create_study()
    for trial in trials:
        params = {name: trial.params[name] for name in space}
        loss = sign * (trial.score or 0.0)
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=space, value=loss)
        )
    shares = PedAnovaImportanceEvaluator().evaluate(study, [*space])
    total = sum(shares.values()) or 1.0
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {name: share / total for name, share in ordered}


def note(result: Result, shares: Mapping[str, float] | None) -> str:
    """Describe the bars and their limits."""
    n = len(comparable(result))
    if shares is None:
        return (
            f"No ranking of parameters: it needs at least {LEAST} trials that trained a"
            f" network to the end, with different scores; there are {n}."
        )
    return (
        "How much each parameter decides which trials are the best"
        f" tenth{' by score' if result.costs else ''} (PED-ANOVA, arXiv:2304.10255), as"
        f" a share of the total, from {n:,} trials that trained a network to the end."
        " Small bars may be chance. The importance of a parameter is underestimated if"
        " the search tried few of its values."
    )


def bars(shares: Mapping[str, float]) -> go.Figure:
    """Draw a bar for each of the fifteen most important parameters, with its number."""
    shown = [*shares.items()][:15]
    widths = [100 * share for _, share in shown]
    figure = style(go.Figure(), height=110 + 30 * len(shown))
    bar = go.Bar(x=widths, y=[safe(formatting.cut(name, 24)) for name, _ in shown])
    bar.update(
        orientation="h", textposition="outside", cliponaxis=False, marker_color=BLUE
    )
    bar.update(text=[f"{width:.1f}" for width in widths])
    bar.update(hovertemplate="%{y}: %{x:.3g} %<extra></extra>")
    top = 1.18 * max([5.0, *widths])
    figure.add_trace(bar).update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
