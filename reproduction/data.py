"""Studies as compact files that are committed, and read back as the snapshots that they
were.

One JSON file per study: its spec, what it ran on, a line per trial with a row per
network.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from hpo.study import file
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    Phase,
    Posterior,
    SlotState,
    StudySnapshot,
    StudyState,
    Trial,
)
from hpo.views.records import json_records

FORMAT = 1
LINEAGE = (
    "revision",
    "dirty",
    "cpu",
    "numerics",
    "versions.python",
    "versions.numpy",
    "versions.numba",
    "versions.torch",
    "versions.scikit-learn",
)
"""What a file says of the source and of the machine; those measured before 0.3.0 have
no ``numerics``, see ``hpo.provenance.numerics``."""
_COLUMNS = ("seed", "score", "diverged", "seconds")
_INFO = ("n_synapses", "n_train", "n_scored", "cumulative_drive", "mean_weight_per_ns")
_SOLVED = (
    "solved_score",
    "solved_converged",
    "solved_steps_per_point",
    "trained_steps_per_point",
    "solved_remedy",
)
"""The check of a network's time step, which files of before it do not have."""


def write(snapshot: StudySnapshot, path: Path) -> None:
    """Write a study."""
    lineage = json_records.lineage(Result.of(snapshot))
    head = {
        "format": FORMAT,
        "study": snapshot.spec.name,
        "spec_hash": snapshot.spec.hash,
        "state": snapshot.state,
        "created_at": snapshot.created_at,
        "now": snapshot.now,
        "lineage": {key: value for key, value in lineage.items() if key in LINEAGE},
        "spec": snapshot.spec.stored(),
        "columns": [*_COLUMNS, *_INFO, *_SOLVED],
    }
    if snapshot.posterior:
        head["posterior"] = {
            k: [own.mean, own.std] for k, own in snapshot.posterior.items()
        }
    lines = [
        json_records.dumps(_trial(slot))
        for slot in (*snapshot.search, *snapshot.confirm)
    ]
    text = (
        json_records.dumps(head)[:-1] + ', "trials": [\n' + ",\n".join(lines) + "\n]}\n"
    )
    write_whole(text, path)


def write_whole(text: str, path: Path) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def _trial(slot: Trial) -> dict[str, Any]:
    return {
        "phase": slot.phase,
        "number": slot.number,
        "source": slot.source,
        "state": slot.state,
        "params": slot.params,
        "score": slot.score,
        "message": slot.message,
        "members": [_row(member) for member in slot.members],
    }


def _row(member: Member) -> list[Any]:
    own = [member.seed, member.score, member.diverged, round(member.seconds, 2)]
    shortened = [_short(member, name) for name in _INFO]
    return [*own, *shortened, *(member.info.get(name) for name in _SOLVED)]


def _short(member: Member, name: str) -> float | int | None:
    value = member.info.get(name)
    return float(f"{value:.5g}") if isinstance(value, float) else value


def read(path: Path) -> StudySnapshot:
    """A study as it was written.

    Raises:
        ValueError: the file is of another format.
    """
    tree = json.loads(path.read_text(encoding="utf-8"))
    if tree.get("format") != FORMAT:
        raise ValueError(
            f"{path}: expected `format == {FORMAT}`, got format={tree.get('format')!r}."
            " Run that study again: make reproduce"
        )
    created, now = (datetime.fromisoformat(tree[key]) for key in ("created_at", "now"))
    spec = file.validate(tree["spec"], where=str(path))
    slots = [
        _slot(spec, item, tree["columns"], created, tree["lineage"])
        for item in tree["trials"]
    ]
    known = tree.get("posterior", {}).items()
    posterior = {
        int(number): Posterior(mean=own[0], std=own[1]) for number, own in known
    }
    return StudySnapshot(
        spec=spec,
        state=StudyState(tree["state"]),
        reason=None,
        created_at=created,
        now=now,
        search=tuple(slot for slot in slots if slot.phase == Phase.SEARCH),
        confirm=tuple(slot for slot in slots if slot.phase == Phase.CONFIRM),
        posterior=posterior,
    )


def _slot(
    spec: StudySpec,
    item: dict[str, Any],
    columns: list[str],
    at: datetime,
    came: dict[str, Any],
) -> Trial:
    confirms = item["phase"] == Phase.CONFIRM
    epochs = spec.confirm_epochs if confirms else spec.budget.epochs
    return Trial(
        phase=Phase(item["phase"]),
        number=item["number"],
        source=item["source"],
        state=SlotState(item["state"]),
        params=item["params"],
        score=item["score"],
        steps=(),
        members=tuple(
            _member(i, row, columns, epochs) for i, row in enumerate(item["members"])
        ),
        attempts=1,
        losses=0,
        worker=None,
        started_at=at,
        finished_at=at,
        message=item["message"],
        lineage=came,
    )


def _member(index: int, row: list[Any], columns: list[str], epochs: int) -> Member:
    values = dict(zip(columns, row, strict=True))
    own = {name: values.pop(name) for name in _COLUMNS}
    info = {name: value for name, value in values.items() if value is not None}
    return Member(
        member=index,
        epochs=epochs,
        curve=(),
        scored_at=(),
        loss_curve=(),
        info=info,
        **own,
    )


def read_all(folder: Path, names: Iterable[str]) -> dict[str, StudySnapshot]:
    """The studies of a folder by name, in the order of ``names``, as far as they are
    there."""
    found = {name: folder / f"{name}.json" for name in names}
    return {name: read(path) for name, path in found.items() if path.is_file()}


def core_seconds(snapshot: StudySnapshot) -> float:
    """Seconds of training, over all networks."""
    slots = (*snapshot.search, *snapshot.confirm)
    return sum(member.seconds for slot in slots for member in slot.members)


def n_networks(snapshot: StudySnapshot) -> int:
    """Networks that were trained to their end."""
    return sum(len(slot.members) for slot in (*snapshot.search, *snapshot.confirm))


def spread_text(scores: Iterable[float]) -> str:
    """Mean ± standard deviation of accuracies, in per cent, with n."""
    values = [100.0 * score for score in scores]
    std = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{std} % (n = {len(values)})"
