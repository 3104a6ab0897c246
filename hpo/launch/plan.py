"""The plan of a launch: the text of ``--dry-run``, and the number of workers."""

from __future__ import annotations

import os

from hpo.contract import Protocol
from hpo.errors import SpecError
from hpo.launch import executors
from hpo.launch.executors import LaunchOptions
from hpo.ledger.ledger import Ledger
from hpo.objectives import data
from hpo.objectives.data import Contents, SeriesContents
from hpo.objectives.data.uncertainty import Uncertainty, uncertainty
from hpo.postgres.connect import open_storage
from hpo.search import constraints
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.views.records import json_records
from hpo.views.sentences import formatting, verdict
from hpo.views.terminal import text_tables


def read(spec: StudySpec) -> Contents | SeriesContents | None:
    """Describe the data that the study's task reads; None if the task does not say.

    Raises:
        SpecError: the data is missing, or has changed since the study file was read.
    """
    try:
        return data.contents(spec.task_params)
    except ValueError as error:
        raise SpecError(f"study {spec.name!r}: task: {error}") from None


def describe(spec: StudySpec, contents: Contents | SeriesContents | None) -> list[str]:
    """Describe the data in words, with a warning if axes look swapped.

    ``1,797 series × 64 points × 1 channel; 10 classes; 629 train / 269 validation / 899
    test``
    """
    if contents is None:
        return []
    split = (
        f"{contents.train:,} train / {contents.validation:,} validation /"
        f" {contents.test:,} test"
    )
    if spec.protocol != Protocol.VALIDATION:
        split = (
            f"{contents.train + contents.validation:,} train / {contents.test:,} test"
        )
    channels = f"{contents.channels:,} channel{'s' * (contents.channels > 1)}"
    if isinstance(contents, SeriesContents):
        targets = f"{contents.outputs:,} target{'s' * (contents.outputs > 1)}"
        return [
            f"{contents.points:,} points × {channels}, {targets}; "
            f"{contents.washout:,} washout / {split}"
        ]
    unequal = contents.shortest < contents.points
    lengths = (
        f"; lengths {contents.shortest:,}–{contents.points:,}, padded before"
        if unequal
        else ""
    )
    lines = [
        f"{contents.series:,} series × {contents.points:,} points × {channels}; "
        f"{contents.classes:,} classes; {split}{lengths}"
    ]
    if contents.channels > contents.points:
        warning = (
            f"warning: {contents.channels:,} channels exceed {contents.points:,}"
            " points. If these "
        )
        lines += [
            warning
            + "are the time points, x must be (n, time, channels): x.transpose(0, 2, 1)"
        ]
    return lines + (errors.lines() if (errors := sampled(spec, contents)) else [])


def sampled(
    spec: StudySpec, contents: Contents | SeriesContents | None
) -> Uncertainty | None:
    """Return the standard error of a trial's score, if that is an accuracy."""
    if not spec.is_accuracy or not isinstance(contents, Contents):
        return None
    share = spec.reported.score if spec.reported else None
    return uncertainty(contents, share, spec.budget.members, spec.protocol)


def pinned(spec: StudySpec, storage_url: str | None) -> StudySpec:
    """Return the spec as it would be registered; only a warm start reads the
    database."""
    if not (warm := spec.warm_start) or warm.points is not None:
        return spec
    with open_storage(storage_url) as storage:
        return Ledger(storage).with_points(spec)


def default_workers(spec: StudySpec) -> int:
    """Return one worker per core, or per ``threads`` cores, but no more than can have
    work."""
    confirm, threads = spec.confirm, spec.fixed.get("threads")
    at_once = min(spec.budget.window, spec.budget.trials)
    useful = max(at_once, confirm.top * confirm.members if confirm else 0)
    return min(
        max(1, cores() // threads if isinstance(threads, int) else cores()), useful
    )


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def show(spec: StudySpec, where: str, options: LaunchOptions) -> None:
    """Print what would run, and the job script; write nothing.

    Args:
        spec: the study, as it would be registered.
        where: the file of the study.
        options: options of the launch.
    """
    launch, data, budget = options.site.launch, read(spec), spec.budget
    workers = default_workers(spec) if launch.workers is None else launch.workers
    executor = executors.executor(options, spec.name, storage_url="")
    if options.json:
        record = {
            "event": "dry-run",
            "study": spec.name,
            "file": where,
            "spec_hash": spec.hash,
            "spec": spec.stored(),
            "data": data,
            "sampled": sampled(spec, data),
            "constraints": constraints.fit(spec) if spec.constraints else None,
            "storage": options.database,
            "workers": workers,
            "executor": launch.executor,
            "epochs_at_most": effort.largest(spec),
            "epochs_at_least": _least(spec),
            "confirmation_epochs": effort.confirmation_epochs(spec),
            "script": executor.script(workers) if workers else None,
        }
        print(json_records.dumps(record))
        return
    facts = [
        ("study", f"{spec.name} (from {where}, hash {spec.hash})"),
        (
            "objective",
            f"{spec.objective}, {spec.task_params.name}, protocol {spec.protocol}",
        ),
        *(
            ("data" if i == 0 else "", line)
            for i, line in enumerate(describe(spec, data))
        ),
        (
            "budget",
            (
                f"{budget.trials:,} trials × {formatting.networks_text(budget.members)}"
                f" × {budget.epochs} epochs, {budget.window} trials in flight at most"
            ),
        ),
        *([] if spec.aim == "sweep" else _searching(spec)),
        ("training", _training(spec)),
        (
            "reported",
            formatting.reported_text(spec).removeprefix("reported ") or "nothing",
        ),
        ("warm start", formatting.warm_start_text(spec) if spec.warm_start else ""),
        ("fixed", text_tables.params_text(spec.fixed) or "nothing"),
        ("score", verdict.hardware_text(spec)),
        ("storage", options.database),
        ("workers", str(workers)),
        (
            "jobs",
            executor.where(workers) if workers and launch.executor != "local" else "",
        ),
    ]
    rows = [[name, text] for name, text in facts if text]
    print("\n".join(text_tables.columns(rows)), end="\n\n")
    print("\n".join(_curves(spec) if spec.curves else _space(spec)))
    if workers and (script := executor.script(workers)):
        print(f"\n{script}", end="")


def _searching(spec: StudySpec) -> list[tuple[str, str]]:
    costs = (
        f"{' and '.join(spec.cost.name)}, as little as possible" if spec.cost else ""
    )
    stop = spec.stop and spec.stop.model_dump(exclude_none=True)
    return [
        ("sampler", _choice(spec.sampler.name, spec.sampler.options)),
        ("pruner", _choice(spec.pruner.name, spec.pruner.options)),
        ("cost", costs),
        ("constraints", _constraints(spec) if spec.constraints else ""),
        ("stop", text_tables.params_text(stop) if stop else ""),
        ("confirm", _confirm(spec)),
    ]


def _constraints(spec: StudySpec) -> str:
    """Return the bounds, and the part of the space that satisfies them."""
    fit, parts = constraints.fit(spec), []
    for name, most in (spec.constraints or {}).items():
        least = formatting.quantity(name, fit.least[name])
        parts.append(f"{name} ≤ {formatting.value_text(most)} (smallest draw: {least})")
    share = 100.0 * fit.fitting / fit.draws
    return (
        f"{', '.join(parts)}; {share:.3g} % of {fit.draws:,} uniform draws are feasible"
    )


def _least(spec: StudySpec) -> int | None:
    """Return the epochs of a search with the earliest pruning; None if ``[stop]`` may
    end it."""
    return None if spec.stop is not None else spec.budget.trials * effort.soonest(spec)


def _training(spec: StudySpec) -> str:
    """Return the number of training epochs, as far as it is known before the study
    runs."""
    most, least, soonest = effort.largest(spec), _least(spec), effort.soonest(spec)
    text = f"{most:,} epochs in the {'sweep' if spec.aim == 'sweep' else 'search'}"
    if least is None:
        text = f"at most {text}; [stop] may end it earlier"
    elif least < most:
        ends = f"{soonest} epoch{'s' * (soonest > 1)}"
        text = f"at most {text}, at least {least:,} (a trial can end after {ends})"
    confirming = effort.confirmation_epochs(spec)
    return text + f"; {confirming:,} in the confirmation" * bool(confirming)


def _space(spec: StudySpec) -> list[str]:
    reported = spec.reported_params
    rows = [["parameter", "searched", "unit", "reported"]]
    for name, dimension in spec.dimensions.items():
        value = formatting.value_text(reported[name]) if name in reported else "–"
        where = formatting.condition_text(dimension)
        scale = ", log" * dimension.log + ", whole numbers" * (spec.kind(name) == "int")
        searched = f"{dimension.allowed}{scale} {where}".rstrip()
        rows.append([name, searched, formatting.unit(name), value])
    return text_tables.columns(rows, right=[3])


def _curves(spec: StudySpec) -> list[str]:
    rows = [["curve", "varies", "points", "from", "to", "fixed"]]
    for curve in spec.curves:
        ends = [formatting.value_text(curve.at[0]), formatting.value_text(curve.at[-1])]
        fixed = text_tables.params_text(curve.fixed) or "–"
        rows.append(
            [curve.label, " = ".join(curve.names), str(len(curve.at)), *ends, fixed]
        )
    return text_tables.columns(rows, right=[2])


def _choice(name: str, options: dict[str, object]) -> str:
    return (
        f"{name} {' '.join(f'{key}={value}' for key, value in options.items())}".strip()
    )


def _confirm(spec: StudySpec) -> str:
    if (confirm := spec.confirm) is None:
        return "nothing"
    best = "the best trial" if confirm.top == 1 else f"the best {confirm.top} trials"
    best += " by posterior mean" if confirm.by == "expected" else ""
    return (
        f"{best}, on {confirm.members} fresh seeds each, {spec.confirm_epochs} epochs"
    )
