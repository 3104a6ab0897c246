"""What is kept of a finished study: its best network, how it learnt, and what its neurons do.

A study stores no networks, but the people who look at it want the best one at hand: a worker trains
it once more when the study is over. Of a sweep, which has no best, the figure is kept.
"""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hpo.ledger.artifacts import Artifact
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views import pictures
from hpo.views.numbers import confusion, study_figure
from hpo.worker.artifacts import learning_curve, replay, retrain, trace_picture
from objectives.inspection import NetworkObjective

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

LARGEST = 16 * 2**20
"""Bytes of an artifact; what is larger is left out."""
_MEDIA_TYPES = {
    ".safetensors": "application/octet-stream",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".csv": "text/csv",
}


def what(spec: StudySpec) -> str:
    """``best network``, ``learning curve`` or ``figure``: what is made of a study."""
    if not spec.selects:
        return "figure"
    return "best network" if isinstance(spec.objective_impl, NetworkObjective) else "learning curve"


def make(snapshot: Result, others: Sequence[Result], say: Callable[[str], None]) -> list[Artifact]:
    """The artifacts of a study.

    Args:
        snapshot: the study, with curves.
        others: those of its figure's ``overlay``.
        say: told what is going on, in one short line, after every epoch; what it raises passes.

    Raises:
        StudyError: the data of its task is not there, or not what it was.
        OSError: this host has no room for temporary files.
    """
    found = []
    for item in _files(snapshot, others, say):
        if len(item.data) > LARGEST:
            size = f"{len(item.data)} bytes, more than {LARGEST}"
            log.warning("%s is left out: it has %s", item.filename, size)
        else:
            found.append(item)
    return found


def _files(
    snapshot: Result, others: Sequence[Result], say: Callable[[str], None]
) -> Iterator[Artifact]:
    best = snapshot.best
    if best is not None:
        stem = f"{snapshot.spec.name}-trial-{best.number}"
        yield _picture(f"{stem}-learning.png", lambda: learning_curve.figure(snapshot, best))
        yield _table(f"{stem}-learning.csv", partial(learning_curve.write_csv, snapshot, best))
        if isinstance(snapshot.spec.objective_impl, NetworkObjective):
            yield from _network(snapshot, stem, say)
        return
    chart = study_figure.chart(snapshot, others)
    if chart is not None and chart.groups:
        stem = snapshot.spec.name
        yield _picture(f"{stem}-figure.svg", lambda: pictures.of_chart(chart))
        yield _table(f"{stem}-figure.csv", partial(study_figure.write_csv, chart))


def _network(snapshot: Result, stem: str, say: Callable[[str], None]) -> Iterator[Artifact]:
    """The best network, as ``hpo export --network`` writes it and ``hpo trace`` draws it."""
    choice = retrain.choose(snapshot)
    network = retrain.build(choice)
    with tempfile.TemporaryDirectory(prefix="hpo-") as folder:
        retrained = retrain.train(choice, network, say)
        log.info("%s", retrained.check)
        target = Path(folder) / "network.safetensors"  # a study's name may be too long for a file
        network.save(target, retrain.about(retrained))
        for path in (target, target.with_suffix(".json")):
            yield _artifact(stem + path.suffix, path.read_bytes())
    shown = replay.default(retrained)
    yield _picture(f"{stem}-traces.png", lambda: trace_picture.figure(shown))
    yield _table(f"{stem}-traces.csv", partial(replay.write_csv, shown))
    if network.classes:
        found = replay.confusion(network)
        yield _table(confusion.filename(snapshot), partial(confusion.write_csv, found))


def _picture(filename: str, draw: Callable[[], Figure]) -> Artifact:
    with pictures.style():
        return _artifact(filename, pictures.rendered(draw(), Path(filename).suffix))


def _table(filename: str, write: Callable[[TextIO], None]) -> Artifact:
    text = io.StringIO(newline="")
    write(text)
    return _artifact(filename, text.getvalue().encode())


def _artifact(filename: str, data: bytes) -> Artifact:
    media_type = _MEDIA_TYPES[Path(filename).suffix]
    return Artifact(filename=filename, media_type=media_type, data=data)
