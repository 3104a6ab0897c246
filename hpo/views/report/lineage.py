"""What the trials of a study ran on, summed up over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hpo.study.result import Result

MAX_VALUES = 6


def summary(result: Result) -> dict[str, str]:
    """One line per lineage key: the value where all agree, else the values and how often each.

    Numbers that differ from trial to trial, such as seconds, are given by sum and range.
    """
    values: dict[str, list[Any]] = {}
    for trial in result.every:
        for key, value in _flat(trial.lineage):
            values.setdefault(key, []).append(value)
    return {key: _text(found) for key, found in sorted(values.items())}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(values: list[Any]) -> str:
    counts = Counter(str(value) for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(counts) > MAX_VALUES:
        return f"{min(numbers):,.4g} – {max(numbers):,.4g}, in all {sum(numbers):,.0f}"
    common = [f"{value} ({n:,})" for value, n in counts.most_common(MAX_VALUES)]
    more = len(counts) - MAX_VALUES
    return ", ".join(common) + (f" and {more:,} more" if more > 0 else "")
