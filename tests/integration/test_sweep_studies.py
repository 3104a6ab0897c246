"""A measured sweep: its figure is changed and drawn again, and no trial runs for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golden_studies import golden_spec
from workers import ledger_at, run_workers

from hpo.ledger.ledger import Ledger
from hpo.views.figures import declared as study_figure


def drawn_as(ledger: Ledger, **figure: Any) -> None:
    """Hand in the sweep with another figure."""
    tree = golden_spec("sweep").stored() | {"figure": figure}
    assert ledger.register(type(golden_spec("sweep")).model_validate_json(json.dumps(tree))) == (
        "continued"
    )


def test_a_new_figure_only_redraws(
    golden_copy: str, hpo: Callable[..., str], tmp_path: Path
) -> None:
    target = tmp_path / "figure.svg"
    command = ("report", "sweep", "--picture", target, "--storage", golden_copy, "--json")
    with ledger_at(golden_copy) as ledger:
        ledger.register(golden_spec("sweep", "other"))
        run_workers(golden_copy, "other", 1)
        drawn_as(ledger, kind="curves", overlay=["other", "none"])
        snapshot = ledger.result("sweep")
        assert snapshot.progress.settled == snapshot.progress.trials
        assert [s.spec.name for s in ledger.overlays(snapshot.spec)] == ["other"]
        chart = study_figure.chart(snapshot)
        assert chart is not None
        assert chart.groups[1].points[1].median > chart.groups[0].points[2].median
        assert json.loads(hpo(*command)) == {"picture": str(target)}
        assert target.read_text().startswith("<?xml")
        drawn_as(ledger, kind="scatter", x="info.nothing")
    assert hpo(*command, status=1) == (
        "error: study 'sweep': no trial has a value on the x axis (nothing) yet: 6 of 6 trials "
        "settled: 6 complete; 54 epochs of training. Wait for one, or change `x` of its [figure].\n"
    )
