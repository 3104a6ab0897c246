"""The time series of a trained network's neurons as one HTML file."""

from __future__ import annotations

from hpo.views.figures import traces
from hpo.views.pages.page import render
from hpo.views.records.kept_network import SCORED_ON, Replay
from hpo.views.sentences import caveats
from hpo.views.sentences.formatting import params_text, score_text


def page(replay: Replay, command: str) -> str:
    """Return the figure as a self-contained page, with a caption and the command that
    makes it."""
    kept = replay.network
    return render(
        "traces.html.j2",
        {"trace": traces.figure(replay)},
        title=f"{kept.result.name}, {kept.name}: state x",
        heading=heading(replay),
        kept=kept,
        trace=replay.trace,
        steps=caveats.steps_text(replay.trace.steps_per_point),
        parameters=params_text(kept.params.model_dump()),
        command=command,
    )


def heading(replay: Replay) -> tuple[str, str]:
    """Return two lines: the network and its score; the objective and the data that
    scored it."""
    kept = replay.network
    spec = kept.result.spec
    score = score_text(spec, kept.measured.score)
    if kept.measured.diverged:
        score += ", diverged"
    if kept.score_at:
        score += f" {kept.score_at}"
    solved = kept.measured.solved
    if solved is not None:
        score = f"{score_text(spec, solved.score)} {caveats.SOLVED}, {score}"
    size = "+".join(map(str, replay.member.widths))
    line = f"{spec.objective}, {size} neurons, scored on {SCORED_ON}"
    if replay.trace.steps_per_point is not None:
        line += f"; time series {caveats.SOLVED}"
    return f"{spec.name}, {kept.name}: {spec.about.metric} {score}", line
