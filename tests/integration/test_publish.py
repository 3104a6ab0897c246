"""Publishing on a real database, read back as optuna-dashboard reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
import sqlalchemy as sa
from published import CARDS, cards, note, shown_trials, spec, system_attrs
from settling import run

from hpo.dashboard.publish import Publisher
from hpo.errors import StudyError
from hpo.ledger import interventions, optuna_notes, optuna_tables
from hpo.ledger.backup import study as backup_study
from hpo.ledger.claims import Claim
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.file import validate
from hpo.study.spec import StudySpec


@pytest.fixture
def publisher(storage: Storage) -> Publisher:
    return Publisher(storage)


# --- what is published ----------------------------------------------------------------------------


def test_optuna_dashboard_reads_figures_note_and_metric_name(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec())
    run(ledger, most=3)
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
        run(ledger, most=1)
    run(ledger, most=10)
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
    run(ledger, most=1)
    assert not publisher.publish("toy", least_s=3600)
    assert not Publisher(storage).publish("toy", least_s=3600), "whoever asks"
    assert shown_trials(storage) == 0
    assert publisher.publish("toy", least_s=0)
    assert shown_trials(storage) == 1
    run(ledger, most=1)
    shown = {**system_attrs(storage)[optuna_tables.PUBLISHED], "at": "2100-01-01T00:00:00+00:00"}
    study_id = storage.optuna().get_study_id_from_name("toy")
    storage.optuna().set_study_system_attr(study_id, optuna_tables.PUBLISHED, shown)
    assert publisher.publish("toy", least_s=3600), "that clock was ahead of this one"


def test_what_people_do_is_shown(ledger: Ledger, storage: Storage, publisher: Publisher) -> None:
    ledger.register(spec(budget={"trials": 4}, confirm=False))
    run(ledger)
    publisher.publish("toy")
    assert "**State:** finished" in note(storage)
    for act, state in (
        (lambda: interventions.extend(ledger, "toy", 6), "open;"),
        (lambda: interventions.exclude(ledger, "toy", 2, "bad data"), "open;"),
        (lambda: interventions.stop(ledger, "toy"), "stopped (hpo stop, on"),
    ):
        act()
        assert publisher.publish("toy", least_s=0)
        assert f"**State:** {state}" in note(storage)
    assert shown_trials(storage) == 3


def test_a_figure_that_no_longer_applies_goes(
    ledger: Ledger, storage: Storage, publisher: Publisher
) -> None:
    ledger.register(spec(budget={"trials": 4}, confirm={"top": 1, "members": 2}))
    run(ledger, most=6)
    publisher.publish("toy")
    assert "hpo-5-confirmed" in cards(storage)
    mine = optuna.load_study(study_name="toy", storage=storage.optuna())
    own = optuna.visualization.plot_slice(mine)
    optuna_dashboard.save_plotly_graph_object(mine, own, graph_object_id="mine")
    confirmed = ledger.result("toy").confirmations[0].source
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
    run(ledger, "one", most=2)
    publisher.publish("one")
    assert [*cards(storage, "one")] == ["hpo-6-figure"]
    ledger.register(sweep("two"))
    assert {found.study for found in publisher.stale()} == {"one", "two"}
    run(ledger, "two", most=1)
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
    run(ledger, most=1)
    publisher.publish("toy", least_s=0)
    assert system_attrs(storage)["dashboard:note_ver"] == 2, "a trial changes no word of it"
    optuna_dashboard.save_note(study, note(storage).replace("Ask Ann", "Ask Bob"))
    interventions.stop(ledger, "toy")
    publisher.publish("toy", least_s=0)
    assert "**State:** stopped" in note(storage)
    assert note(storage).endswith(f"{optuna_notes.MARKER}\n\nAsk Bob. {'x' * 5000}\n")
    assert system_attrs(storage)["dashboard:note_ver"] == 4


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
    run(ledger, most=2)
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


# --- the command ----------------------------------------------------------------------------------


def test_hpo_publish(hpo: Callable[..., str], ledger: Ledger, storage: Storage) -> None:
    assert hpo("publish") == "every study is shown as it is\n"
    ledger.register(spec("one"))
    ledger.register(spec("two"))
    assert hpo("publish", "one") == "one: published\n"
    assert hpo("publish") == "two: published\n"
    assert hpo("publish", "two") == "two: nothing to publish: its state is shown\n"
    run(ledger, "one", most=1)
    assert json.loads(hpo("publish", "--json")) == {"published": {"one": True}}
    assert [*cards(storage, "two")] == CARDS
    assert "study 'none': the database must hold it" in hpo("publish", "none", status=1)
