"""A study whose best trial is that of the highest expected score, not that of the
luckiest."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from servers import connect
from workers import run_workers, toy_spec

from hpo.ledger import interventions, ranking
from hpo.ledger.claim_records import Over
from hpo.ledger.ledger import Ledger
from hpo.search import gaussian_process, surrogate
from hpo.study.trials import StudyState

IDLE = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'"""
LUCKY: dict[str, Any] = {
    "objective": "toy_objective:ToyLuckyObjective",
    "budget": {"trials": 40, "seeds": 1},
    "sampler": {"name": "kriging-believer"},
    "pruner": {"name": "none"},
    "confirm": {"top": 1, "seeds": 2, "by": "posterior_mean"},
}


def test_the_best_trial_is_that_of_the_highest_expected_score(
    ledger: Ledger,
    database_url: str,
    hpo: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger.register(toy_spec("lucky", **LUCKY))
    run_workers(database_url, "lucky", 2)
    snapshot = ledger.result("lucky")
    best = snapshot.best
    assert best is not None
    luckiest = max(snapshot.search, key=lambda slot: slot.score or 0.0)
    assert best.number != luckiest.number, (
        "choose another seed: the luckiest must not win"
    )
    posterior = snapshot.snapshot.posterior
    known = posterior[best.number]
    assert known.mean == max(other.mean for other in posterior.values())
    assert {slot.source for slot in snapshot.confirm} == {best.number}
    assert snapshot.confirmations[0].search_score == known.mean
    record = json.loads(hpo("status", "lucky", "--json"))["best"]
    assert (record["number"], record["score"]) == (best.number, best.score)
    assert (record["posterior_mean"], record["posterior_std"]) == (
        known.mean,
        known.std,
    )
    (line,) = json.loads(hpo("status", "--json"))["studies"]
    assert line["confirmed"]["source"] == best.number
    assert line["best_score"] == known.mean, "not that of the luckiest"

    with (
        monkeypatch.context() as patch
    ):  # a study that is done was told what is expected of it
        patch.setitem(sys.modules, "hpo.search.surrogate", None)
        assert ledger.snapshot("lucky").posterior == posterior
    idle: list[Any] = []

    def fit(*known: Any) -> Any:
        idle.append(connection.execute(IDLE).fetchone())
        return gaussian_process.fit(*known)

    with connect(database_url) as connection, monkeypatch.context() as patch:
        patch.setattr(surrogate, "fit", fit)
        connection.execute(
            "UPDATE hpo_ledger.studies SET posterior = '{}', state = 'open'"
        )
        ledger.register(
            toy_spec("warm", **LUCKY, warm_start={"study": "lucky", "top": 1})
        )
        ranking._rankings.clear()
        assert isinstance(ledger.claim("lucky", "w", lease_s=60.0), Over)
    assert idle == [(0,), (0,)], (
        "nobody waits for a fit, which on a busy host takes a minute"
    )
    assert ledger.snapshot("lucky").posterior == posterior
    other = min(posterior, key=lambda number: posterior[number].mean)
    interventions.exclude(
        ledger, "lucky", other
    )  # it may change what is expected of others
    assert ledger.snapshot("lucky").state == StudyState.OPEN
