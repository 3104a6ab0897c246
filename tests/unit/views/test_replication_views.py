"""What views say of the same search with several study seeds, and what they draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import snapshots
from snapshots import confirmation, slot, thermal

from hpo.contract import Outcome
from hpo.contract.facts import member_info
from hpo.study.replication import Distribution, Replication
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.figures import pictures
from hpo.views.figures import replication as figures
from hpo.views.pages import replication as pages
from hpo.views.sentences import replication as sentences


def search(seed: int, *scores: float) -> Result:
    """A search with that seed whose trial of 93 % has these scores on fresh seeds, and
    a point less with thermal noise."""
    confirm: Any = {"top": 1, "seeds": max(2, len(scores))}
    spec = snapshots.unchecked(name=f"toy-seed{seed}", seed=seed, confirm=confirm)
    fresh = []
    for index, score in enumerate(scores):
        check = thermal(noisy=(score - 0.01,))
        info = member_info(Outcome(score=score, thermal=check))
        own = confirmation(0, index, score)
        fresh.append(replace(own, members=(replace(own.members[0], info=info),)))
    trials = (slot(0, SlotState.COMPLETE, score=0.93),)
    return snapshots.snapshot(spec, trials, tuple(fresh))


REPEATED = Replication(
    "toy",
    [
        search(0, 0.92, 0.94),
        search(1, 0.90, 0.90),
        search(2),
        search(3, 0.95, 0.95),
        search(4, 0.94, 0.96),
    ],
)


def test_the_verdict_has_the_median_over_searches_and_what_has_no_score() -> None:
    assert sentences.verdict(REPEATED) == [
        "confirmed median 94.0 % (quartiles 92.3 to 95.0 %, worst 90.0 %, best"
        " 95.0 %), over 4 searches of 2 fresh seeds each",
        "1 of 5 searches have no confirmed score",
        "with thermal noise median 93.0 % (quartiles 91.3 to 94.0 %, worst 89.0 %, best"
        " 94.0 %)",
        "claimed median 93.0 % (quartiles 93.0 to 93.0 %, worst 93.0 %, best 93.0 %)",
        "claims minus confirmed scores: -2 to +3 points, mean -0.25",
        "reported 89.83 ± 2.91 % (arXiv:2408.02835)",
    ]
    none = Replication("toy", [search(0), search(1)])
    assert sentences.verdict(none) == ["none of 2 searches has a confirmed score"]


def test_a_search_is_a_row_of_the_table_and_of_the_figure() -> None:
    rows = sentences.rows(REPEATED)
    assert rows[0] == {
        "study": "toy-seed0",
        "claimed": "93.0 %",
        "confirmed": "93.0 ± 1.4 %",
        "with thermal noise": "92.0 %",
        "networks": "2",
    }
    assert (rows[2]["study"], rows[2]["confirmed"]) == ("toy-seed2", "–")
    drawn = figures.figure(REPEATED)
    means = next(one for one in drawn.data if one.name == "confirmed, mean ± std")
    assert list(means.x) == pytest.approx([93.0, 90.0, 95.0, 95.0])
    assert list(means.y) == [0, 1, 3, 4]
    (panel,) = pictures.drawn(drawn).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == [
        f"toy-seed{seed}" for seed in range(5)
    ]
    assert "toy: 5 searches" in pages.html(REPEATED)


def test_of_a_loss_the_largest_is_the_worst() -> None:
    one = Distribution.of([3.0, 1.0, 2.0], -1.0)
    assert one == Distribution(
        n=3, median=2.0, lower=1.5, upper=2.5, worst=3.0, best=1.0
    )
