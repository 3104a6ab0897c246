"""The methods of a study in sentences, from its file and what its trials have stored.

What is not stored is named, and nothing is guessed. All texts are plain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hpo.contract import Protocol
from hpo.objectives.hardware import thermal
from hpo.study import tolerances
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import StudyState
from hpo.views.paper import citations
from hpo.views.records import json_records
from hpo.views.sentences import progress, verdict
from hpo.views.sentences import tolerances as tolerance_words
from hpo.views.sentences.formatting import (
    baseline_text,
    beginning_text,
    capital,
    duration_text,
    function_text,
    joined,
    parameter_label,
    per_trial,
    plural,
    repeats_name,
    value_text,
)

_CODE = "code"
_REVISION = "revision"


def sentences(result: Result) -> list[str]:
    """Return the sentences in their order, each with its full stop."""
    parts = [
        *_state(result),
        *_task(result),
        *_search(result),
        *_confirmation(result),
        *_outcome(result),
        *_hardware(result),
        *_identity(result),
    ]
    return [f"{part.rstrip('.')}." for part in filter(None, parts)]


def missing(result: Result) -> list[str]:
    """Name what a reader would ask for, and what the study does not have."""
    lineage = json_records.lineage(result)
    lacks = []
    if result.state == StudyState.OPEN:
        lacks.append("the end of the study")
    if result.confirmed is None and verdict.named(result):
        lacks.append("a confirmed score")
    if not result.baselines:
        lacks.append("baselines")
    if result.spec.reported is None:
        lacks.append("a reported score")
    if result.spec.has_class and tolerances.of_result(result) is None:
        lacks.append("tolerances of hardware")
    if _REVISION not in lineage:
        lacks.append("the revision of the software")
    if lineage.get("dirty", "False") != "False":
        lacks.append("a revision without local changes")
    if _CODE not in lineage:
        lacks.append("a hash of the objective's source")
    return [*lacks, *citations.missing(result)]


def _state(result: Result) -> Iterator[str]:
    if result.state != StudyState.DONE:
        yield f"The study is not finished: it is {result.state}"


def _task(result: Result) -> Iterator[str]:
    spec = result.spec
    if not spec.has_class:
        yield capital(function_text(spec))
        return
    task = spec.about.task
    values = {name: value for name, value in task.values.items() if name != "name"}
    told = f" ({_listed(values)})" if values else ""
    yield (
        f"Networks of the type {spec.objective} were trained on the task"
        f" {task.name}{told}"
    )
    if spec.description:
        yield spec.description
    if spec.device:
        preset = thermal.read_tables().get(spec.device, {})
        source = preset.get("source", "a table of the user's")
        yield f"The device is {spec.device}: {source}"
    if spec.fixed:
        yield f"Fixed were {_listed(spec.fixed)}"
    if spec.variability:
        yield f"Scores are means over simulated chips with {_listed(spec.variability)}"


def _seen(spec: StudySpec) -> str:
    """Say which trials a trial was suggested from; nothing if it learns from none."""
    window = spec.budget.window
    if not spec.sampler.learns:
        return ""
    if spec.budget.clock:
        return (
            "; trial k was suggested from the trials that had ended when it began on"
            f" {plural(window, 'virtual worker')}, in a time that epochs and batches"
            " alone decide"
        )
    return f"; trial k was suggested from trials 0 to k - {window}"


def _search(result: Result) -> Iterator[str]:
    spec = result.spec
    budget = spec.budget
    if spec.curves:
        points = plural(budget.trials, "point")
        yield f"All {points} of {', '.join(spec.swept)} were measured"
    else:
        ranges = []
        for name, dimension in spec.dimensions.items():
            scale = " (log)" if dimension.log else ""
            ranges.append(f"{parameter_label(name)} {dimension.allowed}{scale}")
        text = (
            f"The search, {_named(spec.sampler.name, spec.sampler.options)}, had"
            f" {plural(budget.trials, 'trial')} and the seed {spec.seed}, from which"
            " all others are derived"
        )
        text += _seen(spec)
        yield text
        yield f"It varied {'; '.join(ranges)}"
    scored = ""
    if spec.has_class:
        scored = f", {verdict.protocol_text(spec)}"
        if spec.protocol == Protocol.VALIDATION:
            scored = ", scored on a validation part of the training data"
    yield f"It had {per_trial(spec)}{scored}"
    if spec.pruner.prunes:
        pruner = _named(spec.pruner.name, spec.pruner.options)
        yield f"Trials were pruned by {pruner}"
    if spec.stop is not None:
        rules = spec.stop.model_dump(exclude_none=True)
        yield f"The search could end by {_listed(rules)}"
    if spec.constraints:
        yield f"Upper bounds were {_listed(spec.constraints)}"
    beginning = beginning_text(spec)
    if beginning:
        yield capital(beginning)
    took = duration_text(result.trained_s)
    yield f"{progress.progress(result)}; {took} of wall time in trainings"


def _confirmation(result: Result) -> Iterator[str]:
    spec = result.spec
    confirm = spec.confirm
    if confirm is None:
        if verdict.named(result):
            yield "Nothing was confirmed: the study file says so"
        return
    text = f"The best {plural(confirm.top, 'trial')} by {confirm.by or 'score'}"
    if confirm.top == 1:
        text = f"The best trial by {confirm.by or 'score'}"
    text = f"{text} was evaluated again on {confirm.networks} {repeats_name(spec)}"
    if spec.has_class:
        text += (
            f" ({spec.confirm_epochs} epochs on the whole training set), and each"
            " network tested once on the held-out test set"
        )
    if confirm.splits > 1:
        text += f", on {confirm.splits} splits of the data"
    yield text


def _outcome(result: Result) -> Iterator[str]:
    yield f"Result: {verdict.verdict(result)}"
    told = []
    for one in result.baselines:
        tried = f"{plural(one.tried, 'setting')} tried" if one.tried > 1 else ""
        n = f"n = {one.n}" if one.n > 1 else ""
        more = joined([n, tried], ", ")
        told.append(baseline_text(result.spec, one) + (f", {more}" if more else ""))
    if told:
        yield f"Baselines on the same split: {'; '.join(told)}"


def _hardware(result: Result) -> Iterator[str]:
    card = tolerances.of_result(result)
    if card is None:
        return
    words = tolerance_words
    limits = [
        f"{limit.about.label} {words.tolerance_text(limit.about, limit.median)}"
        for limit in card.limits
    ]
    loss = words.loss_text(result.spec)
    yield f"Each of these imperfections alone costs {loss}: {'; '.join(limits)}"
    yield words.how(card)
    yield capital(words.drive_text(result.spec, card))


def _identity(result: Result) -> Iterator[str]:
    lineage = json_records.lineage(result)
    yield f"The study file has the hash {result.spec.hash}"
    names = {
        _CODE: "hash of the objective's source",
        _REVISION: "revision of the software",
        "cpu": "CPU",
        "numerics": "numerics",
    }
    for name, what in names.items():
        if name in lineage:
            yield f"{capital(what)}: {lineage[name]}"
    versions = {
        name.removeprefix("versions."): value
        for name, value in lineage.items()
        if name.startswith("versions.")
    }
    if versions:
        listed = ", ".join(f"{name} {value}" for name, value in versions.items())
        yield f"Versions: {listed}"


def _named(name: str, options: Mapping[str, Any]) -> str:
    """Return a sampler or a pruner with its options."""
    if not options:
        return name
    return f"{name} ({_listed(options)})"


def _listed(values: Mapping[str, Any]) -> str:
    """``a = 1, b = 2``."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in values.items())
