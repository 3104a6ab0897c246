"""The points of Fig. 3(c): a condition each, with the drive that its trained networks have."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from hpo.study.snapshot import StudySnapshot
from hpo.study.trials import Slot
from objectives import physics


@dataclass(frozen=True)
class Condition:
    """A point of Fig. 3(c)."""

    median: float
    low: float
    drive: float
    """Cumulative drive on the trained weights, median over the networks."""
    dt_ns: float
    tau_ns: float
    lr_ratio: float
    """Learning rate over the optimal weight 1 / (dt S sqrt(N))."""


def conditions(studies: Mapping[str, StudySnapshot]) -> list[Condition]:
    """The points of Fig. 3(c): its own broad set, and those of Fig. 2(b), 3(a), 3(b), each once."""
    found: dict[tuple[float, ...], Condition] = {}
    for name in ("fig3c", "fig2b", "fig3a", "fig3b"):
        snapshot = studies.get(name)
        for slot in snapshot.search if snapshot else ():
            condition = _condition(snapshot, slot) if snapshot else None
            if condition is not None:  # the figures share a curve
                found[condition.dt_ns, condition.tau_ns, condition.lr_ratio] = condition
    return list(found.values())


def _condition(snapshot: StudySnapshot, slot: Slot) -> Condition | None:
    drives = [m.info["cumulative_drive"] for m in slot.members if "cumulative_drive" in m.info]
    if not drives:
        return None
    values = snapshot.spec.params(slot.params).model_dump()
    fan_in = physics.fan_in(
        width=values["width"],
        density_inter=values["density_inter"],
        density_intra=values["density_intra"],
    )
    weight = physics.recommended_weight_per_ns(dt_ns=values["dt_ns"], s=values["s"], fan_in=fan_in)
    scores = sorted(100.0 * score for score in slot.claimed)
    low = statistics.quantiles(scores, n=4, method="inclusive")[0] if len(scores) > 1 else scores[0]
    return Condition(
        median=statistics.median(scores),
        low=low,
        drive=statistics.median(drives),
        dt_ns=values["dt_ns"],
        tau_ns=values["tau_ns"],
        lr_ratio=values["lr0"] / weight,
    )
