"""``hpo export --mlflow``: a study as an experiment of MLflow, one run a trial.

Below a run for the study stands one for each settled trial, and below that those of its fresh
seeds. A run is written once: it bears the name of its slot and a digest of what it holds, so that
exporting again adds what is new, and replaces what was amended. What may still change (how far the
study is, what was confirmed) is written anew.
"""

from __future__ import annotations

import hashlib
import math
import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.console import without_password
from hpo.errors import HpoError
from hpo.study.snapshot import StudyState
from hpo.study.trials import slot_name

if TYPE_CHECKING:
    from hpo.study.snapshot import StudySnapshot
    from hpo.study.spec import StudySpec
    from hpo.study.trials import Trial

_HASH, _SLOT, _DIGEST, _STATE = "hpo.spec_hash", "hpo.slot", "hpo.digest", "hpo.state"
"""Tags: of the experiment the study's hash; of a run which slot it is, what it holds, how it ended.
Stored names."""
_PARENT = "mlflow.parentRunId"
_STUDY = "study"
_METRICS, _PAGE = 800, 1000
"""MLflow takes no more than 1000 values at once, and gives no more runs."""
_STATUS = {"failed": "FAILED", "pruned": "KILLED", "excluded": "KILLED"}
"""How MLflow calls the end of a slot, if not FINISHED."""
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is away is told soon
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Of MLflow, unless the user has set them."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A slot as MLflow shows it."""

    name: str
    parent: str
    """Name of the run that it stands below."""
    began_ms: int
    ended_ms: int
    state: str
    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    curves: Mapping[str, Sequence[float]]
    """By epoch, from 1."""
    message: str | None

    @property
    def digest(self) -> str:
        """The same if nothing of it has changed."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def export(snapshot: StudySnapshot, target: str) -> tuple[str, int, int]:
    """Write a study with its curves to MLflow.

    Returns:
        The tracking URI, how many runs of slots there are, and how many of them were written now.

    Raises:
        HpoError: MLflow is not installed, cannot be reached, or has something else of this name.
    """
    uri, shown = _uri(target), without_password(target)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from hpo.postgres.retry import DATABASE_ERRORS

    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise HpoError(
            f"--mlflow: the package mlflow must be installed, but got: {error}. Install it beside "
            f"hpo: {sys.executable} -m pip install mlflow-skinny (or mlflow, with its pages)."
        ) from error
    try:
        client = MlflowClient(tracking_uri=uri)
        return uri, *_write_all(client, _experiment(client, snapshot.spec, shown), snapshot)
    except (MlflowException, *DATABASE_ERRORS) as error:
        said = without_password(" ".join(str(error).split()))[:300]
        raise HpoError(
            f"{shown}: MLflow must take the runs, but got: {said}. What was written is kept: try "
            f"again when it is mended."
        ) from error


def _uri(target: str) -> str:
    """The tracking URI; a directory holds a database, since MLflow 3 writes no other files."""
    if "://" in target:
        return target
    try:
        Path(target).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HpoError(
            f"{target}: --mlflow must name a tracking URI of MLflow (http://…, sqlite:///FILE) or "
            f"a directory, but got: {error}. Choose another."
        ) from error
    return f"sqlite:///{Path(target).resolve()}/mlflow.db"


def _experiment(client: Any, spec: StudySpec, shown: str) -> str:
    """The id of the study's experiment, which is made if there is none."""
    found = client.get_experiment_by_name(spec.name)
    if found is None:
        return str(client.create_experiment(spec.name, tags={_HASH: spec.hash}))
    other = found.tags.get(_HASH)
    if found.lifecycle_stage != "active" or other != spec.hash:
        what = f"study of another spec ({other})" if other else "program"
        whose = f"another {what}" if found.lifecycle_stage == "active" else "its trash"
        raise HpoError(
            f"{shown}: experiment {spec.name!r} must be new, or of this study, but got one of "
            f"{whose}. Rename it there, or delete it for good, or choose another TARGET."
        )
    return str(found.experiment_id)


def _write_all(client: Any, experiment: str, snapshot: StudySnapshot) -> tuple[int, int]:
    from rich.console import Console
    from rich.progress import track

    known = _known(client, experiment)
    study = known.pop(_STUDY, None) or client.create_run(
        experiment, _ms(snapshot.created_at), {_SLOT: _STUDY}, run_name=snapshot.spec.name
    )
    there, written = {_STUDY: study}, 0
    runs, console = list(_runs(snapshot)), Console(stderr=True)
    for run in track(runs, "writing runs", console=console, disable=not console.is_terminal):
        tags = {_SLOT: run.name, _PARENT: there[run.parent].info.run_id}
        found = known.pop(run.name, None)
        if found is None or not (tags | {_DIGEST: run.digest}).items() <= found.data.tags.items():
            if found is not None:  # amended since, or it was not written to its end
                client.delete_run(found.info.run_id)
            found = _write(client, experiment, run, tags)
            written += 1
        there[run.name] = found
    for gone in known.values():  # what is to be run again
        client.delete_run(gone.info.run_id)
    _write_state(client, snapshot, there)
    return len(runs), written


def _known(client: Any, experiment: str) -> dict[str, Any]:
    """The runs of slots that are there, by name."""
    found: dict[str, Any] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=_PAGE, page_token=token)
        found |= {run.data.tags[_SLOT]: run for run in page if _SLOT in run.data.tags}
        if not (token := page.token):
            return found


def _runs(snapshot: StudySnapshot) -> Iterator[_Run]:
    """The settled slots, each after what it stands below."""
    spec, names = snapshot.spec, set()
    for slot in (*snapshot.search, *snapshot.confirm):
        seeds = spec.confirm.members if spec.confirm else None
        parent = _STUDY if slot.source is None else slot_name(slot.source, None, None)
        if slot.settled_at is None or (slot.source is not None and parent not in names):
            continue
        name = slot_name(slot.number, slot.source, seeds)
        names.add(name)
        at_step = slot.score if slot.checked else None
        score = statistics.fmean(slot.claimed) if slot.checked else slot.score
        costs = dict(zip(spec.costs, slot.costs, strict=False))
        metrics = {"score": score, "step_score": at_step, **costs}
        yield _Run(
            name=name,
            parent=parent,
            began_ms=_ms(slot.started_at),
            ended_ms=_ms(slot.settled_at),
            state=str(slot.state),
            params=slot.params if slot.source is None else _seed(slot),
            metrics={key: value for key, value in metrics.items() if value is not None},
            curves={"epoch_score": _scores(spec, slot), "epoch_loss": _losses(slot)},
            message=slot.message,
        )


def _seed(slot: Trial) -> Mapping[str, object]:
    """The fresh seed of a confirmation, whose parameters are those of the run above it."""
    return {"seed": slot.members[0].seed} if slot.members else {}


def _scores(spec: StudySpec, slot: Trial) -> Sequence[float]:
    """Mean score of the finished networks by epoch; of the first one where none is finished."""
    curves = [m.curve for m in slot.members if m.curve]
    return _mean(curves) if curves else slot.steps[: spec.budget.epochs]


def _losses(slot: Trial) -> Sequence[float]:
    return _mean([m.loss_curve for m in slot.members if m.loss_curve])


def _mean(curves: Sequence[Sequence[float]]) -> Sequence[float]:
    return [statistics.fmean(values) for values in zip(*curves, strict=False)]


def _write(client: Any, experiment: str, run: _Run, tags: Mapping[str, str]) -> Any:
    from mlflow.entities import Metric, Param, RunTag

    new = client.create_run(experiment, run.began_ms, dict(tags), run_name=run.name)
    at_ms, run_id = run.ended_ms, new.info.run_id
    metrics = [Metric(key, value, at_ms, 0) for key, value in run.metrics.items()]
    for key, curve in run.curves.items():
        metrics += [Metric(key, value, at_ms, epoch) for epoch, value in enumerate(curve, 1)]
    metrics = [metric for metric in metrics if math.isfinite(metric.value)]
    params = [Param(key, str(value)) for key, value in run.params.items()]
    while len(metrics) > _METRICS:
        client.log_batch(run_id, metrics=metrics[:_METRICS])
        metrics = metrics[_METRICS:]
    client.set_terminated(run_id, _STATUS.get(run.state, "FINISHED"), run.ended_ms)
    last = {_STATE: run.state, _DIGEST: run.digest}  # with the digest, it is whole
    if run.message:
        last["mlflow.note.content"] = run.message
    told = [RunTag(key, value) for key, value in last.items()]
    client.log_batch(run_id, metrics=metrics, params=params, tags=told)
    return new


def _write_state(client: Any, snapshot: StudySnapshot, there: Mapping[str, Any]) -> None:
    """How far the study is, and what is confirmed, where that is not what MLflow shows."""
    from hpo.study import file
    from hpo.views import verdict

    best, at_ms = snapshot.best, _ms(snapshot.now)
    told: dict[str, dict[str, float | None]] = {
        slot_name(item.source, None, None): {"confirmed": item.mean, "confirmed_std": item.std}
        for item in snapshot.confirmations
        if item.scores
    }
    told[_STUDY] = {"score": snapshot.claimed(best) if best else None}
    if snapshot.confirmed is not None:
        told[_STUDY] |= told[slot_name(snapshot.confirmed.source, None, None)]
    for name, metrics in told.items():
        run = there[name]
        for key, value in metrics.items():
            if value is not None and math.isfinite(value) and run.data.metrics.get(key) != value:
                client.log_metric(run.info.run_id, key, value, at_ms, snapshot.settled)
    text = f"{verdict.verdict(snapshot)}\n\n```toml\n{file.dumps(snapshot.spec)}```\n"
    run_id, state = there[_STUDY].info.run_id, snapshot.state
    client.set_tag(run_id, _STATE, str(state))
    client.set_tag(run_id, "mlflow.note.content", text)
    status = {StudyState.DONE: "FINISHED", StudyState.FAILED: "FAILED"}.get(state, "RUNNING")
    client.update_run(run_id, status=status)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
