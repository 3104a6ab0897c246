"""The report of a study: one HTML file that needs no network, for reading, printing and
archiving.

Each kind of result has its sections, made of what is worked out once: ``Plotted`` for
figures, ``verdict.of`` for words. ``notes.html.j2`` says what a section shows.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from hpo.contract import Protocol
from hpo.contract.facts import PER_EPOCH
from hpo.objectives.hardware import thermal
from hpo.statistics import intervals
from hpo.study import file, tolerances
from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.trials import SlotState
from hpo.views.figures import (
    contour,
    convergence,
    declared,
    front,
    importance,
    networks,
    parallel,
    parameters,
    score_map,
)
from hpo.views.figures import tolerances as tolerance_figure
from hpo.views.figures.networks import Confusion
from hpo.views.figures.plotted import Plotted, count_drawn
from hpo.views.figures.score_map import ScoreMap
from hpo.views.pages import trials
from hpo.views.pages.page import (
    Plot,
    Section,
    Table,
    code,
    grid,
    note,
    plot,
    render_sections,
    save,
)
from hpo.views.records import json_records
from hpo.views.sentences import (
    caveats,
    progress,
    ranking,
    splits,
    verdict,
    winner,
)
from hpo.views.sentences import tolerances as tolerance_words
from hpo.views.sentences.formatting import (
    NOTHING,
    baseline_text,
    beginning_text,
    capital,
    cut,
    duration_text,
    joined,
    last_line,
    metric,
    per_trial,
    plural,
    quantity_label,
    repeats_name,
    score_cell,
    shown,
    value_cell,
)

if TYPE_CHECKING:
    from hpo.search.importance import Share

ENDED_ROWS = 50
NO_SCORE = "No trial has a score yet."


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
    spec = result.spec
    report = KINDS[type(result)](result, others, kept)
    is_network = spec.about.shows_networks
    work = "training" if spec.has_class else "evaluation"
    return render_sections(
        "report.html.j2",
        filter(None, report.sections()),
        live=live,
        all_trials="" if live else trials.of(result),
        result=result,
        verdict=[capital(clause) for clause in verdict.clauses(result)],
        facts=[
            progress.progress(result),
            *filter(None, [progress.left_text(result)]),
            per_trial(spec),
            f"{duration_text(result.trained_s)} of {work}",
            f"as of {result.snapshot.now:%Y-%m-%d %H:%M %Z}",
        ],
        notices=notices,
        tables=_winner(result),
        tables_note=note("beside", test=intervals.TEST, known=bool(result.baselines)),
        name=shlex.quote(result.name),
        trial_of_interest=winner.number(result) or 0,
        network=result.best and is_network,
        study_file=file.dumps(spec),
        lineage={"spec hash": spec.hash, **json_records.lineage(result)},
    )


class SearchReport:
    """The sections of the report of a search; None stands for an empty one."""

    def __init__(
        self, result: Result, others: Sequence[Result], kept: Confusion | None
    ) -> None:
        """Take the result, the overlaid studies, and a confusion matrix."""
        self.result = result
        self.spec = result.spec
        self.kept = kept
        self.chart = declared.chart(result, others)
        self.map = score_map.score_map(result)
        self.plotted = Plotted(result)
        self.words = verdict.of(result)

    def sections(self) -> Iterable[Section | None]:
        """Return all sections in their order."""
        return (
            self.figure(),
            self.main(),
            self.parameters(),
            self.parallel(),
            self.importance(),
            self.contour(),
            self.learning_curves(),
            self.confirmation(),
            self.tolerances(),
            self.confusion(),
            self.best(),
            self.ended(SlotState.FAILED),
            self.ended(SlotState.EXCLUDED),
        )

    def figure(self, warnings: Sequence[str] = ()) -> Section | None:
        """Return the figure that the study file declares."""
        chart = self.chart
        spec = self.spec
        if self.map is not None:
            return self._map(self.map, warnings)
        if chart is None:
            return None
        how = [verdict.protocol_text(spec), verdict.hardware_text(spec)]
        if spec.protocol == Protocol.CONFIRM:
            how.append("no selection")
        overlaid = []
        for other in chart.others:
            name = other.name
            if other.protocol != spec.protocol:
                name += f" ({verdict.protocol_text(other)})"
            overlaid.append(name)
        asked = set(spec.figure.overlay) if spec.figure else set()
        text = note(
            "figure",
            chart=chart,
            networks=plural(spec.budget.seeds, "network"),
            how=joined(how),
            checked=any(trial.checked for trial in self.result.search),
            overlaid=overlaid,
            missing=sorted(asked - {other.name for other in chart.others}),
        )
        label = f"{chart.y_label} against {chart.x_label}"
        parts = []
        if chart.groups:
            parts = [plot("figure", label, declared.figure(chart))]
        return Section("figure", text, parts, title=chart.title, warnings=warnings)

    def _map(self, own: ScoreMap, warnings: Sequence[str]) -> Section:
        """Return the map of a grid of two parameters."""
        if not own.cells:
            return Section("map", NO_SCORE, title=own.title, warnings=warnings)
        spec = self.spec
        how = [verdict.protocol_text(spec), verdict.hardware_text(spec)]
        missing = len(own.x) * len(own.y) - len(own.cells)
        text = note(
            "map",
            networks=plural(spec.budget.seeds, "network"),
            how=joined(how),
            checked=any(trial.checked for trial in self.result.search),
            points=plural(len(own.x) * len(own.y), "point"),
            missing=plural(missing, "point") if missing else "",
            test=intervals.TEST,
            has_intervals=own.has_intervals,
        )
        label = f"Score against {own.labels[0]} and {own.labels[1]}"
        parts = [grid("map", label, score_map.panels(own), least=430)]
        return Section("map", text, parts, title=own.title, warnings=warnings)

    def main(self) -> Section:
        """Return the convergence of the search."""
        result = self.result
        spec = self.spec
        if not result.scored:
            return Section("convergence", NO_SCORE)
        where = "on the test set"
        if not spec.has_class:
            where = ""
        elif spec.protocol == Protocol.VALIDATION:
            where = "on validation data"
        chance = ""
        if result.chance is not None:
            score = shown(spec, result.chance.score)
            if score != self.plotted.clipped(score):
                chance = baseline_text(spec, result.chance)
        text = note(
            "convergence",
            how=joined([where, verdict.hardware_text(spec)], ", "),
            confirmed=result.tested,
            repeats=repeats_name(spec),
            has_class=spec.has_class,
            chance=chance,
            begun=capital(beginning_text(spec)),
            thinned=self.plotted.thinned,
        )
        label = f"Score of every trial; {verdict.verdict(result)}"
        drawn = convergence.convergence(self.plotted)
        return Section("convergence", text, [plot("convergence", label, drawn)])

    def parameters(self) -> Section | None:
        """Return the score against each parameter."""
        if not self.spec.dimensions:  # of a function that has not been called yet
            return None
        if not self.result.scored:
            return None
        label = f"Score against each of: {', '.join(self.spec.parameters)}"
        figures = [
            parameters.panel(self.plotted, name) for name in self.spec.dimensions
        ]
        return Section(
            "parameters",
            note(
                "parameters",
                named=self.words.named(),
                thinned=self.plotted.thinned,
            ),
            [grid("parameters", label, figures, least=170)],
            warnings=[
                f"Bound: {text}." for text in progress.bounds_reached(self.result)
            ],
        )

    def parallel(self) -> Section | None:
        """Return the trials as lines through their parameters."""
        n = len(self.result.comparable)
        drawn = count_drawn(n)
        if n < parallel.LEAST or len(self.spec.dimensions) < 2:
            return None
        text = note(
            "parallel",
            n=n,
            drawn=drawn,
            conditional=self.spec.is_conditional,
            has_class=self.spec.has_class,
        )
        label = f"Parallel coordinates: score, {', '.join(self.spec.dimensions)}"
        parts = [plot("parallel", label, parallel.coordinates(self.plotted))]
        return Section("parallel", text, parts, title="Parallel coordinates")

    @cached_property
    def shares(self) -> Mapping[str, Share] | None:
        """The importance of each parameter, if it is known."""
        from hpo.search.importance import measure_importance  # a slow import

        return measure_importance(self.result.spec, self.result.comparable)

    def importance(self) -> Section:
        """Return the importance of parameters."""
        shares = self.shares
        if shares is None:
            return Section("importance", importance.too_few(self.result))
        n = len(self.result.comparable)
        text = note(
            "importance",
            n=n,
            by_score=bool(self.result.costs),
            has_class=self.spec.has_class,
        )
        drawn = importance.bars(shares)
        parts = [plot("importance", "Importance of each parameter", drawn)]
        return Section("importance", text, parts)

    def contour(self) -> Section | None:
        """Return the posterior mean over the two most important parameters."""
        n = len(self.result.contenders)
        if self.shares is None or len(self.shares) < 2 or self.result.best is None:
            return None
        if n > contour.MOST:  # the Gaussian process would take too long for a page
            return None
        x, y = list(self.shares)[:2]
        text = note("contour", n=n, named=self.words.named())
        label = f"Posterior mean of the score over {x} and {y}"
        parts = [plot("contour", label, contour.contour(self.plotted, x, y))]
        return Section("contour", text, parts, title="Contours")

    def learning_curves(self) -> Section | None:
        """Return learning curves, and further values of each epoch."""
        if not networks.has_curves(self.result):
            return None
        drawn = networks.learning_curves(self.plotted)
        label = "Score after each epoch"
        if not self.spec.has_class:
            label = "Reported values by step"
        parts = [plot("curves", label, drawn)]
        names: set[str] = set()
        for trial in self.result.snapshot.with_all_steps:
            for member in trial.members:
                names |= member.info.get(PER_EPOCH, {}).keys()
        if names:
            label = "Values after each epoch"
            figures = [
                networks.learning_curves(self.plotted, name) for name in sorted(names)
            ]
            parts.append(grid("per-epoch", label, figures, least=300))
        text = note("curves", most=networks.MAX_CURVES, has_class=self.spec.has_class)
        return Section("curves", text, parts, title="Learning curves")

    def confirmation(self) -> Section | None:
        """Return the scores on fresh seeds."""
        items = self.result.confirmations
        if self.spec.confirm is None:
            return None
        if not items:
            return Section("confirmation", "Nothing has been confirmed yet.")
        protocol = ""
        if self.spec.protocol == Protocol.SEARCH_ON_TEST:
            protocol = verdict.PAPER_PROTOCOL
        seen = ""
        if self.spec.confirm.splits > 1:
            seen = splits.SEEN
        text = note(
            "confirmation",
            selected=self.words.selected,
            repeats=repeats_name(self.spec),
            epochs=self.spec.confirm_epochs,
            has_class=self.spec.has_class,
            protocol=protocol,
            checked=any(item.checks for item in items),
            warm=any(item.thermal is not None for item in items),
            seen=seen,
        )
        parts = []
        if self.result.tested:
            outcome = verdict.verdict(self.result)
            label = f"Fresh-seed scores of each configuration; {outcome}"
            drawn = networks.confirmed(self.plotted)
            parts.append(plot("confirmed", label, drawn))
        warnings = caveats.warnings(self.result)
        return Section("confirmation", text, parts, warnings=warnings)

    def tolerances(self) -> Section | None:
        """Return what the confirmed networks ask of hardware."""
        card = tolerances.of_result(self.result)
        if card is None:
            return None
        words = tolerance_words
        loss = words.loss_text(self.spec)
        drawn = tolerance_figure.figure(self.spec, card)
        label = f"Amount of each imperfection that costs {loss}"
        text = note(
            "tolerances",
            loss=loss,
            how=words.how(card),
            currents=words.currents_text(thermal.read_tables()),
        )
        parts: list[Table | Plot] = [
            plot("tolerances", label, drawn),
            Table("Tolerances", words.limit_rows(self.spec, card)),
            Table("Drive, weights and states", words.range_rows(card)),
        ]
        title = "What it asks of hardware"
        return Section("tolerances", text, parts, title=title)

    def confusion(self) -> Section | None:
        """Return the confusion matrix of the stored network."""
        kept = self.kept
        if kept is None:
            return None
        share = 100 * kept.correct / kept.total
        text = (
            "Predictions of the stored network of the best trial on the held-out test"
            " set, on the solved equation where there is one:"
            f" {kept.correct:,} of {kept.total:,} series correct ({share:.1f} %)."
        )
        drawn = networks.confusion(kept)
        parts = [plot("confusion", f"Confusion matrix; {text}", drawn)]
        return Section("confusion", text, parts, title="Confusion matrix")

    def best(self) -> Section:
        """Return the table of the best trials and their confirmations."""
        what = "networks" if self.spec.has_class else "calls"
        text = (
            f"Search scores are means over a trial's {what}, confirmed scores over"
            " fresh seeds."
        )
        if self.spec.is_ask_and_tell:
            text = "Confirmed scores are means over repetitions."
        rows = ranking.table(self.result, self.result.selected, ranking.PARAMETERS_SOON)
        parts = [Table(self.words.caption, rows)]
        return Section("best", text, parts, title=self.words.title)

    def ended(self, state: SlotState) -> Section | None:
        """Return the table of failed or excluded trials, with their messages."""
        trials = self.result.ended(state)
        if not trials:
            return None
        rows = [
            {
                "trial": self.result.label(trial),
                "score": score_cell(self.spec, trial),
                "worker": trial.worker or NOTHING,
                "message": _message(trial.message or ""),
            }
            for trial in trials[:ENDED_ROWS]
        ]
        text = note("ended", n=len(trials), state=state, listed=ENDED_ROWS)
        parts = [Table(f"{state} trials".capitalize(), rows, css="")]
        return Section(str(state), text, parts)


class FrontReport(SearchReport):
    """The sections of the report of a front."""

    def main(self) -> Section:
        """Return the score against each cost."""
        if not self.result.contenders:
            return Section("front", NO_SCORE)
        costs = self.result.costs
        label = f"Score against cost; {verdict.verdict(self.result)}"
        figures = [front.figure(self.plotted, only=name) for name in costs]
        text = note("front", costs=map(quantity_label, costs))
        return Section("front", text, [grid("front", label, figures, least=430)])


class SweepReport(SearchReport):
    """The sections of the report of a sweep."""

    def sections(self) -> Iterable[Section | None]:
        """Return all sections in their order."""
        return (
            self.figure(caveats.warnings(self.result)),
            None if self.spec.curves or self.map else self.parameters(),
            self.points(),
            self.ended(SlotState.FAILED),
            self.ended(SlotState.EXCLUDED),
        )

    def points(self) -> Section | None:
        """Return the table of all points."""
        if self.map is not None:
            return self._cells(self.map)
        if self.chart is None:
            return None
        rows = {}
        for group in self.chart.groups:
            for point in group.points:
                trial = point.trial
                cells = {
                    n: value_cell(trial.params.get(n)) for n in self.spec.parameters
                }
                rows[trial.number] = {
                    "trial": f"trial {trial.number}",
                    "curve": group.label,
                    **cells,
                    "median": f"{point.median:.4g}",
                    "quartiles": f"{point.low:.4g} – {point.high:.4g}",
                    "n": len(trial.members),
                }
        table = Table("All points", [rows[number] for number in sorted(rows)])
        text = note("points", y_label=self.chart.y_label)
        return Section("points", text, [table])

    def _cells(self, own: ScoreMap) -> Section:
        """Return the table of the points of a map."""
        rows = []
        for cell in own.cells.values():
            mean = shown(self.spec, cell.estimate.mean)
            half = NOTHING
            if cell.half is not None:
                half = f"{shown(self.spec, cell.half):.2g}"
            row = {"trial": f"trial {cell.trial.number}"}
            row |= {name: value_cell(cell.trial.params[name]) for name in own.names}
            row |= {"mean": f"{mean:.4g}", score_map.HALF: half}
            rows.append({**row, "n": len(cell.trial.members)})
        text = note("points", y_label=metric(self.spec))
        return Section("points", text, [Table("All points", rows)])


KINDS: Mapping[type[Result], type[SearchReport]] = {
    Search: SearchReport,
    Front: FrontReport,
    Sweep: SweepReport,
}


def _winner(result: Result) -> list[Table]:
    """Return the winning parameters, and their score beside what it is compared
    with."""
    tables = [
        Table(winner.name(result), winner.parameter_rows(result)),
        Table("Scores", winner.score_rows(result)),
    ]
    return [table for table in tables if table.rows]


def _message(message: str) -> Markup:
    """Return the last line of a message, which unfolds to the whole message."""
    last = cut(last_line(message), 120)
    if last == message.strip():
        return code(last)
    whole = Markup("<details><summary>{}</summary><pre>{}</pre></details>")
    return whole.format(code(last), message)
