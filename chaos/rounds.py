"""One round of chaos: studies undisturbed, the same studies in the storm, and the
checks."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos import evidence
from chaos.crew import FILES, Crew
from chaos.server import Given
from chaos.storm import AMENDED, Storm
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.study.file import load
from hpo.study.spec import StudySpec

CALM_S = 600.0
"""Longest time of an undisturbed worker."""
FINISH_S = 240.0
"""Longest time of the undisturbed rest of a round."""
STORM_S = (10.0, 180.0)
"""Shortest storm (shorter only with less --seconds), and longest."""
TRIALS = (8, 40)
"""Fewest and most trials of a study."""
RETURNS = ("backups", "promotions", "restores")
"""Ways in which the database comes back in an earlier state."""
COUNTS = (
    "kills",
    "terms",
    "pauses",
    "restarts",
    *RETURNS,
    "power cuts",
    "cuts",
    "amendments",
    "starts",
)
SETTINGS = {
    "extra_float_digits": "0",
    "default_transaction_isolation": "repeatable read",
    "datestyle": "German, DMY",
    "timezone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "intervalstyle": "iso_8601",
    "enable_hashjoin": "off",
    "enable_indexscan": "off",
    "enable_nestloop": "off",
    "enable_seqscan": "off",
    "work_mem": "64kB",
    "array_nulls": "off",
    "client_encoding": "LATIN1",
    "cursor_tuple_fraction": "1.0",
    "deadlock_timeout": "10ms",
    "enable_sort": "off",
    "idle_in_transaction_session_timeout": "5s",
    "jit_above_cost": "0",
    "min_parallel_table_scan_size": "0",
    "parallel_setup_cost": "0",
    "plan_cache_mode": "force_generic_plan",
    "standard_conforming_strings": "off",
    "synchronize_seqscans": "off",
    "transform_null_equals": "on",
}
"""Settings of the stormy database, in each round those of ``_ALWAYS`` and half of all:
no result depends on them."""


_ALWAYS = ("default_transaction_isolation", "extra_float_digits")


class Round:
    """Some studies, run twice."""

    def __init__(
        self, arguments: argparse.Namespace, server: Given, folder: Path, seed: int
    ) -> None:
        """Nothing happens before ``run``."""
        self.seed = seed
        self.folder = folder
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self.slots = self.members = self.epochs = self.stored_epochs = 0
        self.slowest_term_s = 0.0
        self._arguments = arguments
        self._server = server
        self._began = time.monotonic()
        folder.mkdir(parents=True)

    def run(self, left_s: float) -> None:
        """Run both, within ``left_s`` as far as a storm can be cut short."""
        trials = self._arguments.trials or int(
            min(max(0.1 * left_s, TRIALS[0]), TRIALS[1])
        )
        values = {"seed": self.seed, "budget.trials": trials}
        specs = [
            load(str(FILES[name]), values=values) for name in self._arguments.studies
        ]
        plain = [spec for spec in specs if spec.name != AMENDED]
        self.say(
            f"seed {self.seed}: {trials} trials of {len(plain)} studies undisturbed"
        )
        calm = self._calm(plain)
        calm_s = time.monotonic() - self._began
        self.say(
            f"took {calm_s:.1f} s; now {self._arguments.workers} workers, disturbed"
        )
        # afterwards: what is left of the studies (a quarter, say), workers to start and
        # to end
        least_s = min(STORM_S[0], self._arguments.seconds)
        storm_s = left_s - calm_s - 0.25 * calm_s - 8.0
        self._stormy(specs, calm, min(max(storm_s, least_s), STORM_S[1]), least_s)
        self.seconds = time.monotonic() - self._began
        for failure in self.failures:
            self.say(f"FAILED: {failure}")

    def say(self, text: str) -> None:
        """A line of progress, on the terminal and among the evidence."""
        line = f"{time.monotonic() - self._began:6.1f} s  {text}"
        print(line, flush=True)
        with (self.folder / "actions.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def _calm(self, specs: Sequence[StudySpec]) -> dict[str, evidence.Table]:
        """The tables of studies on which one worker each has worked undisturbed."""
        url = self._server.create(f"hpo_chaos_{self.seed}_calm_{int(time.time())}")
        crew = Crew(self.folder / "calm", url, [], self._arguments.lease)
        with open_storage(url) as storage:
            ledger = Ledger(storage)
            for spec in specs:
                ledger.register(spec)
                crew.start_worker(spec.name)
            left = crew.end(CALM_S)
            snapshots = [ledger.snapshot(spec.name, curves=True) for spec in specs]
        self.failures += [f"{hand.name} is slow" for hand in left]
        self.failures += crew.crashes()
        return {snapshot.spec.name: evidence.table(snapshot) for snapshot in snapshots}

    def _stormy(
        self,
        specs: Sequence[StudySpec],
        calm: Mapping[str, evidence.Table],
        storm_s: float,
        least_s: float,
    ) -> None:
        url = self._server.create(f"hpo_chaos_{self.seed}_storm_{int(time.time())}")
        rng = random.Random(self.seed)
        chosen = sorted({*_ALWAYS, *rng.sample(sorted(SETTINGS), len(SETTINGS) // 2)})
        self._server.alter(url, {name: SETTINGS[name] for name in chosen})
        self.say(f"the database has its own {', '.join(chosen)}")
        trials = specs[0].budget.trials
        options = [f"--seed={self.seed}", f"--trials={trials}"]
        crew = Crew(self.folder / "storm", url, options, self._arguments.lease)
        with open_storage(url) as storage:
            ledger = Ledger(storage, patience_s=60.0)
            for spec in specs:
                ledger.register(spec)
            evidence.watch(storage)
            storm = Storm(
                crew,
                self._server,
                storage,
                studies=[spec.name for spec in specs],
                rng=rng,
                workers=self._arguments.workers,
                lease_s=self._arguments.lease,
                say=lambda what: self.say(
                    f"[{storm.finished()}/{trials * len(specs)}] {what}"
                ),
            )
            self.counts = storm.counts
            if self._arguments.returns:
                storm.allow_returns()
            try:
                began = time.monotonic()
                storm.gather(FINISH_S)
                gathering_s = time.monotonic() - began
                storm.blow(max(storm_s - gathering_s, least_s), self._arguments.pace)
                self.say(
                    f"[{storm.finished()}/{trials * len(specs)}] calm again: the rest"
                )
                if not storm.finish(FINISH_S):
                    self.failures.append(
                        f"the rest did not finish within {FINISH_S:.0f} s"
                    )
            finally:
                crew.wake()
                left = crew.end(30.0 if not self.failures else 0.0)
            self.failures += [f"{hand.name} does not end" for hand in left]
            self.failures += crew.crashes()
            for spec in specs:
                self._judge(spec.name, calm.get(spec.name), storage, ledger)
            # what was lost is trained again
            if not any(self.counts[way] for way in RETURNS):
                self.failures += evidence.trained_again(storage, crew.journal)
            self.epochs = evidence.epochs(crew.journal)
            self.slowest_term_s = max(crew.term_s, default=0.0)

    def _judge(
        self, name: str, calm: evidence.Table | None, storage: Storage, ledger: Ledger
    ) -> None:
        """A study's table against the undisturbed one; of an amended one, against its
        history."""
        snapshot = ledger.snapshot(name, curves=True)
        if calm is None:
            different = list(evidence.unlike_suggestions(storage, snapshot))
        else:
            different = list(evidence.differences(calm, evidence.table(snapshot)))
        if different:
            file = self.folder / f"difference-{name}.txt"
            file.write_text("\n".join(different) + "\n", encoding="utf-8")
            self.failures.append(f"{name}: {len(different)} rows differ: {file}")
        every = (*snapshot.search, *snapshot.confirm)
        self.slots += len(every)
        members = [member for slot in every for member in slot.members]
        self.members += len(members)
        self.stored_epochs += sum(len(member.loss_curve) for member in members)
        self.failures += [
            f"{name}: {what}" for what in evidence.violations(storage, snapshot)
        ]


def summary(rounds: Sequence[Round]) -> str:
    """A table of all rounds."""
    heads = [
        "seed",
        "seconds",
        *COUNTS,
        "slots",
        "members",
        "epochs repeated",
        "result",
    ]
    rows = [heads]
    for r in rounds:
        again = r.epochs - r.stored_epochs
        share = f"{again} of {r.epochs}"
        result = "tables equal" if not r.failures else f"{len(r.failures)} FAILURES"
        counts = [str(r.counts[name]) for name in COUNTS]
        row = [str(r.seed), f"{r.seconds:.0f}", *counts, str(r.slots), str(r.members)]
        rows.append([*row, share, result])
    total = [str(sum(r.counts[name] for r in rounds)) for name in COUNTS]
    seconds = sum(r.seconds for r in rounds)
    slots = sum(r.slots for r in rounds)
    members = sum(r.members for r in rounds)
    rows.append(["all", f"{seconds:.0f}", *total, str(slots), str(members), "", ""])
    widths = [max(len(row[k]) for row in rows) for k in range(len(heads))]
    lines = [
        "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(lines)
