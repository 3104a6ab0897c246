"""How the best trial of a study learnt: all its networks, epoch by epoch, as numbers and a picture.

Those of the search are scored after each epoch; those of the confirmation once, at their end, since
the test half chooses nothing. The loss is that of the training data.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

from hpo.study import score_text, time_step
from hpo.study.confirmation import Confirmation
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, Slot
from hpo.views import formatting
from hpo.views.numbers.scores import reported_score
from hpo.views.palette import BAND_OPACITY, BLUE, GREEN, VERMILLION
from hpo.views.pictures import study_figure
from hpo.worker.artifacts import retrain
from hpo.worker.artifacts.retrain import SPLITS
from objectives.contract import Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Network:
    """One trained network of a trial."""

    name: str
    """``member 0``, or ``fresh seed 1``."""
    confirmed: bool
    """Whether it belongs to the confirmation."""
    trained: Member
    """Its curve is the score after each epoch; empty in a confirmation."""


def networks(snapshot: StudySnapshot, trial: Slot) -> list[Network]:
    """The networks of a search trial, then those of its confirmation.

    Args:
        snapshot: the study, with curves.
        trial: one of its search trials.
    """
    found = [Network(name=f"member {m.member}", confirmed=False, trained=m) for m in trial.members]
    for seed, slot in retrain.fresh_seeds(snapshot, trial).items():
        name = f"fresh seed {seed}"
        found.append(Network(name=name, confirmed=True, trained=slot.members[0]))
    return found


def write_csv(snapshot: StudySnapshot, trial: Slot, stream: TextIO) -> None:
    """One row per network and epoch; the last has ``final_score``, and what is of it solved."""
    writer = csv.writer(stream, lineterminator="\n")
    head = ["trial", "network", "epoch", "score", "loss", "final_score", "solved_score"]
    writer.writerow(head)
    for network in networks(snapshot, trial):
        trained = network.trained
        rows = list(zip_longest(trained.curve, trained.loss_curve)) or [(None, None)]
        solved = trained.solved.score if trained.solved else None
        for epoch, (score, loss) in enumerate(rows, start=1):
            final = [trained.score, solved] if epoch == len(rows) else [None, None]
            writer.writerow([trial.number, network.name, epoch, score, loss, *final])


def figure(snapshot: StudySnapshot, trial: Slot) -> Figure:
    """Score and loss against the epoch, with the reported score as a line.

    Args:
        snapshot: the study, with curves.
        trial: one of its search trials, which is complete.
    """
    found = networks(snapshot, trial)
    with_loss = any(map(math.isfinite, (x for n in found for x in n.trained.loss_curve)))
    drawing = study_figure.canvas(7.0, 5.6 if with_loss else 3.8)
    heights = [3, 2] if with_loss else [1]
    panels = drawing.subplots(
        len(heights), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    _draw_scores(panels[0], snapshot, found)
    if with_loss:
        _draw_losses(panels[1], found)
    panels[-1].set_xlabel("epoch")
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_title(_title(snapshot, trial), loc="left", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower left", fontsize=9)
    drawing.align_ylabels()
    return drawing


def _title(snapshot: StudySnapshot, trial: Slot) -> str:
    spec = snapshot.spec
    text = f"{spec.objective_impl.metric} {_claimed(spec, trial)}"
    if (confirmed := _confirmation(snapshot, trial)) is not None:
        text += f", confirmed {score_text.score_text(spec, confirmed.mean, confirmed.std)}"
        text += f", {beside}" if (beside := time_step.beside(spec, confirmed)) else ""
    return "\n".join(map(study_figure.wrapped, (f"{spec.name}, trial {trial.number}", text)))


def _claimed(spec: StudySpec, trial: Slot) -> str:
    """The score of a trial: that on the solved equation, where every network was tested on it."""
    score = score_text.score_text(spec, trial.score or 0.0)
    if not trial.checked:
        return f"{score} in the search" if spec.selects else score
    solved = score_text.score_text(spec, statistics.fmean(trial.claimed))
    return f"{solved} {time_step.SOLVED}, {score} {time_step.AT_STEP}"


def _confirmation(snapshot: StudySnapshot, trial: Slot) -> Confirmation | None:
    found = (c for c in snapshot.confirmations if c.source == trial.number and c.scores)
    return next(found, None)


def _draw_scores(axes: Axes, snapshot: StudySnapshot, found: Sequence[Network]) -> None:
    """A line per network of the search, a point per confirmed one, the reported score."""
    spec = snapshot.spec
    searched = [n for n in found if not n.confirmed]
    fresh = [n for n in found if n.confirmed]
    label = f"{'search: ' * spec.selects}{len(searched)} networks, {SPLITS[spec.protocol]}"
    scores, where = _ends(searched)
    label += where * (not any(network.trained.curve for network in searched))
    for network, score in zip(searched, scores, strict=True):
        curve = network.trained.curve or (score,)
        y = [score_text.shown(spec, score) for score in curve]
        alone = [len(network.trained.loss_curve) or 1]
        x = range(1, len(y) + 1) if network.trained.curve else alone
        style = {"linewidth": 1.4, "alpha": 0.9} if len(y) > 1 else {"marker": "o"}
        axes.plot(x, y, color=BLUE, label=label, **style)
        label = "_"  # once in the legend
    if fresh:
        x = [len(n.trained.loss_curve) or 1 for n in fresh]
        scores, where = _ends(fresh)
        y = [score_text.shown(spec, score) for score in scores]
        label = f"confirmation: {len(fresh)} fresh seeds, {SPLITS[Protocol.CONFIRM]}{where}"
        axes.plot(x, y, "D", color=GREEN, markersize=4, alpha=0.7, clip_on=False, label=label)
    if (known := reported_score(spec)) is not None:
        value, std = known
        text = study_figure.wrapped(formatting.reported_text(spec))
        axes.axhline(value, color=VERMILLION, linestyle="--", linewidth=1.2, label=text)
        if std:
            axes.axhspan(
                value - std, value + std, color=VERMILLION, alpha=BAND_OPACITY, linewidth=0
            )
    axes.set_ylabel(study_figure.plain(formatting.metric(spec)))


def _ends(found: Sequence[Network]) -> tuple[list[float], str]:
    """What is claimed of networks, and where if on the solved equation: if all were tested."""
    solved = [n.trained.solved.score for n in found if n.trained.solved]
    if solved and len(solved) == len(found):
        return solved, f", {time_step.SOLVED}"
    return [n.trained.score for n in found], ""


def _draw_losses(axes: Axes, found: Sequence[Network]) -> None:
    """A line per network; logarithmic if no loss is negative or zero."""
    from matplotlib.ticker import LogLocator

    lowest = math.inf
    for network in found:
        losses = [loss if math.isfinite(loss) else math.nan for loss in network.trained.loss_curve]
        lowest = min([lowest, *(loss for loss in losses if not math.isnan(loss))])
        colour = GREEN if network.confirmed else BLUE
        axes.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=0.9, alpha=0.7)
    if lowest > 0:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_ylabel("training loss")
