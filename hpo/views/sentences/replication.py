"""Sentences and a table on the same search with several study seeds."""

from __future__ import annotations

import statistics

from hpo.study.replication import Distribution, Replication
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views.sentences import splits
from hpo.views.sentences.formatting import (
    NOTHING,
    plural,
    reported_text,
    score_text,
    shown,
)

NOISE = "with thermal noise"


def verdict(replication: Replication) -> list[str]:
    """Return the clauses of the verdict, the median over searches first."""
    scores = replication.scores
    n = len(replication.results)
    if scores is None:
        return [f"none of {n} searches has a confirmed score"]
    spec = replication.spec
    texts = [
        f"confirmed {_distribution(spec, scores)}, over"
        f" {scores.n} searches{_each(replication)}"
    ]
    if scores.n < n:
        texts.append(f"{n - scores.n} of {n} searches have no confirmed score")
    if replication.simulated is not None:
        where = simulated_name(replication)
        texts.append(f"{where} {_distribution(spec, replication.simulated)}")
    first = replication.on_first_split
    if first is not None:
        text = f"on split 0, which the search used, {_distribution(spec, first)}"
        texts.append(f"{text}; {splits.SEEN}")
    if replication.claimed is not None:
        texts.append(f"claimed {_distribution(spec, replication.claimed)}")
        texts.append(_excess(replication))
    texts.append(reported_text(spec))
    return [text for text in texts if text]


def simulated_name(replication: Replication) -> str:
    """Name the simulated chips: with thermal noise, or those of ``[variability]``."""
    if any(item.chips for item in replication.confirmed):
        return "on simulated chips"
    return NOISE


def rows(replication: Replication) -> list[dict[str, str]]:
    """Return a row for each search, its cells by column."""
    table = [_row(replication, result) for result in replication.results]
    columns: dict[str, str] = {}
    for row in table:
        columns |= dict.fromkeys(row, NOTHING)
    return [{**columns, **row} for row in table]


def _row(replication: Replication, result: Result) -> dict[str, str]:
    spec = result.spec
    row = {"study": result.name}
    item = result.confirmed
    if item is None:
        return row
    row["claimed"] = score_text(spec, item.search_score)
    row["confirmed"] = score_text(spec, item.mean, item.std)
    if item.splits:
        row["split 0"] = score_text(spec, item.splits[0].mean, item.splits[0].std)
    if replication.simulated is not None:
        mean = statistics.fmean(item.simulated)
        row[simulated_name(replication)] = score_text(spec, mean)
    row["networks"] = str(len(item.scores))
    return row


def _distribution(spec: StudySpec, one: Distribution) -> str:
    """``median 94.8 % (quartiles 94.3 to 95.1 %, worst 93.9 %, best 96.0 %)``."""
    median = f"median {score_text(spec, one.median)}"
    if one.n < 2:
        return median
    quartiles = f"{_number(spec, one.lower)} to {score_text(spec, one.upper)}"
    worst = score_text(spec, one.worst)
    best = score_text(spec, one.best)
    return f"{median} (quartiles {quartiles}, worst {worst}, best {best})"


def _number(spec: StudySpec, score: float) -> str:
    return score_text(spec, score).removesuffix(" %")


def _each(replication: Replication) -> str:
    """`` of 25 fresh seeds each, on 5 splits``; empty if they differ."""
    counts = {(len(i.scores), len(i.splits)) for i in replication.confirmed}
    if len(counts) > 1:
        return ""
    n, n_splits = counts.pop()
    text = f" of {plural(n, 'fresh seed')} each"
    if n_splits:
        text += f", on {n_splits} splits"
    return text


def _excess(replication: Replication) -> str:
    """``claims minus confirmed scores: -0.9 to +0.6 points, mean +0.1``."""
    spec = replication.spec
    excess = [shown(spec, one) for one in replication.excess]
    unit = " points" if spec.is_accuracy else ""
    mean = statistics.fmean(excess)
    ends = f"{min(excess):+.2g} to {max(excess):+.2g}{unit}"
    return f"claims minus confirmed scores: {ends}, mean {mean:+.2g}"
