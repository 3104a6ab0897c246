"""Publishing on a real database, read back as optuna-dashboard reads it."""

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

import optuna
import optuna_dashboard
import pytest
import sqlalchemy as sa
from gates import Gate
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from servers import cut_off
from workers import SUPPORT, run_workers, toy_spec, wait_until

from hpo.cli import main
from hpo.dashboard.publish import Publisher, PublishingThread
from hpo.errors import StudyError
from hpo.ledger import interventions, optuna_notes, optuna_tables
from hpo.ledger.backup import study as backup_study
from hpo.ledger.claims import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.search.suggest import suggest
from hpo.study import file
from hpo.study.rules.check import validate
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, Phase, SlotState
from hpo.worker.trial import _filled

REPORTED = {"score": 0.9, "std": 0.01, "source": "toy paper", "params": {"x": 0.5}}
CARDS = [
    "hpo-1-convergence",
    "hpo-2-epochs",
    "hpo-2-time",
    "hpo-3-distance",
    "hpo-4-parameters",
]


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    with open_storage(database_url) as storage:
        yield storage


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    return Ledger(storage)


@pytest.fixture
def publisher(storage: Storage) -> Publisher:
    return Publisher(storage)


def spec(name: str = "toy", **tables: Any) -> StudySpec:
    return toy_spec(name, reported=REPORTED, **tables)


def settle(ledger: Ledger, name: str = "toy", most: int = 1) -> int:
    """Settle so many slots; returns how many there were."""
    for done in range(most):
        held = ledger.claim(name, "w", lease_s=60)
        if not isinstance(held, Claim):
            return done
        if held.phase == Phase.SEARCH:
            history = _filled(held, ledger.history(held))
            ledger.store_suggestion(held, suggest(held.spec, held.number, history))
        score = (held.number * 7 + held.fresh_seed) % 11 / 11
        for index in range(2 if held.phase == Phase.SEARCH else 1):
            trained = Member(
                member=index,
                seed=index,
                score=score,
                curve=(score,),
                loss_curve=(1.0,),
                diverged=False,
                info={},
                seconds=0.1,
            )
            ledger.store_member(held, trained)
        ledger.settle(held, End(state=SlotState.COMPLETE, score=score, steps=(score,)))
    return most


def system_attrs(storage: Storage, name: str = "toy") -> dict[str, Any]:
    optuna_storage = storage.optuna()
    return optuna_storage.get_study_system_attrs(optuna_storage.get_study_id_from_name(name))


def cards(storage: Storage, name: str = "toy") -> dict[str, Any]:
    """The figures of a study as optuna-dashboard sends them to the browser."""
    found = get_plotly_graph_objects(system_attrs(storage, name))
    return {key: json.loads(found[key]) for key in sorted(found)}


def note(storage: Storage, name: str = "toy") -> str:
    study = optuna.load_study(study_name=name, storage=storage.optuna())
    return optuna_dashboard.get_note(study)


def shown_trials(storage: Storage) -> int:
    """How many trials the convergence shows."""
    return _trials_of(cards(storage)["hpo-1-convergence"])


def _trials_of(convergence: Any) -> int:
    clouds = [t for t in convergence["data"] if t.get("name") in ("trial", "off scale")]
    return sum(len(t["x"]) for t in clouds)


# --- what is published ----------------------------------------------------------------------------


def test_optuna_dashboard_reads_figures_note_and_metric_name(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec())
    settle(ledger, most=3)
    assert publisher.publish("toy")
    assert [*cards(storage)] == CARDS
    assert shown_trials(storage) == 3
    texts = [a["text"] for a in cards(storage)["hpo-1-convergence"]["layout"]["annotations"]]
    assert texts == ["╌╌ reported 90.00 ± 1.00 % (toy paper)"]
    assert note(storage).startswith("**State:** open;")
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    assert study.metric_names == ["accuracy"]


def test_every_state_up_to_the_last_is_published(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec(budget={"trials": 3}, confirm={"top": 1, "members": 2}))
    for settled in range(4):
        assert publisher.publish("toy", least_s=0)
        assert shown_trials(storage) == settled
        settle(ledger)
    settle(ledger, most=10)
    assert ledger.snapshot("toy").state == "done"
    assert [found.study for found in publisher.stale()] == ["toy"]
    assert publisher.publish("toy", least_s=0)
    assert [*cards(storage)] == [*CARDS, "hpo-5-confirmed"]
    assert "**State:** finished, all 3 trials settled, 36 epochs of training." in note(storage)
    assert "n = 2 fresh seeds" in note(storage)
    assert publisher.stale() == []


def test_nothing_is_written_while_nothing_changes(ledger: Ledger, publisher: Publisher) -> None:
    ledger.register(spec())
    assert publisher.publish("toy")
    held = ledger.claim("toy", "w", lease_s=60)
    assert isinstance(held, Claim)
    assert publisher.stale() == []
    assert not publisher.publish("toy", least_s=0)


def test_a_study_is_published_every_few_seconds_at_most(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec())
    assert publisher.publish("toy")
    settle(ledger)
    assert not publisher.publish("toy", least_s=3600)
    assert not Publisher(storage).publish("toy", least_s=3600), "whoever asks"
    assert shown_trials(storage) == 0
    assert publisher.publish("toy", least_s=0)
    assert shown_trials(storage) == 1
    settle(ledger)
    shown = {**system_attrs(storage)[optuna_tables.PUBLISHED], "at": "2100-01-01T00:00:00+00:00"}
    study_id = storage.optuna().get_study_id_from_name("toy")
    storage.optuna().set_study_system_attr(study_id, optuna_tables.PUBLISHED, shown)
    assert publisher.publish("toy", least_s=3600), "that clock was ahead of this one"


@pytest.mark.parametrize("what", ["exclude", "stop", "extend"])
def test_what_people_do_is_shown(
    what: str, ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec(budget={"trials": 4}, confirm=False))
    settle(ledger, most=3 if what == "stop" else 4)
    publisher.publish("toy")
    if what == "exclude":
        interventions.exclude(ledger, "toy", 2, "bad data")
    elif what == "stop":
        interventions.stop(ledger, "toy")
    else:
        interventions.extend(ledger, "toy", 6)
    assert publisher.publish("toy", least_s=0)
    assert shown_trials(storage) == (4 if what == "extend" else 3)
    words = {"stop": "stopped (hpo stop, on", "extend": "open;", "exclude": "open;"}[what]
    assert f"**State:** {words}" in note(storage)


def test_a_figure_that_no_longer_applies_goes(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec(budget={"trials": 4}, confirm={"top": 1, "members": 2}))
    settle(ledger, most=6)
    publisher.publish("toy")
    assert "hpo-5-confirmed" in cards(storage)
    mine = optuna.load_study(study_name="toy", storage=storage.optuna())
    own = optuna.visualization.plot_slice(mine)
    optuna_dashboard.save_plotly_graph_object(mine, own, graph_object_id="mine")
    confirmed = ledger.snapshot("toy").confirmations[0].source
    interventions.exclude(ledger, "toy", confirmed)
    publisher.publish("toy", least_s=0)
    assert [*cards(storage)] == [*CARDS, "mine"]


def test_a_sweep_follows_the_studies_that_it_is_drawn_with(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    def sweep(name: str, **tables: Any) -> StudySpec:
        curves = [{"label": name, "x": "x", "values": [0.1, 0.5]}]
        raw = {"name": name, "objective": "toy_objective:ToyObjective", "sweep": {"curves": curves}}
        return validate({**raw, "budget": {"members": 2, "epochs": 2}, **tables}, where="test")

    ledger.register(sweep("one", figure={"kind": "curves", "overlay": ["two"]}))
    settle(ledger, "one", most=2)
    publisher.publish("one")
    assert [*cards(storage, "one")] == ["hpo-6-figure"]
    ledger.register(sweep("two"))
    assert {found.study for found in publisher.stale()} == {"one", "two"}
    settle(ledger, "two", most=1)
    publisher.publish("one", least_s=0)
    drawn = cards(storage, "one")["hpo-6-figure"]["data"]
    assert {t["name"] for t in drawn} == {"one", "two"}


def test_cards_of_5000_trials_are_small_and_quick(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec(budget={"trials": 5000, "window": 1000}))
    _insert(storage, 5000)
    assert publisher.publish("toy")
    with storage.engine.connect() as connection:
        query = (
            "SELECT key, length(value_json) FROM study_system_attributes WHERE key ~ 'plot_data'"
        )
        sizes = {row.key: row.length for row in connection.execute(sa.text(query))}
    assert [*sorted(sizes)] == [f"dashboard:plot_data:{card}:0" for card in CARDS]
    assert max(sizes.values()) < 50_000, "as a JSON text within JSON"
    assert max(len(json.dumps(card)) for card in cards(storage).values()) < 50_000


def _insert(storage: Storage, trials: int) -> None:
    """Complete trials of two networks each, straight into the ledger."""
    with storage.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO hpo_ledger.slots (study_id, phase, number, state, params, score, "
                "attempts, settled_at) SELECT (SELECT id FROM hpo_ledger.studies), 'search', n, "
                "'complete', json_build_object('x', random(), 'k', 1 + n % 8, 'rate_per_ns', "
                "0.001 + random(), 'colour', 'red'), 0.9 * random(), 1, "
                "clock_timestamp() + n * interval '1 s' FROM generate_series(0, :n - 1) n"
            ),
            {"n": trials},
        )
        connection.execute(
            sa.text(
                "INSERT INTO hpo_ledger.members (slot_id, member, seed, score, curve, loss_curve, "
                "diverged, info, seconds, worker) SELECT id, m, m, score, '{}', '{}', false, '{}', "
                "1, 'w' FROM hpo_ledger.slots, generate_series(0, 1) m"
            )
        )


# --- notes ----------------------------------------------------------------------------------------


def test_what_people_wrote_is_kept_and_versions_count_up(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec())
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    optuna_dashboard.save_note(study, "Ask Ann. " + "x" * 5000)
    publisher.publish("toy")
    assert note(storage).startswith("**State:** open;")
    assert note(storage).endswith(f"{optuna_notes.MARKER}\n\nAsk Ann. {'x' * 5000}\n")
    assert system_attrs(storage)["dashboard:note_ver"] == 2
    settle(ledger)
    publisher.publish("toy", least_s=0)
    assert system_attrs(storage)["dashboard:note_ver"] == 2, "a trial changes no word of it"
    optuna_dashboard.save_note(study, note(storage).replace("Ask Ann", "Ask Bob"))
    interventions.stop(ledger, "toy")
    publisher.publish("toy", least_s=0)
    assert "**State:** stopped" in note(storage)
    assert note(storage).endswith(f"{optuna_notes.MARKER}\n\nAsk Bob. {'x' * 5000}\n")
    assert system_attrs(storage)["dashboard:note_ver"] == 4


# --- many at once ---------------------------------------------------------------------------------


def test_of_many_publishers_at_once_one_writes(ledger: Ledger, database_url: str) -> None:
    ledger.register(spec())
    settle(ledger)
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
    settle(ledger)
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
    ledger.register(spec(budget={"trials": 5}))
    publisher.publish("toy")
    done = threading.Event()
    seen = set()

    def read() -> None:
        while not done.is_set():
            attrs = system_attrs(storage)
            found = get_plotly_graph_objects(attrs)
            counts = {_trials_of(json.loads(found[card])) for card in CARDS[:2]}
            assert len(counts) == 1, "the two figures are of one state"
            seen.update(counts)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for _ in range(5):
            settle(ledger)
            publisher.publish("toy", least_s=0)
            if reader.done():
                break
        done.set()
        reader.result(60)
    assert len(seen) > 1


# --- studies that are not as they should be -------------------------------------------------------


def test_an_unknown_study(publisher: Publisher) -> None:
    with pytest.raises(StudyError, match="study 'none': the database must hold it"):
        publisher.publish("none")


def test_a_study_that_was_deleted_in_optunas_tables_is_passed_over(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec())
    optuna.delete_study(study_name="toy", storage=storage.optuna())
    assert publisher.stale() == []
    assert not publisher.publish("toy")


def test_hpo_delete_leaves_nothing(ledger: Ledger, storage: Storage, publisher: Publisher) -> None:
    ledger.register(spec())
    publisher.publish("toy")
    interventions.delete_study(ledger, "toy")
    with storage.engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM study_system_attributes")
        assert connection.scalar(query) == 0
    ledger.register(spec())
    assert publisher.publish("toy"), "a new study of the name is published at once"


def test_an_imported_study_is_published_anew(
    ledger: Ledger, storage: Storage, publisher: Publisher, tmp_path: Path
) -> None:
    ledger.register(spec())
    settle(ledger, most=2)
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    optuna_dashboard.save_note(study, "Ask Ann.")
    publisher.publish("toy")
    backup_study.export(storage, "toy", tmp_path / "toy.jsonl")
    text = (tmp_path / "toy.jsonl").read_text()
    assert "plot_data" not in text
    assert "hpo:published" not in text
    assert "State:" not in text
    backup_study.restore(storage, tmp_path / "toy.jsonl", "copy")
    assert cards(storage, "copy") == {}
    assert note(storage, "copy") == "Ask Ann."
    assert [found.study for found in publisher.stale()] == ["copy"]
    assert publisher.publish("copy")
    assert [*cards(storage, "copy")] == CARDS
    assert note(storage, "copy").endswith(f"{optuna_notes.MARKER}\n\nAsk Ann.\n")


# --- threads --------------------------------------------------------------------------------------


@pytest.fixture
def watch() -> Iterator[Callable[..., tuple[PublishingThread, list[str]]]]:
    """Start a thread that publishes; returns it and what it complains of."""
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
    settle(ledger)  # too early for it to be published
    thread.stop(last_s=60)
    assert not thread.is_alive()
    assert shown_trials(storage) == 1


def test_a_thread_that_need_not_stops_at_once(ledger: Ledger, storage: Storage, watch: Any) -> None:
    thread, _ = watch(storage)
    thread._every_s = 3600.0
    time.sleep(0.2)  # wherever it is
    thread.stop()
    assert not thread.is_alive()


def test_trouble_with_one_study_is_told_once_and_keeps_no_other(
    ledger: Ledger, storage: Storage, publisher: Publisher, watch: Any
) -> None:
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
    for _ in range(3):
        settle(ledger, "whole")
        wait_until(lambda: [p.study for p in publisher.stale()] == ["broken"], timeout_s=60)
    (words,) = said
    assert words.startswith("broken: ")
    assert "nowhere" in words


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


# --- commands -------------------------------------------------------------------------------------


@pytest.fixture
def hpo(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run a command; returns what it said."""
    monkeypatch.setenv("HPO_STORAGE", database_url)

    def run(*line: str, status: int = 0) -> str:
        assert main.main(line) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return run


def test_hpo_publish(hpo: Callable[..., str], ledger: Ledger, storage: Storage) -> None:
    assert hpo("publish") == "every study is shown as it is\n"
    ledger.register(spec("one"))
    ledger.register(spec("two"))
    assert hpo("publish", "one") == "one: published\n"
    assert hpo("publish") == "two: published\n"
    assert hpo("publish", "two") == "two: nothing to publish: its state is shown\n"
    settle(ledger, "one")
    assert json.loads(hpo("publish", "--json")) == {"published": {"one": True}}
    assert [*cards(storage, "two")] == CARDS
    assert "study 'none': the database must hold it" in hpo("publish", "none", status=1)


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
