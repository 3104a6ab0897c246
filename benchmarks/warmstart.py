"""What a warm start gains: the best of seqdigits-tpe, pixels 1 ns apart, begin a search at 0.5 ns.

``python -m benchmarks.warmstart --out FILE`` runs the searches that are not yet in the file, two at
a time, and prints the tables of ``docs/how-to/warm-start.md``. Searches are those of
``hpo.search.suggest``, trial by trial as a worker would run them, on real trainings: each from
several study seeds, with the best points of the committed study and without them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.search import pruning, seeds, suggest
from hpo.study import file
from hpo.study.rules.check import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState
from objectives.contract import Outcome, Progress, Protocol
from reproduction import data

SOURCE = Path(__file__).parents[1] / "docs" / "reproduction" / "seqdigits-tpe.json"
SEEDS = 5
"""Study seeds unless told otherwise."""
TOP = 5
LENGTHS = (5, 8, 12)
"""Trials after which a search is judged."""
FRESH = 3
"""Fresh seeds that an incumbent is trained from, and tested on the test half."""
TARGETS = (0.88, 0.90, 0.92)
"""Search scores that are waited for."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One search: its trials, and how good its incumbents are on fresh seeds."""

    params: tuple[dict[str, Any], ...]
    scores: tuple[float | None, ...]
    """Search score of every complete trial; None of a pruned one."""
    epochs: tuple[int, ...]
    """Epochs trained in every trial, all networks together."""
    true: dict[int, float]
    """Mean test score of the incumbent after so many trials, on fresh seeds."""

    def best(self, trials: int) -> int:
        """The incumbent after so many trials; of equals the earlier one."""
        complete = [k for k in range(trials) if self.scores[k] is not None]
        return max(complete, key=lambda k: (self.scores[k] or 0.0, -k))

    def epochs_until(self, score: float) -> int | None:
        """Epochs trained until a complete trial has this score; None if none ever has."""
        for k, own in enumerate(self.scores):
            if own is not None and own >= score:
                return sum(self.epochs[: k + 1])
        return None


class _PrunedError(Exception):
    """The judge has seen enough."""


def search(spec: StudySpec, lengths: Sequence[int] = ()) -> Found:
    """Run a study without a database; incumbents after ``lengths`` are tested on fresh seeds."""
    past: list[Past] = []
    epochs: list[int] = []
    for number in range(spec.budget.trials):
        done, trained = _trial(spec, number, past)
        past.append(done)
        epochs.append(trained)
    found = Found(
        params=tuple(dict(trial.suggestion.params) for trial in past),
        scores=tuple(t.score if t.state == SlotState.COMPLETE else None for t in past),
        epochs=tuple(epochs),
        true={},
    )
    known: dict[int, float] = {}
    for length in lengths:
        best = found.best(length)
        if best not in known:
            known[best] = _true(spec, found.params[best])
        found.true[length] = known[best]
    return found


def _trial(spec: StudySpec, number: int, past: Sequence[Past]) -> tuple[Past, int]:
    suggestion = suggest.suggest(spec, number, past)
    judge = pruning.TrialProgress(spec, number, past, suggestion)
    last = spec.budget.epochs + spec.budget.members - 1
    epochs = 0

    def on_epoch(progress: Progress) -> None:
        nonlocal epochs
        epochs += 1
        if not scores and progress.score is not None and judge.report(progress.score):
            raise _PrunedError

    scores: list[float] = []
    state = SlotState.COMPLETE
    try:
        for member in range(spec.budget.members):
            seed = seeds.derive(spec.seed, "member", member)
            scores.append(_train(spec, suggestion.params, spec.protocol, seed, on_epoch).score)
            means = statistics.fmean(scores)
            if member and judge.report(means) and len(judge.steps) < last:
                raise _PrunedError
    except _PrunedError:
        state = SlotState.PRUNED
    score = judge.steps[-1] if state == SlotState.PRUNED else statistics.fmean(scores)
    steps = tuple(judge.steps)
    return Past(suggestion=suggestion, state=state, score=score, steps=steps), epochs


def _true(spec: StudySpec, params: dict[str, Any]) -> float:
    fresh = (seeds.derive(spec.seed, "confirm", index) for index in range(FRESH))
    done = [_train(spec, params, Protocol.CONFIRM, seed, lambda _: None) for seed in fresh]
    return statistics.fmean(outcome.score for outcome in done)


def _train(
    spec: StudySpec,
    params: Any,
    protocol: Protocol,
    seed: int,
    on_epoch: Callable[[Progress], None],
) -> Outcome:
    return spec.objective_impl.evaluate(
        spec.params(params),
        task=spec.task_params,
        protocol=protocol,
        member_seed=seed,
        on_epoch=on_epoch,
    )


def points() -> list[dict[str, Any]]:
    """The best points of the search at 1 ns, as ``hpo.ledger.warm_start`` takes them over."""
    return [dict(slot.params) for slot in data.read(SOURCE).ranking[:TOP]]


def target(job: tuple[int, bool]) -> Found:
    """A search at 0.5 ns, with a warm start or without."""
    seed, warm = job
    values = {"seed": seed, "budget.trials": max(LENGTHS), "budget.members": 1}
    raw = file.load("seqdigits-dt05", values=values).stored()
    raw["warm_start"] = {"points": points()}
    if not warm:
        raw.pop("warm_start")
    return search(validate(raw, where="benchmark"), LENGTHS)


def tables(cold: Sequence[Found], warm: Sequence[Found]) -> str:
    """The tables of the document, in Markdown."""
    lines = [
        "| trials | search score, cold | warm | on fresh seeds, cold | warm | warm is better in |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for length in LENGTHS:
        claims = [[f.scores[f.best(length)] or 0.0 for f in kind] for kind in (cold, warm)]
        true = [[f.true[length] for f in kind] for kind in (cold, warm)]
        wins = sum(b > a for a, b in zip(*true, strict=True))
        cells = [*map(_percent, claims), *map(_percent, true)]
        lines.append(f"| {length} | {' | '.join(cells)} | {wins} of {len(cold)} |")
    lines += [
        "",
        "| search score | epochs until then, cold | warm | reached, cold | warm |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for score in TARGETS:
        until = [[f.epochs_until(score) for f in kind] for kind in (cold, warm)]
        shown = [_epochs(kind) for kind in until]
        reached = [f"{sum(n is not None for n in kind)} of {len(kind)}" for kind in until]
        lines.append(f"| {100 * score:.0f} % | {' | '.join([*shown, *reached])} |")
    return "\n".join(lines)


def _percent(values: Sequence[float]) -> str:
    low, high = 100 * min(values), 100 * max(values)
    return f"{100 * statistics.median(values):.1f} % ({low:.1f} – {high:.1f})"


def _epochs(values: Sequence[int | None]) -> str:
    """The median; of searches that never got there, it is infinite."""
    median = statistics.median_low([float("inf") if n is None else n for n in values])
    return "never" if median == float("inf") else f"{median:,.0f}"


def read(path: Path) -> dict[tuple[int, bool], Found]:
    """The searches of a file, by study seed and whether they had a warm start."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        tree = json.loads(line)
        true = {int(trials): score for trials, score in tree.pop("true").items()}
        key = tree.pop("seed"), tree.pop("warm")
        found[key] = Found(**tree, true=true)
    return found


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="one search in each line")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="study seeds")
    arguments = parser.parse_args()
    out, seeds_wanted = arguments.out, range(arguments.seeds)
    os.environ["OMP_NUM_THREADS"] = "1"
    done = read(out)
    every = [(seed, warm) for seed in seeds_wanted for warm in (False, True)]
    jobs = [job for job in every if job not in done]
    with multiprocessing.get_context("spawn").Pool(2) as pool, out.open("a") as lines:
        for (seed, warm), found in zip(jobs, pool.imap(target, jobs), strict=True):
            lines.write(json.dumps({"seed": seed, "warm": warm, **vars(found)}) + "\n")
            lines.flush()
    done = read(out)
    cold, warm_ones = ([done[seed, warm] for seed in seeds_wanted] for warm in (False, True))
    print(tables(cold, warm_ones))


if __name__ == "__main__":
    main()
