"""The figures of a study on the dashboard: cards of half a page, in few bytes.

Pure functions of a snapshot. What the report shows in full is thinned here: a card holds some
hundred points, always the best so far and the newest among them, and no hover text of its own.
"""

from __future__ import annotations

import json
import math
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import plotly.graph_objects as go

from hpo.study import score_text, time_step
from hpo.study.sections import ParamValue
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Slot, SlotState
from hpo.views import formatting, verdict
from hpo.views.figures import confirmed as figures_confirmed
from hpo.views.figures import convergence as figures_convergence
from hpo.views.figures import declared as figures_declared
from hpo.views.figures import front as figures_front
from hpo.views.figures import parameters as figures_parameters
from hpo.views.figures.style import add_reported_band, focus, markers, safe, short, style
from hpo.views.numbers import declared as numbers_declared
from hpo.views.numbers.convergence import Clock, clocks, incumbents
from hpo.views.numbers.scores import axis_score, scored
from hpo.views.palette import BLUE, GREY, INK

T = TypeVar("T")


HEIGHT = 450
"""Of a card of optuna-dashboard, in pixels."""
MAX_TRIALS, MAX_NEWEST, MAX_FAILED = 700, 60, 60
"""So many trials a card shows at most; so many of them are the newest; failed ones besides."""
MAX_PANELS, PANEL_POINTS = 9, 1300
"""So many parameters share a card, and so many points, all panels together."""
MAX_STEPS, MAX_CONFIRMED, MAX_SEEDS = 200, 8, 40
MAX_CHART_POINTS, MAX_TOLD = 300, 100
"""Points of a declared figure; above so many, they say less when pointed at."""
MAX_SPOTS = 250
"""Of a front so many trials on it, and others; each says what it is when pointed at."""
GROUPS = 8
DIGITS = 5


def cards(snapshot: StudySnapshot, others: Sequence[StudySnapshot] = ()) -> dict[str, str]:
    """Every card of a study as JSON by its name; sorted by name they are in reading order.

    Args:
        snapshot: the study.
        others: the studies that its figure is drawn with, as far as they are there.
    """
    drawn = _searched(snapshot) if snapshot.spec.selects else {}
    if snapshot.spec.space and _panels(snapshot):
        drawn["4-parameters"] = parameters(snapshot)
    chart = numbers_declared.chart(snapshot, others)
    if chart is not None:
        drawn["6-figure"] = declared(chart)
    return {name: compact(figure) for name, figure in drawn.items()}


def _searched(snapshot: StudySnapshot) -> dict[str, go.Figure]:
    by_trial, by_epochs, by_time = clocks(snapshot)
    if snapshot.spec.cost is not None:
        front = figures_front.figure(snapshot, height=HEIGHT, most=MAX_SPOTS)
        drawn = {"1-front": _titled(front, figures_front.title(snapshot, MAX_SPOTS))}
    else:
        drawn = {
            "1-convergence": convergence(snapshot, by_trial),
            "2-epochs": convergence(snapshot, by_epochs),
            "2-time": convergence(snapshot, by_time),
        }
    if snapshot.spec.cost is None and compared(snapshot.spec):
        drawn["3-distance"] = distance(snapshot)
    if any(item.scores for item in snapshot.confirmations):
        drawn["5-confirmed"] = confirmed(snapshot)
    return drawn


def compact(figure: go.Figure) -> str:
    """A figure as JSON of plain lists, its numbers with five significant digits."""

    def shortened(digits: str) -> float | int:
        value = float(f"{float(digits):.{DIGITS}g}")
        return int(value) if value.is_integer() else value

    tree = json.loads(figure.to_json(), parse_float=shortened)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)


def _card(title: str) -> go.Figure:
    figure = style(go.Figure(), height=HEIGHT)
    return _titled(figure, title)


def _titled(figure: go.Figure, title: str) -> go.Figure:
    """Put a title into the figure: a card has none of its own."""
    text = {"text": f"<b>{safe(title)}</b>", "font": {"size": 14}, "x": 0.01, "xanchor": "left"}
    text |= {"y": 0.985, "yanchor": "top", "yref": "container"}
    margin = {"l": 55, "r": 15, "t": 45, "b": 85}
    return figure.update_layout(title=text, height=HEIGHT, margin=margin, font_size=12)


def _remark(figure: go.Figure, text: str) -> None:
    """Say something at the right end above the plot."""
    place = {"x": 1, "y": 1, "xref": "paper", "yref": "paper"}
    figure.add_annotation(text=text, font_size=11, showarrow=False, **place)
    figure.update_annotations(xanchor="right", yanchor="bottom", yshift=4)


# --- which trials ---------------------------------------------------------------------------------


def chosen(snapshot: StudySnapshot, limit: int = MAX_TRIALS) -> list[Slot]:
    """At most so many scored trials: every best so far, the newest, and an even sample.

    Should even those that were the best so far be more than the limit, they are sampled, too.
    """
    slots = scored(snapshot)
    if len(slots) <= limit:
        return slots
    steps = {slot.number for clock in clocks(snapshot) for slot in incumbents(snapshot, clock)}
    steps |= {slot.number for slot in slots[-min(MAX_NEWEST, limit // 5) :]}
    kept = _sample([s for s in slots if s.number in steps], limit)
    others = [s for s in slots if s.number not in steps]
    kept += _sample(others, limit - len(kept))
    return sorted(kept, key=lambda slot: slot.number)


def _share(snapshot: StudySnapshot, shown: Sequence[Slot]) -> str:
    """What a title says where not all scored trials are shown."""
    total = len(scored(snapshot))
    return f" ({len(shown):,} of {total:,} trials)" if len(shown) < total else ""


def _sample(items: Sequence[T], limit: int) -> list[T]:
    """At most so many of some items, evenly spread, the last among them."""
    if len(items) <= limit:
        return list(items)
    return [items[(i + 1) * len(items) // limit - 1] for i in range(limit)]


# --- convergence ----------------------------------------------------------------------------------


def convergence(snapshot: StudySnapshot, clock: Clock) -> go.Figure:
    """Trials and the best so far along a clock, against the reported value and what was confirmed.

    The best so far is the median over the networks of the incumbent, with its quartiles; which
    trial that is, is the study's own ranking: by mean score.
    """
    spec, view = snapshot.spec, focus(snapshot, close=True)
    shown = _share(snapshot, chosen(snapshot))
    figure = _card(f"Convergence against {clock.against}{shown}")
    traces = [
        *_trials(snapshot, clock, view),
        *_best(snapshot, clock),
        figures_convergence.confirmed_points(snapshot, clock, most=MAX_CONFIRMED),
    ]
    figure.add_traces([trace for trace in traces if len(trace.x)])
    add_reported_band(figure, spec, above=True)
    figure.update_layout(legend_traceorder="normal")
    figure.update_xaxes(title_text=clock.title, title_standoff=4)
    return figure.update_yaxes(title_text=formatting.metric(spec), range=list(view))


def _trials(snapshot: StudySnapshot, clock: Clock, view: tuple[float, float]) -> list[go.Scatter]:
    """Scored trials; those off the scale, and failed ones, stand on its edges."""
    spec, (low, high) = snapshot.spec, view
    slots = chosen(snapshot)
    inside = [s for s in slots if low <= axis_score(spec, s) <= high]
    edge = low if spec.maximize else high
    traces = []
    for state, symbol, name in (
        (SlotState.COMPLETE, "circle", "trial"),
        (SlotState.PRUNED, "circle-open", "pruned"),
    ):
        found = [s for s in inside if s.state == state]
        y = [axis_score(spec, s) for s in found]
        marker = {"color": BLUE, "size": 5, "symbol": symbol, "opacity": 0.6}
        traces.append(_points(clock, found, y, name=name, marker=marker))
    off = [s for s in slots if not low <= axis_score(spec, s) <= high]
    symbol = "triangle-down-open" if spec.maximize else "triangle-up-open"
    marker = {"color": BLUE, "size": 6, "symbol": symbol, "opacity": 0.6}
    traces.append(_points(clock, off, [edge] * len(off), name="off scale", marker=marker))
    failed = [s for s in snapshot.search if s.state == SlotState.FAILED][-MAX_FAILED:]
    marker = {"symbol": "x-thin", "size": 7, "line": {"width": 1.5, "color": INK}}
    text = [f"trial {s.number} failed<br>{safe(short(s.message))}" for s in failed]
    at, y = [clock.at[s.number] for s in failed], [edge] * len(failed)
    return [*traces, markers(at, y, text, name="failed", marker=marker, on_edge=True)]


def _points(
    clock: Clock,
    slots: Sequence[Slot],
    y: Sequence[float],
    *,
    name: str,
    marker: dict[str, object],
) -> go.Scatter:
    """Trials that say their number and score when pointed at."""
    trace = go.Scatter(x=[clock.at[s.number] for s in slots], y=y, mode="markers", name=name)
    trace.update(marker=marker, cliponaxis=False)
    if clock.name == "by trial":
        return trace.update(hovertemplate="trial %{x}: %{y:.4g}<extra></extra>")
    numbers = [slot.number for slot in slots]
    return trace.update(
        customdata=numbers, hovertemplate="trial %{customdata}: %{y:.4g}<extra></extra>"
    )


def _best(snapshot: StudySnapshot, clock: Clock) -> list[go.Scatter]:
    """The incumbent's median as a step line, held until the last trial, on its quartile band."""
    spec = snapshot.spec
    steps = _sample(incumbents(snapshot, clock), MAX_STEPS)
    if not steps:
        return []
    scores = [
        [score_text.shown(spec, m.score) for m in s.members] or [axis_score(spec, s)] for s in steps
    ]
    low, median, high = (
        list(q) for q in zip(*map(numbers_declared.quartiles, scores), strict=True)
    )
    x = [*(clock.at[s.number] for s in steps), clock.end]
    several = spec.budget.members > 1
    name = f"best so far, median of {spec.budget.members}" if several else "best so far"
    text = [*(f"trial {s.number}" for s in steps), f"trial {steps[-1].number}"]

    def line(values: list[float], **look: object) -> go.Scatter:
        trace = go.Scatter(x=x, y=[*values, values[-1]], mode="lines", line_shape="hv")
        return trace.update(**look)

    band = [
        line(low, line_width=0, showlegend=False, hoverinfo="skip"),
        line(high, line_width=0, showlegend=True, hoverinfo="skip", name="its quartiles").update(
            fill="tonexty", fillcolor=figures_declared.rgba(INK, 0.15)
        ),
    ]
    best = line(median, line_color=INK, line_width=2.2, name=name, text=text)
    best.update(hovertemplate="best so far: %{text}<br>median %{y:.4g}<extra></extra>")
    return [*(band if several else []), best]


# --- distance -------------------------------------------------------------------------------------


def compared(spec: StudySpec) -> list[str]:
    """Searched parameters of which a value is reported that can be placed in their range."""
    reported = spec.reported.params if spec.reported else {}
    return [n for n in spec.space if n in reported and _place(spec, n, reported[n]) is not None]


def distance_to_reported(spec: StudySpec, params: Mapping[str, ParamValue]) -> float:
    """How far parameters are from the reported ones: 0 at them, 1 a whole range away in each.

    The root mean square, over the parameters of ``compared``, of the difference as a fraction of
    the searched range; of logarithms where the search is logarithmic; of choices 0 or 1.
    """
    assert spec.reported is not None
    squares = []
    for name in compared(spec):
        here, there = (_place(spec, name, p[name]) for p in (params, spec.reported.params))
        assert here is not None
        assert there is not None
        if isinstance(here, str) or isinstance(there, str):
            squares.append(float(here != there))
        else:
            squares.append((here - there) ** 2)
    return math.sqrt(statistics.fmean(squares))


def _place(spec: StudySpec, name: str, value: ParamValue) -> float | str | None:
    """Where a value stands in its range, 0 at its low end and 1 at its high; a choice at itself."""
    dimension = spec.space[name]
    if dimension.choices is not None:
        return formatting.value_text(value)
    if isinstance(value, str | bool):
        return None
    ends = (float(dimension.low or 0), float(dimension.high or 0))
    if dimension.log and value <= 0:
        return None
    low, high, at = map(math.log if dimension.log else float, (*ends, value))
    return (at - low) / (high - low) if high > low else None


def distance(snapshot: StudySnapshot) -> go.Figure:
    """How far each trial, and the best so far, is from the reported parameters."""
    spec, (clock, *_) = snapshot.spec, clocks(snapshot)
    n = len(compared(spec))
    slots = [s for s in chosen(snapshot) if s.params]
    figure = _card(f"Distance to the reported parameters{_share(snapshot, slots)}")
    y = [distance_to_reported(spec, s.params) for s in slots]
    marker = {"color": GREY, "size": 4, "opacity": 0.6}
    figure.add_trace(_points(clock, slots, y, name="trial", marker=marker))
    steps = _sample(incumbents(snapshot, clock), MAX_STEPS)
    if steps:
        away = [distance_to_reported(spec, s.params) for s in steps]
        line = go.Scatter(x=[*(s.number for s in steps), clock.end], y=[*away, away[-1]])
        line.update(mode="lines", line={"color": INK, "width": 2.2, "shape": "hv"})
        line.update(name="best so far", hovertemplate="%{y:.3g}<extra>best so far</extra>")
        figure.add_trace(line)
    what = f"root mean square over {n} parameters" if n > 1 else safe(compared(spec)[0])
    _remark(figure, f"{what}; 0: at the reported ones, 1: a whole range away")
    figure.update_xaxes(title_text=clock.title, title_standoff=4)
    return figure.update_yaxes(title_text="distance, in searched ranges", rangemode="tozero")


# --- parameters -----------------------------------------------------------------------------------


def parameters(snapshot: StudySnapshot) -> go.Figure:
    """Each parameter against the score; of more than nine, those that separate scores best."""
    names, total = _panels(snapshot), len(snapshot.spec.space)
    shown = chosen(snapshot, PANEL_POINTS // len(names))
    figure = figures_parameters.compact(snapshot, names, shown, height=HEIGHT)
    title = "Parameters against score"
    if len(names) < total:
        title += f": the {len(names)} of {total} that separate scores best"
    title += _share(snapshot, shown)
    key = [
        f"★ {verdict.named(snapshot)}",
        *(["╌ reported"] if snapshot.spec.reported else []),
        "hollow: pruned",
    ]
    _remark(figure, " · ".join(key))
    return _titled(figure, title).update_layout(margin_b=45)


def _panels(snapshot: StudySnapshot) -> list[str]:
    """The parameters worth a panel, in the order of the file."""
    names = list(snapshot.spec.space)
    if len(names) <= MAX_PANELS:
        return names
    best = sorted(names, key=lambda name: -separation(snapshot, name))[:MAX_PANELS]
    return [name for name in names if name in best]


def separation(snapshot: StudySnapshot, name: str) -> float:
    """How much of the variance of the scores' ranks lies between groups of a parameter: 0 to 1.

    Groups are its choices, or the eighths of its values (the correlation ratio, eta squared).
    """
    slots = [slot for slot in scored(snapshot) if name in slot.params]
    if len(slots) < 2 * GROUPS:
        return 0.0
    ranks = _ranks([axis_score(snapshot.spec, slot) for slot in slots])
    values = [slot.params[name] for slot in slots]
    if snapshot.spec.space[name].choices is not None:
        keys = [formatting.value_text(value) for value in values]
    else:
        keys = [str(int(GROUPS * rank / len(slots))) for rank in _ranks([float(v) for v in values])]
    groups = defaultdict(list)
    for key, rank in zip(keys, ranks, strict=True):
        groups[key].append(rank)
    middle, all_ = statistics.fmean(ranks), statistics.pvariance(ranks)
    between = sum(len(g) * (statistics.fmean(g) - middle) ** 2 for g in groups.values())
    return between / len(ranks) / all_ if all_ else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each value in their order, from 0; equals share the lowest."""
    order = sorted(values)
    return [float(bisect_left(order, value)) for value in values]


# --- confirmed, declared --------------------------------------------------------------------------


def confirmed(snapshot: StudySnapshot) -> go.Figure:
    """What the search had claimed and what fresh seeds gave, beside the reported value."""
    figure = figures_confirmed.confirmed(snapshot, most=MAX_CONFIRMED)
    for trace in figure.data:
        few = _sample(range(len(trace.x)), MAX_SEEDS)
        trace.update({key: [trace[key][i] for i in few] for key in ("x", "y", "text")})
    title = "Confirmed on fresh seeds and the test half"
    named = snapshot.confirmed
    if named is not None and (basis := time_step.basis(snapshot.spec, named)):
        title += f", {basis}"
    titled = _titled(figure, title).update_layout(margin_t=60)
    if named is not None and (remark := time_step.remark(snapshot.spec, named)):
        _remark(titled, f"trial {named.source}: {safe(remark)}")
    return titled


def declared(chart: numbers_declared.Chart) -> go.Figure:
    """The figure that the study's file declares: the whole result of a sweep."""
    most = max(2, MAX_CHART_POINTS // max(1, len(chart.groups)))
    groups = [replace(g, points=tuple(_sample(g.points, most))) for g in chart.groups]
    if sum(len(group.points) for group in groups) > MAX_TOLD:
        groups = [replace(g, points=tuple(replace(p, params={}) for p in g.points)) for g in groups]
    figure = figures_declared.figure(replace(chart, groups=tuple(groups)))
    return _titled(figure, short(chart.title or f"{chart.y_label} against {chart.x_label}", 70))
