"""The data of a study's task in words."""

from __future__ import annotations

from hpo.contract import Protocol
from hpo.objectives.data import Contents, SeriesContents
from hpo.objectives.data.uncertainty import Uncertainty
from hpo.study.spec import StudySpec
from hpo.views.sentences.formatting import per_cent, plural


def describe(
    spec: StudySpec,
    contents: Contents | SeriesContents | None,
    uncertainty: Uncertainty | None,
) -> list[str]:
    """Describe the data in words, with a warning if axes look swapped.

    ``1,797 series × 64 points × 1 channel; 10 classes; 629 train / 269 validation / 899
    test``
    """
    if contents is None:
        return []
    if isinstance(contents, SeriesContents):
        return [_series(spec, contents)]
    lines = [_classified(spec, contents)]
    if contents.channels > contents.points:
        lines.append(
            f"warning: {contents.channels:,} channels exceed {contents.points:,}"
            " points. If these are the time points, x must be (n, time, channels):"
            " x.transpose(0, 2, 1)"
        )
    if uncertainty is not None:
        lines += _sampling_error(uncertainty)
    return lines


def _sampling_error(known: Uncertainty) -> list[str]:
    """Return how precise the score of a trial is, with advice for few series."""
    lines = [
        f"a trial's score is as precise as on {known.n_series:,.0f} series:"
        f" {per_cent(known.share)} % has a standard error of"
        f" {per_cent(known.error)} points"
    ]
    folds = known.advised_folds
    if folds > 1:
        lines.append(
            f"few series: with validation_folds = {folds} in [task] and seeds ="
            f" {folds} in [budget], a trial is scored on every training series"
        )
    return lines


def _series(spec: StudySpec, contents: SeriesContents) -> str:
    channels = plural(contents.channels, "channel")
    targets = plural(contents.outputs, "target")
    return (
        f"{contents.points:,} points × {channels}, {targets};"
        f" {contents.washout:,} washout / {_split(spec, contents)}"
    )


def _classified(spec: StudySpec, contents: Contents) -> str:
    text = (
        f"{contents.series:,} series × {contents.points:,} points ×"
        f" {plural(contents.channels, 'channel')}; {contents.classes:,} classes;"
        f" {_split(spec, contents)}"
    )
    if contents.shortest < contents.points:
        text += f"; lengths {contents.shortest:,}–{contents.points:,}, padded before"
    return text


def _split(spec: StudySpec, contents: Contents | SeriesContents) -> str:
    if spec.protocol == Protocol.VALIDATION:
        train = f"{contents.train:,} train / {contents.validation:,} validation"
    else:
        train = f"{contents.train + contents.validation:,} train"
    return f"{train} / {contents.test:,} test"
