"""The check of the time step through a real database: what is stored, counted and shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pages
import pytest
from servers import connect
from workers import ledger_at, run_workers, toy_spec

from hpo.ledger.backup import study
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.views import caveats, verdict
from hpo.views.report import page

STEPPED = "stepped_objective:SteppedObjective"
COST = {"name": "energy_pj"}
SMALL = {"trials": 4, "window": 2, "members": 1, "epochs": 2}
OF_STEP = "a result of the integration step, not of the equation: "


def test_every_view_claims_the_solved_score_and_says_that_it_is_another(
    database_url: str, hpo: Callable[..., str], tmp_path: Path
) -> None:
    fixed = {"integrator": "map", "drop": 0.3}
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(objective=STEPPED, budget=SMALL, fixed=fixed))
        two = {"cost": COST, "pruner": {"name": "none"}}
        ledger.register(toy_spec("dear", objective=STEPPED, budget=SMALL, fixed=fixed, **two))
        for name in ("toy", "dear"):
            run_workers(database_url, name, 1)
        for name in ("toy", "dear"):
            snapshot = ledger.result(name)
            item = snapshot.confirmed
            assert item is not None
            assert item.checked
            assert item.step_scores == tuple(
                s.score for s in snapshot.confirm if s.source == item.source
            )
            assert item.step_gap == pytest.approx(0.3)
            listed = {s["name"]: s for s in json.loads(hpo("status", "--json"))["studies"]}
            counted = listed[name]["confirmed"]
            assert (counted["source"], counted["checked"]) == (item.source, True)
            assert counted["mean"] == pytest.approx(item.mean)
            assert counted["std"] == pytest.approx(item.std)
            assert counted["step_mean"] == pytest.approx(item.step_mean)
            record = json.loads(hpo("best", name, "--json"))
            told = next(c for c in record["confirmations"] if c["source"] == item.source)
            assert (tuple(told["scores"]), tuple(told["step_scores"])) == (
                item.scores,
                item.step_scores,
            )
            warning = record["warning"]
            assert warning.startswith(OF_STEP)
            assert warning.endswith(" solved. Lower max_step_ns.")
            for said in (hpo("best", name), hpo("status", name), pages.shown(page.html(snapshot))):
                assert warning.rstrip(".") in said
                assert caveats.AT_STEP in said
            assert f"% {caveats.AT_STEP}) confirmed" in hpo("status")
            with connect(database_url) as connection:
                attributes = connection.execute(
                    "SELECT a.value_json FROM study_user_attributes a JOIN studies s "
                    "USING (study_id) WHERE a.key = 'hpo:confirmed' AND s.study_name = %s",
                    (name,),
                ).fetchone()
            assert attributes is not None
            shown = next(c for c in json.loads(attributes[0]) if c["trial"] == item.source)
            assert shown["step_scores"] == list(item.step_scores)
    rows = list(csv.DictReader(hpo("export", "toy").splitlines()))
    solved = [float(r["member_score"]) - float(r["solved_score"]) for r in rows if r["source"]]
    assert solved == pytest.approx([0.3] * len(solved))
    assert {r["solved_score"] for r in rows if not r["source"]} == {""}
    rows = list(csv.DictReader(hpo("trials", "toy", "--csv").splitlines()))
    assert [float(r["score"]) - float(r["solved_score"]) for r in rows if r["source"]] == (
        pytest.approx([0.3] * len(solved))
    )
    with open_storage(database_url) as storage:
        study.export(storage, "toy", tmp_path / "toy.jsonl")
        study.restore(storage, tmp_path / "toy.jsonl", "again")
        ledger = Ledger(storage)
        assert ledger.result("again").confirmations == ledger.result("toy").confirmations


def test_scores_with_thermal_noise_are_stored_counted_and_shown(
    database_url: str, hpo: Callable[..., str], tmp_path: Path
) -> None:
    said = "changes with thermal noise: "
    confirm = {"top": 2, "members": 3, "yield_above": 0.1}
    with ledger_at(database_url) as ledger:
        for name, drop in (("toy", 0.3), ("holds", 0.0)):
            fixed = {"noise_drop": drop}
            spec = toy_spec(name, objective=STEPPED, budget=SMALL, fixed=fixed, confirm=confirm)
            ledger.register(spec)
            run_workers(database_url, name, 1)
        snapshot, sound = ledger.snapshot("toy"), ledger.snapshot("holds")
        item = snapshot.confirmed
        assert item is not None
        assert item.thermal is not None
        assert len(item.thermal.noisy) == 4 * len(item.scores)
        listed = {s["name"]: s["confirmed"] for s in json.loads(hpo("status", "--json"))["studies"]}
        assert listed["toy"]["thermal"]["noisy_mean"] == pytest.approx(item.mean - 0.3)
        assert "% with thermal noise) confirmed" in hpo("status", "toy") + hpo("status")
        record = json.loads(hpo("best", "toy", "--json"))
        told = next(c for c in record["confirmations"] if c["source"] == item.source)
        assert told["thermal"]["third"] == pytest.approx(item.mean)
        assert told["yield"]["chips"] == len(item.thermal.noisy)
        assert record["warning"].startswith(said)
        assert record["warning"].endswith(" on 12 chips. Train with noise.")
        for shown in (hpo("best", "toy"), hpo("status", "toy"), pages.shown(page.html(snapshot))):
            assert record["warning"].rstrip(".") in shown
        holds = "holds from a third to three times the thermal power 1e-3, and with thermal noise ("
        for shown in (hpo("best", "holds"), hpo("status", "holds"), pages.shown(page.html(sound))):
            assert holds in shown
            assert said not in shown
        with connect(database_url) as connection:
            attributes = connection.execute(
                "SELECT a.value_json FROM study_user_attributes a JOIN studies s "
                "USING (study_id) WHERE a.key = 'hpo:confirmed' AND s.study_name = 'toy'"
            ).fetchone()
        assert attributes is not None
        first = next(c for c in json.loads(attributes[0]) if c["trial"] == item.source)
        assert first["warning"] == record["warning"]
        assert first["thermal"] == told["thermal"]
        rows = [r for r in csv.DictReader(hpo("export", "toy").splitlines()) if r["source"]]
        assert [len(json.loads(row["thermal_noisy"])) for row in rows] == [4] * len(rows)
        assert {row["thermal_trained_power"] for row in rows} == {"0.001"}
        rows = [
            r for r in csv.DictReader(hpo("trials", "toy", "--csv").splitlines()) if r["source"]
        ]
        drops = [float(r["thermal_score"]) - float(r["thermal_noisy_mean"]) for r in rows]
        assert drops == pytest.approx([0.3] * len(rows))
        with open_storage(database_url) as storage:
            study.export(storage, "toy", tmp_path / "toy.jsonl")
            study.restore(storage, tmp_path / "toy.jsonl", "again")
        assert ledger.result("again").confirmations == snapshot.confirmations
        other = toy_spec(
            objective=STEPPED,
            budget=SMALL,
            fixed={"noise_drop": 0.3},
            confirm={**confirm, "yield_above": 0.9999},
        )
        assert ledger.register(other) == "continued"
        assert "yield 0 % (0 of 12 chips at or above 99.99 %;" in verdict.verdict(
            ledger.snapshot("toy")
        )


@pytest.mark.parametrize(
    "change",
    [
        "info::jsonb - 'solved_remedy'",
        "jsonb_set(info::jsonb, '{solved_score}', '\"high\"')",
        "jsonb_set(info::jsonb, '{solved_converged}', '1')",
        "jsonb_set(info::jsonb, '{trained_steps_per_point}', '2.5')",
        "info::jsonb || '{\"solved_steps_per_point\": 0}'",
    ],
)
def test_names_of_the_check_that_an_objective_has_used_for_something_else(
    database_url: str, hpo: Callable[..., str], change: str
) -> None:
    """One network of a confirmation, or all of them: Python and SQL read it as the same."""
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(objective=STEPPED, budget=SMALL, fixed={"drop": 0.3}))
        run_workers(database_url, "toy", 1)
        query = f"UPDATE hpo_ledger.members SET info = ({change})::json WHERE slot_id IN "
        confirmed = "(SELECT {} FROM hpo_ledger.slots WHERE phase = 'confirm' {})"
        for which, tested in (("min(id)", None), ("id", 0)):
            with connect(database_url) as connection:
                connection.execute(query + confirmed.format(which, ""))
            named = ledger.result("toy").confirmed
            (counted,) = (s.confirmed for s in ledger.studies())
            assert named is not None
            assert counted is not None
            assert (named.checked, counted.checked) == (False, False)
            assert named.scores == named.step_scores
            assert counted.mean == pytest.approx(named.mean)
            n, all_ = len(named.checks), len(named.scores)
            assert n == (all_ - 1 if tested is None else 0)
            basis = f"{n} of {all_}" if n else "not"
            assert f"fresh seeds, {basis} tested on the solved equation" in hpo("best", "toy")
