"""The page of a single trial: its parameters, its learning curve, its networks, where
it comes from, and its messages."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from hpo.study.networks import Member
from hpo.study.one_trial import OneTrial
from hpo.study.trials import SlotState, Trial
from hpo.views.figures import networks
from hpo.views.figures.plotted import Plotted
from hpo.views.pages.page import (
    Section,
    Table,
    code,
    note,
    plot,
    render_sections,
    save,
)
from hpo.views.records import json_records
from hpo.views.sentences import winner
from hpo.views.sentences.formatting import (
    NOTHING,
    duration_text,
    last_line,
    parameter_label,
    params_text,
    plural,
    quantities,
    score_cell,
    score_text,
    value_cell,
)


def write(one: OneTrial, path: Path) -> Path:
    """Write the page, and return its path; see ``html``.

    Raises:
        HpoError: the file cannot be written.
    """
    return save(html(one), path)


def html(one: OneTrial, *, live: bool = False) -> str:
    """Return the page of a trial; ``live`` as in ``render``."""
    result = one.result
    trial = one.trial
    sections = (
        _parameters(one),
        _curves(one),
        _networks(one),
        _confirmation(one),
        _origin(one),
        _losses(one),
    )
    return render_sections(
        "trial.html.j2",
        filter(None, sections),
        live=live,
        scripts=("plotly", "figures"),
        result=result,
        trial=trial,
        score=_outcome(one),
        facts=list(_facts(one)),
        message=(trial.message or "").strip(),
        logs=sorted({training.log for training in one.trainings if training.log}),
        name=shlex.quote(result.name),
        lineage=json_records.lineage(result),
    )


def _outcome(one: OneTrial) -> str:
    """Return its score; without one, why, or that it is not over."""
    trial = one.trial
    if trial.score is not None:
        return score_cell(one.result.spec, trial)
    if trial.state.is_finished:
        return last_line(trial.message)
    return "no score yet"


def _facts(one: OneTrial) -> Iterable[str]:
    trial = one.trial
    yield f"begun {trial.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if trial.finished_at is not None:
        took = (trial.finished_at - trial.started_at).total_seconds()
        ended = f"ended {trial.finished_at:%Y-%m-%d %H:%M:%S} UTC"
        yield f"{ended}, after {duration_text(took)}"
    yield f"{duration_text(trial.seconds)} in finished trainings"
    if trial.worker:
        yield f"worker {trial.worker}"


def _parameters(one: OneTrial) -> Section:
    spec = one.result.spec
    rows = winner.rows_of_parameters(spec, one.trial.params)
    if not rows:  # of a function, whose ranges other trials may have found
        rows = [
            {"parameter": parameter_label(name), "value": value_cell(value)}
            for name, value in one.trial.params.items()
        ]
    if not rows:
        return Section("parameters", "They have not been suggested yet.")
    return Section(
        "parameters", "", [Table("Values, and the ranges of the search", rows)]
    )


def _curves(one: OneTrial) -> Section | None:
    if not networks.has_curves(one.result):
        return None
    drawn = networks.learning_curves(Plotted(one.result))
    label = f"Score of trial {one.trial.number} after each epoch"
    return Section("curves", "", [plot("curves", label, drawn)], title="Learning curve")


def _networks(one: OneTrial) -> Section | None:
    trial = one.trial
    if not trial.members:
        return None
    workers = {
        training.member: training.worker
        for training in one.trainings
        if not training.is_fresh
    }
    rows = []
    for member in trial.members:
        row = {"network": str(member.member), **_facts_of(one, member)}
        rows.append({**row, "trained by": workers.get(member.member, NOTHING)})
    return Section("networks", "", [Table("Networks of the trial", rows)])


def _confirmation(one: OneTrial) -> Section | None:
    if not one.result.confirm:
        return None
    workers = {
        training.slot: training.worker
        for training in one.trainings
        if training.is_fresh
    }
    rows = [_fresh_row(one, slot, workers) for slot in one.result.confirm]
    return Section("confirmation", "", [Table("Fresh seeds", rows)])


def _fresh_row(
    one: OneTrial, slot: Trial, workers: Mapping[int, str]
) -> dict[str, str]:
    row = {"training": one.result.label(slot), "state": str(slot.state)}
    row["score, claimed"] = NOTHING
    if slot.members:
        row["score, claimed"] = score_text(one.result.spec, slot.mean)
        row |= _facts_of(one, slot.members[0])
    return {**row, "trained by": workers.get(slot.number, slot.worker or NOTHING)}


def _facts_of(one: OneTrial, member: Member) -> dict[str, str]:
    """Return the cells of a trained network."""
    costs = {
        name: float(member.info[name])
        for name in one.result.spec.about.costs
        if name in member.info
    }
    return {
        "seed": str(member.seed),
        "score": score_text(one.result.spec, member.score),
        "epochs": str(member.epochs),
        "time": duration_text(member.seconds),
        "diverged": "yes" if member.diverged else "no",
        "costs": quantities(costs) or NOTHING,
    }


def _origin(one: OneTrial) -> Section:
    """Say what the trial was proposed from, and what happened to it."""
    spec = one.result.spec
    trial = one.trial
    text = note(
        "origin",
        sampler=spec.sampler.name,
        seen=spec.budget.n_visible(trial.number),
        clock=spec.budget.clock,
        learns=spec.sampler.learns,
        enqueued=params_text(trial.enqueued),
        warm=trial.number < len(spec.warm_start_points),
        attempts=plural(trial.attempts, "claim"),
        losses=plural(len(one.losses), "lost worker") if one.losses else "",
        checkpoint=one.checkpoint if trial.state == SlotState.RUNNING else None,
    )
    rows = [
        {"what": item.what, "when": item.at, "on": item.host, "had been": item.state}
        for item in trial.amendments
    ]
    parts = [Table("Changed by hand", rows, css="")] if rows else []
    return Section("origin", text, parts, title="Where it comes from")


def _losses(one: OneTrial) -> Section | None:
    rows = [
        {
            "when": f"{loss.at:%Y-%m-%d %H:%M:%S} UTC",
            "host": loss.host,
            "why": code(loss.why),
        }
        for loss in one.losses
    ]
    if not rows:
        return None
    text = "After each, the next worker went on from the stored checkpoint."
    return Section("losses", text, [Table("Lost workers", rows, css="")])
