"""The search and its learning curves as tables in pandas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.study import tolerances as study_tolerances
from hpo.study.result import Result
from hpo.study.tolerances import Limit
from hpo.study.trials import Phase
from hpo.views.records import json_records

if TYPE_CHECKING:
    import pandas as pd

_FIRST = ("state", "ended", "score")
_LAST = (
    "epochs",
    "seconds",
    "attempts",
    "losses",
    "worker",
    "started_at",
    "finished_at",
    "message",
)
_TOLERANCES = (
    "label",
    "unit",
    "amount",
    "found",
    "low",
    "high",
    "good",
    "usual",
    "source",
)
_CURVES = ("phase", "trial", "network", "epoch", "score", "loss")


def trials(result: Result) -> pd.DataFrame:
    """Return a row per search trial; see ``Study.trials``."""
    pandas = pandas_for("study.trials")
    spec = result.spec
    first = [*_FIRST, *spec.cost_columns]
    params = {name: name for name in spec.parameters}
    for name in params.keys() & {*first, *_LAST}:
        params[name] = f"params_{name}"
    rows = []
    for slot in result.search:
        row = json_records.trial(spec, slot)
        row |= zip(spec.cost_columns, slot.costs, strict=False)
        row |= {params[name]: value for name, value in slot.params.items()}
        row["seconds"] = slot.seconds
        row["state"] = str(slot.state)
        if row["ended"]:
            row["ended"] = str(row["ended"])
        rows.append(row)
    frame: pd.DataFrame = pandas.DataFrame(
        rows,
        index=pandas.Index([slot.number for slot in result.search], name="trial"),
        columns=[*first, *params.values(), *_LAST],
    )
    for name in ("started_at", "finished_at"):
        frame[name] = pandas.to_datetime(frame[name], utc=True)
    return frame.astype(dict.fromkeys(["score", *spec.cost_columns], "float64"))


def tolerances(result: Result) -> pd.DataFrame:
    """Return a row per imperfection; see ``Study.tolerances``."""
    pandas = pandas_for("study.tolerances")
    limits: Sequence[Limit] = ()
    card = study_tolerances.of_result(result)
    if card is not None:
        limits = card.limits
    rows = {}
    for limit in limits:
        good, usual = limit.about.hardware or (math.nan, math.nan)
        rows[limit.name] = (
            limit.about.label,
            limit.about.unit,
            limit.median.amount,
            limit.median.found,
            limit.low.amount,
            limit.high.amount,
            good,
            usual,
            limit.about.source,
        )
    index = pandas.Index(list(rows), name="imperfection")
    frame: pd.DataFrame = pandas.DataFrame(
        list(rows.values()), index=index, columns=list(_TOLERANCES)
    )
    return frame


def curves(result: Result) -> pd.DataFrame:
    """Return a row per epoch of every network; see ``Study.curves``."""
    pandas = pandas_for("study.curves")
    rows = []
    for slot in result.all_trials:
        networks: list[tuple[int, dict[int, float], Sequence[float]]] = []
        for one in slot.members:
            scores = dict(zip(one.scored_at, one.curve, strict=True))
            networks.append((one.member, scores, one.loss_curve))
        if not networks:  # a pruned curve has the scores until its end
            cut = {step.epoch: step.score for step in slot.steps if step.network == 0}
            networks = [(0, cut, ())]
        for network, scores, losses in networks:
            place: tuple[str, int | None, int] = (
                str(slot.phase),
                slot.number,
                network,
            )
            if slot.phase == Phase.CONFIRM and result.spec.confirm is not None:
                fresh_seed = result.spec.confirm.fresh_seed(slot.number)
                place = (str(slot.phase), slot.source, fresh_seed + 1)
            rows += [(*place, *epoch) for epoch in _epochs(scores, losses)]
    frame: pd.DataFrame = pandas.DataFrame(rows, columns=list(_CURVES))
    if rows:
        frame = frame.astype({"score": "float64", "loss": "float64"})
    return frame


def _epochs(
    scores: Mapping[int, float], losses: Sequence[float]
) -> Iterator[tuple[int, float, float]]:
    """Yield epoch, score and loss of a network; NaN for an epoch without one."""
    losses_at = dict(enumerate(losses, start=1))
    for epoch in range(1, max([0, *scores, *losses_at]) + 1):
        yield epoch, scores.get(epoch, math.nan), losses_at.get(epoch, math.nan)


def pandas_for(what: str) -> Any:
    """Import pandas for an attribute of a study.

    Raises:
        HpoError: it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise HpoError(
            f"{what} needs pandas, which is not installed ({error}). Install it: "
            "pip install 'hpo-dynamics[notebook]'."
        ) from None
    return pandas
