"""The tables of ``docs/records/search.md`` that are made of searches on problems of
others.

Marks, or files that the page links, are ``outside ranks``, ``outside lost``, ``outside
ratios``, ``outside pairs`` and ``outside claims``.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.marks import DOCS, fill, row
from benchmarks.outside import problems
from benchmarks.outside.analysis import Ratio, Regrets
from benchmarks.outside.runs import Run
from benchmarks.outside.samplers import OURS

PAGE = DOCS / "records" / "search.md"
_LIKELY = 0.05
"""A p below which a comparison is lost or won."""
Kinds = dict[str, Regrets]


def write(runs: Sequence[Run]) -> None:
    """Write the tables into the page, and the files that it links."""
    fill(PAGE, tables(runs))


def tables(runs: Sequence[Run]) -> dict[str, str]:
    """Return the tables by their marks."""
    kinds: Kinds = {}
    for kind in problems.KINDS:
        own = [run for run in runs if run.kind == kind]
        if any(run.sampler == OURS for run in own):
            kinds[kind] = Regrets(own)
    made = {
        "outside ranks": _ranks(kinds),
        "outside lost": _lost(kinds),
        "outside ratios": _ratios(kinds),
        "outside pairs": _pairs(kinds),
        "outside claims": _claims(kinds),
    }
    return {mark: _as_table(rows) for mark, rows in made.items()}


def _as_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join([row(head), row(rule), *map(row, body)])


def _ranks(kinds: Kinds) -> list[list[str]]:
    """A row for each sampler: its mean ranks after each number of trials, and its CPU
    time."""
    names = _samplers(kinds)
    heads = [f"{kind} ({own.n_searches(OURS)})" for kind, own in kinds.items()]
    rows = [["sampler", *heads, "ms a trial"]]
    for name in names:
        cells = [_rank_cell(own, name) for own in kinds.values()]
        timed = [own for kind, own in kinds.items() if kind != "scikit-learn"]
        cpu = [own.cpu_ms(name) for own in timed if name in own.samplers]
        rows.append([name, *cells, f"{sum(cpu) / len(cpu):.0f}" if cpu else "–"])
    return rows


def _rank_cell(own: Regrets, name: str) -> str:
    if own.n_searches(name) < own.n_searches(OURS):
        return "–"
    peers = []
    for peer in own.samplers:
        whole = own.n_searches(peer) >= own.n_searches(OURS)
        if whole and (peer == OURS or not peer.startswith(OURS)):
            peers.append(peer)
    if name not in peers:  # an earlier version takes the place of the current one
        peers.remove(OURS)
    ranks = [own.rank(name, peers, at) or 0.0 for at in own.budgets]
    return ", ".join(f"{rank:.1f}" for rank in ranks)


def _samplers(kinds: Kinds) -> list[str]:
    names: dict[str, None] = {}
    for own in kinds.values():
        names |= dict.fromkeys(own.samplers)
    return sorted(names, key=lambda name: not name.startswith(OURS))


_PAIRED = ["problems", "trials", "against", "problems × seeds", "regret ratio", "p"]


def _pairs(kinds: Kinds) -> list[list[str]]:
    """Our sampler against each peer, the worst first."""
    return [_PAIRED, *(cells for _, cells in _compare(kinds))]


def _lost(kinds: Kinds) -> list[list[str]]:
    """The comparisons that our sampler has lost."""
    rows = []
    for ratio, cells in _compare(kinds):
        if ratio.mean > 1.0 and ratio.p < _LIKELY:
            rows.append(cells)
    return [_PAIRED, *rows]


def _compare(kinds: Kinds) -> list[tuple[Ratio, list[str]]]:
    found = []
    for kind, own in kinds.items():
        for at in own.budgets:
            for peer in own.samplers:
                ratio = own.ratio(OURS, peer, at) if peer != OURS else None
                if ratio is not None:
                    found.append((ratio, [kind, f"{at}", peer, *_cells(ratio)]))
    return sorted(found, key=lambda pair: -pair[0].mean)


def _ratios(kinds: Kinds) -> list[list[str]]:
    """Every sampler against TPE."""
    rows = [["problems", "sampler", "trials", *_PAIRED[3:]]]
    for kind, own in kinds.items():
        for name in own.samplers:
            for at in own.budgets:
                ratio = own.ratio(name, "TPE", at) if name != "TPE" else None
                if ratio is not None:
                    rows.append([kind, name, f"{at}", *_cells(ratio)])
    return rows


def _cells(ratio: Ratio) -> list[str]:
    n = f"{ratio.problems} × {ratio.searches / ratio.problems:.3g}"
    value = f"{ratio.mean:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    return [n, value, "< 0.001" if ratio.p < 0.001 else f"{ratio.p:.3f}"]


def _claims(kinds: Kinds) -> list[list[str]]:
    """By how much claims are too good: mean, and root mean square."""
    rows = [["problems", "sampler", "n", "20 trials", "50", "100"]]
    units = {True: "accuracies, points", False: "losses, %"}
    for kind in ("tables", "scikit-learn"):
        if kind not in kinds:
            continue
        own = kinds[kind]
        for accuracies, unit in units.items():
            for name in own.samplers:
                cells = []
                for at in own.budgets:
                    error = own.honesty(name, at, accuracies=accuracies)
                    if error is not None:
                        cells.append(f"{error.mean:+.2f}, {error.rms:.2f}")
                n = f"{own.n_searches(name)}"
                if cells:
                    rows.append([f"{kind}: {unit}", name, n, *cells])
    return rows
