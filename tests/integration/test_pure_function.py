"""A study is a pure function of its spec, whoever runs it and however often it is
disturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from golden_studies import STUDIES, clock_spec, golden_spec, networks_spec
from pooler import pooled
from servers import connect, database
from workers import (
    ended,
    kill,
    ledger_at,
    run_workers,
    start_worker,
    table,
    undisturbed,
    wait_until,
)

from hpo.ledger import backup, interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.seeds import derive_seed
from hpo.study.trials import StudyState

APART = {"networks": networks_spec, "clock": clock_spec}
"""Kinds without golden views."""
KINDS = [*STUDIES, *APART]
LEASE_S = 1.0


@pytest.fixture(scope="session")
def alone(
    server_url: str, with_tables: str, golden_url: str
) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """The table that one undisturbed worker gives of a study of some kind."""
    with database(server_url, with_tables) as url:
        tables: dict[str, list[tuple[Any, ...]]] = {}

        def found(kind: str) -> list[tuple[Any, ...]]:
            if kind in APART and kind not in tables:
                tables[kind] = undisturbed(url, APART[kind](kind))
            if kind not in tables:
                with ledger_at(golden_url) as ledger:
                    tables[kind] = table(ledger.snapshot(kind, curves=True))
            return tables[kind]

        yield found


class Scene:
    """A study that goes on while a test disturbs it.

    Args:
        storage: its database.
        url: the same.
        kind: what kind of study it is.
        folder: for files.
    """

    def __init__(self, storage: Storage, url: str, kind: str, folder: Path) -> None:
        self.storage, self.url, self.ledger = storage, url, Ledger(storage)
        slowly = {"sweep": 0.1, "chips": 0.05}.get(kind, 0.01)
        if kind == "networks":
            self.spec = networks_spec("study")
        elif kind == "clock":
            self.spec = clock_spec("study", sleep_s=slowly)
        else:
            self.spec = golden_spec(kind, "study", sleep_s=slowly)
        self.name, self.file = self.spec.name, folder / "study.jsonl"

    def register(self, **changes: Any) -> None:
        """Hand it in, maybe with fewer trials."""
        budget = self.spec.budget.model_copy(update=changes)
        self.ledger.register(self.spec.model_copy(update={"budget": budget}))

    def start(self, url: str | None = None) -> subprocess.Popen[str]:
        """One worker more."""
        return start_worker(url or self.url, "--study", self.name, f"--lease={LEASE_S}")

    def wait_for(self, trials: int) -> None:
        """Wait until so many have finished since."""
        wanted = self.ledger.snapshot(self.name).finished + trials
        wait_until(lambda: self.ledger.snapshot(self.name).finished >= wanted, 60)

    def finish(self, workers: int = 2) -> None:
        """Run it to its end."""
        run_workers(self.url, self.name, workers, f"--lease={LEASE_S}")


def killed_at_any_moment(scene: Scene) -> None:
    scene.register()
    for _ in range(2):
        workers = [scene.start() for _ in range(2)]
        scene.wait_for(1)
        for worker in workers:
            time.sleep(random.uniform(0.0, 0.1))
            assert (kill(worker), worker.returncode)[1] == -signal.SIGKILL
    scene.finish()


def stopped_and_resumed(scene: Scene) -> None:
    scene.register()
    for signum in (signal.SIGTERM, signal.SIGINT):
        worker = scene.start()
        scene.wait_for(1)
        said = kill(worker, signum)
        assert worker.returncode == 0, said
    worker = scene.start()
    scene.wait_for(1)
    interventions.stop(scene.ledger, scene.name)
    assert "is stopped" in ended(worker)
    interventions.resume(scene.ledger, scene.name)
    scene.finish()


def extended_on_the_way(scene: Scene) -> None:
    if scene.spec.sweep:
        pytest.skip("a sweep has its points")
    trials = scene.spec.budget.trials
    scene.register(trials=trials // 2)
    worker = scene.start()
    scene.wait_for(1)
    assert interventions.extend(scene.ledger, scene.name, trials) == "extended"
    scene.finish(1)
    ended(worker)


def behind_a_pooler(scene: Scene) -> None:
    """Which gives every transaction another session, in which numbers as text lose a
    digit."""
    scene.register()
    with connect(scene.url) as admin:
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET extra_float_digits = 0")
    with pooled(scene.url, 2) as url:
        workers = [scene.start(url) for _ in range(3)]
        for worker in workers:
            ended(worker)
    slots = scene.ledger.snapshot(scene.name).search
    assert len({slot.worker for slot in slots}) > 1, "one worker did it all: no test"


def moved_by_a_backup(scene: Scene) -> None:
    """Written while two workers are at it; they are gone where it is read."""
    scene.register()
    workers = [scene.start() for _ in range(2)]
    scene.wait_for(2)
    backup.export(scene.storage, scene.name, scene.file)
    for worker in workers:
        kill(worker)
    found = backup.restore(scene.storage, scene.file, "moved")
    assert found.states["running"] > 0
    scene.name = "moved"
    scene.finish()
    assert sum(slot.losses for slot in scene.ledger.snapshot("moved").search) == 0


DISTURBANCES = [
    killed_at_any_moment,
    stopped_and_resumed,
    extended_on_the_way,
    behind_a_pooler,
    moved_by_a_backup,
]


@pytest.fixture
def scene(storage: Storage, database_url: str, kind: str, tmp_path: Path) -> Scene:
    """A study of this kind, which is there to be disturbed."""
    return Scene(storage, database_url, kind, tmp_path)


@pytest.mark.parametrize(
    ("kind", "disturb"),
    [
        pytest.param(
            kind,
            disturb,
            id=f"{kind}-{disturb.__name__}",
            marks=[]
            if kind in ("search", "clock") or disturb is killed_at_any_moment
            else pytest.mark.slow,
        )
        for kind in KINDS
        for disturb in DISTURBANCES
    ],
)
def test_a_disturbed_study_has_the_table_of_an_undisturbed_one(
    scene: Scene,
    alone: Callable[[str], list[tuple[Any, ...]]],
    kind: str,
    disturb: Callable[[Scene], None],
) -> None:
    disturb(scene)
    snapshot = scene.ledger.snapshot(scene.name, curves=True)
    assert snapshot.state == StudyState.DONE
    assert table(snapshot) == alone(kind)


def test_networks_of_all_trials_begin_from_the_same_random_numbers(
    golden_url: str,
) -> None:
    with ledger_at(golden_url) as ledger:
        snapshot = ledger.snapshot("replicated")
    spec = snapshot.spec
    seeds = [derive_seed(spec.seed, "member", k) for k in range(spec.budget.seeds)]
    for slot in snapshot.search:
        assert [m.seed for m in slot.members] == seeds[: len(slot.members)]
