"""A study as a generator of the standard gest-api."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest

from hpo.ledger.ledger import Ledger
from hpo.study.trials import SlotState, StudyState

pytest.importorskip("gest_api", reason="pip install -e '.[gest]'")

from gest_api.vocs import VOCS

from hpo.asktell.generator import Generator

PROBLEM = {
    "variables": {
        "current_ma": [0.0, 10.0],
        "turns": {"type": "ContinuousVariable", "domain": [1, 8], "dtype": "int"},
        "coil": {"right", "left"},
    },
    "objectives": {"power_nw": "MAXIMIZE"},
    "constants": {"field_mt": 210},
}
BUDGET = {"trials": 6, "window": 2}


def generator(url: str, **tables: Any) -> Generator:
    """The study bench as a generator."""
    tables = {"budget": BUDGET, **tables}
    return Generator(VOCS(**deepcopy(PROBLEM)), name="bench", storage=url, **tables)


def evaluated(point: dict[str, Any]) -> dict[str, Any]:
    """A point with its result, as the standard gives it back."""
    return {**point, "power_nw": point["current_ma"] * point["turns"], "value_sd": 0.5}


def test_a_study_suggests_and_ingests(database_url: str, ledger: Ledger) -> None:
    made = generator(database_url)
    first = made.suggest(2)
    assert [point["_id"] for point in first] == ["0", "1"]
    assert set(first[0]) == {"_id", "current_ma", "turns", "coil", "field_mt"}
    assert isinstance(first[0]["turns"], int)
    made.ingest([{**evaluated(first[1]), "power_nw": math.nan}])
    made.finalize()
    del made
    again = generator(database_url)
    assert again.suggest() == [first[0]], "suggested, and never ingested"
    again.ingest([evaluated(first[0])])
    for _ in range(4):
        again.ingest([evaluated(*again.suggest(1))])
    with pytest.raises(ValueError, match="0 points left, not 1"):
        again.suggest(1)
    again.finalize()
    snapshot = ledger.snapshot("bench")
    assert snapshot.state == StudyState.DONE
    states = [trial.state for trial in snapshot.search]
    assert states == [SlotState.COMPLETE, SlotState.FAILED, *[SlotState.COMPLETE] * 4]
    assert {trial.members[0].info["value_sd"] for trial in snapshot.search[2:]} == {0.5}


def test_what_it_cannot_do_is_a_value_error(database_url: str) -> None:
    made = generator(database_url)
    with pytest.raises(ValueError, match="at most 2 points are out at once"):
        made.suggest(3)
    (point,) = made.suggest(1)
    for result, why in (
        ({**evaluated(point), "_id": "4"}, "trial 4 has not been asked"),
        ({"power_nw": 1.0}, "a point has no _id"),
        (point, "point 0 has no power_nw"),
    ):
        with pytest.raises(ValueError, match=why):
            made.ingest([result])
    for change, why in (
        ({"constraints": {"drift": ["LESS_THAN", 1.0]}}, "constraints are not supp"),
        ({"objectives": {"power_nw": "EXPLORE"}}, "expected MINIMIZE or MAXIMIZE"),
        ({"objectives": {}}, "expected at least one, got none"),
        ({"variables": {"x": "CONTEXTUAL"}}, "a contextual variable is not supported"),
    ):
        with pytest.raises(ValueError, match=why):
            Generator(
                VOCS(**{**deepcopy(PROBLEM), **change}), name="other", budget=BUDGET
            )
