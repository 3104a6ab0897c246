"""Trials and learning curves of a study as pandas DataFrames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, Trial
from hpo.views import json_records

if TYPE_CHECKING:
    import pandas as pd

_FIRST = ("state", "ended", "score")
_LAST = ("epochs", "seconds", "attempts", "losses", "worker", "started_at", "settled_at", "message")
_CURVES = ("phase", "trial", "network", "epoch", "score", "loss")


def trials(result: Result) -> pd.DataFrame:
    """A row per search trial; see ``Study.trials``."""
    pandas, spec = _pandas("trials"), result.spec
    first = [*_FIRST, *spec.cost_columns]
    taken = {*first, *_LAST}
    names = {name: f"params_{name}" if name in taken else name for name in spec.parameters}
    rows = [
        {
            **(record := json_records.trial(spec, slot)),
            **{"state": str(slot.state), "ended": record["ended"] and str(record["ended"])},
            "seconds": slot.seconds,
            **dict(zip(spec.cost_columns, slot.costs, strict=False)),
            **{column: slot.params.get(name) for name, column in names.items()},
        }
        for slot in result.search
    ]
    index = pandas.Index([slot.number for slot in result.search], name="trial", dtype="int64")
    columns = [*first, *names.values(), *_LAST]
    frame: pd.DataFrame = pandas.DataFrame(rows, index=index, columns=columns)
    for name in ("started_at", "settled_at"):
        frame[name] = pandas.to_datetime(frame[name], utc=True)
    return frame.astype(dict.fromkeys(["score", *spec.cost_columns], "float64"))


def curves(result: Result) -> pd.DataFrame:
    """A row per epoch of every network; see ``Study.curves``."""
    pandas = _pandas("curves")
    slots = result.every
    rows = [row for slot in slots for row in _epochs(result.spec, slot)]
    frame: pd.DataFrame = pandas.DataFrame(rows, columns=list(_CURVES))
    return frame.astype({"score": "float64", "loss": "float64"} if rows else {})


def _epochs(spec: StudySpec, slot: Trial) -> Iterator[tuple[str, int, int, int, float, float]]:
    """Rows of one slot; of a curve that was cut short, what the network reported until then."""
    trial, first = slot.number, 0
    if slot.phase == Phase.CONFIRM and slot.source is not None and spec.confirm is not None:
        trial, first = slot.source, slot.number % spec.confirm.members + 1
    if not slot.members:
        for epoch, score in enumerate(slot.steps[: spec.budget.epochs], 1):
            yield str(slot.phase), trial, 0, epoch, score, math.nan
    for member in slot.members:
        network = first if slot.phase == Phase.CONFIRM else member.member
        for i in range(max(len(member.curve), len(member.loss_curve))):
            score, loss = (
                kept[i] if i < len(kept) else math.nan for kept in (member.curve, member.loss_curve)
            )
            yield str(slot.phase), trial, network, i + 1, score, loss


def _pandas(what: str) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise HpoError(
            f"study.{what}: pandas must be installed, but got none ({error}). Install it: "
            "pip install 'hpo-dynamics[notebook]'."
        ) from None
    return pandas
