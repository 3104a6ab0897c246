"""Which parameters matter: a pure function of a result.

Of trials that trained a network to its end: complete ones, and those that left a race, with the
mean of fewer networks. A trial that was stopped earlier has the score of a shorter training.
"""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.views import formatting
from hpo.views.figures.style import safe, style
from hpo.views.palette import BLUE
from hpo.views.scores import comparable

LEAST = 50
"""Trials that count, below which nothing is said: then five are the best tenth. Of a bowl of seven
parameters whose weights halve one by one, the most important one came first in 9 of 20 searches of
25 random trials, in 14 of 50, in 17 of 100; first or second in 16, 18 and 19."""


def measure(result: Result) -> dict[str, float] | None:
    """Share of each parameter in the importance of all, largest first, 0 to 1.

    None below ``LEAST`` such trials, or if all score alike. Of a parameter that some trials lack,
    nothing is said.

    PED-ANOVA (Watanabe, Bansal and Hutter, arXiv:2304.10255), as Optuna implements it: the Pearson
    divergence between the density of a parameter among the best tenth of the trials and among all.
    """
    trials, spec = comparable(result), result.spec
    names = sorted(name for name, dimension in spec.dimensions.items() if dimension.when is None)
    if len(trials) < LEAST or len({trial.score for trial in trials}) == 1 or not names:
        return None
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    from hpo.search.history import quiet
    from hpo.search.space import distributions

    known, sign = distributions(spec), -1.0 if spec.maximize else 1.0
    space = {name: known[name] for name in names}
    with quiet():
        study = optuna.create_study()
    for trial in trials:
        params = {name: trial.params[name] for name in space}
        loss = sign * (trial.score or 0.0)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=loss))
    found = PedAnovaImportanceEvaluator().evaluate(study, [*space])
    total = sum(found.values()) or 1.0
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return {name: share / total for name, share in ordered}


def note(result: Result, found: Mapping[str, float] | None) -> str:
    """What the bars say, and how far they can be trusted."""
    n = len(comparable(result))
    if found is None:
        return (
            f"{n} trials that trained a network to its end, or scores that are all alike, do not "
            f"tell which parameters matter: {LEAST} are needed at least."
        )
    return (
        f"Of {n:,} trials (those that were stopped within a network are left out)"
        f"{', by their score alone' if result.costs else ''}: how much each parameter decides who "
        "is among the best tenth (PED-ANOVA, arXiv:2304.10255), as a share of all. Small bars may "
        "be chance. A parameter of which the search has tried few values shows less importance "
        "than it has."
    )


def bars(found: Mapping[str, float]) -> go.Figure:
    """A bar for each of the fifteen parameters that matter most, with its number."""
    shown = [*found.items()][:15]
    shares = [100 * share for _, share in shown]
    figure = style(go.Figure(), height=110 + 30 * len(shown))
    bar = go.Bar(x=shares, y=[safe(formatting.cut(name, 24)) for name, _ in shown])
    bar.update(orientation="h", textposition="outside", cliponaxis=False, marker_color=BLUE)
    bar.update(text=[f"{share:.1f}" for share in shares])
    bar.update(hovertemplate="%{y}: %{x:.3g} %<extra></extra>")
    top = 1.18 * max([5.0, *shares])
    figure.add_trace(bar).update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
