"""The note of a study on the dashboard, in Markdown: what it is, not how far it is.

It changes with the study's state alone, so that an editor that is open on it is not disturbed all
the time. Foreign text is escaped or put into code: none of it is read as Markdown.
"""

from __future__ import annotations

import re
import shlex

from hpo.study import caveats, effort, file, score_text
from hpo.study.dimensions import Dimension
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.spec import StudySpec
from hpo.views import formatting, verdict
from objectives.contract import Protocol

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>&~|#])")
_BLOCK_START = re.compile(r"(\d*)([-+=.)]+)")
_LINK = re.compile(r"://|www\.|@|\\", re.IGNORECASE)
_LONGEST = 1000
_HOW = {
    Protocol.VALIDATION: "The search never sees the test part of the data: networks train on a "
    "share of the training part and are scored on the rest.",
    Protocol.PAPER: "The search is scored on the test part, as the paper does.",
    Protocol.CONFIRM: "Nothing is selected: every network trains on the whole training part and is "
    "tested once on the test part.",
}


def text(snapshot: StudySnapshot) -> str:
    """Our part of the note."""
    spec = snapshot.spec
    parts = [
        prose(spec.description),
        f"**State:** {_state(snapshot)}",
        f"**Result:** {_result(snapshot)}",
        _edges(snapshot),
        f"**By hand:** {prose(said)}." if (said := verdict.enqueued(snapshot)) else "",
        f"**Source:** {prose(said)}." if (said := verdict.code(snapshot)) else "",
        _reported(spec),
        _searched(spec),
        _reproduce(snapshot),
    ]
    return "\n\n".join(part for part in parts if part)


def prose(foreign: str) -> str:
    """Text in one paragraph in which nothing is Markdown, HTML, a link or an image.

    Words that a renderer would make links of by itself are shown as code.

    Examples:
        >>> print(prose("1. *b* <img src=x> see https://x.y"))
        1\\. \\*b\\* \\<img src=x\\> see `https://x.y`
    """
    shown = formatting.cut(foreign, _LONGEST)
    words_ = [
        code(word) if _LINK.search(word) else _SPECIAL.sub(r"\\\1", word) for word in shown.split()
    ]
    return " ".join([*(_begun(word) for word in words_[:1]), *words_[1:]])


def _begun(word: str) -> str:
    """A word that begins a paragraph, and no list, line or heading."""
    return _BLOCK_START.sub(r"\1\\\2", word) if _BLOCK_START.fullmatch(word) else word


def code(foreign: object) -> str:
    """Text on one line as code, whatever backticks it holds; ``|`` does not end a table's cell."""
    inside = " ".join(str(foreign).split()).replace("|", "¦")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", inside)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{inside}{space}{fence}"


def _block(foreign: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall("`+", foreign)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{foreign.rstrip()}\n{fence}"


def _state(snapshot: StudySnapshot) -> str:
    if snapshot.state == StudyState.DONE:
        ended = f" ({prose(why)})" if (why := snapshot.search_end_reason) else ""
        epochs = f"{effort.of_search(snapshot):,} epochs of training"
        return f"finished, all {snapshot.trials:,} trials settled{ended}, {epochs}."
    if snapshot.state == StudyState.OPEN:
        return "open; workers go on with it as long as there are any."
    name = snapshot.spec.name
    reason = f" ({prose(why)})" if (why := verdict.reason_line(snapshot)) else ""
    if snapshot.state == StudyState.STOPPED:
        return f"stopped{reason}; goes on after {code(f'hpo resume {shlex.quote(name)}')}."
    return f"failed{reason}; what to do: {code(f'hpo status {shlex.quote(name)}')}."


def _result(snapshot: StudySnapshot) -> str:
    """What is certain: confirmed results, and of a finished study the verdict."""
    spec = snapshot.spec
    certain = [item for item in snapshot.confirmations if item.complete and item.scores]
    if not certain:
        if snapshot.state == StudyState.DONE:
            return f"{prose(verdict.verdict(snapshot))}."
        return "none yet." if spec.confirm and spec.selects else "not before it is finished."
    lines = []
    for item in certain:
        mean = formatting.point_text(spec, item.mean, item.std, item.costs)
        claim = score_text.score_text(spec, item.search_score)
        failed = f", {item.failed} failed" if item.failed else ""
        gap = f", {prose(gap)}" if (gap := verdict.gap_text(spec, item.mean)) else ""
        said = [text for text in (caveats.beside(spec, item), *caveats.assured(spec, item)) if text]
        beside = f", {prose(', '.join(said))}" if said else ""
        why = caveats.remark(spec, item).rstrip(".")  # what was not tested says so already
        warning = f": **{prose(why)}**" if why else ""
        lines.append(
            f"trial {item.source}: {prose(spec.objective_impl.metric)} **{prose(mean)}** on "
            f"n = {len(item.scores)} fresh seeds{failed}{beside}{gap} (the search had "
            f"claimed {prose(claim)}){warning}"
        )
    meaning = f" {means}" if (means := caveats.meanings(certain)) else ""
    if spec.costs:  # one sentence says which of them counts
        lines.insert(0, prose(verdict.verdict(snapshot)))
        return ".\n\n- ".join(lines) + f".{meaning}"
    return f"confirmed, {'; '.join(lines)}.{meaning}"


def _edges(snapshot: StudySnapshot) -> str:
    """At which bounds the best lie, of a finished study: before, it changes with every trial."""
    found = verdict.edges(snapshot) if snapshot.state == StudyState.DONE else []
    return f"**Edges:** {prose('; '.join(found))}." if found else ""


def _reported(spec: StudySpec) -> str:
    reported = spec.reported
    if reported is None:
        return ""
    value = prose(formatting.reported_text(spec).removeprefix("reported "))
    n = f", n = {reported.n}" if reported.n else ""
    return f"**Reported:** {value}{n}. The search is not told."


def _searched(spec: StudySpec) -> str:
    budget = spec.budget
    what = "Search" if spec.selects else "Measurement" if spec.sweep is None else "Sweep"
    sampler = "" if spec.sweep is not None else f", sampler {code(spec.sampler.name)}"
    pruner = "" if spec.pruner.name == "none" else f", pruner {code(spec.pruner.name)}"
    racing = f", {verdict.racing_text(spec)}" if spec.racing else ""
    lines = [
        f"**{what}:** {budget.trials:,} trials of objective {code(spec.objective)}, "
        f"{budget.networks} each, {budget.epochs:,} epochs{sampler}{pruner}{racing}. "
        f"{_HOW[spec.protocol]}{_second(spec)}"
    ]
    if hardware := verdict.hardware_text(spec):
        lines[0] += f" Every score is the {prose(hardware)}."
    if spec.warm_start is not None:
        begins = formatting.warm_start_text(spec)
        lines[0] += f" {prose(formatting.capital(begins))}."
    if spec.confirm is not None and spec.selects:
        several = spec.confirm.top > 1
        best = (
            f"The best {spec.confirm.top} configurations" if several else "The best configuration"
        )
        if spec.costs:
            best = verdict.confirmed_of(spec)
        best += " are" if several else " is"
        lines[0] += (
            f" {best} then trained from {spec.confirm.members} fresh seeds on the whole training "
            f"part, and tested once on the test part."
        )
    return "\n\n".join([*lines, _table(spec)])


def _second(spec: StudySpec) -> str:
    """What a study with costs searches besides the score, and what it must not cost."""
    bounds = [formatting.quantity(name, most) for name, most in (spec.constraints or {}).items()]
    only = f" Only networks of at most {prose(', '.join(bounds))} are trained." if bounds else ""
    if not spec.costs:
        return only
    meanings = spec.objective_impl.costs
    *others, last = (
        f"as little {code(name)} as possible ({prose(meanings[name])})" for name in spec.costs
    )
    n = {1: "two", 2: "three"}.get(len(spec.costs), len(spec.costs) + 1)
    listed = ", ".join([prose(spec.objective_impl.metric), *others])
    return f" It has {n} objectives: {listed}, and {last}.{only}"


def _table(spec: StudySpec) -> str:
    """Parameters with units, ranges and reported values."""
    reported = spec.reported_params
    head = ["parameter", "unit", "values", *(["reported"] if reported else [])]
    rows = [head, ["---"] * len(head)]
    for name in spec.parameters:
        found = spec.dimensions.get(name)
        where = f" {prose(found.condition)}".rstrip() if found else ""
        cells = [code(name), prose(formatting.unit(name)), _range(spec, name) + where]
        if reported:
            cells.append(code(formatting.value_text(reported[name])) if name in reported else "–")
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _range(spec: StudySpec, name: str) -> str:
    if spec.sweep is not None:
        return "see the figure"
    dimension: Dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return ", ".join(code(formatting.value_text(value)) for value in dimension.choices)
    low, high = (formatting.value_text(v) for v in (dimension.low or 0, dimension.high or 0))
    return f"{low} – {high}{', logarithmic' if dimension.log else ''}"


def _reproduce(snapshot: StudySnapshot) -> str:
    spec, name = snapshot.spec, shlex.quote(snapshot.spec.name)
    amended = [slot.number for slot in snapshot.search if slot.amendments or slot.enqueued]
    how = "enqueued, retried or excluded here"
    but = f" up to trial {min(amended)}, which was {how}" if amended else ""
    return (
        f"**To run it again,** anywhere, with the same result{but}: save the text below as "
        f"{code(spec.name + '.toml')}, then {code(f'hpo launch {name}.toml')}. "
        f"More of this study: {code(f'hpo report {name}')}, {code(f'hpo best {name}')}.\n\n"
        + _block(file.dumps(spec), "toml")
    )
