"""Searches side by side on one page: their curves, their scores, what differs in their
files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.errors import StudyError
from hpo.statistics.intervals import TEST, Estimate, compare
from hpo.study.hashing import flatten
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREEN, ORANGE, PURPLE
from hpo.views.figures.plotted import Clock, Plotted
from hpo.views.pages import overview
from hpo.views.pages.page import Section, Table, plot, render_sections, template
from hpo.views.sentences import comparison, verdict
from hpo.views.sentences.formatting import reported_text, transfer_text, value_cell

LOOKS = (
    (BLUE, "diamond"),
    (ORANGE, "square"),
    (GREEN, "triangle-up"),
    (PURPLE, "triangle-down"),
)
"""The colour of each study, and the marker of its confirmed score."""
_CURVES = (
    "Dots are trials, lines the best score so far. On the right: mean ± standard"
    " deviation over fresh seeds, on the held-out test set."
)
_OTHER_TASKS = "Their tasks differ: the scores are of different data."


def html(results: Sequence[Result]) -> str:
    """Return the page of two to four searches for the best score by the same metric.

    Raises:
        StudyError: one of them is something else.
    """
    drawn = plot(
        "curves", "Best score so far in the course of the search", figure(results)
    )
    warnings = []
    if not is_same_task(results):
        warnings.append(_OTHER_TASKS)
    note = "Keys that differ, of all that trials depend on."
    differ = differences(results)
    if not any(differ.values()):
        note = "They agree."
    return render_sections(
        "side_by_side.html.j2",
        [
            Section("curves", _CURVES, [drawn], title="Search", warnings=warnings),
            Section("scores", "", [_scores_table(results)]),
            Section("files", note, [_keys_table(results)], title="Study files"),
        ],
        names=list(differ),
        verdict=relations(results),
    )


def summary(results: Sequence[Result]) -> str:
    """Return the verdict and the tables for a notebook cell."""
    verdict = relations(results)
    if not is_same_task(results):
        verdict.append(_OTHER_TASKS.rstrip("."))
    tables = [_scores_table(results), _keys_table(results)]
    return template("comparison.html.j2").render(verdict=verdict, tables=tables)


def facts(results: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Return the scores of each study, and what they cost, in words."""
    return {result.name: _facts(result) for result in results}


def differences(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Return the keys of each study that differ, of all that trials depend on."""
    files = {result.name: _whole(result.spec) for result in results}
    keys = sorted(_differing(list(files.values())))
    rows = {}
    for name, own in files.items():
        rows[name] = {key: own.get(key) for key in keys}
    return rows


def is_same_task(results: Sequence[Result]) -> bool:
    """Return whether the scores are of the same data."""
    files = [_whole(result.spec) for result in results]
    return not any(key.startswith("task") for key in _differing(files))


def relations(results: Sequence[Result]) -> list[str]:
    """Compare the score of the first study with each other; empty if their data
    differ."""
    first, *others = results
    if not is_same_task(results):
        return []
    return list(filter(None, [_relation(first, other) for other in others]))


def _differing(files: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the keys whose values differ from those of the first file."""
    first = files[0]
    keys = {key for file in files for key in file}
    return {key for key in keys for file in files if file.get(key) != first.get(key)}


def _whole(spec: StudySpec) -> dict[str, Any]:
    """Return the keys that trials depend on, with the defaults of task and
    objective."""
    tree = spec.essential()
    defaults = spec.about.defaults.items()
    fixed = {name: own for name, own in defaults if name not in spec.space}
    fixed |= tree.get("fixed", {})
    fixed |= {"epochs": None, "score_every": None}  # of the budget
    tree["task"] = spec.about.task.values
    tree["fixed"] = fixed
    if spec.sources:
        tree["transfer"] = transfer_text(spec)
    return flatten(tree)


def _facts(result: Result) -> dict[str, str]:
    card = overview.card(result)
    facts = {"Score": card.claim, "Reported": card.gap, **card.facts}
    return {name: text for name, text in facts.items() if text}


def _scores_table(results: Sequence[Result]) -> Table:
    return _table("result of", facts(results))


def _keys_table(results: Sequence[Result]) -> Table:
    return _table("key of", differences(results))


def _table(caption: str, columns: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table with a column for each study and a row for each key."""
    rows = []
    for key in dict.fromkeys(name for own in columns.values() for name in own):
        cells = {name: value_cell(own.get(key)) for name, own in columns.items()}
        rows.append({caption: key, **cells})
    return Table(caption, rows or [{caption: "none"}], css="studies")


def _relation(first: Result, other: Result) -> str:
    """Compare two studies: ``a, 95 % confirmed: level with b, 94 % confirmed; … p = 0.4
    …``.

    The best scores of searches, lucky ones, have no errors.
    """
    spec = first.spec
    if first.headline is None or other.headline is None:
        return ""
    own = f"{first.name}, {verdict.headline(first)}"
    what = f"{other.name}, {verdict.headline(other)}"
    confirmed = first.headline.confirmed
    if other.headline.confirmed != confirmed:
        return f"{own}; {what}: only one is confirmed, so they are not compared"
    one = first.headline.estimate
    two = other.headline.estimate
    if not confirmed:
        one = Estimate(mean=one.mean)
        two = Estimate(mean=two.mean)
    text = f"{own}: {comparison.against(spec, one, two, what, two.n_seeds)}"
    margin = compare(one, two, maximize=spec.maximize)
    if margin.p is not None:
        difference = comparison.margin_text(spec, margin)
        text += f"; difference {difference}, p = {margin.p:.2g} ({TEST})"
    return text + comparison.direction(spec)


def figure(results: Sequence[Result]) -> go.Figure:
    """Draw the trials of each study, its best score so far, and its confirmed score.

    Raises:
        StudyError: one of them is no search for the best score, by the metric of the
            first.
    """
    check(results)
    studies = [Plotted(result) for result in results]
    low = min(plotted.view[0] for plotted in studies)
    high = max(plotted.view[1] for plotted in studies)
    by = 1
    if not all(plotted.spec.has_class for plotted in studies):
        by = 0  # trials: one of them has no epochs
    end = max(plotted.clocks[by].end for plotted in studies)
    drawn = style.style(go.Figure(), height=480)
    for i, plotted in enumerate(studies):
        shared = plotted.within((low, high))
        beyond = end * (1.04 + 0.03 * i)
        _add_study(drawn, shared, shared.clocks[by], *LOOKS[i], beyond)
    named = {reported_text(plotted.spec): plotted for plotted in studies}
    named.pop("", None)
    referring = list(named.values()) or studies[:1]
    for plotted in referring:
        style.add_lines(drawn, plotted.references)
    drawn.update_xaxes(title_text=studies[0].clocks[by].title)
    return drawn.update_yaxes(title_text=studies[0].metric, range=[low, high])


def check(results: Sequence[Result]) -> None:
    """Check that they are at most four searches by the metric of the first.

    Raises:
        StudyError: there are more, or one of them is something else.
    """
    if len(results) > len(LOOKS):
        raise StudyError(f"expected at most {len(LOOKS)} studies, got {len(results)}.")
    metric = results[0].spec.about.metric
    for result in results:
        own = result.spec.about.metric
        if not result.converges or own != metric:
            raise StudyError(
                f"study {result.name!r}: expected a search for the best {metric},"
                f" without [cost] and [sweep], got a {result.spec.kind} of {own}."
            )


def _add_study(
    drawn: go.Figure,
    plotted: Plotted,
    clock: Clock,
    colour: str,
    symbol: str,
    beyond: float,
) -> None:
    """Add a study's trials, best so far, and beyond the last trial what was
    confirmed."""
    name = style.safe(plotted.result.name)
    dots = [plotted.spot(t, clock.at[t.number]) for t in plotted.result.scored]
    look = {"color": colour, "opacity": 0.4, "size": 6}
    trace = style.markers(dots, name=name, marker=look)
    drawn.add_trace(trace.update(showlegend=False))
    best = plotted.best_so_far(clock)
    line = style.steps(best, clock.end, line_color=colour, line_width=2.5)
    drawn.add_trace(line.update(name=name, hoverinfo="skip"))
    item = plotted.result.confirmed
    if item is not None:
        spot = plotted.confirmed(item, beyond)
        look = {**style.CONFIRMED, "color": colour, "symbol": symbol}
        label = f"{name}, confirmed"
        drawn.add_trace(style.markers([spot], name=label, marker=look))
