"""What ``hpo.load`` hands out of a study: its best trial, and its confirmed results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpo.study.confirmation import Confirmation
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.thermal_power import Yield, chip_yield
from hpo.views import caveats
from objectives.contract import Thermal


@dataclass(frozen=True)
class Trial:
    """A complete trial of the search."""

    number: int
    score: float
    """Mean over its networks; an accuracy is between 0 and 1."""
    params: Mapping[str, ParamValue]
    """The searched parameters, with units in their names."""
    cost: float | Mapping[str, float] | None = None
    """What ``[cost]`` names, of several costs numbers by name; None in a study without."""
    expected: float | None = None
    """What is expected of another network, where ``confirm.by`` is "expected"; else None."""


@dataclass(frozen=True)
class Confirmed:
    """A configuration that was trained again from fresh seeds and tested once."""

    trial: int
    """Number of the search trial that it is of."""
    mean: float
    std: float
    """Sample standard deviation over the fresh seeds; NaN below two."""
    scores: tuple[float, ...]
    """One per fresh seed, as far as they are there."""
    solved: bool
    """Whether the scores are those on the solved equation (else at the study's step)."""
    params: Mapping[str, ParamValue]
    warning: str = ""
    """Why the result may not be one of the device, and what to do; mostly empty."""
    thermal: Thermal | None = None
    """Mean scores at other thermal powers, and those of all chips with thermal noise; None if a
    network was not scored at them."""
    chips: tuple[float, ...] = ()
    """Scores on the chips of ``[variability]``."""
    chip_yield: Yield | None = None
    """How many of them, or without them of the chips with thermal noise, reach
    ``confirm.yield_above``, else the reported score: ``share``, ``interval`` (95 %), ``passed`` of
    ``chips``, ``threshold``."""


def confirmed_of(spec: StudySpec, item: Confirmation) -> Confirmed:
    """A confirmed result as it is handed out."""
    return Confirmed(
        trial=item.source,
        mean=item.mean,
        std=item.std,
        scores=item.scores,
        solved=item.checked,
        params=params_of(spec, item.params),
        warning=caveats.warning(spec, item),
        thermal=item.thermal,
        chips=item.chips,
        chip_yield=chip_yield(spec, item.simulated),
    )


def params_of(spec: StudySpec, found: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
    """Parameters in the order of the study file."""
    return {name: found[name] for name in spec.parameters if name in found}
