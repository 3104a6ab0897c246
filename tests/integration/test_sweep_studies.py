"""A sweep on a real database: whoever runs it, and however often its figure is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from workers import ledger_at, run_workers, table

from hpo.cli.main import main
from hpo.errors import StudyError
from hpo.ledger import interventions
from hpo.postgres.connect import open_storage
from hpo.study.file import validate
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.views.numbers import study_figure


def sweep_spec(name: str, **changes: Any) -> StudySpec:
    raw: dict[str, Any] = {
        "name": name,
        "objective": "toy_objective:ToyObjective",
        "seed": 3,
        "budget": {"members": 3, "epochs": 3},
        "sweep": {
            "curves": [
                {"label": f"k = {k}", "x": "x", "values": [0.1, 0.3, 0.9], "fixed": {"k": k}}
                for k in (2, 5)
            ]
        },
        **changes,
    }
    return validate(raw, where="test")


def test_three_workers_measure_what_one_does_and_a_new_figure_only_redraws(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, many = sweep_spec("alone"), sweep_spec("many", fixed={"sleep_s": 0.01})
    with ledger_at(database_url) as ledger:
        ledger.register(alone)
        ledger.register(many)
        run_workers(database_url, "alone", 1)
        run_workers(database_url, "many", 3)
        first, second = (ledger.snapshot(name, curves=True) for name in ("alone", "many"))
        assert first.state == second.state == StudyState.DONE
        assert table(first) == table(second)
        assert [dict(s.params) for s in first.search] == [alone.point(k) for k in range(6)]
        redrawn = sweep_spec("alone", figure={"kind": "curves", "overlay": ["many", "none"]})
        assert ledger.register(redrawn) == "continued"
        assert ledger.snapshot("alone").spec == redrawn
        assert [s.spec.name for s in ledger.overlays(redrawn)] == ["many"]
        chart = study_figure.chart(first)
        assert chart is not None
        assert chart.groups[1].points[1].median > chart.groups[0].points[2].median
    with open_storage(database_url) as storage:
        shown = optuna.load_study(study_name="alone", storage=storage.optuna()).trials
    assert [trial.params for trial in shown] == [alone.point(k) for k in range(6)]
    target = tmp_path / "figure.svg"
    command = ["report", "alone", "--picture", str(target), "--storage", database_url, "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == {"picture": str(target)}
    assert target.read_text().startswith("<?xml")
    at = ["--storage", database_url]
    assert main(["best", "alone", *at]) == 1
    assert capsys.readouterr().err == (
        "error: study 'alone': it must search for a best trial, but it measures every point and "
        "selects none. See `hpo trials alone`.\n"
    )
    assert main(["status", *at]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("alone "))
    assert line.split()[1:6] == ["done", "6/6", "54", "0", "–"], "no best score"
    assert main(["status", "alone", *at]) == 0
    assert "search score" not in capsys.readouterr().out
    scatter = {"kind": "scatter", "x": "info.nothing"}
    with ledger_at(database_url) as ledger:
        ledger.register(sweep_spec("alone", figure=scatter))
    assert main(command) == 1
    assert capsys.readouterr().err == (
        "error: study 'alone': a trial must have its place on the x axis (nothing), but got none: "
        "6 of 6 trials settled: 6 complete; 54 epochs of training. Wait for one, or change `x` of "
        "its [figure].\n"
    )


def test_a_sweep_cannot_be_extended(database_url: str) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(sweep_spec("measured"))
        with pytest.raises(StudyError) as refused:
            interventions.extend(ledger, "measured", 9)
    assert str(refused.value) == (
        "study 'measured': the study must be a search to be extended, but it is a sweep of 6 "
        "points. Add points to its file and launch it under another name: --name NEW."
    )
