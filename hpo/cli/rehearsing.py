"""What a rehearsal found, in words, each with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpo.check import Rehearsal, Run
from hpo.cli.findings import Finding
from hpo.study.dimensions import Dimension
from hpo.study.spec import StudySpec
from hpo.views.sentences import formatting, uncompiled, untaken

_SEED_ALL = (
    "random, NumPy and PyTorch are seeded. Seed what else draws with hpo.seed(trial),"
    " sort files, read no clock, use one thread; on a GPU:"
    " torch.use_deterministic_algorithms(True)."
)
_SEED_MEMBER = (
    "Draw from `member_seed` alone, sort files, read no clock, use one thread."
)
_SHORT_S = 60.0
"""Below it, the time of a whole study is not worth a word."""
_KEEPS_STATE = (
    "It repeats in a fresh process, but not after another call: something outside of"
    " the function is kept, such as a counter or a model. Make it inside."
)


def examine(spec: StudySpec, rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yield the findings, each as soon as its calls are made."""
    untaken_text = untaken.untaken_text(spec)
    if untaken_text:
        yield Finding("not taken", untaken_text)
    first = rehearsal.first
    if first.state == "failed":
        yield Finding("first trial", _failure(spec, first), "error", _correct(first))
        return
    yield Finding("first trial", _result(spec, first))
    yield Finding("time", _duration(spec, first, rehearsal.seconds))
    slow = uncompiled.uncompiled_text(rehearsal.uncompiled)
    if slow:
        yield Finding("kernel", slow, "warning", uncompiled.REMEDY)
    yield Finding("memory", f"{first.peak_bytes / 1e6:,.0f} MB at most")
    yield _judge_space(spec, rehearsal)
    yield _judge_reports(spec, first)
    yield _judge_repeat(spec, rehearsal)
    if not rehearsal.differences:
        yield _judge_seed(spec, rehearsal)


def _failure(spec: StudySpec, run: Run) -> str:
    """Return why a call failed, with the line of the script."""
    why = formatting.last_line(run.message)
    if not spec.is_function:
        return why
    name = spec.script.path.name
    pattern = rf'File "[^"]*{re.escape(name)}", line (\d+)'
    lines = re.findall(pattern, run.message or "")
    if not lines:
        return why
    return f"{name}:{lines[-1]}: {why}"


def _correct(run: Run) -> str:
    params = formatting.params_text(run.params)
    if not params:
        return "Correct it, and check again."
    return f"Its parameters: {params}. Correct it, and check again."


def _result(spec: StudySpec, run: Run) -> str:
    ended = "pruned"
    if run.values:
        names = spec.metrics or (spec.about.metric,)
        pairs = zip(names, run.values, strict=False)
        ended = ", ".join(f"{name} {value:.6g}" for name, value in pairs)
    params = formatting.params_text(run.params)
    if not params:
        return ended
    return f"{ended} with {params}"


def _duration(spec: StudySpec, run: Run, seconds: float) -> str:
    """Say how long a call or an epoch takes, and what that means for the study."""
    n_trials = spec.budget.trials
    members = spec.budget.seeds
    if spec.is_function:
        calls = n_trials * members
        if spec.confirm is not None:
            calls += spec.confirm.trainings
        each = f"{_seconds(seconds)} a call"
        all_s = calls * seconds
        if all_s < _SHORT_S:
            return each
        whole = formatting.duration_text(all_s)
        return f"{each}; {calls:,} calls take at most {whole} of one worker"
    if run.epoch_s is None:
        return f"{_seconds(seconds)} for an epoch"
    trial_s = members * spec.planned_epochs * run.epoch_s
    networks = formatting.plural(members, "network")
    whole = f"{networks} of {spec.planned_epochs} epochs"
    return (
        f"{_seconds(run.epoch_s)} an epoch; about {formatting.duration_text(trial_s)}"
        f" for a trial of {whole}"
    )


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s"
    return formatting.duration_text(seconds)


def _judge_space(spec: StudySpec, rehearsal: Rehearsal) -> Finding:
    """List the parameters with their ranges; warn if the function asks for none."""
    space = rehearsal.space
    if not space:
        return Finding(
            "parameters",
            "none that varies",
            "warning",
            "Let the function ask for some, as in trial.suggest_float('x', 0, 1).",
        )
    texts = []
    for name, dimension in space.items():
        texts.append(f"{name} {_range(spec, name, dimension, rehearsal)}")
    return Finding("parameters", "; ".join(texts))


def _range(
    spec: StudySpec, name: str, dimension: Dimension, rehearsal: Rehearsal
) -> str:
    """Describe the values of a parameter, and how often a function asks for it."""
    text = dimension.allowed
    if dimension.log:
        text += ", log"
    if isinstance(dimension.low, int) and isinstance(dimension.high, int):
        text += ", whole numbers"
    if not spec.is_function:
        return f"{text} {formatting.condition_text(dimension)}".rstrip()
    n_with, n_calls = rehearsal.count_calls(name)
    if n_with < n_calls:
        text += f" (in {n_with} of {n_calls} calls)"
    return text


def _judge_reports(spec: StudySpec, run: Run) -> Finding:
    n_reports = len(run.reports)
    pruner = spec.pruner.name
    remedy = ""
    if not n_reports:
        if pruner == "none":
            return Finding("pruning", "this trial reported nothing")
        return Finding(
            "pruning",
            f"this trial reported nothing, but the pruner is {pruner}",
            "warning",
            "Report each step: trial.report(value, step).",
        )
    text = f"reports {formatting.plural(n_reports, 'step')}, pruner {pruner}"
    if not run.asks_to_prune:
        text = (
            f"reports {formatting.plural(n_reports, 'step')}, but never asks to prune"
        )
        remedy = (
            "To end poor trials early: if trial.should_prune(): raise"
            " optuna.TrialPruned."
        )
    elif pruner == "none" and not spec.several_values:
        remedy = "To end poor trials early: --pruner median."
    return Finding("pruning", text, remedy=remedy)


def _judge_repeat(spec: StudySpec, rehearsal: Rehearsal) -> Finding:
    differences = rehearsal.differences
    if differences:
        remedy = _SEED_MEMBER
        if rehearsal.keeps_state:
            remedy = _KEEPS_STATE
        elif spec.is_function:
            remedy = _SEED_ALL
        text = f"a second call differs in its {'; '.join(differences)}"
        return Finding("repeats", text, "error", remedy)
    text = "value, reports and parameters are equal in two processes"
    if rehearsal.first.losses:
        text = f"training losses, {text}"
    changed = rehearsal.changed_facts
    if not changed:
        return Finding("repeats", text)
    what = f"user attributes differ: {', '.join(changed)}"
    return Finding("repeats", f"{text}; {what}", remedy="No search reads them.")


def _judge_seed(spec: StudySpec, rehearsal: Rehearsal) -> Finding:
    other = rehearsal.other_seed
    if other.state == "failed":
        text = f"with another seed it fails: {_failure(spec, other)}"
        return Finding("seed", text, "error", _correct(other))
    if rehearsal.seed_has_effect:
        changed = "; ".join(rehearsal.seed_differences)
        text = f"another seed changes its {changed}"
        one = list(rehearsal.first.values[:1])
        two = list(other.values[:1])
        if one and two and one != two:
            text = f"another seed gives {two[0]:.6g} instead of {one[0]:.6g}"
        return Finding("seed", text)
    remedy = "Draw from `member_seed`, or set confirm = false."
    if spec.is_function:
        remedy = (
            "Give hpo.seed(trial) to what draws, as in random_state=hpo.seed(trial);"
            " or launch with --no-confirm."
        )
    text = "another seed changes nothing, so fresh seeds would confirm nothing"
    return Finding("seed", text, "warning", remedy)
