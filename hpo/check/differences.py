"""How two runs of the same trial differ, in words."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.check.run import Run


def name_differences(one: Run, other: Run) -> list[str]:
    """Return in words what differs between two runs, the most important first.

    User attributes are left out: no search reads them.
    """
    found = []
    if one.state != other.state:
        found.append(f"how it ended ({one.state}, {other.state})")
    if one.suggestion != other.suggestion:
        found.append(f"parameters ({_name_parameter(one, other)})")
    return found + name_changed_results(one, other)


def name_changed_results(one: Run, other: Run) -> list[str]:
    """Return in words what differs between the values, reports and training losses of
    two runs."""
    found = []
    if list(one.values) != list(other.values):
        values = [", ".join(map(repr, run.values)) for run in (one, other)]
        found.append(f"value ({values[0]} and {values[1]})")
    if list(map(tuple, one.reports)) != list(map(tuple, other.reports)):
        found.append(f"reports ({_name_report(one, other)})")
    if _as_texts(one.losses) != _as_texts(other.losses):
        found.append(f"training losses ({_name_loss(one, other)})")
    return found


def name_changed_facts(one: Run, other: Run) -> list[str]:
    """Return the names of the user attributes that differ, in order."""
    names = [*one.facts, *(name for name in other.facts if name not in one.facts)]
    changed = []
    for name in names:  # as texts: NaN is equal to itself
        if repr(one.facts.get(name)) != repr(other.facts.get(name)):
            changed.append(name)
    return changed


def _name_parameter(one: Run, other: Run) -> str:
    """Return the first parameter that two runs do not share, with both values."""
    for name in [*one.params, *other.params]:
        values = [run.params.get(name, "not asked for") for run in (one, other)]
        if values[0] != values[1]:
            return f"{name}: {values[0]}, {values[1]}"
    return "their ranges"


def _name_report(one: Run, other: Run) -> str:
    """Return the first step that two runs report differently."""
    if len(one.reports) != len(other.reports):
        return f"{len(one.reports)} and {len(other.reports)} steps"
    for (step, value), (other_step, other_value) in zip(
        one.reports, other.reports, strict=True
    ):
        if step != other_step:
            return f"steps {step} and {other_step}"
        if value != other_value:
            return f"step {step}: {value!r}, {other_value!r}"
    return "none"


def _name_loss(one: Run, other: Run) -> str:
    """Return the first epoch whose training losses differ, with both."""
    if len(one.losses) != len(other.losses):
        return f"{len(one.losses)} and {len(other.losses)} epochs"
    pairs = zip(_as_texts(one.losses), _as_texts(other.losses), strict=True)
    for epoch, (own, others) in enumerate(pairs, 1):
        if own != others:
            return f"epoch {epoch}: {own}, {others}"
    return "none"


def _as_texts(values: Sequence[float]) -> list[str]:
    """Return numbers as texts: NaN is equal to itself."""
    return [repr(float(value)) for value in values]
