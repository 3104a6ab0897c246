"""The front of a study: the score against each cost."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.result import Front
from hpo.study.trials import complete
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, INK, VERMILLION
from hpo.views.figures.scores import focus, reported_score
from hpo.views.sentences import formatting


def figure(result: Front, *, only: str | None = None) -> go.Figure:
    """Draw trials as faint points, the front as steps, confirmed trials with error
    bars.

    Each cost has a panel, or ``only`` one. Costs of more than a decade have a
    logarithmic axis.
    """
    costs = [name for name in result.costs if only in (None, name)]
    drawing = make_subplots(1, len(costs), shared_yaxes=True, horizontal_spacing=0.04)
    style.style(drawing, height=520)
    for column, name in enumerate(costs, start=1):
        _add_panel(drawing, result, name, {"row": 1, "col": column})
    return drawing.update_yaxes(
        title_text=style.safe(formatting.metric(result.spec)), col=1
    )


def note(result: Front) -> str:
    """Describe the figure in a paragraph."""
    labels = " and its ".join(formatting.quantity_label(name) for name in result.costs)
    return (
        f"Score of every complete search trial against its {labels}. Rings mark the"
        " Pareto front: no other trial is better in score and all costs. A line joins"
        " the front of this cost alone. Diamonds with error bars: confirmed trials,"
        " mean ± standard deviation over fresh seeds on the held-out test set. Dashed,"
        " with a band: the reported score, if there is one. Dotted: the best"
        " baselines."
    )


def trials(result: Front, cost: str, *, along: bool) -> list[style.Spot]:
    """Return the complete trials on the front (``along``), cheapest first, or the
    others."""
    spec, on_front, view = (
        result.spec,
        {trial.number for trial in result.front},
        focus(result),
    )
    some = [t for t in complete(result.search) if (t.number in on_front) == along]
    spots = [style.spot(spec, t, spec.named_costs(t.costs)[cost], view) for t in some]
    return sorted(spots, key=lambda spot: float(spot.x)) if along else spots


def fresh(result: Front, cost: str) -> list[style.Spot]:
    """Return the confirmed scores, cheapest first by the first cost."""
    spec, items = result.spec, [item for item in result.confirmations if item.scores]
    return [
        style.confirmed(spec, item, spec.named_costs(item.costs)[cost])
        for item in items
    ]


def reported(result: Front, cost: str) -> list[style.Spot]:
    """Return the reported score at its published cost, and at its cost as measured
    here."""
    spec, score = result.spec, reported_score(result.spec)
    published, here = (
        spec.reported_costs(key).get(cost) for key in ("cost", "cost_here")
    )
    measured = (
        f"reported network, {formatting.quantity(cost, here or 0.0)} as measured here"
    )
    texts = ((published, formatting.reported_text(spec)), (here, measured))
    return [
        style.Spot(at, score[0], style.safe(text)) for at, text in texts if score and at
    ]


def line(result: Front, cost: str) -> list[style.Spot]:
    """Return the points of the front that beat all others of at most this cost."""
    sign = -1.0 if result.spec.maximize else 1.0
    best: list[style.Spot] = []
    for one in sorted(
        trials(result, cost, along=True), key=lambda one: (one.x, sign * one.y)
    ):
        if not best or sign * one.y < sign * best[-1].y:
            best.append(one)
    return best


def _add_panel(
    drawing: go.Figure, result: Front, cost: str, place: dict[str, int]
) -> None:
    low, high = focus(result)
    others, front = (trials(result, cost, along=along) for along in (False, True))
    tested, published, best = (
        fresh(result, cost),
        reported(result, cost),
        line(result, cost),
    )
    dearest = max((one.x for one in (*others, *front)), default=0.0)
    name, x, y = "front of the search", [one.x for one in best], [one.y for one in best]
    along = style.steps(
        x, y, dearest, line_color=INK, line_width=2, hoverinfo="skip", name=name
    )
    ring = {"color": "white", "size": 8, "line": {"width": 2, "color": INK}}
    faint = {"color": BLUE, "size": 6, "opacity": 0.4}
    drawn = [
        (others, "trial", faint),
        (front, name, ring),
        (tested, "confirmed on fresh seeds, mean ± std", style.CONFIRMED),
    ]
    for one, symbol in zip(published, ("cross", "cross-open"), strict=False):
        cross = {
            "color": VERMILLION,
            "size": 12,
            "symbol": symbol,
            "line": {"width": 1.5},
        }
        drawn.append(([one], one.text, cross))
    traces = [
        style.markers(spots, name=name, marker=marker) for spots, name, marker in drawn
    ]
    for trace in [
        trace for trace in (along, *traces) if trace.x
    ]:  # the panels share a legend
        new = trace.name not in {other.name for other in drawing.data}
        drawing.add_trace(trace.update(showlegend=new, legendgroup=trace.name), **place)
    style.add_references(drawing, result, row=1, col=place["col"])
    costs = [one.x for one in (*others, *front, *tested, *published)] or [0.0]
    if min(costs) > 0 and max(costs) > 10 * min(costs):
        drawing.update_xaxes(style.LOG_AXIS, **place)
    drawing.update_xaxes(
        title_text=style.safe(formatting.quantity_label(cost)), **place
    )
    drawing.update_yaxes(range=[low, high], **place)
