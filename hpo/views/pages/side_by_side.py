"""Searches side by side on one page: their curves, their scores, what differs in their
files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import plotly.graph_objects as go

from hpo.errors import StudyError
from hpo.statistics.intervals import TEST, Estimate, compare
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec, flattened
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREEN, ORANGE, PURPLE
from hpo.views.figures.scores import axis_score, clocks, focus, incumbents, scored
from hpo.views.pages import overview
from hpo.views.pages.page import Section, Table, plot, render
from hpo.views.sentences import comparison, formatting, verdict

LOOKS = (
    (BLUE, "diamond"),
    (ORANGE, "square"),
    (GREEN, "triangle-up"),
    (PURPLE, "triangle-down"),
)
"""The colour of each study, and the marker of its confirmed score."""


def html(results: Sequence[Result]) -> str:
    """Return the page of two to four searches for the best score by the same metric.

    Raises:
        StudyError: one of them is something else.
    """
    first, *others = results
    curves = plot(
        "curves", "Best score so far against epochs of training", figure(results)
    )
    files = {result.name: _whole(result.spec) for result in results}
    own = files[first.name]
    keys = {
        k
        for file in files.values()
        for k in {**own, **file}
        if file.get(k) != own.get(k)
    }
    facts = {result.name: _facts(result) for result in results}
    note = (
        "Dots are trials, lines the best score so far. On the right: mean ± standard"
        " deviation "
    )
    note += "over fresh seeds, on the held-out test set."
    warnings = ["Their tasks differ: the scores are of different data."]
    other_tasks = any(key.startswith("task") for key in keys)
    differ = (
        "Keys that differ, of all that trials depend on." if keys else "They agree."
    )
    sections = [
        Section(
            "curves", note, [curves], title="Search", warnings=warnings * other_tasks
        ),
        Section(
            "scores",
            "",
            [_table("result of", facts, dict.fromkeys(chain(*facts.values())))],
        ),
        Section(
            "files", differ, [_table("key of", files, sorted(keys))], "Study files"
        ),
    ]
    texts = [
        text
        for other in others
        if not other_tasks and (text := _relation(first, other))
    ]
    page = "side_by_side.html.j2"
    return render(
        page, curves.figures, sections=sections, names=[*files], verdict=texts
    )


def _whole(spec: StudySpec) -> dict[str, Any]:
    """Return the keys that trials depend on, with the defaults of task and
    objective."""
    tree, task = spec.essential(), spec.task_params
    own = task.model_dump(mode="json", exclude=set(getattr(task, "places", ())))
    fixed = {
        key: value for key, value in spec.defaults.items() if key not in spec.space
    }
    fixed |= {
        **tree.get("fixed", {}),
        "epochs": None,
        "score_every": None,
    }  # of the budget
    return flattened({**tree, "task": own, "fixed": fixed})


def _facts(result: Result) -> dict[str, str]:
    card = overview.card(result)
    facts = {"Score": card.claim, "Reported": card.gap, **card.facts}
    return {name: text for name, text in facts.items() if text}


def _table(
    caption: str, columns: Mapping[str, Mapping[str, Any]], keys: Iterable[str]
) -> Table:
    """Return a table with a column for each study and a row for each key."""
    rows = [
        {
            caption: key,
            **{
                name: formatting.value_cell(of.get(key)) for name, of in columns.items()
            },
        }
        for key in keys
    ]
    return Table(caption, rows or [{caption: "none"}], css="studies")


def _relation(first: Result, other: Result) -> str:
    """Compare two studies: ``a, 95 % confirmed: level with b, 94 % confirmed; … p = 0.4
    …``.

    The best scores of searches, lucky ones, have no errors.
    """
    one, two, spec = first.headline, other.headline, first.spec
    if one is None or two is None:
        return ""
    what, own = (
        f"{result.name}, {verdict.headline(result)}" for result in (other, first)
    )
    if one.confirmed != two.confirmed:
        return f"{own}; {what}: only one is confirmed, so they are not compared"
    pair = one.estimate, two.estimate
    if not one.confirmed:
        pair = Estimate(mean=one.score), Estimate(mean=two.score)
    text = f"{own}: {comparison.against(spec, *pair, what, pair[1].n_seeds)}"
    margin = compare(*pair, maximize=spec.maximize)
    if margin.p is not None:
        text += (
            f"; difference {comparison.margin_text(spec, margin)}, p = {margin.p:.2g}"
            f" ({TEST})"
        )
    return text + comparison.direction(spec)


def figure(results: Sequence[Result]) -> go.Figure:
    """Draw the trials of each study, its best score so far, and its confirmed score.

    Raises:
        StudyError: one of them is no search for the best score, by the metric of the
            first.
    """
    if len(results) > len(LOOKS):
        raise StudyError(f"expected at most {len(LOOKS)} studies, got {len(results)}.")
    metric = results[0].spec.objective_impl.metric
    for result in results:
        if type(result) is not Search or result.spec.objective_impl.metric != metric:
            got = (
                f"a {type(result).__name__.lower()} of"
                f" {result.spec.objective_impl.metric}"
            )
            rule = f"a search for the best {metric}, without [cost] and [sweep]"
            raise StudyError(f"study {result.name!r}: expected {rule}, got {got}.")
    views = [focus(result) for result in results]
    view = min(low for low, _ in views), max(high for _, high in views)
    end = max(clocks(result)[1].end for result in results)
    drawn = style.style(go.Figure(), height=480)
    for i, (result, (colour, symbol)) in enumerate(zip(results, LOOKS, strict=False)):
        spec, clock, name = result.spec, clocks(result)[1], style.safe(result.name)
        dots = [
            style.spot(spec, trial, clock.at[trial.number], view)
            for trial in scored(result)
        ]
        look = {"color": colour, "opacity": 0.4, "size": 6}
        drawn.add_trace(
            style.markers(dots, name=name, marker=look).update(showlegend=False)
        )
        best = incumbents(result, clock)
        x, y = (
            [clock.at[trial.number] for trial in best],
            [axis_score(spec, t) for t in best],
        )
        line = style.steps(x, y, clock.end, line_color=colour, line_width=2.5)
        drawn.add_trace(line.update(name=name, hoverinfo="skip"))
        if (item := result.confirmed) is not None:
            spot = style.confirmed(spec, item, end * (1.04 + 0.03 * i))
            look = {**style.CONFIRMED, "color": colour, "symbol": symbol}
            drawn.add_trace(
                style.markers([spot], name=f"{name}, confirmed", marker=look)
            )
    named = {text: r for r in results if (text := formatting.reported_text(r.spec))}
    for result in named.values() or results[:1]:
        style.add_references(drawn, result)
    drawn.update_xaxes(title_text="epochs of training in the search")
    return drawn.update_yaxes(
        title_text=formatting.metric(results[0].spec), range=list(view)
    )
