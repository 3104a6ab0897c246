"""The report of a study: one HTML file that needs no network, for reading, printing and archiving.

Sections are data; ``report.html.j2`` makes HTML of them and escapes whatever is no ``Markup``.
"""

from __future__ import annotations

import os
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from hpo.study import file
from hpo.study.confirmation import Confirmation
from hpo.study.result import Front, Result, Sweep
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import SlotState, Trial
from hpo.views import caveats, confusion, formatting
from hpo.views import verdict as views_verdict
from hpo.views.confusion import Confusion
from hpo.views.figures import (
    confirmed,
    convergence,
    declared,
    front,
    importance,
    learning_curves,
    parameters,
)
from hpo.views.report import lineage
from hpo.views.report.html import Plot, Section, Table, beside, code, panels, plot, render
from hpo.views.scores import reported_score
from hpo.views.verdict import verdict
from objectives.contract import Protocol
from objectives.inspection import NetworkObjective

BEST_ROWS, FAILURE_ROWS = 10, 50


def write(
    result: Result,
    path: Path,
    others: Sequence[Result] = (),
    kept: Confusion | None = None,
) -> Path:
    """Write the report, whole or not at all, and return its path; see ``html``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(html(result, others, kept), encoding="utf-8", errors="replace")
    os.replace(draft, path)
    return path


def html(
    result: Result,
    others: Sequence[Result] = (),
    kept: Confusion | None = None,
    *,
    live: bool = False,
) -> str:
    """The report as one page: a pure function of the snapshots; ``live`` as in ``html.render``.

    ``others`` are the studies that its figure is drawn with, as far as they are there, ``kept`` is
    how its best network reads the test part.
    """
    spec = result.spec
    sections = [_figure(result, others)]
    if isinstance(result, Sweep):
        sections += [_parameters(result) if spec.aim == "measurement" else None, _points(result)]
    else:
        first = _front(result) if isinstance(result, Front) else _convergence(result)
        sections.append(first)
        searching = (_parameters, _importance, _learning_curves, _confirmation, _best)
        sections += [section(result) for section in searching]
        sections.insert(-1, _confusion(kept) if kept else None)
    sections += [_failures(result), _excluded(result)]
    shown = [section for section in sections if section]
    plots = [part for section in shown for part in section.parts if isinstance(part, Plot)]
    trained = sum(slot.seconds for slot in result.every)
    return render(
        "report.html.j2",
        {name: figure for part in plots for name, figure in part.figures.items()},
        live=live,
        spec=spec,
        state=result.state,
        shown_state="running" if result.state == StudyState.OPEN else result.state,
        verdict=formatting.capital(verdict(result)),
        facts=[
            views_verdict.progress(result),
            f"{formatting.networks_text(spec.budget.members)} per trial, "
            f"{spec.budget.epochs} epochs each",
            f"{formatting.duration_text(trained)} of training",
            f"as of {result.snapshot.now:%Y-%m-%d %H:%M %Z}",
        ],
        sections=shown,
        commands=_commands(result),
        study_file=file.dumps(spec),
        lineage=_lineage(result),
    )


# --- sections -------------------------------------------------------------------------------------


def _figure(result: Result, others: Sequence[Result]) -> Section | None:
    spec, chart = result.spec, declared.chart(result, others)
    if chart is None:
        return None
    what = "a curve with its band" if chart.joined else "a point"
    note = f"The median of {spec.budget.members} networks, each from its own seed, is {what}"
    note += ", which spans the 25th to the 75th percentile" if chart.joined else ""
    hardware = views_verdict.hardware_text(spec)
    note += f"; scores are the {hardware}" * bool(hardware)
    note += f". Networks: {views_verdict.protocol_text(spec)}"
    note += "; nothing was selected." if spec.protocol == Protocol.CONFIRM else "."
    note += f" {caveats.SOLVED_MEANS}" * any(slot.checked for slot in result.search)
    drawn = [other.spec for other in declared.fitting(result, others)]
    if drawn:
        names = (o.name if o.protocol == spec.protocol else _otherwise(o) for o in drawn)
        note += f" Drawn with {', '.join(names)}."
    fitting, there = {other.name for other in drawn}, {other.spec.name for other in others}
    if missing := {*(spec.figure.overlay if spec.figure else ())} - there:
        note += f" Not there yet: {', '.join(sorted(missing))}."
    if there - fitting:
        note += f" Without points on these axes: {', '.join(sorted(there - fitting))}."
    if lost := declared.homeless(result):
        note += f" {lost} of its complete trials have no place on the x axis."
    if chart.references:
        note += " Stated elsewhere (in grey; ±: standard deviation): "
        note += f"{'; '.join(map(declared.stated, chart.references))}."
    title, label = chart.title or "Figure", f"{chart.y_label} against {chart.x_label}"
    parts = [plot("figure", declared.figure(chart), label)]
    warnings = [] if result.selects else caveats.warnings(result)
    return Section(name="figure", title=title, note=note, warnings=warnings, parts=parts)


def _otherwise(spec: StudySpec) -> str:
    """A study whose networks learnt and were scored on other data."""
    return f"{spec.name} ({views_verdict.protocol_text(spec)})"


def _points(result: Result) -> Section | None:
    """Every point of a sweep as a table."""
    chart = declared.chart(result)
    if chart is None:
        return None
    names = result.spec.parameters
    unit = " (%)" if result.spec.is_accuracy else ""
    head = ["", "curve", *map(_parameter_head, names), f"median{unit}", "quartiles", "n"]
    rows = []
    for group in chart.groups:
        for point in sorted(group.points, key=lambda point: point.trial):
            values = [_value(point.params.get(name)) for name in names]
            scores = [f"{point.median:.4g}", f"{point.low:.4g} – {point.high:.4g}", str(point.n)]
            rows.append([f"trial {point.trial}", group.label, *values, *scores])
    table = Table(caption="Every point", head=head, rows=rows)
    note = "In the order of the study file."
    return Section(name="points", title="Points", note=note, parts=[table])


def _convergence(result: Result) -> Section:
    spec = result.spec
    tested = spec.protocol in (Protocol.PAPER, Protocol.CONFIRM)
    where = "on the test set" if tested else "on validation data"
    hardware = views_verdict.hardware_text(result.spec)
    where += f", {hardware}" * bool(hardware)
    note = f"Every trial of the search, scored {where}, and the best so far. " + _passed(result)
    if any(item.scores for item in result.confirmations):
        note += (
            " At the right end, what the search claimed of the confirmed trials (ring), and what "
        )
        note += "fresh seeds gave on the test part, mean ± standard deviation (diamond)."
    begun = formatting.warm_start_text(spec)
    note += f" {formatting.capital(begun)}." if begun else ""
    label = f"Score of every trial; {verdict(result)}"
    parts = [plot("convergence", convergence.convergence(result), label)]
    return Section(name="convergence", title="Convergence", note=note, parts=parts)


def _front(result: Front) -> Section:
    drawn = [front.figure(result, only=name) for name in result.costs]
    parts = [beside("front", drawn, f"Score against cost; {verdict(result)}", least=430)]
    return Section(name="front", title="Front", note=front.note(result), parts=parts)


def _passed(result: Result) -> str:
    """When the search went past the reported value, and past its band."""
    reported = result.spec.reported
    if reported is None:
        return "The study reports no optimum to compare with."
    sign, ranking = (1.0 if result.spec.maximize else -1.0), result.ranking
    ahead = {slot.number: sign * ((slot.score or 0.0) - reported.score) for slot in ranking}
    past = [number for number, by in ahead.items() if by > 0.0]
    if not past:
        return "No trial has gone past the reported value yet."
    text = f"Trial {min(past)} is the first to go past the reported value"
    above = [number for number, by in ahead.items() if by > (reported.std or 0.0)]
    if reported.std and above:
        text += f", trial {min(above)} past its whole band"
    share = f"{len(past)} of {len(ahead)} complete trials do"
    return f"{text}; {share}."


def _parameters(result: Result) -> Section:
    note = "Each searched parameter against the score: hollow points are trials that were ended "
    note += "early (last value of a curve that was cut short, or mean of fewer networks), "
    note += f"a star marks the {views_verdict.named(result)}, " if result.selects else ""
    note += "a dashed line the reported value; early trials are grey. Scores off the scale "
    note += "sit on its edge."
    label = f"Score against each of: {', '.join(result.spec.parameters)}"
    figure = parameters.parameters(result).update_coloraxes(showscale=False)
    parts = [panels("parameters", figure, label, height=270, least=170)]
    warnings = [f"Edge: {text}." for text in views_verdict.edges(result)]
    return Section(name="parameters", title="Parameters", note=note, warnings=warnings, parts=parts)


def _importance(result: Result) -> Section:
    found = importance.measure(result)
    parts: list[Plot] = []
    if found is not None:
        bars = importance.bars(found)
        parts.append(plot("importance", bars, "Importance of each parameter"))
    note = importance.note(result, found)
    return Section(name="importance", title="Importance", note=note, parts=parts)


def _learning_curves(result: Result) -> Section:
    some = "some trials of the front" if result.costs else "the best trials"
    note = f"Score after each epoch: {some} with a thin line per network and a thick one "
    note += "for their mean; in grey other trials, at most "
    note += f"{learning_curves.MAX_CURVES} of them, ending where they were cut short."
    parts = [plot("curves", learning_curves.learning_curves(result), "Score after each epoch")]
    return Section(name="curves", title="Learning curves", note=note, parts=parts)


def _confirmation(result: Result) -> Section:
    spec = result.spec
    found = result.confirmations
    name, title = "confirmation", "Confirmation"
    if not found:
        none = "The study asks for no confirmation."
        note = none if spec.confirm is None else "Nothing has been confirmed yet."
        return Section(name=name, title=title, note=note)
    what = "The best of the search"
    what = views_verdict.confirmed_of(result) if isinstance(result, Front) else what
    note = f"{what}, trained on the whole training part from fresh seeds "
    note += f"({spec.confirm_epochs} epochs) and tested once on the test part."
    if spec.protocol == Protocol.PAPER:
        note += f" Their parameters were {views_verdict.PAPER_PROTOCOL}."
    if any(item.checked for item in found):
        note += f" Confirmed scores are those {caveats.SOLVED}."
    note += f" {means}" if (means := caveats.meanings(found)) else ""
    parts: list[Plot | Table] = [_confirmation_table(spec, found)]
    if any(item.scores for item in found):
        label = f"Fresh-seed scores of each configuration; {verdict(result)}"
        parts.insert(0, plot("confirmed", confirmed.confirmed(result), label))
    warnings = caveats.warnings(result)
    return Section(name=name, title=title, note=note, warnings=warnings, parts=parts)


def _confusion(kept: Confusion) -> Section:
    share = 100 * kept.right / kept.total
    note = "How the network that is kept of the study, one of the best trial, reads the test part, "
    note += "as its traces show it: on the solved equation, where there is one. "
    note += f"{kept.right:,} of {kept.total:,} series rightly ({share:.1f} %)"
    worst = [f"{a} as {b or 'nothing finite'} ({n})" for a, b, n in kept.errors(3)]
    note += f"; most often wrong: {', '.join(worst)}." if worst else "."
    parts = [plot("confusion", confusion.confusion(kept), f"Confusion matrix; {note}")]
    return Section(name="confusion", title="Confusion matrix", note=note, parts=parts)


def _confirmation_table(spec: StudySpec, found: Sequence[Confirmation]) -> Table:
    minus = "minus reported" + (" (points)" if spec.is_accuracy else "")
    rows = []
    for item, more in zip(found, caveats.cells(spec, found), strict=True):
        row = {"configuration": f"trial {item.source}"}
        for name, cost in spec.named_costs(item.costs).items():
            row[formatting.quantity_label(name)] = _value(cost)
        row["search claimed"] = formatting.score_text(spec, item.search_score)
        row |= dict.fromkeys(("confirmed, mean ± std", "range"), "–")
        if item.scores:
            low, high = (formatting.shown(spec, f(item.scores)) for f in (min, max))
            row["confirmed, mean ± std"] = formatting.score_text(spec, item.mean, item.std)
            row["range"] = f"{low:.4g} – {high:.4g}"
        row |= more
        failed = f", {item.failed} failed" if item.failed else ""
        row["fresh seeds"] = f"{len(item.scores)} of {item.wanted}{failed}"
        if spec.reported is not None:
            row[minus] = formatting.difference_text(spec, item.mean) if item.scores else "–"
        rows.append(row)
    caption = "Confirmed configurations against what the search claimed"
    if reported := formatting.reported_text(spec):
        caption += f"; {reported}"
    return Table(caption=caption, head=list(rows[0]), rows=[list(row.values()) for row in rows])


def _best(result: Result) -> Section:
    spec, names = result.spec, list(result.spec.parameters)
    score_head = "score (%)" if spec.is_accuracy else formatting.metric(spec)
    head = ["", score_head, *(_parameter_head(name) for name in names)]
    if spec.reported is not None:
        head.insert(2, "minus reported")
    head, rows = [*head, *map(formatting.quantity_label, result.costs)], []
    if spec.reported is not None and (known := reported_score(spec)) is not None:
        number, std = known
        spread = f" ± {std:.4g}" if std else ""
        rows.append(["reported", f"{number:.4g}{spread}", ""])
        rows[0] += [_value(spec.reported_params.get(name)) for name in names]
        rows[0] += [_value(spec.reported_costs("cost").get(name)) for name in result.costs]
    for slot in result.front if result.costs else result.ranking[:BEST_ROWS]:
        row = [f"trial {slot.number}", _member_scores(result, slot)]
        if spec.reported is not None:
            row.append(formatting.difference_text(spec, result.claimed(slot) or 0.0))
        row += [_value(slot.params.get(name)) for name in names]
        rows.append([*row, *map(_value, slot.costs)])
    caption = f"The best {BEST_ROWS} complete trials of the search"
    caption = "The front of the search, cheapest first" if result.costs else caption
    title = "Trials of the front" if result.costs else "Best trials"
    note = "Scores of the search, mean ± standard deviation over the networks of a trial."
    parts = [Table(caption=caption, head=head, rows=rows)]
    return Section(name="best", title=title, note=note, parts=parts)


def _parameter_head(name: str) -> Markup:
    return code(name) + _below(formatting.unit(name))


def _below(text: str) -> Markup:
    """A second line of a cell, if there is one."""
    return Markup("<br><small>{}</small>").format(text) if text else Markup()


def _value(value: ParamValue | None) -> str:
    return "–" if value is None else formatting.value_text(value)


def _member_scores(result: Result, slot: Trial) -> Markup:
    """Mean ± std over the members, how many of them diverged, and what is expected of others."""
    spec, known = result.spec, result.snapshot.expected.get(slot.number)
    scores = [member.score for member in slot.members]
    std = statistics.stdev(scores) if scores[1:] else None
    text = formatting.score_text(spec, slot.score or 0.0, std).removesuffix(" %")
    diverged = sum(member.diverged for member in slot.members)
    below = [f"expected {formatting.score_text(spec, known.mean, known.std)}"] if known else []
    below += [f"{diverged} diverged"] * bool(diverged)
    return Markup.escape(text) + _below("; ".join(below))


def _failures(result: Result) -> Section | None:
    failed = result.ended(SlotState.FAILED)
    if not failed:
        return None
    rows = []
    for slot in failed[:FAILURE_ROWS]:
        message = slot.message or ""
        text = code(formatting.cut(formatting.last_line(message), 120))
        if len(message.strip().splitlines()) > 1 or len(message) > 120:
            whole = Markup("<details><summary>{}</summary><pre>{}</pre></details>")
            text = whole.format(text, message)
        lost = f"{slot.attempts}" + (f", {slot.losses} workers lost" if slot.losses else "")
        what = f"trial {slot.number}" if slot.source is None else f"fresh seed of {slot.source}"
        rows.append([what, lost, slot.worker or "–", text])
    more = len(failed) - FAILURE_ROWS
    note = f"{len(failed)} failed" + (f", of which {more} are not listed." if more > 0 else ".")
    head = ["", "attempts", "worker", "message"]
    table = Table(caption="Failed trials", head=head, rows=rows, css="")
    return Section(name="failures", title="Failures", note=note, parts=[table])


def _excluded(result: Result) -> Section | None:
    found = [slot for slot in result.search if slot.state == SlotState.EXCLUDED]
    if not found:
        return None
    rows = [
        [f"trial {s.number}", formatting.score_cell(result.spec, s), s.message or ""] for s in found
    ]
    note = Markup(
        "Results that were taken out of the search by hand, with <code>hpo exclude</code>."
    )
    table = Table(caption="Excluded trials", head=["", "score", "why"], rows=rows, css="")
    return Section(name="excluded", title="Excluded", note=note, parts=[table])


def _lineage(result: Result) -> Section:
    rows: list[Sequence[str]] = [[code("spec hash"), code(result.spec.hash)]]
    rows += [[code(key), text] for key, text in lineage.summary(result).items()]
    note = "What the trials ran on; in brackets how many of them, where they differ."
    table = Table(caption="Lineage", head=["", "value"], rows=rows, css="")
    return Section(name="lineage", title="Lineage", note=note, parts=[table])


def _commands(result: Result) -> Section:
    """How to see traces, network, files, trials and dashboard of a study, as far as it has them."""
    name = shlex.quote(result.spec.name)
    found = {"hpo dashboard --open": "all studies in the browser, as they go on"}
    if result.best and isinstance(result.spec.objective_impl, NetworkObjective):
        found[f"hpo trace {name} --open"] = "time series of the neurons of its best network"
        found[f"hpo export {name} --network best.safetensors"] = "this network, for PyTorch"
    found[f"hpo trials {name}"] = "every trial, as a table"
    rows = [[code(command), what] for command, what in found.items()]
    table = Table(caption="Commands", head=["command", "shows"], rows=rows, css="")
    note = "Where the study is stored (else with --storage URL):"
    return Section(name="commands", title="See more", note=note, parts=[table])
