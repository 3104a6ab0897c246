"""What a launch would run: the words of ``--dry-run``, and the number of workers."""

from __future__ import annotations

import os

from hpo.errors import SpecError
from hpo.launch import executors
from hpo.launch.executors import LaunchOptions
from hpo.ledger.ledger import Ledger
from hpo.objectives.contents import Contents, Sampled, SeriesContents, contents
from hpo.objectives.contract import Protocol
from hpo.postgres.connect import open_storage
from hpo.search import constraints
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.tables import NEAREST
from hpo.views import formatting, json_records, verdict
from hpo.views.terminal import text_tables


def read(spec: StudySpec) -> Contents | SeriesContents | None:
    """What the study's task reads; None if it is silent.

    Raises:
        SpecError: the data has gone or changed since the study file was read.
    """
    try:
        return contents(spec.task_params)
    except ValueError as error:
        raise SpecError(f"study {spec.name!r}: task: {error}") from None


def data(spec: StudySpec, found: Contents | SeriesContents | None) -> list[str]:
    """What was read, in words, with a warning where it is hardly meant.

    ``1,797 series × 64 points × 1 channel; 10 classes; 629 train / 269 validation / 899 test``
    """
    if found is None:
        return []
    split = f"{found.train:,} train / {found.validation:,} validation / {found.test:,} test"
    if spec.protocol != Protocol.VALIDATION:
        split = f"{found.train + found.validation:,} train / {found.test:,} test"
    channels = f"{found.channels:,} channel{'s' * (found.channels > 1)}"
    if isinstance(found, SeriesContents):
        targets = f"{found.outputs:,} target{'s' * (found.outputs > 1)}"
        return [
            f"{found.points:,} points × {channels}, {targets}; {found.washout:,} washout / {split}"
        ]
    unequal = found.shortest < found.points
    lengths = f"; lengths {found.shortest:,}–{found.points:,}, padded before" if unequal else ""
    lines = [
        f"{found.series:,} series × {found.points:,} points × {channels}; "
        f"{found.classes:,} classes; {split}{lengths}"
    ]
    if found.channels > found.points:
        warning = f"warning: {found.channels:,} channels exceed {found.points:,} points. If these "
        lines += [
            warning + "are the time points, x must be (n, time, channels): x.transpose(0, 2, 1)"
        ]
    return lines + (known.lines() if (known := sampled(spec, found)) else [])


def sampled(spec: StudySpec, found: Contents | SeriesContents | None) -> Sampled | None:
    """How well the score of a trial will be known, if that is an accuracy."""
    if not spec.is_accuracy or not isinstance(found, Contents):
        return None
    share = spec.reported.score if spec.reported else None
    return found.sampled(share, spec.budget.members, spec.protocol)


def pinned(spec: StudySpec, storage_url: str | None) -> StudySpec:
    """The spec as it would be registered; looks into the database only for a warm start."""
    if not (warm := spec.warm_start) or warm.points is not None or warm.study == NEAREST:
        return spec
    with open_storage(storage_url) as storage:
        return Ledger(storage).with_points(spec)


def default_workers(spec: StudySpec) -> int:
    """One worker per core that this process may use, but no more than find work.

    Per ``threads`` cores, where the networks of the study are trained by several.
    """
    confirm, threads = spec.confirm, spec.fixed.get("threads")
    at_once = min(spec.budget.window, spec.budget.trials)
    useful = max(at_once, confirm.top * confirm.members if confirm else 0)
    return min(max(1, cores() // threads if isinstance(threads, int) else cores()), useful)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def show(spec: StudySpec, where: str, options: LaunchOptions) -> None:
    """Print what would run, without writing anything; at last the script of jobs.

    Args:
        spec: the study, as it would be registered.
        where: the file that it was read from.
        options: of the launch.
    """
    launch, found, budget = options.site.launch, read(spec), spec.budget
    workers = default_workers(spec) if launch.workers is None else launch.workers
    executor = executors.executor(options, spec.name, storage_url="")
    if options.json:
        record = {
            "event": "dry-run",
            "study": spec.name,
            "file": where,
            "spec_hash": spec.hash,
            "spec": spec.stored(),
            "data": found,
            "sampled": sampled(spec, found),
            "constraints": constraints.fit(spec) if spec.constraints else None,
            "storage": options.database,
            "workers": workers,
            "executor": launch.executor,
            "epochs_at_most": effort.largest(spec),
            "epochs_at_least": _least(spec),
            "confirmation_epochs": effort.of_all_confirmations(spec),
            "script": executor.script(workers) if workers else None,
        }
        print(json_records.dumps(record))
        return
    facts = [
        ("study", f"{spec.name} (from {where}, spec {spec.hash})"),
        ("objective", f"{spec.objective}, {spec.task_params.name}, protocol {spec.protocol}"),
        *(("data" if i == 0 else "", line) for i, line in enumerate(data(spec, found))),
        (
            "budget",
            f"{budget.trials:,} trials × {formatting.networks_text(budget.members)} × "
            f"{budget.epochs} epochs, {budget.window} trials in flight at most",
        ),
        *([] if spec.aim == "sweep" else _searching(spec)),
        ("training", _training(spec)),
        ("reported", formatting.reported_text(spec).removeprefix("reported ") or "nothing"),
        ("warm start", formatting.warm_start_text(spec) if spec.warm_start else ""),
        ("fixed", text_tables.params_text(spec.fixed) or "nothing"),
        ("score", verdict.hardware_text(spec)),
        ("storage", options.database),
        ("workers", str(workers)),
        ("jobs", executor.where(workers) if workers and launch.executor != "local" else ""),
    ]
    rows = [[name, text] for name, text in facts if text]
    print("\n".join(text_tables.columns(rows)), end="\n\n")
    print("\n".join(_curves(spec) if spec.curves else _space(spec)))
    if workers and (script := executor.script(workers)):
        print(f"\n{script}", end="")


def _searching(spec: StudySpec) -> list[tuple[str, str]]:
    costs = f"{' and '.join(spec.cost.name)}, as little as possible" if spec.cost else ""
    stop = spec.stop and spec.stop.model_dump(exclude_none=True)
    return [
        ("sampler", _choice(spec.sampler.name, spec.sampler.options)),
        ("pruner", _choice(spec.pruner.name, spec.pruner.options)),
        ("cost", costs),
        ("constraints", _constraints(spec) if spec.constraints else ""),
        ("racing", text_tables.params_text(spec.racing.model_dump()) if spec.racing else ""),
        ("stop", text_tables.params_text(stop) if stop else ""),
        ("confirm", _confirm(spec)),
    ]


def _constraints(spec: StudySpec) -> str:
    """The bounds, and how much of the space fits."""
    found, parts = constraints.fit(spec), []
    for name, most in (spec.constraints or {}).items():
        least = formatting.quantity(name, found.least[name])
        parts.append(f"{name} ≤ {formatting.value_text(most)} (the least drawn: {least})")
    share = 100.0 * found.fitting / found.draws
    return f"{', '.join(parts)}; {share:.3g} % of {found.draws:,} uniform draws fit"


def _least(spec: StudySpec) -> int | None:
    """Epochs of the search if every trial ends as soon as it may; None if ``[stop]`` may end it."""
    return None if spec.stop is not None else spec.budget.trials * effort.soonest(spec)


def _training(spec: StudySpec) -> str:
    """How many epochs the study trains, as far as that is known before it runs."""
    most, least, soonest = effort.largest(spec), _least(spec), effort.soonest(spec)
    text = f"{most:,} epochs in the {'sweep' if spec.aim == 'sweep' else 'search'}"
    if least is None:
        text = f"at most {text}, which [stop] may end before"
    elif least < most:
        ends = f"{soonest} epoch{'s' * (soonest > 1)}"
        text = f"at most {text}, at least {least:,} (a trial can end after {ends})"
    confirming = effort.of_all_confirmations(spec)
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
        rows.append([curve.label, " = ".join(curve.names), str(len(curve.at)), *ends, fixed])
    return text_tables.columns(rows, right=[2])


def _choice(name: str, options: dict[str, object]) -> str:
    return f"{name} {' '.join(f'{key}={value}' for key, value in options.items())}".strip()


def _confirm(spec: StudySpec) -> str:
    if (confirm := spec.confirm) is None:
        return "nothing"
    best = "the best trial" if confirm.top == 1 else f"the best {confirm.top} trials"
    best += " by expected score" if confirm.by == "expected" else ""
    return f"{best}, on {confirm.members} fresh seeds each, {spec.confirm_epochs} epochs"
