"""Tables of real trainings that strategies are compared on, their spaces as unit cubes.

``benchmarks.search.designs`` makes them.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.study.spec import StudySpec

MEMBERS = 10
"""Seeds of members that the points take in turn."""


def space(spec: StudySpec) -> list[str]:
    """The parameters, in the order of the unit cube's axes."""
    return sorted(spec.space)


def to_params(spec: StudySpec, unit: NDArray[np.float64]) -> dict[str, float]:
    """A point of the unit cube (d,) as parameters: linear or logarithmic as the study
    has them."""
    params = {}
    for name, u in zip(space(spec), unit, strict=True):
        dimension = spec.space[name]
        low, high = float(dimension.low or 0.0), float(dimension.high or 0.0)
        if dimension.log:
            params[name] = math.exp(math.log(low) + float(u) * math.log(high / low))
        else:
            params[name] = low + float(u) * (high - low)
        if spec.kind(name) == "int":
            params[name] = round(params[name])
    return params


def to_unit(spec: StudySpec, params: Mapping[str, Any]) -> NDArray[np.float64]:
    """The inverse of ``to_params``: (d,)."""
    unit = []
    for name in space(spec):
        dimension = spec.space[name]
        low, high, value = (
            float(dimension.low or 0),
            float(dimension.high or 0),
            params[name],
        )
        if dimension.log:
            unit.append(math.log(value / low) / math.log(high / low))
        else:
            unit.append((value - low) / (high - low))
    return np.array(unit)


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a table, in the order of designs and points."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as lines:
        records = [json.loads(line) for line in lines]
    return sorted(records, key=lambda r: (r["design"], r["index"]))
