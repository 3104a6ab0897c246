"""A table of real trainings that strategies are compared on, its space as a unit
cube."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.study.dimensions import Dimension
from hpo.study.spec import StudySpec


def space(spec: StudySpec) -> list[str]:
    """The parameters, in the order of the unit cube's axes."""
    return sorted(spec.space)


def to_unit(spec: StudySpec, params: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return where parameters lie in the unit cube (d,): linear or logarithmic, as the
    study has them."""
    return np.array([_share(spec.space[name], params[name]) for name in space(spec)])


def _share(dimension: Dimension, value: float) -> float:
    low = float(dimension.low or 0)
    high = float(dimension.high or 0)
    if dimension.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a table, in the order of designs and points."""
    with gzip.open(path, "rt") as lines:
        records = [json.loads(line) for line in lines]
    return sorted(records, key=lambda r: (r["design"], r["index"]))
