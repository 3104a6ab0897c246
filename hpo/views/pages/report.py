"""The report of a study: one HTML file that needs no network, for reading, printing and
archiving.

A function of the result makes the data of each section; ``report.html.j2`` renders
them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from hpo.contract import NetworkObjective, Protocol
from hpo.contract.facts import PER_EPOCH
from hpo.statistics import intervals
from hpo.study import file
from hpo.study.result import Front, Result, Sweep
from hpo.study.trials import SlotState
from hpo.views.figures import (
    convergence,
    declared,
    front,
    importance,
    networks,
    parameters,
)
from hpo.views.figures.networks import Confusion
from hpo.views.figures.scores import focus
from hpo.views.pages.page import Plot, Section, Table, code, plot, render, save
from hpo.views.records import json_records
from hpo.views.sentences import caveats, comparison, formatting, progress, ranking
from hpo.views.sentences import verdict as words

BEST_ROWS, ENDED_ROWS = 10, 50


def write(
    result: Result,
    path: Path,
    others: Sequence[Result] = (),
    kept: Confusion | None = None,
) -> Path:
    """Write the report, and return its path; see ``html``.

    Raises:
        HpoError: the file cannot be written.
    """
    return save(html(result, others, kept), path)


def html(
    result: Result,
    others: Sequence[Result] = (),
    kept: Confusion | None = None,
    *,
    notices: Sequence[str] = (),
    live: bool = False,
) -> str:
    """Return the report as one page: a pure function of the snapshots; ``live`` as in
    ``render``.

    ``others`` are the existing studies that its figure overlays, ``kept`` is the
    confusion matrix of its stored network. ``notices`` stand at the top.
    """
    spec, trained = result.spec, sum(trial.seconds for trial in result.all_trials)
    sections = [section for section in _sections(result, others, kept) if section]
    plots = [
        part for section in sections for part in section.parts if isinstance(part, Plot)
    ]
    return render(
        "report.html.j2",
        {name: figure for part in plots for name, figure in part.figures.items()},
        live=live,
        result=result,
        verdict=[formatting.capital(clause) for clause in words.clauses(result)],
        facts=[
            progress.progress(result),
            (
                f"{formatting.networks_text(spec.budget.members)} per trial, "
                f"{spec.budget.epochs} epochs each"
            ),
            f"{formatting.duration_text(trained)} of training",
            f"as of {result.snapshot.now:%Y-%m-%d %H:%M %Z}",
        ],
        notices=notices,
        sections=sections,
        name=shlex.quote(result.name),
        network=result.best and isinstance(spec.objective_impl, NetworkObjective),
        study_file=file.dumps(spec),
        lineage={"spec hash": spec.hash, **json_records.lineage(result)},
    )


def _sections(
    result: Result, others: Sequence[Result], kept: Confusion | None
) -> Iterator[Section | None]:
    """Yield all sections in their order; None for an empty one."""
    yield _figure(result, others)
    if isinstance(result, Sweep):
        yield _parameters(result) if result.spec.aim == "measurement" else None
        yield _points(result)
    else:
        yield _front(result) if isinstance(result, Front) else _convergence(result)
        for section in (
            _beside,
            _parameters,
            _importance,
            _learning_curves,
            _confirmation,
        ):
            yield section(result)
        yield _confusion(kept) if kept else None
        yield _best(result)
    for state in (SlotState.FAILED, SlotState.EXCLUDED):
        yield _ended(result, state)


def _named(what: str, names: Iterable[str]) -> str:
    """Return a sentence that lists names; empty without names."""
    listed = ", ".join(names)
    return f"{what} {listed}." if listed else ""


def _figure(result: Result, others: Sequence[Result]) -> Section | None:
    spec, chart = result.spec, declared.chart(result, others)
    if chart is None:
        return None
    how = [words.protocol_text(spec), words.hardware_text(spec)]
    how += ["no selection"] * (spec.protocol == Protocol.CONFIRM)
    missing = {*(spec.figure.overlay if spec.figure else ())} - {
        o.name for o in chart.others
    }
    drawn = [
        other.name
        + f" ({words.protocol_text(other)})" * (other.protocol != spec.protocol)
        for other in chart.others
    ]
    sentences = [
        (
            f"Medians of {formatting.networks_text(spec.budget.members)} with different"
            f" seeds{', and bands from the 25th to the 75th percentile' * chart.joined};"
            f" {'; '.join(filter(None, how))}."
        ),
        caveats.SOLVED_MEANS * any(trial.checked for trial in result.search),
        _named("Overlaid studies:", drawn),
        _named("Missing studies, or without points on these axes:", sorted(missing)),
        f"{chart.homeless} complete trials have no value on the x axis."
        * bool(chart.homeless),
        _named("Published values, in grey:", (one.label for one in chart.references)),
    ]
    parts = [
        plot(
            "figure", f"{chart.y_label} against {chart.x_label}", declared.figure(chart)
        )
    ]
    warnings = [] if result.selects else caveats.warnings(result)
    note = " ".join(filter(None, sentences))
    return Section("figure", note, parts, title=chart.title, warnings=warnings)


def _points(result: Result) -> Section | None:
    """Return the table of all points of a sweep."""
    chart = declared.chart(result)
    if chart is None:
        return None
    points = [(group.label, point) for group in chart.groups for point in group.points]
    rows = [
        {
            "trial": f"trial {point.trial.number}",
            "curve": label,
            **{
                n: formatting.value_cell(point.trial.params.get(n))
                for n in result.spec.parameters
            },
            "median": f"{point.median:.4g}",
            "quartiles": f"{point.low:.4g} – {point.high:.4g}",
            "n": len(point.trial.members),
        }
        for label, point in sorted(points, key=lambda point: point[1].trial.number)
    ]
    note = f"In the order of the study file: {chart.y_label}."
    return Section("points", note, [Table("All points", rows)])


def _convergence(result: Result) -> Section:
    spec = result.spec
    where = (
        "on validation data"
        if spec.protocol == Protocol.VALIDATION
        else "on the test set"
    )
    note = ", ".join(filter(None, (where, words.hardware_text(spec))))
    note = (
        f"Score of every search trial {note}, and the best so far. Failed trials and"
        " scores "
    )
    note += "off the scale are drawn at the edge."
    if any(item.scores for item in result.confirmations):
        note += (
            " On the right, for each confirmed trial: the claim of the search (ring),"
            " and mean "
        )
        note += (
            "± standard deviation over fresh seeds on the held-out test set (diamond)."
        )
    chance, (low, high) = result.chance, focus(result)
    if chance and not low <= formatting.shown(spec, chance.score) <= high:
        note += f" Chance is off the scale: {formatting.baseline_text(spec, chance)}."
    if begun := formatting.warm_start_text(spec):
        note += f" {formatting.capital(begun)}."
    label = f"Score of every trial; {words.verdict(result)}"
    drawn = convergence.convergence(result)
    return Section("convergence", note, [plot("convergence", label, drawn)])


def _front(result: Front) -> Section:
    drawn = (front.figure(result, only=name) for name in result.costs)
    parts = [
        plot("front", f"Score against cost; {words.verdict(result)}", *drawn, least=430)
    ]
    return Section("front", front.note(result), parts)


def _parameters(result: Result) -> Section:
    star = f"A star marks the {words.named(result)}. " if result.selects else ""
    note = (
        "Score against each searched parameter. Early trials are grey; trials that"
        f" ended early are hollow. {star}A dashed line is the reported value. Scores"
        " off the scale are drawn at the edge."
    )
    label = f"Score against each of: {', '.join(result.spec.parameters)}"
    figures = (
        parameters.parameters(result, only=name) for name in result.spec.dimensions
    )
    warnings = [f"Edge: {text}." for text in progress.edges(result)]
    parts = [plot("parameters", label, *figures, least=170)]
    return Section("parameters", note, parts, warnings=warnings)


def _importance(result: Result) -> Section:
    shares = importance.measure(result)
    label = "Importance of each parameter"
    parts = [plot("importance", label, importance.bars(shares))] if shares else []
    return Section("importance", importance.note(result, shares), parts)


def _learning_curves(result: Result) -> Section:
    note = (
        "Score after each epoch. The best trials have a thin line per network and a"
        " thick line "
    )
    note += f"for the mean; up to {networks.MAX_CURVES} other trials are grey."
    parts = [plot("curves", "Score after each epoch", networks.learning_curves(result))]
    names = {
        name
        for t in result.search
        for m in t.members
        for name in m.info.get(PER_EPOCH, ())
    }
    figures = [networks.learning_curves(result, name) for name in sorted(names)]
    parts += [plot("per-epoch", "Values after each epoch", *figures, least=300)] * bool(
        figures
    )
    return Section("curves", note, parts, title="Learning curves")


def _confirmation(result: Result) -> Section | None:
    spec, items = result.spec, result.confirmations
    if not items:
        return (
            Section("confirmation", "Nothing has been confirmed yet.")
            if spec.confirm
            else None
        )
    what = "Trials of the front" if result.costs else "The best of the search"
    note = f"{what}, trained on the whole training set from fresh seeds "
    note += f"({spec.confirm_epochs} epochs) and tested once on the held-out test set."
    if spec.protocol == Protocol.PAPER:
        note += f" Their parameters were {words.PAPER_PROTOCOL}."
    note += f" {caveats.SOLVED_MEANS}" * any(item.checks for item in items)
    note += f" {caveats.THERMAL_MEANS}" * any(
        item.thermal is not None for item in items
    )
    scored = [item for item in items if item.scores]
    label = f"Fresh-seed scores of each configuration; {words.verdict(result)}"
    parts = [plot("confirmed", label, networks.confirmed(result))] if scored else []
    return Section("confirmation", note, parts, warnings=caveats.warnings(result))


def _beside(result: Result) -> Section | None:
    """Compare the confirmed score with all baselines."""
    spec = result.spec
    rows = [
        {
            "baseline": one.name,
            "score": formatting.score_text(spec, one.score, one.std),
            "seeds": one.n,
            "settings tried": one.tried,
            "confirmed minus baseline": comparison.difference(result, one),
        }
        for one in result.baselines
    ]
    note = (
        "Fitted to the whole training set and tested once, like a confirmation."
        " Differences "
    )
    note += (
        "have 95 % intervals; ahead and behind mean significant at 5 % by"
        f" {intervals.TEST}."
    )
    parts = [Table("Baselines, the best first", rows)]
    return (
        Section("beside", note, parts, title="Comparison with baselines")
        if rows
        else None
    )


def _confusion(kept: Confusion) -> Section:
    right, total = (
        sum(row[i] for i, row in enumerate(kept.counts)),
        sum(map(sum, kept.counts)),
    )
    note = (
        "Predictions of the stored network of the best trial on the held-out test set,"
        " on the "
    )
    note += "solved equation where there is one: "
    note += f"{right:,} of {total:,} series correct ({100 * right / total:.1f} %)."
    parts = [plot("confusion", f"Confusion matrix; {note}", networks.confusion(kept))]
    return Section("confusion", note, parts, title="Confusion matrix")


def _best(result: Result) -> Section:
    """Return the table of the best trials and their confirmations."""
    trials, caption = result.front, "The front of the search, cheapest first"
    if not result.costs:
        confirm = result.spec.confirm
        trials = result.ranking[: max(BEST_ROWS, confirm.top if confirm else 0)]
        caption = f"The best {len(trials)} complete trials of the search"
    table = Table(caption, ranking.table(result, trials))
    note = (
        "Search scores are means over a trial's networks, confirmed scores over fresh"
        " seeds."
    )
    title = "Trials of the front" if result.costs else "Best trials"
    return Section("best", note, [table], title=title)


def _ended(result: Result, state: SlotState) -> Section | None:
    """Return the table of failed or excluded trials, with their messages."""
    trials = result.ended(state)
    if not trials:
        return None
    rows = [
        {
            "trial": result.label(trial),
            "score": formatting.score_cell(result.spec, trial),
            "worker": trial.worker or formatting.NOTHING,
            "message": _message(trial.message or ""),
        }
        for trial in trials[:ENDED_ROWS]
    ]
    note = f"{len(trials):,} {state}" + " by hand (hpo exclude)" * (
        state == SlotState.EXCLUDED
    )
    note += f"; the first {ENDED_ROWS} are listed." if trials[ENDED_ROWS:] else "."
    return Section(
        str(state), note, [Table(f"{state} trials".capitalize(), rows, css="")]
    )


def _message(message: str) -> Markup:
    """Return the last line of a message, which unfolds to the whole message."""
    last = formatting.cut(formatting.last_line(message), 120)
    if last == message.strip():
        return code(last)
    whole = Markup("<details><summary>{}</summary><pre>{}</pre></details>")
    return whole.format(code(last), message)
