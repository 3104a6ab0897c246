"""``docs/records/reproduction.md``, figure by figure, ``docs/reproduction.md``, its
result, and the tables of both."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo.study.result import Result
from hpo.views.sentences import formatting
from reproduction import drives, evidence, prose, readings, tables
from reproduction.claims import (
    OVER_ALL,
    SETTLED,
    Answer,
    Cell,
    Kind,
    arithmetic,
    reading_of,
    together,
    undecided,
)
from reproduction.data import core_seconds, n_networks, spread_text
from reproduction.evidence import Curve, Evidence, Point, Studies
from reproduction.jobs import JOBS, SPLITS
from reproduction.measures import PAPER, Verdict

PLAIN = readings.PLAIN.name


def write(
    studies: Studies,
    evidences: Mapping[str, Evidence],
    answers: Sequence[Answer],
    driven: Mapping[str, Any],
    pictures: Sequence[Path],
    docs: Path,
) -> list[Path]:
    """Write the record and the page before it; ``driven`` is what ``drives`` has
    measured, ``pictures`` are those that were drawn."""
    there = {
        picture.stem: f"../{picture.relative_to(docs).as_posix()}"
        for picture in pictures
    }
    theirs = evidence.ctrnn(studies)
    parts = [
        prose.TITLE,
        prose.ABOUT,
        _strays(studies),
        prose.RULES,
        *(_figure(name, there, answers) for name in prose.FIGURES),
        "## What was run\n\n" + _runs(studies) + "\n\n" + _again(studies),
    ]
    files = tables.write(
        docs,
        {
            "claims": _claims(answers),
            "claims-by-reading": _by_reading(answers),
            "changed": _changed(answers),
            "ctrnn": _undecided(evidences, theirs),
            "arithmetic": _arithmetic(studies),
            "drives": _drives(driven),
            "accuracy": _accuracy(evidences, theirs),
            "searches": _searched(studies),
            "open-points": prose.OPEN_POINTS,
        },
    )
    summary = prose.SUMMARY.format(
        counts=_counts(answers),
        drives=_drives_text(driven) + _limits_text(answers, evidences),
        accuracy=_peak(answers, evidences),
        table=_verdicts(answers),
    )
    return [
        put(docs / "reproduction.md", [summary]),
        put(docs / "records" / "reproduction.md", parts),
        *files,
    ]


def put(path: Path, parts: Sequence[str]) -> Path:
    """Write the paragraphs of a page."""
    path.parent.mkdir(exist_ok=True)
    text = "\n\n".join(part.strip() for part in parts if part) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)


def verdict_text(answer: Answer) -> str:
    """The verdict over all readings: under how many it holds, and what turns it."""
    held = answer.count(Verdict.YES)
    partly = answer.count(Verdict.PARTLY)
    n = len(answer.judged)
    if answer.kind is Kind.UNKNOWN or n == 0:
        return str(answer.kind)
    text = f"{answer.kind}: holds under {held} of {n}"
    if partly:
        text += f", partly under {partly}"
    if answer.claim.over_all is not None:
        text += f" ({_by_mean(answer)})"
    turned = answer.turned_by()
    if turned:
        text += f"; turned by {titles(turned)}"
    return text


def _by_mean(answer: Answer) -> str:
    """Under how many readings it holds by either mean of the weights."""
    parts = []
    for words, own in (
        ("⟨|W|⟩ over connections", {k for k in answer.judged if k == reading_of(k)}),
        (OVER_ALL, {k for k in answer.judged if k != reading_of(k)}),
    ):
        held = sum(answer.cells[k].finding.verdict is Verdict.YES for k in own)
        parts.append(f"{words}: {held} of {len(own)}")
    return ", ".join(parts)


def found_text(plain: Cell | None) -> str:
    """Return a verdict, with the share of the resamples if it is not settled."""
    if plain is None:
        return "–"
    share = "" if plain.is_settled else f" ({plain.share:.0%})"
    return f"{plain.finding.verdict}{share}"


def titles(names: Iterable[str]) -> str:
    """Return the titles of readings."""
    known = {reading.name: reading.title for reading in readings.ALL}
    found = []
    for key in names:
        name = reading_of(key)
        found.append(known[name] + key.removeprefix(name))
    return ", ".join(found)


def together_text(answers: Sequence[Answer]) -> str:
    """Under which readings the headline and what it stands on hold together."""
    found = together(answers)
    control = found.pop(readings.CONTROL.name, None)
    held = {name: share for name, (holds, share) in found.items() if holds}
    text = (
        "Four results are judged together: the accuracy, the maximum at 1 ns, the"
        " loss at "
    )
    text += f"both ends and the shift with τ. Of {len(found)} readings, "
    text += f"they do under {len(held)}, in this share of the resamples:\n"
    for words, sure in (
        ("in at least 90 % of the resamples", True),
        ("in the measured networks, but in fewer resamples", False),
    ):
        own = [
            f"{titles([name])} ({share:.0%})"
            for name, share in held.items()
            if (share >= SETTLED) is sure
        ]
        text += f"\n- {words}: {'; '.join(own)}." if own else ""
    return text + (
        f"\n\nOur default, fewer networks: {control[1]:.0%}." if control else ""
    )


def _counts(answers: Sequence[Answer]) -> str:
    counts = Counter(answer.kind for answer in answers)
    measured = [len({reading_of(key) for key in a.judged}) for a in answers]
    few = counts[Kind.FEW]
    few_readings = f", {few} more readings" if few else ""
    return prose.COUNTS.format(
        claims=len(answers),
        readings=max(measured),
        most=counts[Kind.YES] + counts[Kind.MOST],
        partly=counts[Kind.PARTLY],
        never=counts[Kind.NO],
        depends=counts[Kind.DEPENDS],
        few_networks=counts[Kind.OPEN],
        few_readings=few_readings,
    )


def _peak(answers: Sequence[Answer], evidences: Mapping[str, Evidence]) -> str:
    """What the accuracy at 1 ns is, where it was measured and is the highest."""
    maximum = next(a for a in answers if a.claim.short == "maximum at 1 ns").plain
    point = evidences[PLAIN].at_optimum() if PLAIN in evidences else None
    if maximum is None or maximum.finding.verdict is not Verdict.YES or point is None:
        return ""
    ours = spread_text(network.accuracy / 100 for network in point.networks)
    mean, std = PAPER["fig2b"]
    return (
        f"It is highest at 1 ns per pixel, as reported: {ours}; reported is"
        f" {mean:.2f} ± {std:.2f} %. "
    )


def _drives_text(driven: Mapping[str, Any]) -> str:
    """Say between which currents the paper's point lies."""
    if not driven:
        return ""
    ends = [drive for network in driven["networks"] for drive in network["drive"]]
    return prose.DRIVES_SHORT.format(
        low=f"{min(drive[0] for drive in ends):.0f}",
        high=f"{max(drive[-1] for drive in ends):.0f}",
        above=f"{drives.overall(driven, 'above_3'):.0f}",
        below=f"{drives.overall(driven, 'below_0'):.0f}",
        n=len(driven["networks"]),
    )


def _limits_text(answers: Sequence[Answer], evidences: Mapping[str, Evidence]) -> str:
    """Say which accuracy the point has with a limit of the drive."""
    measured = {name for answer in answers for name in answer.cells}
    texts = []
    for reading in readings.LIMITS:
        if reading.name not in measured:
            continue
        point = evidences[reading.name].at_optimum()
        if point is not None:
            accuracy = spread_text(n.accuracy / 100 for n in point.networks)
            text = prose.LIMITED_SHORT.format(title=reading.title, accuracy=accuracy)
            texts.append(text)
    return f" Trained {', '.join(texts)}." if texts else ""


def _drives(driven: Mapping[str, Any]) -> tables.Rows:
    """Quantiles and shares of the drives by layer, medians over the networks."""
    if not driven:
        return []
    rows = []
    for layer in range(len(driven["networks"][0]["drive"])):
        values = [drives.quantile(driven, q, layer) for q in driven["quantiles"]]
        shares = [drives.share(driven, name, layer) for name in drives.SHARES]
        row = [f"{value:.1f}" for value in values]
        rows.append([str(layer + 1), *row, *(f"{share:.0f} %" for share in shares)])
    quantiles = [f"{100 * q:g} %" for q in driven["quantiles"]]
    head = ["layer", *quantiles, *drives.SHARES.values()]
    return [head, *rows]


def _verdicts(answers: Sequence[Answer]) -> str:
    """A row for each claim, in words that fit two screens."""
    rows = []
    for answer in answers:
        counts = [str(answer.count(verdict)) for verdict in Verdict]
        rows.append([answer.claim.text, " / ".join(counts)])
    head = ["the paper says", "readings: holds / partly / fails"]
    return table(head, rows)


def _strays(studies: Studies) -> str:
    """Studies that are not those of their files: trial runs, or files that changed
    since."""
    changed: dict[str, list[str]] = {}
    for job in JOBS:
        if job.name in studies and (
            keys := job.declared.differences(studies[job.name].spec)
        ):
            changed.setdefault(", ".join(keys), []).append(f"`{job.name}`")
    lines = [f"- {', '.join(names)}: {keys}" for keys, names in changed.items()]
    head = "**Not what is said here:** these data differ from the study files.\n\n"
    return head + "\n".join(lines) if lines else ""


def _claims(answers: Sequence[Answer]) -> tables.Rows:
    rows = []
    for answer in answers:
        claim = answer.claim
        plain = answer.plain
        found = f"{plain.finding.verdict} ({plain.share:.0%})" if plain else "–"
        measured = plain.finding.text if plain else "–"
        if claim.fitted:
            measured += f". Fitted: {claim.fitted}"
        rows.append(
            [
                claim.text,
                claim.place,
                measured,
                found,
                verdict_text(answer),
                claim.rule,
            ]
        )
    head = ["The paper says", "where", "measured", "our default", "verdict", "rule"]
    return [head, *rows]


def _by_reading(answers: Sequence[Answer]) -> tables.Rows:
    """What was measured of each claim under each reading."""
    rows = [
        [
            answer.claim.text,
            titles([name]),
            str(cell.finding.verdict),
            f"{cell.share:.0%}",
            cell.finding.text,
        ]
        for answer in answers
        for name, cell in answer.cells.items()
    ]
    head = ["The paper says", "reading", "verdict", "share of resamples", "measured"]
    return [head, *rows]


def _changed(answers: Sequence[Answer]) -> tables.Rows:
    """The claims whose rule is another than in the former version."""
    rows = []
    for answer in answers:
        if answer.claim.short in prose.BEFORE:
            before, why = prose.BEFORE[answer.claim.short]
            now = verdict_text(answer).partition(";")[0]
            rows.append([answer.claim.text, before, now, why])
    head = ["The paper says", "before", "now", "why"]
    return [head, *rows]


def _undecided(evidences: Mapping[str, Evidence], theirs: Curve) -> tables.Rows:
    found = undecided(evidences[PLAIN], theirs) if PLAIN in evidences and theirs else []
    rows = [[u.text, u.place, u.measured, str(Kind.OPEN)] for u in found]
    head = ["The paper says", "where", "ours, with constants fitted at 1 ns", "verdict"]
    return [head, *rows]


def _arithmetic(studies: Studies) -> tables.Rows:
    search = studies["fig2b"].search if "fig2b" in studies else ()
    counted = {
        int(member.info["n_synapses"]) for slot in search for member in slot.members
    }
    if not counted:
        return []
    rows = [list(row) for row in arithmetic(max(counted))]
    head = ["The paper says", "where", "its own numbers give"]
    return [head, *rows]


def _accuracy(evidences: Mapping[str, Evidence], theirs: Curve) -> tables.Rows:
    """Spintronic network against CTRNN, split by split."""
    ours = evidences[PLAIN].at_optimum() if PLAIN in evidences else None
    both = [ours, next((p for p in theirs if p.x == 1.0), None)]
    by_split = [
        [_scores(point, split) if point else [] for point in both]
        for split in (0, *SPLITS)
    ]
    rows = [
        [f"split {split}", *map(_spread, scores)]
        for split, scores in zip((0, *SPLITS), by_split, strict=True)
        if any(scores)
    ]
    columns = list(zip(*by_split, strict=True))
    pooled_scores = [[x for scores in column for x in scores] for column in columns]
    means = [
        [statistics.fmean(scores) for scores in column if scores] for column in columns
    ]
    rows += [
        ["all of them", *map(_spread, pooled_scores)],
        ["means of the splits", *map(_spread, means)],
        ["paper", *(f"{mean:.2f} ± {std:.2f} %" for mean, std in PAPER.values())],
    ]
    head = [
        "60 epochs, Δt = 1 ns",
        "spintronic, the paper's hyper-parameters",
        "CTRNN, by hand",
    ]
    return [head, *rows]


def _scores(point: Point, split: int) -> list[float]:
    return [network.accuracy for network in point.networks if network.split == split]


def _spread(per_cent: Sequence[float]) -> str:
    return spread_text(score / 100 for score in per_cent) if per_cent else "–"


def _searched(studies: Studies) -> tables.Rows:
    """What searches claimed and confirmed."""
    rows = []
    for name, label in prose.SEARCHES.items():
        result = Result.of(studies[name]) if name in studies else None
        best = result.best if result else None
        if result is None or best is None:
            continue
        confirmed = next((c for c in result.confirmations if c.scores), None)
        score = result.claimed(best) or 0.0
        claimed = formatting.score_text(result.spec, score)
        excess = (
            f"{100 * score - 100 * statistics.fmean(confirmed.scores):+.1f}"
            if confirmed
            else "–"
        )
        found = spread_text(confirmed.scores) if confirmed else "–"
        rows.append([label, claimed, found, excess, f"{result.progress.finished}"])
    head = [
        "search",
        "claimed by its best trial",
        "confirmed",
        "claimed minus confirmed",
        "trials",
    ]
    return [head, *rows]


def _figure(name: str, there: Mapping[str, str], answers: Sequence[Answer]) -> str:
    title, says, places, keys = prose.FIGURES[name]
    parts = [f"## {title}", f"**The paper says.** {says}"]
    shown = [there[key] for key in keys if key in there]
    parts += [f"![{title}]({path})" for path in shown]
    judged = any(a.claim.place in places and a.plain for a in answers)
    if judged and name in prose.WHY:
        parts.append(f"**Agreement or not, and why.** {prose.WHY[name]}")
    return "\n\n".join(parts)


def _runs(studies: Studies) -> str:
    """Say how much was trained, and when."""
    total = formatting.duration_text(sum(core_seconds(s) for s in studies.values()))
    networks = sum(n_networks(s) for s in studies.values())
    dates = sorted(snapshot.now for snapshot in studies.values())
    unsettled = sum(
        member.solved is not None and not member.solved.converged
        for snapshot in studies.values()
        for slot in snapshot.search
        for member in slot.members
    )
    return (
        f"{len(studies)} studies, {networks:,} networks and {total} of one core, from"
        f" {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}. Of {unsettled} networks of"
        " sweeps no step was found that changes nothing any more."
    )


def _again(studies: Studies) -> str:
    """Say what comes out when the data are measured again."""
    total = sum(core_seconds(snapshot) for snapshot in studies.values())
    return prose.AGAIN.format(total=formatting.duration_text(total))
