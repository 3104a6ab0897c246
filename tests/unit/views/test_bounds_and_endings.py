"""What views say of trials at a bound of the space, and of trials that ended early."""

from __future__ import annotations

import io

import snapshots
from rich.console import Console
from searches import reported

from hpo.study.trials import SlotState
from hpo.views.figures import convergence, parameters
from hpo.views.figures.plotted import Plotted
from hpo.views.pages import report as page
from hpo.views.records import json_records
from hpo.views.sentences import progress
from hpo.views.terminal import screen, status
from hpo.views.terminal.live import finished_line

SPEC = snapshots.spec(
    space={
        "k": {"low": 1, "high": 6},
        "rate_per_ns": {"low": 0.01, "high": 1.0, "log": True},
    },
    reported=None,
)
SLOTS = tuple(
    snapshots.slot(
        i,
        SlotState.COMPLETE,
        score=0.9 - 0.01 * i,
        params={
            "k": 6 if i < 4 else 3,
            "rate_per_ns": 0.01 + 1e-5 * i if i < 5 else 0.1 + 0.01 * i,
        },
    )
    for i in range(25)
)
AT_EDGE = snapshots.snapshot(SPEC, SLOTS)
EDGES = [
    "k: 4 of the best 5 trials lie at its upper bound 6: widen [space] k, high = 8",
    (
        "rate_per_ns: 5 of the best 5 trials lie at its lower bound 0.01 (within 2 % of"
        " the range): widen [space] rate_per_ns, low = 0.003"
    ),
]


def test_an_edge_in_words_wherever_a_result_is_shown() -> None:
    assert progress.bounds_reached(AT_EDGE) == EDGES
    lines = status.of_launch(AT_EDGE, report=None, storage="", width=80)
    assert [line for line in lines if line.startswith("bound  ")] == [
        f"bound  {e}" for e in EDGES
    ]
    assert f"<strong>Bound: {EDGES[0]}.</strong>" in page.html(AT_EDGE)
    found = json_records.study(AT_EDGE)["bounds_reached"][0]
    assert (found.parameter, found.bound, found.widen) == ("k", "high", 8)


def test_the_live_view_shows_edges() -> None:
    console = Console(file=io.StringIO(), width=90, height=24, force_terminal=False)
    console.print(screen.of_study(AT_EDGE, storage="x", notes=[], width=90, height=24))
    assert "bound  k: 4 of the best 5 trials" in console.file.getvalue()


CUT = snapshots.slot(
    25, SlotState.PRUNED, score=0.513, steps=reported(0.2, 0.3, 0.4, 0.5, 0.513)
)
LEFT = snapshots.slot(
    26, SlotState.PRUNED, score=0.937, members=(snapshots.member(0, (0.937,) * 30),)
)
ENDED = snapshots.snapshot(SPEC, (*SLOTS, CUT, LEFT))


def test_a_line_says_after_what_a_trial_was_pruned() -> None:
    complete, cut, left = (
        finished_line(ENDED, slot, 9) for slot in (SLOTS[0], CUT, LEFT)
    )
    assert (
        complete
        == "[9/60] trial 0 complete 90.0 % (best 90.0 % #0) k=6 rate_per_ns=0.01"
    )
    assert (
        cut == "[9/60] trial 25 pruned: 51.3 % after 5 of 30 epochs k=3"
        " rate_per_ns=0.02"
    )
    assert (
        left == "[9/60] trial 26 pruned: 93.7 % after 1 of 3 networks k=3"
        " rate_per_ns=0.02"
    )


def test_figures_tell_them_apart() -> None:
    figure = convergence.convergence(Plotted(ENDED))
    found = {trace.name: trace for trace in figure.data if trace.meta == "by trial"}
    cut, left = found["pruned"], found["pruned between networks"]
    assert cut.text[0].startswith("trial 25: 51.3 % after 5 of 30 epochs, pruned<br>")
    assert left.text[0].startswith(
        "trial 26: 93.7 % after 1 of 3 networks, pruned between networks"
    )
    assert (
        cut.marker.symbol != left.marker.symbol != found["complete trial"].marker.symbol
    )
    hollow = [
        t
        for t in parameters.parameters(Plotted(ENDED)).data
        if t.marker.symbol == "circle-open"
    ]
    assert hollow[0].text[0] == "trial 25: 51.3 % after 5 of 30 epochs"
