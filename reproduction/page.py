"""``docs/reproduction.md``: figure by figure, written from the committed data alone."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpo.study import score_text
from hpo.study.snapshot import StudySnapshot
from hpo.views import formatting
from hpo.views.numbers.study_figure import chart
from reproduction import prose
from reproduction.claims import Claim, judge_all
from reproduction.data import core_seconds, n_networks, spread_text
from reproduction.jobs import JOBS, SPLITS, split_of
from reproduction.judges import PAPER, Studies, curves, finished, scores_at_1_ns


def write(studies: Studies, pictures: Sequence[Path], path: Path) -> None:
    """Write the document; ``pictures`` are those that were drawn."""
    there = {picture.stem: picture.relative_to(path.parent) for picture in pictures}
    claims = judge_all(studies)
    parts = [
        prose.TITLE,
        prose.OF_A_MAP if any(map(_of_a_map, studies.values())) else "",
        prose.ABOUT,
        _summary(claims),
        _strays(studies),
        "## The claims\n\n" + prose.RULES + "\n\n" + _claims(claims),
        "## Accuracy\n\n" + _accuracy(studies),
        *(_figure(name, studies, there, claims) for name in prose.FIGURES),
        prose.DIFFERENCE,
        prose.OPEN_POINTS,
        "## What was run\n\n" + _runs(studies) + "\n\n" + prose.AGAIN,
    ]
    path.write_text("\n\n".join(part.strip() for part in parts if part) + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)


def _summary(claims: Sequence[Claim]) -> str:
    counts = Counter(str(claim.verdict) for claim in claims)
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return f"Of {len(claims)} claims: {found}."


def _of_a_map(snapshot: StudySnapshot) -> bool:
    """Whether its networks were trained with one first-order step per point."""
    return snapshot.spec.fixed.get("integrator") == "exponential"


def _strays(studies: Studies) -> str:
    """Studies that are not those of their files: trial runs, or files that changed since."""
    changed: dict[str, list[str]] = {}
    for job in JOBS:
        if job.name in studies and (keys := job.spec().differences(studies[job.name].spec)):
            changed.setdefault(", ".join(keys), []).append(f"`{job.name}`")
    lines = [f"- {', '.join(names)}: {keys}" for keys, names in changed.items()]
    head = "**Not what is said here:** these data differ from the study files.\n\n"
    return head + "\n".join(lines) if lines else ""


def _claims(claims: Sequence[Claim]) -> str:
    rows = [
        [claim.text, claim.place, claim.measured, f"**{claim.verdict}**", claim.rule]
        for claim in claims
    ]
    return table(["The paper says", "where", "measured", "verdict", "rule"], rows)


def _accuracy(studies: Studies) -> str:
    """Spintronic network against CTRNN, split by split, and what searches claimed and confirmed."""
    scores = {
        (key, split): scores_at_1_ns(studies[name])
        for key in PAPER
        for split in (0, *SPLITS)
        if finished(studies.get(name := split_of(key, split)))
    }
    rows = [
        [f"split {split}", *(_spread(scores.get((key, split), ())) for key in PAPER)]
        for split in (0, *SPLITS)
    ]
    pooled = [[x for (k, _), found in scores.items() if k == key for x in found] for key in PAPER]
    means = [[statistics.fmean(v) for (k, _), v in scores.items() if k == key] for key in PAPER]
    rows += [
        ["all of them", *(_spread(found) for found in pooled)],
        ["means of the splits", *(_spread(found) for found in means)],
        ["paper", *(f"{mean:.2f} ± {std:.2f} %" for mean, std in PAPER.values())],
    ]
    head = ["60 epochs, Δt = 1 ns", "spintronic, the paper's hyper-parameters", "CTRNN, by hand"]
    searched = _searched(studies)
    return prose.ACCURACY + "\n\n" + table(head, rows) + ("\n\n" + searched if searched else "")


def _spread(per_cent: Sequence[float]) -> str:
    return spread_text(score / 100 for score in per_cent) if per_cent else "–"


def _searched(studies: Studies) -> str:
    rows = []
    for name, label in prose.SEARCHES.items():
        snapshot = studies.get(name)
        best = snapshot.best if snapshot else None
        if snapshot is None or best is None:
            continue
        confirmed = next((c for c in snapshot.confirmations if c.scores), None)
        claimed = score_text.score_text(snapshot.spec, best.score or 0.0)
        excess = (
            f"{100 * (best.score or 0.0) - 100 * statistics.fmean(confirmed.scores):+.1f}"
            if confirmed
            else "–"
        )
        found = spread_text(confirmed.scores) if confirmed else "–"
        rows.append([label, claimed, found, excess, f"{snapshot.settled}"])
    head = ["search", "claimed by its best trial", "confirmed", "claimed minus confirmed", "trials"]
    return prose.SEARCHED + "\n\n" + table(head, rows) if rows else ""


def _figure(name: str, studies: Studies, there: Mapping[str, Path], claims: Sequence[Claim]) -> str:
    title, says, places, keys = prose.FIGURES[name]
    parts = [f"## {title}", f"**The paper says.** {says}"]
    shown = [there[key] for key in keys if key in there]
    parts += [f"![{title}]({path.as_posix()})" for path in shown]
    about = [claim for claim in claims if claim.place in places]
    if about:
        lines = [f"- {c.text}: {c.measured}. *{c.verdict}*" for c in about]
        parts.append("**Measured.**\n\n" + "\n".join(lines))
    if about and name in prose.WHY:
        parts.append(f"**Agreement or not, and why.** {prose.WHY[name]}")
    if name in studies and studies[name].spec.sweep is not None:
        parts.append(_medians([studies[k] for k in prose.TABLES.get(name, ()) if k in studies]))
    return "\n\n".join(parts)


def _medians(snapshots: Sequence[StudySnapshot]) -> str:
    """Median (quartiles) of every point, a column per curve."""
    groups = [group for snapshot in snapshots for group in curves(snapshot)]
    xs = sorted({float(p.x) for group in groups for p in group.points})
    rows = []
    for x in xs:
        cells = []
        for group in groups:
            found = [p for p in group.points if float(p.x) == x]
            p = found[0] if found else None
            cells.append(f"{p.median:.1f} ({p.low:.1f} – {p.high:.1f})" if p else "–")
        rows.append([f"{x:g}", *cells])
    n = {p.n for group in groups for p in group.points}
    axis = chart(snapshots[0])
    head = [axis.x_label if axis else "x", *(group.label for group in groups)]
    text = table(head, rows) if rows else ""
    return f"Medians and quartiles in per cent, n = {', '.join(map(str, sorted(n)))}:\n\n{text}"


def _runs(studies: Studies) -> str:
    rows = []
    for name, snapshot in studies.items():
        seconds = core_seconds(snapshot)
        rows.append(
            [
                f"`{name}`",
                f"`{snapshot.spec.hash}`",
                str(snapshot.settled),
                str(n_networks(snapshot)),
                formatting.duration_text(seconds),
                f"{snapshot.now:%Y-%m-%d}",
                _machine(snapshot),
            ]
        )
    total = formatting.duration_text(sum(core_seconds(s) for s in studies.values()))
    networks = sum(n_networks(s) for s in studies.values())
    head = ["study", "spec hash", "trials", "networks", "training, one core", "date", "on"]
    return table(head, rows) + f"\n\nIn all {networks:,} networks and {total} of one core."


def _machine(snapshot: StudySnapshot) -> str:
    came = next((slot.lineage for slot in snapshot.search), {})
    revision = str(came.get("revision", "–"))[:7]
    dirty = " with changes" if came.get("dirty") not in ("False", False, None) else ""
    return f"{came.get('cpu', '–')}, revision {revision}{dirty}"
