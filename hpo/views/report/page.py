"""The report of a study: one HTML file that needs no network, for reading, printing and archiving.

Every text that a user, an objective or a machine wrote passes ``_e``, the one escape.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from plotly.offline import get_plotlyjs

from hpo.study import file, score_text, time_step, warm_start
from hpo.study.confirmation import Confirmation
from hpo.study.sections import ParamValue
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import Slot, SlotState
from hpo.views import formatting
from hpo.views import verdict as views_verdict
from hpo.views.figures import confirmed, convergence, front, learning_curves, parameters, style
from hpo.views.figures import declared as figures_declared
from hpo.views.figures import importance as figures_importance
from hpo.views.numbers import declared, importance
from hpo.views.report import html as report_html
from hpo.views.report import lineage
from hpo.views.report.html import escape as _e
from hpo.views.report.html import plot as _plot
from hpo.views.report.html import section as _section
from hpo.views.report.html import table as _table
from hpo.views.terminal import tables
from hpo.views.verdict import verdict
from objectives.contract import Protocol

BEST_ROWS, FAILURE_ROWS = 10, 50


def write(snapshot: StudySnapshot, path: Path, others: Sequence[StudySnapshot] = ()) -> Path:
    """Write the report, whole or not at all, and return its path; see ``html``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(html(snapshot, others), encoding="utf-8", errors="replace")
    os.replace(draft, path)
    return path


def html(snapshot: StudySnapshot, others: Sequence[StudySnapshot] = ()) -> str:
    """The report as one self-contained page: a pure function of the snapshots.

    Args:
        snapshot: the study.
        others: the studies that its figure is drawn with, as far as they are there.
    """
    spec = snapshot.spec
    first = _convergence if spec.cost is None else _front
    searching = [first, _parameters, _importance, _learning_curves, _confirmation, _best]
    sections = [
        _figure(snapshot, others),
        *([section(snapshot) for section in searching] if spec.selects else []),
        _parameters(snapshot) if not spec.selects and spec.sweep is None else "",
        _points(snapshot) if not spec.selects else "",
        _failures(snapshot),
        _excluded(snapshot),
        _reproduce(spec),
        _lineage(snapshot),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_e(spec.name)}: hyper-parameter study</title>
<link rel="icon" href="data:,">
<style>{report_html.CSS}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<main>
{_header(snapshot)}
{"".join(sections)}
</main>
{report_html.SCRIPT}
</body>
</html>
"""


def _header(snapshot: StudySnapshot) -> str:
    spec = snapshot.spec
    shown = "running" if snapshot.state == StudyState.OPEN else snapshot.state
    sentence = verdict(snapshot)
    trained = sum(m.seconds for s in (*snapshot.search, *snapshot.confirm) for m in s.members)
    facts = [
        views_verdict.progress(snapshot),
        f"{spec.budget.members} networks per trial, {spec.budget.epochs} epochs each",
        f"{formatting.duration_text(trained)} of training",
        f"as of {snapshot.now:%Y-%m-%d %H:%M %Z}",
    ]
    description = f'<p class="description">{_e(spec.description)}</p>' if spec.description else ""
    return f"""<header>
<h1>{_e(spec.name)} <span class="state {snapshot.state}">{shown}</span></h1>
{description}
<p class="verdict">{_e(sentence[:1].upper() + sentence[1:])}.</p>
<p class="facts">{" · ".join(_e(fact) for fact in facts)}</p>
</header>"""


# --- sections -------------------------------------------------------------------------------------


def _figure(snapshot: StudySnapshot, others: Sequence[StudySnapshot]) -> str:
    spec, chart = snapshot.spec, declared.chart(snapshot, others)
    if chart is None:
        return ""
    what = "a curve with its band" if chart.joined else "a point"
    note = f"The median of {spec.budget.members} networks, each from its own seed, is {what}"
    note += ", which spans the 25th to the 75th percentile" if chart.joined else ""
    hardware = views_verdict.hardware_text(spec)
    note += f"; scores are the {hardware}" * bool(hardware)
    note += f". Networks: {views_verdict.protocol_text(spec)}"
    note += "; nothing was selected." if spec.protocol == Protocol.CONFIRM else "."
    note += f" {time_step.SOLVED_MEANS}" * any(slot.checked for slot in snapshot.search)
    drawn = [other.spec for other in declared.fitting(snapshot, others)]
    if drawn:
        names = (o.name if o.protocol == spec.protocol else _otherwise(o) for o in drawn)
        note += f" Drawn with {', '.join(names)}."
    fitting, there = {other.name for other in drawn}, {other.spec.name for other in others}
    if missing := {*_overlay(spec)} - there:
        note += f" Not there yet: {', '.join(sorted(missing))}."
    if there - fitting:
        note += f" Without points on these axes: {', '.join(sorted(there - fitting))}."
    if lost := declared.homeless(snapshot):
        note += f" {lost} of its complete trials have no place on the x axis."
    title = _e(chart.title or "Figure")
    plot = _plot(
        "figure", figures_declared.figure(chart), f"{chart.y_label} against {chart.x_label}"
    )
    return _section("figure", title, _e(note) + _warned(snapshot) * (not spec.selects), plot)


def _warned(snapshot: StudySnapshot) -> str:
    """Why results may be none of the equation."""
    return "".join(f" <strong>{_e(line)}</strong>" for line in tables.warnings(snapshot))


def _otherwise(spec: StudySpec) -> str:
    """A study whose networks learnt and were scored on other data."""
    return f"{spec.name} ({views_verdict.protocol_text(spec)})"


def _overlay(spec: StudySpec) -> tuple[str, ...]:
    """Names of the studies that the figure of a study is drawn with."""
    return spec.figure.overlay if spec.figure else ()


def _points(snapshot: StudySnapshot) -> str:
    """Every point of a sweep as a table."""
    chart = declared.chart(snapshot)
    if chart is None:
        return ""
    names = snapshot.spec.parameters
    unit = " (%)" if score_text.is_percent(snapshot.spec) else ""
    head = ["", "curve", *map(_parameter_head, names), f"median{unit}", "quartiles", "n"]
    rows = []
    for group in chart.groups:
        for point in sorted(group.points, key=lambda point: point.trial):
            values = [_value(point.params.get(name)) for name in names]
            scores = [f"{point.median:.4g}", f"{point.low:.4g} – {point.high:.4g}", str(point.n)]
            rows.append([f"trial {point.trial}", _e(group.label), *values, *scores])
    table = _table("Every point", head, rows, "numbers")
    return _section("points", "Points", "In the order of the study file.", table)


def _convergence(snapshot: StudySnapshot) -> str:
    spec = snapshot.spec
    tested = spec.protocol in (Protocol.PAPER, Protocol.CONFIRM)
    where = "on the test set" if tested else "on validation data"
    hardware = views_verdict.hardware_text(snapshot.spec)
    where += f", {hardware}" * bool(hardware)
    note = f"Every trial of the search, scored {where}, and the best so far. " + _passed(snapshot)
    begun = warm_start.summary(spec)
    note += f" {_e(begun[:1].upper() + begun[1:])}." if begun else ""
    label = f"Score of every trial; {verdict(snapshot)}"
    plot = _plot("convergence", convergence.convergence(snapshot), label)
    return _section("convergence", "Convergence", note, plot)


def _front(snapshot: StudySnapshot) -> str:
    note = _e(front.note(snapshot.spec))
    plot = _plot("front", front.figure(snapshot), f"Score against cost; {verdict(snapshot)}")
    return _section("front", "Front", note, plot)


def _passed(snapshot: StudySnapshot) -> str:
    """When the search went past the reported value, and past its band."""
    reported = snapshot.spec.reported
    if reported is None:
        return "The study reports no optimum to compare with."
    sign = 1.0 if snapshot.spec.maximize else -1.0
    complete = [(s.number, sign * s.score) for s in snapshot.ranking if s.score is not None]
    target = sign * reported.score
    past = [number for number, score in complete if score > target]
    if not past:
        return "No trial has gone past the reported value yet."
    text = f"Trial {min(past)} is the first to go past the reported value"
    above = [number for number, score in complete if score > target + (reported.std or 0.0)]
    if reported.std and above:
        text += f", trial {min(above)} past its whole band"
    share = f"{len(past)} of {len(complete)} complete trials do"
    return f"{text}; {share}."


def _parameters(snapshot: StudySnapshot) -> str:
    note = "Each searched parameter against the score: hollow points were pruned, "
    note += f"a star marks the {views_verdict.named(snapshot)}, " if snapshot.spec.selects else ""
    note += "a dashed line the reported value; later trials are darker. Scores off the scale "
    note += "sit on its edge."
    names = ", ".join(snapshot.spec.parameters)
    plot = _plot("parameters", parameters.parameters(snapshot), f"Score against each of: {names}")
    return _section("parameters", "Parameters", note, plot)


def _importance(snapshot: StudySnapshot) -> str:
    found = importance.measure(snapshot)
    note, title = figures_importance.note(snapshot, found), "Importance"
    if found is None:
        return _section("importance", title, note, "")
    pairs = found.pairs(figures_importance.PAIRS)
    body = _plot("importance", figures_importance.bars(found), "Importance of each parameter")
    if pairs:
        label = f"Score over {', '.join(' and '.join(pair) for pair in pairs)}"
        body += f"<p>{figures_importance.CONTOURS}</p>"
        body += _plot("contours", figures_importance.contours(snapshot, pairs), label)
    return _section("importance", title, note, body)


def _learning_curves(snapshot: StudySnapshot) -> str:
    some = "the best trials" if snapshot.spec.cost is None else "some trials of the front"
    note = f"Score after each epoch: {some} with a thin line per network and a thick one "
    note += "for their mean; in grey other trials, at most "
    note += f"{learning_curves.MAX_CURVES} of them, ending where they were pruned."
    plot = _plot("curves", learning_curves.learning_curves(snapshot), "Score after each epoch")
    return _section("curves", "Learning curves", note, plot)


def _confirmation(snapshot: StudySnapshot) -> str:
    spec = snapshot.spec
    found = snapshot.confirmations
    if not found:
        none = "The study asks for no confirmation."
        note = none if spec.confirm is None else "Nothing has been confirmed yet."
        return _section("confirmation", "Confirmation", note, "")
    what = "The best of the search" if spec.cost is None else views_verdict.confirmed_of(spec)
    note = f"{what}, trained on the whole training half from fresh seeds "
    note += f"({spec.confirm_epochs} epochs) and tested once on the test half."
    if spec.protocol == Protocol.PAPER:
        note += f" Their parameters were {views_verdict.PAPER_PROTOCOL}."
    if any(item.checked for item in found):
        note += f" Confirmed scores are those {time_step.SOLVED}. {time_step.SOLVED_MEANS}"
    note += _warned(snapshot)
    plot = ""
    if any(item.scores for item in found):
        label = f"Fresh-seed scores of each configuration; {verdict(snapshot)}"
        plot = _plot("confirmed", confirmed.confirmed(snapshot), label)
    return _section("confirmation", "Confirmation", note, plot + _confirmation_table(spec, found))


def _confirmation_table(spec: StudySpec, found: list[Confirmation]) -> str:
    costs = [] if spec.cost is None else [formatting.cost_label(spec)]
    head = ["configuration", *costs, "search claimed", "confirmed, mean ± std", "range"]
    checked = any(item.checked for item in found)
    head += [time_step.AT_STEP] if checked else []
    head.append("fresh seeds")
    if spec.reported is not None:
        head.append("minus reported" + (" (points)" if score_text.is_percent(spec) else ""))
    rows = []
    for item in found:
        failed = f", {item.failed} failed" if item.failed else ""
        row = [f"trial {item.source}", score_text.score_text(spec, item.search_score)]
        if item.cost is not None:
            row.insert(1, f"{item.cost:.4g}")
        if item.scores:
            low, high = (score_text.shown(spec, f(item.scores)) for f in (min, max))
            row += [score_text.score_text(spec, item.mean, item.std), f"{low:.4g} – {high:.4g}"]
        else:
            row += ["–", "–"]
        step = score_text.score_text(spec, item.step_mean, item.step_std)
        row += [step if item.checked else "–"] if checked else []
        row.append(f"{len(item.scores)} of {item.wanted}{failed}")
        if spec.reported is not None:
            row.append(formatting.difference_text(spec, item.mean) if item.scores else "–")
        rows.append([_e(cell) for cell in row])
    caption = "Confirmed configurations against what the search claimed"
    reported = formatting.reported_text(spec)
    return _table(f"{caption}; {_e(reported)}" if reported else caption, head, rows, "numbers")


def _best(snapshot: StudySnapshot) -> str:
    spec = snapshot.spec
    names, two = list(spec.parameters), spec.cost is not None
    score_head = "score (%)" if score_text.is_percent(spec) else _e(formatting.metric(spec))
    head = ["", score_head, *(_parameter_head(name) for name in names)]
    if spec.reported is not None:
        head.insert(2, "minus reported")
    head += [_e(formatting.cost_label(spec))] if two else []
    rows = []
    if spec.reported is not None:
        number, std = (
            score_text.shown(spec, v) for v in (spec.reported.score, spec.reported.std or 0)
        )
        spread = f" ± {std:.4g}" if std else ""
        rows.append(["reported", f"{number:.4g}{spread}", ""])
        rows[0] += [_value(spec.reported.params.get(name)) for name in names]
        rows[0] += [_value(spec.reported.cost)] if two else []
    for slot in snapshot.front if two else snapshot.ranking[:BEST_ROWS]:
        row = [f"trial {slot.number}", _member_scores(spec, slot)]
        if spec.reported is not None:
            row.append(_e(formatting.difference_text(spec, slot.score or 0.0)))
        row += [_value(slot.params.get(name)) for name in names]
        rows.append(row + ([_value(slot.cost)] if two else []))
    caption = f"The best {BEST_ROWS} complete trials of the search"
    caption = "The front of the search, cheapest first" if two else caption
    note = "Scores of the search, mean ± standard deviation over the networks of a trial."
    title = "Trials of the front" if two else "Best trials"
    return _section("best", title, note, _table(caption, head, rows, "numbers"))


def _parameter_head(name: str) -> str:
    unit = formatting.unit(name)
    return f"<code>{_e(name)}</code>" + (f"<br><small>{_e(unit)}</small>" if unit else "")


def _value(value: ParamValue | None) -> str:
    return "–" if value is None else _e(formatting.value_text(value))


def _member_scores(spec: StudySpec, slot: Slot) -> str:
    """Mean ± std over the members, and how many of them diverged."""
    scores = [member.score for member in slot.members]
    std = statistics.stdev(scores) if len(scores) > 1 else None
    text = score_text.score_text(spec, slot.score or 0.0, std).removesuffix(" %")
    diverged = sum(member.diverged for member in slot.members)
    return _e(text) + (f"<br><small>{diverged} diverged</small>" if diverged else "")


def _failures(snapshot: StudySnapshot) -> str:
    failed = [s for s in (*snapshot.search, *snapshot.confirm) if s.state == SlotState.FAILED]
    if not failed:
        return ""
    rows = []
    for slot in failed[:FAILURE_ROWS]:
        message = slot.message or "no message"
        text = f"<code>{_e(style.short(message))}</code>"
        if len(message.strip().splitlines()) > 1 or len(message) > 120:
            text = f"<details><summary>{text}</summary><pre>{_e(message)}</pre></details>"
        lost = f"{slot.attempts}" + (f", {slot.losses} workers lost" if slot.losses else "")
        what = f"trial {slot.number}" if slot.source is None else f"fresh seed of {slot.source}"
        rows.append([what, lost, _e(slot.worker or "–"), text])
    more = len(failed) - FAILURE_ROWS
    note = f"{len(failed)} failed" + (f", of which {more} are not listed." if more > 0 else ".")
    table = _table("Failed trials", ["", "attempts", "worker", "message"], rows)
    return _section("failures", "Failures", note, table)


def _excluded(snapshot: StudySnapshot) -> str:
    found = [slot for slot in snapshot.search if slot.state == SlotState.EXCLUDED]
    if not found:
        return ""
    rows = [
        [
            f"trial {slot.number}",
            _e("–" if slot.score is None else score_text.score_text(snapshot.spec, slot.score)),
            _e(slot.message or ""),
        ]
        for slot in found
    ]
    note = "Results that were taken out of the search by hand, with <code>hpo exclude</code>."
    table = _table("Excluded trials", ["", "score", "why"], rows)
    return _section("excluded", "Excluded", note, table)


def _reproduce(spec: StudySpec) -> str:
    note = (
        f"<code>python -m hpo.launch --study {_e(spec.name)}</code> runs this study; saved as "
        f"<code>{_e(spec.name)}.toml</code>, the text below is its study file."
    )
    body = f'<pre tabindex="0" aria-label="study file">{_e(file.dumps(spec))}</pre>'
    return _section("reproduce", "Reproduce", note, body)


def _lineage(snapshot: StudySnapshot) -> str:
    facts = lineage.summary(snapshot)
    rows = [[f"<code>{_e(key)}</code>", _e(text)] for key, text in facts.items()]
    rows.insert(0, ["<code>spec hash</code>", f"<code>{_e(snapshot.spec.hash)}</code>"])
    note = "What the trials ran on; in brackets how many of them, where they differ."
    return _section("lineage", "Lineage", note, _table("Lineage", ["", "value"], rows))
