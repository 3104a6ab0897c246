"""What to do about a study that has ended without a complete trial."""

from __future__ import annotations

import shlex

from hpo.errors import advise
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.sentences.formatting import joined, plural


def remedy(result: Result) -> str:
    """Say what to do; empty while there is a complete trial, or the study runs."""
    if not result.lacks_complete_trial:
        return ""
    steps = []
    if result.ended(SlotState.FAILED):
        steps.append(_of_failed(result))
    if any(trial.state == SlotState.PRUNED for trial in result.search):
        steps.append(_of_pruned(result))
    if not steps:
        steps.append("all trials are excluded: launch the study under another name")
    return joined(steps)


def _of_failed(result: Result) -> str:
    if result.n_returned is not None:
        return start_another(result, result.n_returned)
    name = shlex.quote(result.name)
    own = f"hpo.load({result.name!r})"
    errors = advise(f"hpo trials {name} --state failed", f"{own}.trials")
    return f"correct what failed (`{errors}`), then retry: `{retry_command(result)}`"


def correct_failed(result: Result, retry: str, storage: str = "") -> str:
    """Say what to do about failed trials: to ``retry`` them once their cause is fixed,
    or to start another study if a retry would fail again.

    Args:
        result: the study.
        retry: the command that runs the failed trials again.
        storage: options by which the command reaches the same database.
    """
    if result.n_returned is not None:
        return start_another(result, result.n_returned, storage)
    return f"after fixing the cause: {retry}"


def start_another(result: Result, n_values: int, storage: str = "") -> str:
    """Say how to start a study with a direction for each value that the function
    returns.

    Args:
        result: the study, which has another number of directions.
        n_values: how many values the function returns.
        storage: options by which the command reaches the same database.
    """
    own = list(result.spec.directions or ())
    missing = ["minimize"] * (n_values - len(own))
    directions = [*own, *missing][:n_values]
    line = f"hpo launch {shlex.quote(result.spec.objective)} --name NEW{storage}"
    for direction in directions:
        line += f" --direction {direction}"
    if result.spec.arguments:
        line += f" -- {shlex.join(result.spec.arguments)}"
    python = f"hpo.launch({result.spec.objective!r}, name='other', {directions=})"
    return (
        f"a retry fails again: the function returns {plural(n_values, 'value')}, and"
        f" the study has {plural(len(own), 'direction')}. Start another study with the"
        f" direction of each value: `{advise(line, python)}`"
    )


def retry_command(result: Result, storage: str = "") -> str:
    """Return how to run failed trials again, once their cause is corrected: for a
    function, that has changed its source.

    Args:
        result: the study.
        storage: options by which the command reaches the same database.
    """
    line = f"hpo resume {shlex.quote(result.name)}{storage} --retry"
    own = f"hpo.load({result.name!r})"
    if result.spec.is_function:
        python = f"{own}.accept_code(); {own}.retry()"
        return advise(f"{line} --accept-code", python)
    return advise(line, f"{own}.retry()")


def _of_pruned(result: Result) -> str:
    """Say how to get a trial past the pruner."""
    spec = result.spec
    name = shlex.quote(result.name)
    more = 2 * result.snapshot.trials
    extend = advise(
        f"hpo resume {name} --trials {more}",
        f"hpo.load({result.name!r}).extend({more})",
    )
    without = 'with [pruner] name = "none"'
    if spec.is_function:
        without = "with --pruner none"
        if not spec.pruner.prunes:
            without = "with a function that prunes less"
    new = f"launch it under another name {without}"
    if result.snapshot.search_end is not None:
        return f"no trial got past pruning: {new}"
    return f"no trial got past pruning: add trials (`{extend}`), or {new}"
