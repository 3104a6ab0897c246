"""What the tables check is what our types hold."""

from __future__ import annotations

from enum import StrEnum

import pytest

from hpo.contract import MAX_SCORE
from hpo.ledger.interventions import HIGHEST_PRIORITY
from hpo.ledger.statements import tables
from hpo.study.trials import Phase, SlotState, StudyState, WorkerState


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        (tables.CREATE_STUDIES, "state", StudyState),
        (tables.CREATE_WORKERS, "state", WorkerState),
        (tables.CREATE_SLOTS, "state", SlotState),
        (tables.CREATE_SLOTS, "phase", Phase),
    ],
)
def test_states_are_those_of_our_enums(
    table: str, column: str, kind: type[StrEnum]
) -> None:
    values = ", ".join(f"'{one}'" for one in kind)
    assert f"CHECK ({column} IN ({values}))" in table


def test_bounds_are_ours() -> None:
    for table in (tables.CREATE_SLOTS, tables.CREATE_MEMBERS):
        assert f"score BETWEEN -{MAX_SCORE:g} AND {MAX_SCORE:g}" in table.replace(
            "1e100", "1e+100"
        )
    bounds = f"priority BETWEEN -{HIGHEST_PRIORITY} AND {HIGHEST_PRIORITY}"
    assert bounds in tables.CREATE_STUDIES
