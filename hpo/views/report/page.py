"""The report of a study: one HTML file that needs no network, for reading, printing and archiving.

Sections are data; ``report.html.j2`` makes HTML of them and escapes whatever is no ``Markup``.
"""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from hpo.files import writing
from hpo.study import file
from hpo.study.result import Front, Result, Sweep
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudyState, Trial
from hpo.views import caveats, confusion, formatting, ranking
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
from hpo.views.report.html import Columns, Plot, Section, Table, code, plot, render
from hpo.views.verdict import verdict
from objectives.contract import Protocol
from objectives.inspection import NetworkObjective

BEST_ROWS, ENDED_ROWS = 10, 50


def write(
    result: Result,
    path: Path,
    others: Sequence[Result] = (),
    kept: Confusion | None = None,
) -> Path:
    """Write the report, and return its path; see ``html``.

    Raises:
        HpoError: it cannot be written.
    """
    text = html(result, others, kept)
    with writing(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="replace")
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
        sections += [first, _parameters(result), _importance(result), _learning_curves(result)]
        sections += [_confirmation(result), _confusion(kept) if kept else None, _best(result)]
    sections += [_ended(result, state) for state in (SlotState.FAILED, SlotState.EXCLUDED)]
    shown = [section for section in sections if section]
    plots = [part for section in shown for part in section.parts if isinstance(part, Plot)]
    trained = sum(trial.seconds for trial in result.every)
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
    note += f" {caveats.SOLVED_MEANS}" * any(trial.checked for trial in result.search)
    if chart.others:
        names = (o.name if o.protocol == spec.protocol else _otherwise(o) for o in chart.others)
        note += f" Drawn with {', '.join(names)}."
    fitting, there = {other.name for other in chart.others}, {other.name for other in others}
    if missing := {*(spec.figure.overlay if spec.figure else ())} - there:
        note += f" Not there yet: {', '.join(sorted(missing))}."
    if there - fitting:
        note += f" Without points on these axes: {', '.join(sorted(there - fitting))}."
    if chart.homeless:
        note += f" {chart.homeless} of its complete trials have no place on the x axis."
    if chart.references:
        note += " Stated elsewhere (in grey; ±: standard deviation): "
        note += f"{'; '.join(map(declared.stated, chart.references))}."
    label = f"{chart.y_label} against {chart.x_label}"
    parts = [plot("figure", label, declared.figure(chart))]
    warnings = [] if result.selects else caveats.warnings(result)
    return Section("figure", note, parts, title=chart.title, warnings=warnings)


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
    points = [
        (group.label, point)
        for group in chart.groups
        for point in sorted(group.points, key=lambda point: point.trial)
    ]
    columns = {
        "trial": [f"trial {point.trial}" for _, point in points],
        "curve": [label for label, _ in points],
        **{
            label: [formatting.value_cell(p.params.get(name)) for _, p in points]
            for name, label in _heads(names)
        },
        f"median{unit}": [f"{point.median:.4g}" for _, point in points],
        "quartiles": [f"{point.low:.4g} – {point.high:.4g}" for _, point in points],
        "n": [str(point.n) for _, point in points],
    }
    return Section("points", "In the order of the study file.", [Table("Every point", columns)])


def _convergence(result: Result) -> Section:
    spec = result.spec
    where = "on validation data" if spec.protocol == Protocol.VALIDATION else "on the test set"
    hardware = views_verdict.hardware_text(spec)
    where += f", {hardware}" * bool(hardware)
    note = f"Every trial of the search, scored {where}, and the best so far.{_passed(result)}"
    if any(item.scores for item in result.confirmations):
        note += " At the right end, what the search claimed of the confirmed trials (ring), and "
        note += "what fresh seeds gave on the test part, mean ± standard deviation (diamond)."
    begun = formatting.warm_start_text(spec)
    note += f" {formatting.capital(begun)}." if begun else ""
    label = f"Score of every trial; {verdict(result)}"
    return Section(
        "convergence", note, [plot("convergence", label, convergence.convergence(result))]
    )


def _passed(result: Result) -> str:
    """How many trials went past the reported value, and which did first."""
    reported, sign = result.spec.reported, 1.0 if result.spec.maximize else -1.0
    if reported is None:
        return ""
    scores = {trial.number: trial.score or 0.0 for trial in result.ranking}
    past = [number for number, score in scores.items() if sign * (score - reported.score) > 0.0]
    first = f", trial {min(past)} first" if past else ""
    return f" {len(past)} of {len(scores)} complete trials went past the reported value{first}."


def _front(result: Front) -> Section:
    drawn = (front.figure(result, only=name) for name in result.costs)
    parts = [plot("front", f"Score against cost; {verdict(result)}", *drawn, least=430)]
    return Section("front", front.note(result), parts)


def _parameters(result: Result) -> Section:
    star = f"A star marks the {views_verdict.named(result)}. " if result.selects else ""
    note = (
        "Each searched parameter against the score; early trials are grey, hollow points are "
        f"trials that were ended early. {star}A dashed line is the reported value. Scores off the "
        "scale sit on its edge."
    )
    label = f"Score against each of: {', '.join(result.spec.parameters)}"
    figures = (parameters.parameters(result, only=name) for name in result.spec.dimensions)
    warnings = [f"Edge: {text}." for text in views_verdict.edges(result)]
    parts = [plot("parameters", label, *figures, least=170)]
    return Section("parameters", note, parts, warnings=warnings)


def _importance(result: Result) -> Section:
    found = importance.measure(result)
    label = "Importance of each parameter"
    parts = [plot("importance", label, importance.bars(found))] if found else []
    return Section("importance", importance.note(result, found), parts)


def _learning_curves(result: Result) -> Section:
    note = "Score after each epoch: of the best trials a thin line per network and a thick one "
    note += f"for their mean; in grey others, at most {learning_curves.MAX_CURVES} of them."
    drawn = learning_curves.learning_curves(result)
    parts = [plot("curves", "Score after each epoch", drawn)]
    return Section("curves", note, parts, title="Learning curves")


def _confirmation(result: Result) -> Section:
    spec, found = result.spec, result.confirmations
    if not found:
        asked = "Nothing has been confirmed yet." if spec.confirm else "None was asked for."
        return Section("confirmation", asked)
    what = "The best of the search"
    if result.costs:
        what = "Of the front the most accurate ones"
        if spec.reported is not None:
            what = "Of the front the cheapest that reached the reported score (by each cost in "
            what += "turn), and the most accurate one"
    note = f"{what}, trained on the whole training part from fresh seeds "
    note += f"({spec.confirm_epochs} epochs) and tested once on the test part."
    if spec.protocol == Protocol.PAPER:
        note += f" Their parameters were {views_verdict.PAPER_PROTOCOL}."
    if any(item.checked for item in found):
        note += f" Confirmed scores are those {caveats.SOLVED}."
    note += f" {means}" if (means := caveats.meanings(found)) else ""
    trials = {trial.number: trial for trial in result.ranking}
    confirmed_trials = [trials[item.source] for item in found]
    table = ranking.table(result, confirmed_trials, ranking.plain_score)
    gaps = _gaps(result, [item.mean if item.scores else None for item in found])
    caption = "Confirmed configurations against what the search claimed"
    parts: list[Plot | Table] = [Table(caption, {**table.facts, **gaps, **table.costs})]
    if any(item.scores for item in found):
        label = f"Fresh-seed scores of each configuration; {verdict(result)}"
        parts.insert(0, plot("confirmed", label, confirmed.confirmed(result)))
    return Section("confirmation", note, parts, warnings=caveats.warnings(result))


def _confusion(kept: Confusion) -> Section:
    share = 100 * kept.right / kept.total
    note = "How the network that is kept of the study, one of the best trial, reads the test part, "
    note += "as its traces show it: on the solved equation, where there is one. "
    note += f"{kept.right:,} of {kept.total:,} series rightly ({share:.1f} %)"
    worst = [f"{a} as {b or 'nothing finite'} ({n})" for a, b, n in kept.errors(3)]
    note += f"; most often wrong: {', '.join(worst)}." if worst else "."
    parts = [plot("confusion", f"Confusion matrix; {note}", confusion.confusion(kept))]
    return Section("confusion", note, parts, title="Confusion matrix")


def _best(result: Result) -> Section:
    trials = result.front if result.costs else result.ranking[:BEST_ROWS]
    caption = f"The best {BEST_ROWS} complete trials of the search"
    caption = "The front of the search, cheapest first" if result.costs else caption
    title = "Trials of the front" if result.costs else "Best trials"
    note = "Scores of the search, mean ± standard deviation over the networks of a trial."
    found = ranking.table(result, trials, _member_scores)
    shown = (ranking.TRIAL, ranking.SCORE, ranking.EXPECTED)
    columns = {name: found.facts[name] for name in shown if name in found.facts}
    columns |= _gaps(result, [result.claimed(trial) for trial in trials])
    if result.spec.reported is not None:
        columns[ranking.SCORE][-1] = formatting.reported_number(result.spec)
    columns |= {label: found.parameters[name] for name, label in _heads(found.parameters)}
    return Section("best", note, [Table(caption, {**columns, **found.costs})], title=title)


def _gaps(result: Result, scores: Sequence[float | None]) -> dict[str, list[str]]:
    """A column of differences to the reported score, if there is one."""
    spec = result.spec
    if spec.reported is None:
        return {}
    texts = [ranking.NOTHING if s is None else formatting.difference_text(spec, s) for s in scores]
    return {"minus reported" + " (points)" * spec.is_accuracy: [*texts, ranking.NOTHING]}


def _heads(names: Iterable[str]) -> list[tuple[str, str]]:
    """Parameters, each with its head of a column."""
    return [(name, formatting.parameter_label(name)) for name in names]


def _member_scores(spec: StudySpec, trial: Trial) -> str:
    """Mean ± std over the members, and how many of them diverged."""
    scores = [member.score for member in trial.members]
    std = statistics.stdev(scores) if scores[1:] else None
    text = formatting.score_text(spec, trial.score or 0.0, std)
    diverged = sum(member.diverged for member in trial.members)
    return text + (f", {diverged} diverged" if diverged else "")


def _ended(result: Result, state: SlotState) -> Section | None:
    """What failed, with its messages; or what was taken out of the search by hand, and why."""
    found = result.ended(state)
    if not found:
        return None
    shown = found[:ENDED_ROWS]
    columns: Columns = {
        "trial": [result.called(trial) for trial in shown],
        "score": [formatting.score_cell(result.spec, trial) for trial in shown],
        "attempts": [str(trial.attempts) for trial in shown],
        "workers lost": [str(trial.losses) for trial in shown],
        "worker": [trial.worker or ranking.NOTHING for trial in shown],
        "message": [_message(trial.message or "") for trial in shown],
    }
    note = f"{len(found):,} {state}" + " by hand (hpo exclude)" * (state == SlotState.EXCLUDED)
    note += f", of which {len(shown)} are listed." if found[ENDED_ROWS:] else "."
    return Section(str(state), note, [Table(f"{state} trials".capitalize(), columns, css="")])


def _message(message: str) -> Markup:
    """Its last line, which unfolds to all of it if there is more."""
    last = formatting.cut(formatting.last_line(message), 120)
    if last == message.strip():
        return code(last)
    whole = Markup("<details><summary>{}</summary><pre>{}</pre></details>")
    return whole.format(code(last), message)


def _lineage(result: Result) -> Section:
    found = {"spec hash": result.spec.hash, **lineage.summary(result)}
    columns: Columns = {"": [*map(code, found)], "value": [*found.values()]}
    note = "What the trials ran on; in brackets how many of them, where they differ."
    return Section("lineage", note, [Table("What the trials ran on", columns, css="")])


def _commands(result: Result) -> Section:
    """How to see traces, network, files, trials and dashboard of a study, as far as it has them."""
    name = shlex.quote(result.name)
    found = {"hpo dashboard --open": "all studies in the browser, as they go on"}
    if result.best and isinstance(result.spec.objective_impl, NetworkObjective):
        found[f"hpo trace {name} --open"] = "time series of the neurons of its best network"
        found[f"hpo export {name} --network best.safetensors"] = "this network, for PyTorch"
    found[f"hpo trials {name}"] = "every trial, as a table"
    columns: Columns = {"command": [*map(code, found)], "shows": list(found.values())}
    note = "Where the study is stored (else with --storage URL):"
    return Section("commands", note, [Table("Commands", columns, css="")], title="See more")
