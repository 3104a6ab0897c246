"""Workers behind a pooler that gives every transaction another session."""

from __future__ import annotations

import signal

from pooler import pooled
from servers import connect
from workers import kill, ledger_at, start_worker, table, toy_spec, undisturbed, wait_until

from hpo.study.snapshot import StudyState

WORKERS, SESSIONS = 6, 3


def test_workers_share_the_sessions_of_a_pooler(database_url: str) -> None:
    spec = toy_spec(fixed={"sleep_s": 0.02})
    with pooled(database_url, SESSIONS) as url, ledger_at(database_url) as ledger:
        ledger.register(spec)
        workers = [start_worker(url, "--study", "toy", "--lease=2") for _ in range(WORKERS)]
        wait_until(lambda: ledger.snapshot("toy").settled >= 6)
        with connect(database_url) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            held = connection.execute(query).fetchone()
        assert held is not None
        assert held[0] <= SESSIONS + 2, "those of the pooler, of the ledger, of this very question"
        kill(workers[0], signal.SIGKILL)
        for worker in workers[1:]:
            _, said = worker.communicate(timeout=120)
            assert worker.returncode == 0, said
        snapshot = ledger.snapshot("toy", curves=True)
        assert snapshot.state == StudyState.DONE
        assert table(snapshot) == undisturbed(database_url, toy_spec("alone"))
