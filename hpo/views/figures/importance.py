"""The importance of parameters as bars."""

from __future__ import annotations

import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.views import formatting
from hpo.views.figures.style import safe, style
from hpo.views.numbers.importance import LEAST, Importance
from hpo.views.numbers.scores import comparable
from hpo.views.palette import BLUE, GREY

MOST_BARS = 15
_SHORT = 24


def note(result: Result, found: Importance | None) -> str:
    """What the bars say, and how far they can be trusted."""
    if found is None:
        n = len(comparable(result))
        return (
            f"{n} trials that trained a network to its end, or scores that are all alike, do not "
            f"tell which parameters matter: {LEAST} are needed at least."
        )
    return (
        f"Of {found.trials:,} trials (those that were stopped within a network are left out)"
        f"{', by their score alone' if result.costs else ''}: how much each parameter decides who "
        "is among the best tenth (PED-ANOVA, arXiv:2304.10255), as a share of all. Hollow bars "
        "may be chance: above 5 %, by the F test of the ranks, for all parameters together. A "
        "parameter of which the search has tried few values shows less importance than it has."
    )


def bars(found: Importance) -> go.Figure:
    """A bar for each parameter, with its number; grey and hollow where chance would do."""
    effects = found.effects[:MOST_BARS]
    sure = [found.certain(effect) for effect in effects]
    shares = [100 * effect.share for effect in effects]
    figure = style(go.Figure(), height=110 + 30 * len(effects))
    bar = go.Bar(x=shares, y=[safe(formatting.cut(e.name, _SHORT)) for e in effects])
    line = {"color": [BLUE if certain else GREY for certain in sure], "width": 1.5}
    bar.update(marker={"color": [BLUE if certain else "white" for certain in sure], "line": line})
    bar.update(orientation="h", textposition="outside", cliponaxis=False)
    bar.update(text=[f"{share:.1f}" for share in shares])
    bar.update(hovertemplate="%{y}: %{x:.3g} %<extra></extra>")
    top = 1.18 * max([5.0, *shares])
    figure.add_trace(bar).update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
