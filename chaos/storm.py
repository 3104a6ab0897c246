"""The storm: a seeded driver that does what happens to computers, only more often."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from chaos import states
from chaos.crew import Crew, Hand
from chaos.server import Given, Own
from hpo.errors import StudyError
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.postgres.retry import retry

TICK_S = 0.1
AT_WORK = 0.8
"""Share of the hits on processes with a slot, if there are any."""
MOST = 2
"""Workers and launchers started beyond the usual number."""
AMENDED = "amended"
"""The study that people change."""
AMENDMENTS = ("enqueue", "extend", "exclude", "prioritise", "stop")


class Storm:
    """Disturbs the work of a crew on some studies."""

    def __init__(
        self,
        crew: Crew,
        server: Given,
        storage: Storage,
        *,
        studies: Sequence[str],
        rng: random.Random,
        workers: int,
        lease_s: float,
        say: Callable[[str], None],
    ) -> None:
        """Nothing happens before ``blow``."""
        self.counts: Counter[str] = Counter()
        self._crew = crew
        self._server = server
        self._storage = storage
        self._studies = studies
        self._rng = rng
        self._workers = workers
        self._lease_s = lease_s
        self._dump = crew.folder / "dump"
        self._say = say
        self._held: dict[str, str] = {}
        self._ledger = Ledger(storage, patience_s=60.0)
        self._actions: dict[Callable[[], str | None], float] = {
            self._kill_worker: 10,
            self._term_worker: 4,
            self._pause_worker: 4,
            self._kill_launcher: 2,
            self._term_launcher: 1,
            self._pause_launcher: 1,
            self._cut_connections: 4,
            self._power_cut: 2,
            self._start_launcher: 2,
            self._start_worker: 1,
        }
        if AMENDED in studies:
            self._actions[self._amend] = 4
        if isinstance(server, Own):
            self._actions |= {self._restart: 3, self._kill_keeper: 1, self._away: 1}

    def allow_returns(self) -> None:
        """Let the database come back in earlier states, too."""
        self._actions |= {self._write_dump: 4, self._restore_dump: 4}
        if isinstance(self._server, Own):
            self._actions |= {
                self._back_up: 4,
                self._return_to_backup: 4,
                self._make_standby: 4,
                self._promote_standby: 4,
            }

    def gather(self, timeout_s: float) -> None:
        """Bring the crew to work."""
        self._start_all()
        until = time.monotonic() + timeout_s
        while not self.finished() and time.monotonic() < until:
            time.sleep(TICK_S)

    def _start_all(self) -> None:
        """Start a launcher with half of the workers, and the other half."""
        launched = self._workers // 2
        self._launch(launched)
        for _ in range(self._workers - launched):
            self._crew.start_worker(self._any())

    def _any(self) -> str | None:
        """A study that is not over, or None: a worker may serve them all."""
        return self._rng.choice([*self._left(), None])

    def _launch(self, workers: int) -> Hand:
        """Start a launcher, not of the study with a changing budget, since a launch
        sets one."""
        names = [name for name in self._studies if name != AMENDED]
        return self._crew.start_launcher(self._rng.choice(names), workers)

    def blow(self, seconds: float, pace_s: float) -> None:
        """Disturb for so long, every ``pace_s`` on average, or until the study is
        done."""
        until = time.monotonic() + seconds
        due = time.monotonic()
        while (now := time.monotonic()) < until and not self._done():
            self._tend(now)
            if now >= due:
                due = now + self._rng.uniform(0.3, 1.7) * pace_s
                (act,) = self._rng.choices([*self._actions], [*self._actions.values()])
                if (what := act()) is not None:
                    self._say(what)
            time.sleep(TICK_S)
        self._crew.wake()
        if isinstance(self._server, Own):
            self._server.ensure()

    def finish(self, timeout_s: float) -> bool:
        """Let the rest be done undisturbed; whether it was, in time."""
        until = time.monotonic() + timeout_s
        while not (done := self._done()) and time.monotonic() < until:
            self._tend(time.monotonic())
            time.sleep(TICK_S)
        return done

    def finished(self) -> int:
        """Return the number of finished trials of all studies."""
        return sum(self._ledger.snapshot(name).finished for name in self._studies)

    def _left(self) -> list[str]:
        """Studies that are not over."""
        mine = [s for s in self._ledger.studies() if s.name in self._studies]
        return [study.name for study in mine if study.state in ("open", "stopped")]

    def _done(self) -> bool:
        return not self._left()

    def _tend(self, now: float) -> None:
        self._crew.look()
        self._crew.wake(now)
        if len(self._crew.workers()) < self._workers:
            self._crew.start_worker(self._any())

    # --- whom to hit ---

    def _victim(self, hands: list[Hand]) -> Hand | None:
        """One of those that are not paused; rather one that holds a slot than one that
        starts."""
        self._held = self._slots()
        awake = [
            h for h in hands if h.resume_at is None and signal.SIGTERM not in h.sent
        ]
        at_work = [hand for hand in awake if hand.name in self._held]
        if at_work and self._rng.random() < AT_WORK:
            return self._rng.choice(at_work)
        return self._rng.choice(awake) if awake else None

    def _slots(self) -> dict[str, str]:
        """Who holds a slot, and which."""
        query = sa.text(
            "SELECT worker, phase, number FROM hpo_ledger.slots WHERE state = 'running'"
        )

        def read() -> dict[str, str]:
            with self._storage.engine.connect() as connection:
                rows = connection.execute(query).all()
            return {row.worker: f"{row.phase} {row.number}" for row in rows}

        return retry(read, patience_s=60.0)

    def _held_by(self, hand: Hand) -> str:
        return f", at {self._held[hand.name]}" if hand.name in self._held else ""

    def _launchers(self) -> list[Hand]:
        return [hand for hand in self._crew.hands if hand.is_launcher]

    def _hit(self, hands: list[Hand], signum: signal.Signals, what: str) -> str | None:
        victim = self._victim(hands)
        if victim is None:
            return None
        victim.send(signum)
        self.counts[what] += 1
        return f"{signum.name} to {victim.name}{self._held_by(victim)}"

    # --- what happens ---

    def _kill_worker(self) -> str | None:
        return self._hit(self._crew.workers(), signal.SIGKILL, "kills")

    def _term_worker(self) -> str | None:
        return self._hit(self._crew.workers(), signal.SIGTERM, "terms")

    def _kill_launcher(self) -> str | None:
        return self._hit(self._launchers(), signal.SIGKILL, "kills")

    def _term_launcher(self) -> str | None:
        return self._hit(self._launchers(), signal.SIGTERM, "terms")

    def _pause_worker(self) -> str | None:
        return self._pause(self._victim(self._crew.workers()))

    def _pause_launcher(self) -> str | None:
        return self._pause(self._victim(self._launchers()))

    def _pause(self, victim: Hand | None) -> str | None:
        if victim is None:
            return None
        seconds = self._lease_s * self._rng.uniform(1.2, 2.0)
        victim.resume_at = time.monotonic() + seconds
        victim.send(signal.SIGSTOP)
        self.counts["pauses"] += 1
        return f"SIGSTOP to {victim.name} for {seconds:.1f} s{self._held_by(victim)}"

    def _power_cut(self) -> str:
        """Everything at once, the server included if it is ours; then everyone is
        started again."""
        victims = list(self._crew.hands)
        if isinstance(self._server, Own):
            self._server.kill()
        for hand in victims:
            hand.send(signal.SIGKILL)
        seconds = self._lease_s * self._rng.uniform(0.0, 1.5)
        time.sleep(seconds)
        if isinstance(self._server, Own):
            self._server.ensure()
        self._crew.look()
        self._start_all()
        self.counts["power cuts"] += 1
        return (
            f"SIGKILL to all {len(victims)} and the database, back after"
            f" {seconds:.1f} s"
        )

    def _cut_connections(self) -> str:
        self.counts["cuts"] += 1
        sessions = self._server.cut(self._storage.url)
        return f"{sessions} connections cut"

    def _restart(self) -> str:
        assert isinstance(self._server, Own)
        how = self._rng.choice([signal.SIGQUIT, signal.SIGINT, signal.SIGKILL])
        seconds = self._server.end(how)
        self.counts["restarts"] += 1
        return f"{how.name} to the database, back after {seconds:.1f} s"

    def _away(self) -> str:
        assert isinstance(self._server, Own)
        seconds = self._lease_s * self._rng.uniform(0.5, 1.5)
        self._server.away(seconds)
        self.counts["restarts"] += 1
        return f"the database was away for {seconds:.1f} s"

    def _kill_keeper(self) -> str:
        assert isinstance(self._server, Own)
        self._server.kill_keeper()
        self.counts["kills"] += 1
        return "SIGKILL to the keeper of the database"

    def _back_up(self) -> str:
        assert isinstance(self._server, Own)
        self._server.back_up()
        return "base backup"

    def _return_to_backup(self) -> str | None:
        assert isinstance(self._server, Own)
        if not self._server.return_to_backup():
            return None
        self.counts["backups"] += 1
        return "the base backup started in place of the database"

    def _make_standby(self) -> str:
        assert isinstance(self._server, Own)
        self._server.make_standby()
        return "a standby follows the database"

    def _promote_standby(self) -> str | None:
        assert isinstance(self._server, Own)
        behind_s = self._lease_s * self._rng.uniform(0.0, 1.5)
        if not self._server.promote_standby(behind_s):
            return None
        self.counts["promotions"] += 1
        return f"the standby, {behind_s:.1f} s behind, took the database's place"

    def _write_dump(self) -> str:
        retry(partial(states.dump, self._storage.url, self._dump), patience_s=60.0)
        return "dump"

    def _restore_dump(self) -> str | None:
        """Restore a dump in place, and once: so studies get further."""
        if not self._dump.exists():
            return None
        whole = self._rng.random() < 0.5
        options = ["--single-transaction"] if whole else []
        tries = states.restore(self._storage.url, self._dump, options)
        self._dump.unlink()
        self.counts["restores"] += 1
        how = "in one transaction" if whole else "table by table"
        return f"the dump was restored {how}, at try {tries}"

    def _start_launcher(self) -> str | None:
        if len(self._launchers()) > MOST:
            return None
        workers = self._rng.choice([0, 1, 2])
        if len(self._crew.workers()) >= self._workers + MOST:
            workers = 0
        self.counts["starts"] += 1
        return f"started {self._launch(workers).name} with {workers} workers"

    def _start_worker(self) -> str | None:
        if len(self._crew.workers()) >= self._workers + MOST:
            return None
        self.counts["starts"] += 1
        return f"started {self._crew.start_worker(self._any()).name}"

    # --- what people do ---

    def _amend(self) -> str | None:
        """Change a study by hand, as its owner may at any time."""
        if AMENDED not in self._left():
            return None
        what = self._rng.choice(AMENDMENTS)
        self.counts["amendments"] += 1
        try:
            return f"{AMENDED}: {retry(lambda: self._amended(what), patience_s=60.0)}"
        except (
            StudyError
        ) as error:  # not now: it has no such trial, or somebody is at work on it
            return f"{AMENDED}: {what} was refused: {error}"

    def _amended(self, what: str) -> str:
        ledger = self._ledger
        rng = self._rng
        if what == "enqueue":
            number = interventions.enqueue(
                ledger, AMENDED, {"tau_ns": rng.choice([2.0, 20.0])}
            )
            return f"enqueued as trial {number}"
        snapshot = ledger.snapshot(AMENDED)
        if what == "extend":
            trials = snapshot.spec.budget.trials + 1
            return f"{interventions.extend(ledger, AMENDED, trials)} to {trials} trials"
        if what == "exclude":
            trial = rng.randrange(max(1, snapshot.finished))
            return (
                f"trial {trial} excluded from"
                f" {interventions.exclude(ledger, AMENDED, trial)} on"
            )
        if what == "prioritise":
            return (
                "priority"
                f" {interventions.prioritise(ledger, AMENDED, rng.randint(-2, 2))[1]}"
            )
        interventions.stop(ledger, AMENDED)
        time.sleep(rng.uniform(0.0, 2.0) * self._lease_s)
        interventions.resume(ledger, AMENDED)
        return "stopped and resumed"
