"""One round of chaos: a study undisturbed, the same study in the storm, and what must hold."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chaos import evidence
from chaos.crew import STUDY, Crew
from chaos.server import Given
from chaos.storm import Storm
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study.file import load
from hpo.study.spec import StudySpec

NAME = "chaos"
CALM_S = 600.0
"""What an undisturbed worker may take at most."""
FINISH_S = 240.0
"""What the undisturbed rest of a round may take at most."""
STORM_S = (10.0, 180.0)
"""Shortest storm, unless less time is asked for, and the longest."""
TRIALS = (16, 60)
"""Fewest and most trials of a study."""
COUNTS = ("kills", "terms", "pauses", "restarts", "power cuts", "cuts", "starts")


class Round:
    """One study, run twice."""

    def __init__(
        self, arguments: argparse.Namespace, server: Given, folder: Path, seed: int
    ) -> None:
        """Nothing happens before ``run``."""
        self.seed, self.folder = seed, folder
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self.slots = self.members = self.begun = self.epochs = 0
        self.calm_epochs = 0
        self.slowest_term_s = 0.0
        self._arguments, self._server = arguments, server
        self._began = time.monotonic()
        folder.mkdir(parents=True)

    def run(self, left_s: float) -> None:
        """Run both, within ``left_s`` as far as a storm can be cut short."""
        trials = self._arguments.trials or int(min(max(0.35 * left_s, TRIALS[0]), TRIALS[1]))
        values = {"name": NAME, "seed": self.seed, "budget.trials": trials}
        spec = load(str(STUDY), values=values)
        self.say(f"seed {self.seed}: {spec.budget.trials} trials undisturbed, by one worker")
        calm = self._calm(spec)
        calm_s = time.monotonic() - self._began
        self.say(f"took {calm_s:.1f} s; now {self._arguments.workers} workers, disturbed")
        # afterwards: what is left of the study (a quarter, say), workers to start and to end
        least_s = min(STORM_S[0], self._arguments.seconds)
        storm_s = left_s - calm_s - 0.25 * calm_s - 8.0
        self._stormy(spec, calm, min(max(storm_s, least_s), STORM_S[1]), least_s)
        self.seconds = time.monotonic() - self._began
        for failure in self.failures:
            self.say(f"FAILED: {failure}")

    def say(self, text: str) -> None:
        """A line of progress, on the terminal and among the evidence."""
        line = f"{time.monotonic() - self._began:6.1f} s  {text}"
        print(line, flush=True)
        with (self.folder / "actions.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def _calm(self, spec: StudySpec) -> evidence.Table:
        url = self._server.create(f"hpo_chaos_{self.seed}_calm_{int(time.time())}")
        crew = Crew(self.folder / "calm", url, [], self._arguments.lease)
        with open_storage(url) as storage:
            ledger = Ledger(storage)
            ledger.register(spec)
            crew.start_worker(NAME)
            left = crew.end(CALM_S)
            snapshot = ledger.snapshot(NAME, curves=True)
        self.failures += [f"{hand.name} is slow" for hand in left]
        self.failures += crew.crashes()
        _, self.calm_epochs = evidence.epochs(crew.journal)
        return evidence.table(snapshot)

    def _stormy(
        self, spec: StudySpec, calm: evidence.Table, storm_s: float, least_s: float
    ) -> None:
        url = self._server.create(f"hpo_chaos_{self.seed}_storm_{int(time.time())}")
        options = [f"--name={NAME}", f"--seed={self.seed}", f"--trials={spec.budget.trials}"]
        crew = Crew(self.folder / "storm", url, options, self._arguments.lease)
        with open_storage(url) as storage:
            ledger = Ledger(storage, patience_s=60.0)
            ledger.register(spec)
            evidence.watch(storage)
            storm = Storm(
                crew,
                self._server,
                storage,
                study=NAME,
                rng=random.Random(self.seed),
                workers=self._arguments.workers,
                lease_s=self._arguments.lease,
                say=lambda what: self.say(f"[{storm.settled()}/{spec.budget.trials}] {what}"),
            )
            self.counts = storm.counts
            try:
                began = time.monotonic()
                storm.gather(FINISH_S)
                gathering_s = time.monotonic() - began
                storm.blow(max(storm_s - gathering_s, least_s), self._arguments.pace)
                self.say(f"[{storm.settled()}/{spec.budget.trials}] calm again: the rest")
                if not storm.finish(FINISH_S):
                    self.failures.append(f"the rest did not finish within {FINISH_S:.0f} s")
            finally:
                crew.wake()
                left = crew.end(30.0 if not self.failures else 0.0)
            self.failures += [f"{hand.name} does not end" for hand in left]
            self._judge(spec, calm, ledger, crew)
            self.failures += evidence.violations(storage, ledger, NAME, crew.journal)

    def _judge(self, spec: StudySpec, calm: evidence.Table, ledger: Ledger, crew: Crew) -> None:
        snapshot = ledger.snapshot(NAME, curves=True)
        different = list(evidence.differences(calm, evidence.table(snapshot)))
        if different:
            file = self.folder / "difference.txt"
            file.write_text("\n".join(different) + "\n", encoding="utf-8")
            self.failures.append(f"{len(different)} rows differ from the undisturbed table: {file}")
        self.failures += crew.crashes()
        every = (*snapshot.search, *snapshot.confirm)
        self.slots, self.members = len(every), sum(len(slot.members) for slot in every)
        self.begun, self.epochs = evidence.epochs(crew.journal)
        self.slowest_term_s = max(crew.term_s, default=0.0)


def summary(rounds: Sequence[Round]) -> str:
    """A table of all rounds."""
    heads = ["seed", "seconds", *COUNTS, "slots", "members", "epochs repeated", "result"]
    rows = [heads]
    for r in rounds:
        again = r.epochs - r.calm_epochs
        share = f"{again} of {r.epochs}"
        result = "tables equal" if not r.failures else f"{len(r.failures)} FAILURES"
        counts = [str(r.counts[name]) for name in COUNTS]
        row = [str(r.seed), f"{r.seconds:.0f}", *counts, str(r.slots), str(r.members)]
        rows.append([*row, share, result])
    total = [str(sum(r.counts[name] for r in rounds)) for name in COUNTS]
    seconds, slots = sum(r.seconds for r in rounds), sum(r.slots for r in rounds)
    members = sum(r.members for r in rounds)
    rows.append(["all", f"{seconds:.0f}", *total, str(slots), str(members), "", ""])
    widths = [max(len(row[k]) for row in rows) for k in range(len(heads))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(lines)
