"""How the best trial of a study learnt: all its networks, epoch by epoch, as numbers and a picture.

Those of the search are scored after each epoch; those of the confirmation once, at their end, since
the test part chooses nothing. The loss is that of the training data.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, Trial
from hpo.views import caveats, formatting, pictures
from hpo.views.numbers.scores import reported_score
from hpo.views.palette import BAND_OPACITY, BLUE, GREEN, VERMILLION
from hpo.worker.artifacts import retrain
from hpo.worker.artifacts.retrain import SPLITS
from objectives.contract import Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _networks(snapshot: Result, trial: Trial) -> tuple[list[Member], dict[int, Member]]:
    """The networks of a search trial, and those of its confirmation by fresh seed."""
    fresh = retrain.fresh_seeds(snapshot, trial)
    return list(trial.members), {seed: slot.members[0] for seed, slot in fresh.items()}


def write_csv(snapshot: Result, trial: Trial, stream: TextIO) -> None:
    """One row per network and epoch; the last has ``final_score``, and what is of it solved."""
    writer = csv.writer(stream, lineterminator="\n")
    head = ["trial", "network", "epoch", "score", "loss", "final_score", "solved_score"]
    writer.writerow(head)
    searched, fresh = _networks(snapshot, trial)
    named = {f"member {network.member}": network for network in searched}
    named |= {f"fresh seed {seed}": network for seed, network in fresh.items()}
    for name, trained in named.items():
        rows = list(zip_longest(trained.curve, trained.loss_curve)) or [(None, None)]
        solved = trained.solved.score if trained.solved else None
        for epoch, (score, loss) in enumerate(rows, start=1):
            final = [trained.score, solved] if epoch == len(rows) else [None, None]
            writer.writerow([trial.number, name, epoch, score, loss, *final])


def figure(snapshot: Result, trial: Trial) -> Figure:
    """Score and loss of a complete search trial against the epoch, beside the reported score.

    The snapshot is one with curves.
    """
    searched, fresh = _networks(snapshot, trial)
    confirmed = list(fresh.values())
    with_loss = any(math.isfinite(x) for n in (*searched, *confirmed) for x in n.loss_curve)
    drawing = pictures.canvas(7.0, 5.6 if with_loss else 3.8)
    heights = [3, 2] if with_loss else [1]
    panels = drawing.subplots(
        len(heights), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    _draw_scores(panels[0], snapshot.spec, searched, confirmed)
    if with_loss:
        _draw_losses(panels[1], {BLUE: searched, GREEN: confirmed})
    panels[-1].set_xlabel("epoch")
    panels[-1].set_xlim(left=0)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_title(_title(snapshot, trial), loc="left", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower left", fontsize=9)
    drawing.align_ylabels()
    return drawing


def _title(snapshot: Result, trial: Trial) -> str:
    spec = snapshot.spec
    text = f"{spec.objective_impl.metric} {_claimed(spec, trial)}"
    found = (c for c in snapshot.confirmations if c.source == trial.number and c.scores)
    if (confirmed := next(found, None)) is not None:
        text += f", confirmed {formatting.score_text(spec, confirmed.mean, confirmed.std)}"
        text += f", {beside}" if (beside := caveats.beside(spec, confirmed)) else ""
    return "\n".join(map(pictures.wrapped, (f"{spec.name}, trial {trial.number}", text)))


def _claimed(spec: StudySpec, trial: Trial) -> str:
    """The score of a trial: that on the solved equation, where every network was tested on it."""
    score = formatting.score_text(spec, trial.score or 0.0)
    if not trial.checked:
        return f"{score} in the search" if spec.selects else score
    solved = formatting.score_text(spec, statistics.fmean(trial.claimed))
    return f"{solved} {caveats.SOLVED}, {score} {caveats.AT_STEP}"


def _draw_scores(
    axes: Axes, spec: StudySpec, searched: Sequence[Member], fresh: Sequence[Member]
) -> None:
    """A line per network of the search, a point per confirmed one, the reported score."""
    label = f"{'search: ' * spec.selects}{len(searched)} networks, {SPLITS[spec.protocol]}"
    scores, where = _ends(searched)
    label += where * (not any(network.curve for network in searched))
    for network, score in zip(searched, scores, strict=True):
        curve = network.curve or (score,)
        y = [formatting.shown(spec, score) for score in curve]
        alone = [len(network.loss_curve) or 1]
        x = range(1, len(y) + 1) if network.curve else alone
        style = {"linewidth": 1.4, "alpha": 0.9} if len(y) > 1 else {"marker": "o"}
        axes.plot(x, y, color=BLUE, label=label, **style)
        label = "_"  # once in the legend
    if fresh:
        x = [len(network.loss_curve) or 1 for network in fresh]
        scores, where = _ends(fresh)
        y = [formatting.shown(spec, score) for score in scores]
        label = f"confirmation: {len(fresh)} fresh seeds, {SPLITS[Protocol.CONFIRM]}{where}"
        axes.plot(x, y, "D", color=GREEN, markersize=4, alpha=0.7, clip_on=False, label=label)
    if (known := reported_score(spec)) is not None:
        value, std = known
        text = pictures.wrapped(formatting.reported_text(spec))
        axes.axhline(value, color=VERMILLION, linestyle="--", linewidth=1.2, label=text)
        if std:
            axes.axhspan(
                value - std, value + std, color=VERMILLION, alpha=BAND_OPACITY, linewidth=0
            )
    axes.set_ylabel(pictures.plain(formatting.metric(spec)))


def _ends(found: Sequence[Member]) -> tuple[list[float], str]:
    """What is claimed of networks, and where if on the solved equation: if all were tested."""
    solved = [network.solved.score for network in found if network.solved]
    if solved and len(solved) == len(found):
        return solved, f", {caveats.SOLVED}"
    return [network.score for network in found], ""


def _draw_losses(axes: Axes, found: Mapping[str, Sequence[Member]]) -> None:
    """A line per network in its colour; logarithmic if no loss is negative or zero."""
    from matplotlib.ticker import LogLocator

    lowest = math.inf
    for colour, networks in found.items():
        for network in networks:
            losses = [loss if math.isfinite(loss) else math.nan for loss in network.loss_curve]
            lowest = min([lowest, *(loss for loss in losses if not math.isnan(loss))])
            axes.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=0.9, alpha=0.7)
    if lowest > 0:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_ylabel("training loss")
