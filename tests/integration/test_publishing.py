"""Many who publish at once, threads that publish, and launches, on a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from gates import Gate
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from published import CARDS, cards, note, shown_trials, spec, system_attrs, trials_of
from servers import cut_off
from settling import run
from workers import SUPPORT, run_workers, wait_until

from hpo.dashboard import publish
from hpo.dashboard.publish import Publisher, PublishingThread
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.study import file


@pytest.fixture
def publisher(storage: Storage) -> Publisher:
    return Publisher(storage)


# --- many at once ---------------------------------------------------------------------------------


def test_of_many_publishers_at_once_one_writes(ledger: Ledger, database_url: str) -> None:
    ledger.register(spec())
    run(ledger, most=1)
    started = threading.Barrier(4)

    def publish(_: int) -> bool:
        with open_storage(database_url) as own:
            publisher = Publisher(own)
            started.wait(60)
            return publisher.publish("toy", least_s=3600)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(publish, range(4))) == 1


def test_who_finds_another_at_it_goes_away_at_once(
    ledger: Ledger, storage: Storage, publisher: Publisher, database_url: str
) -> None:
    ledger.register(spec())
    with (
        Gate(
            database_url, "INSERT ON study_system_attributes", "NEW.key = 'hpo:published'"
        ) as gate,
        ThreadPoolExecutor(1) as pool,
    ):
        other = pool.submit(Publisher(storage).publish, "toy")
        gate.wait()
        began_s = time.monotonic()
        assert not publisher.publish("toy", least_s=0)
        assert time.monotonic() - began_s < 10
        assert cards(storage) == {}
        gate.open()
        assert other.result(60)
    assert [*cards(storage)] == CARDS


def test_a_publisher_that_is_killed_midway_leaves_nothing_torn(
    ledger: Ledger, storage: Storage, publisher: Publisher, database_url: str
) -> None:
    ledger.register(spec())
    publisher.publish("toy")
    before = system_attrs(storage)
    run(ledger, most=1)
    interventions.stop(ledger, "toy")
    gate = Gate(database_url, "UPDATE ON study_system_attributes", "NEW.key ~ 'note_ver'")
    with gate:  # the figures are written by then, the note is not
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo", "publish", "toy"],
            env={**os.environ, "HPO_STORAGE": database_url, "PYTHONPATH": str(SUPPORT)},
        )
        gate.wait(120)
        process.kill()
        process.wait(30)
        assert system_attrs(storage) == before
    wait_until(lambda: publisher.publish("toy", least_s=0), timeout_s=60)
    assert shown_trials(storage) == 1
    assert "**State:** stopped" in note(storage)


def test_readers_never_see_halves_of_two_publications(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec(budget={"trials": 3}))
    publisher.publish("toy")
    done = threading.Event()
    seen = set()

    def read() -> None:
        while not done.is_set():
            attrs = system_attrs(storage)
            found = get_plotly_graph_objects(attrs)
            counts = {trials_of(json.loads(found[card])) for card in CARDS[:2]}
            assert len(counts) == 1, "the two figures are of one state"
            seen.update(counts)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for _ in range(3):
            run(ledger, most=1)
            publisher.publish("toy", least_s=0)
            if reader.done():
                break
        done.set()
        reader.result(60)
    assert len(seen) > 1


# --- threads --------------------------------------------------------------------------------------


@pytest.fixture
def watch(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., tuple[PublishingThread, list[str]]]]:
    """Start a thread that publishes; returns it and what it complains of."""
    monkeypatch.setattr(publish, "SHARE", 1.0)  # it need not spare this process
    threads = []

    def start(storage: Storage, **options: Any) -> tuple[PublishingThread, list[str]]:
        said: list[str] = []
        threads.append(PublishingThread(storage, every_s=0.05, say=said.append, **options))
        threads[-1].start()
        return threads[-1], said

    yield start
    for thread in threads:
        thread.stop()


def test_a_thread_publishes_what_there_is_and_what_comes(
    ledger: Ledger, storage: Storage, publisher: Publisher, watch: Any
) -> None:
    ledger.register(spec("one"))
    _, said = watch(storage)
    wait_until(lambda: publisher.stale() == [], timeout_s=60)
    ledger.register(spec("two"))
    wait_until(lambda: publisher.stale() == [], timeout_s=60)
    assert [*cards(storage, "one")] == [*cards(storage, "two")] == CARDS
    assert said == []


def test_a_thread_of_one_study_leaves_others_alone(
    ledger: Ledger, storage: Storage, publisher: Publisher, watch: Any
) -> None:
    ledger.register(spec("one"))
    ledger.register(spec("two"))
    watch(storage, studies=["two"])
    wait_until(lambda: [found.study for found in publisher.stale()] == ["one"], timeout_s=60)


def test_a_thread_that_stops_shows_the_last_state_first(
    ledger: Ledger, storage: Storage, publisher: Publisher, watch: Any
) -> None:
    ledger.register(spec())
    thread, _ = watch(storage)
    wait_until(lambda: publisher.stale() == [], timeout_s=60)
    run(ledger, most=1)  # too early for it to be published
    thread.stop(last_s=60)
    assert not thread.is_alive()
    assert shown_trials(storage) == 1


def test_a_thread_that_need_not_stops_at_once(ledger: Ledger, storage: Storage, watch: Any) -> None:
    thread, _ = watch(storage)
    thread._every_s = 3600.0
    time.sleep(0.2)  # wherever it is
    thread.stop()
    assert not thread.is_alive()


def test_a_thread_outlives_its_database(
    ledger: Ledger, storage: Storage, publisher: Publisher, database_url: str, watch: Any
) -> None:
    ledger.register(spec())
    with cut_off(database_url):
        _, said = watch(storage)
        wait_until(lambda: bool(said), timeout_s=60)
        time.sleep(0.5)  # it has tried again by then
        assert said == ["the database does not answer, trying again"]
    wait_until(lambda: publisher.stale() == [], timeout_s=60)
    assert len(said) == 1


def test_trouble_with_one_study_is_told_once_and_keeps_no_other(
    ledger: Ledger,
    storage: Storage,
    publisher: Publisher,
    watch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish, "LEAST_S", 0.5)
    ledger.register(spec("broken"))
    ledger.register(spec("whole"))
    with storage.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE hpo_ledger.studies SET spec = replace(spec::text, 'toy_objective:Toy', "
                "'nowhere:Toy')::json WHERE name = 'broken'"
            )
        )
    _, said = watch(storage)
    for _ in range(2):
        run(ledger, "whole", most=1)
        wait_until(lambda: [p.study for p in publisher.stale()] == ["broken"], timeout_s=60)
    (words,) = said
    assert words.startswith("broken: ")
    assert "nowhere" in words


# --- launches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_a_launch_publishes_what_it_watches(
    workers: int, publisher: Publisher, storage: Storage, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "toy.toml").write_text(file.dumps(spec(budget={"trials": 3}, confirm=False)))
    launch = subprocess.Popen(
        [sys.executable, "-m", "hpo", "launch", "--study", "toy.toml", f"--workers={workers}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "HPO_STORAGE": database_url,
            "HPO_HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(SUPPORT),
        },
    )
    try:
        wait_until(lambda: bool(publisher.stale() or Ledger(storage).studies()), timeout_s=60)
        wait_until(lambda: publisher.stale() == [], timeout_s=60)
        if not workers:
            run_workers(database_url, "toy", 1)
        assert launch.wait(120) == 0
    finally:
        launch.kill()
        launch.wait(30)
    assert publisher.stale() == []
    assert "**State:** finished, all 3 trials settled, 36 epochs of training." in note(storage)
