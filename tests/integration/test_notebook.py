"""``hpo.load`` and ``hpo.launch``, in a real Jupyter kernel and in this process."""

from __future__ import annotations

import ast
import gc
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished import finished
from servers import database
from stack import ROOT
from workers import ledger_at, toy_spec

import hpo
from hpo.errors import HpoError, SpecError, StudyError
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.postgres.embedded import status
from hpo.study.result import Search
from hpo.study.trials import SlotState
from hpo.views.figures import convergence, networks
from hpo.views.figures.plotted import Plotted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nbformat
    from nbclient import NotebookClient

TOY = {
    "name": "toy",
    "objective": "toy_objective:ToyObjective",
    "seed": 3,
    "budget": {"trials": 8, "window": 4, "seeds": 2, "epochs": 4},
    "fixed": {"sleep_s": 0.15},
    "space": {"x": {"low": 0.0, "high": 1.0}, "k": {"low": 1, "high": 8}},
    "pruner": {"name": "median", "n_startup_trials": 2, "n_warmup_steps": 1},
    "confirm": {"seeds": 3},
}
INTERRUPT = """
import os, signal, threading, time
def press():
    while not finished():
        time.sleep(0.05)
    os.killpg(os.getpgid(0), signal.SIGINT)  # as Jupyter does
def finished():
    try:
        return hpo.load("toy").trials["score"].count()
    except hpo.errors.HpoError:
        return 0
threading.Thread(target=press).start()
""".strip()


def executed(folder: Path, *cells: str) -> list[list[Any]]:
    """What each cell gave, run one after the other by a kernel of its own."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's own packages
        client = NotebookClient(
            book, timeout=None, resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    return [cell.outputs for cell in book.cells]


def said(outputs: list[Any]) -> str:
    return "".join(o.text for o in outputs if o.output_type == "stream")


def shown(outputs: list[Any], kind: str) -> str:
    """The last thing that a cell displayed, in one of its forms."""
    return str(
        next(o.data[kind] for o in reversed(outputs) if "data" in o and kind in o.data)
    )


@pytest.fixture
def in_kernel(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The database that a kernel which is started now works on."""
    monkeypatch.setenv("HPO_STORAGE", database_url)
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "home"))
    return database_url


def test_a_kernel_launches_a_study_is_interrupted_goes_on_and_looks(
    in_kernel: str, tmp_path: Path
) -> None:
    _, first, state, launch, study, trials, figure = executed(
        tmp_path,
        f"import hpo, hpo.errors\nfrom toy_objective import ToyObjective\n{INTERRUPT}",
        f"study = hpo.launch({TOY}, objective=ToyObjective, workers=1)",
        "study.state",
        f"study = hpo.launch({TOY}, workers=1)",
        "study",
        "study.trials.to_parquet('t.parquet'); study.trials.to_csv('t.csv');"
        " study.trials",
        "study.plot_confirmed()",
    )
    assert "toy: created" in said(first)
    assert "1 worker starts here" in said(first)
    assert "stopping: each worker finishes its epoch and saves a checkpoint" in said(
        first
    )
    assert "stopped. Resume with:\n  hpo.launch(…), with the same study\n" in said(
        first
    )
    assert shown(state, "text/plain") == "'open'"
    assert "toy: continued" in said(launch)
    view = shown(launch, "text/plain")
    assert view.startswith("toy  toy_objective:ToyObjective  database test_")
    assert "8/8" in view
    assert "3 of 3 confirmations finished" in view
    assert len([o for o in launch if o.output_type == "display_data"]) == 1, (
        "one, written anew"
    )
    assert not [o for o in launch if o.get("name") == "stderr"]

    with ledger_at(in_kernel) as ledger:
        snapshot = ledger.snapshot("toy")
    assert sum(slot.losses for slot in snapshot.search) == 0
    attempts = sum(slot.attempts for slot in snapshot.search)
    assert attempts > len(snapshot.search), "a trial was begun, and gone on with"
    html = shown(study, "text/html")
    assert html.startswith("<p><b>toy</b> (done): confirmed ")
    assert "8 of 8 trials finished" in html
    assert shown(trials, "text/html").count("<tr") == 10  # two lines of heads
    kept = pd.read_parquet(tmp_path / "t.parquet")
    assert [*kept.index] == [*range(8)]
    assert [*kept["x"]] == [slot.params["x"] for slot in snapshot.search]
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 9
    assert "fresh seed, test set" in shown(figure, "application/vnd.plotly.v1+json")
    assert not (tmp_path / "toy-report.html").exists()


# --- in this process ---


@pytest.fixture(scope="module")
def database_of_studies(server_url: str, with_tables: str) -> Iterator[str]:
    with finished(
        server_url, with_tables, toy_spec(), toy_spec("plain", confirm=False)
    ) as name:
        yield name


@pytest.fixture
def url(server_url: str, database_of_studies: str) -> Iterator[str]:
    with database(server_url, database_of_studies) as found:
        yield found


def test_a_study_is_what_the_ledger_holds(url: str) -> None:
    study = hpo.load("toy", url)
    with ledger_at(url) as ledger:
        snapshot, plain = (
            ledger.result("toy", curves=curves) for curves in (True, False)
        )
    best, headline = snapshot.best, snapshot.confirmed
    assert best is not None
    assert headline is not None
    assert study.state == "done"
    assert type(study.result) is Search
    assert (study.best_trial.number, study.best_trial.score) == (
        best.number,
        best.score,
    )  # type: ignore[union-attr]
    assert study.confirmed == plain.confirmed
    assert study.confirmations == [*plain.confirmations]
    assert (study.best_params, study.best_value) == ({**best.params}, best.score)
    assert (study.warning, study.spec.name, hpo.studies(url)) == (
        "",
        "toy",
        ["toy", "plain"],
    )
    assert repr(study.confirmed).startswith(f"<Confirmation of trial {best.number}: ")

    trials = study.trials
    assert [*trials.columns[:3]] == ["state", "ended", "score"]
    assert [*trials.columns[3:7]] == ["x", "k", "rate_per_ns", "colour"]
    pruned = trials[trials["state"] == "pruned"]
    assert len(pruned) == len(snapshot.ended(SlotState.PRUNED)) > 0
    assert set(pruned["ended"]) <= {"pruned", "pruned between networks"}
    assert trials["score"].idxmax() == best.number

    curves = study.curves.set_index(["phase", "trial", "network"])
    assert (
        tuple(curves.loc[("search", best.number, 1)]["score"]) == best.members[1].curve
    )
    assert curves.loc[("confirm", headline.source, 3)]["score"].isna().all()
    cut = next(
        s for s in snapshot.search if s.state == SlotState.PRUNED and not s.members
    )
    assert tuple(curves.loc[("search", cut.number, 0)]["score"]) == tuple(
        step.score for step in cut.steps
    )


def test_the_recipe_for_mlflow_asks_for_what_is_there(url: str) -> None:
    """All of it but MLflow's own calls, which was run against MLflow 3."""
    recipe = (ROOT / "docs/examples/to_mlflow.py").read_text(encoding="utf-8")
    study = hpo.load("toy", url)
    own: dict[str, Any] = {
        "study": study,
        "trials": study.trials,
        "curves": study.curves,
    }
    own["trial"] = study.trials.iloc[0]
    nodes = [
        n
        for n in ast.walk(ast.parse(recipe))
        if isinstance(n, ast.Attribute | ast.Subscript)
    ]
    asked = [
        text for text in map(ast.unparse, nodes) if re.match(r"\w+", text)[0] in own
    ]  # type: ignore[index]
    assert len(asked) > 12
    for text in asked:
        eval(text, {**own, "name": "x"})
    assert set(study.best_trial.params) <= set(study.trials.columns)  # type: ignore[union-attr]


def test_its_figures_are_those_of_the_report(url: str) -> None:
    study = hpo.load("toy", url)
    with ledger_at(url) as ledger:
        snapshot = ledger.result("toy")
    assert study.plot_convergence() == convergence.convergence(Plotted(snapshot))
    assert study.plot_confirmed() == networks.confirmed(Plotted(snapshot))
    for figure in (study.plot_curves(), study.plot_slice(), study.plot_contour()):
        assert len(figure.data) > 2
    (panel,) = study.plot_slice("k").select_xaxes()
    assert panel.title.text == "k"
    ticks = study.plot_parallel_coordinate(["k", "x"]).layout.xaxis.ticktext
    assert ticks == ("accuracy (%)", "k", "x")


def test_studies_are_compared(url: str) -> None:
    compared = hpo.compare("toy", hpo.load("plain", url), storage=url)
    (verdict,) = compared.verdict
    assert verdict.endswith("only one is confirmed, so they are not compared")
    assert [*compared.scores.columns] == ["toy", "plain"]
    assert "Score" in compared.scores.index
    assert compared.differences.loc["confirm"].to_list() == [None, False]
    names = {trace.name for trace in compared.plot().data}
    assert {"toy", "plain", "toy, confirmed"} <= names
    assert "<td>Score</td>" in compared._repr_html_()
    with pytest.raises(StudyError) as refused:
        hpo.compare("toy")
    assert str(refused.value) == "hpo.compare: expected two studies, got 1."


def test_what_a_study_has_not_is_said(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = hpo.load("plain", url)
    assert study.confirmed is None
    for draw, message in (
        (
            study.plot_front,
            "front: expected a [cost], got none. See plot_convergence().",
        ),
        (
            lambda: study.plot_contour(["x"]),
            "contour: expected two parameters, got x. See plot_slice().",
        ),
        (
            lambda: study.plot_slice(["y"]),
            "slice: unknown parameter 'y'. Valid: colour, k, rate_per_ns, x.",
        ),
        (
            study.plot_param_importances,
            "param_importances: No ranking of parameters: it needs at least 20 trials"
            " that trained a network to the end, with different scores; there are",
        ),
    ):
        with pytest.raises(StudyError) as refused:
            draw()
        assert str(refused.value).startswith(f"plain: plot_{message}")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        HpoError, match=r"study\.trials needs pandas, which is not installed"
    ):
        _ = study.trials


def test_mistakes_in_a_dict_are_found_before_anything_is_written(url: str) -> None:
    for change, message in (
        ({"name": None}, "hpo.launch: name: expected a text, got None"),
        ({"space": {"y": {"low": 0, "high": 1}}}, "hpo.launch: space"),
        (
            {"name": "new", "budget": {"trails": 3}},
            "hpo.launch: unknown key budget.trails.",
        ),
        (
            {"seed": {3}},
            "hpo.launch: expected numbers, strings, lists or dicts, got {3}.",
        ),
    ):
        with pytest.raises(SpecError) as refused:
            hpo.launch({**TOY, **change}, storage=url)
        assert str(refused.value).startswith(message)
    with pytest.raises(HpoError, match="expected at least 0, got -1"):
        hpo.launch({**TOY, "name": "new"}, workers=-1, storage=url)
    with ledger_at(url) as ledger:
        assert {item.name for item in ledger.studies()} == {"toy", "plain"}


def test_a_study_is_changed_from_python(database_url: str) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget={"trials": 3, "epochs": 2}))
    study = hpo.load("toy", database_url)
    assert study.enqueue({"x": np.float64(0.25), "k": np.int64(3)}) == 0
    assert study.result.search[0].enqueued == {"x": 0.25, "k": 3}
    study.extend(5)
    assert study.spec.budget.trials == 5
    study.stop()
    assert study.state == "stopped"
    study.resume()
    assert study.state == "open"


def test_errors_advise_python_in_python(database_url: str) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget={"trials": 1, "epochs": 2}))
    study = hpo.load("toy", database_url)
    study.enqueue({"x": 0.25})
    other = {**TOY, "storage": database_url}
    for do, message in (
        (
            lambda: study.enqueue({"x": 0.5}),
            "study 'toy': all of budget.trials=1 have begun or are enqueued. Raise the"
            " budget first: study.extend(2).",
        ),
        (
            lambda: study.retry(7),
            "study 'toy': trial 7 has not begun. Valid: 0 to 0.",
        ),
        (
            lambda: hpo.load("tyo", database_url),
            "study 'tyo': not in the database, which has toy. Did you mean 'toy'? Start"
            " one with: hpo.launch(NAME).",
        ),
        (
            lambda: hpo.launch(**other, workers=-1),
            "workers: launch.workers: expected at least 0, got -1. Change it.",
        ),
    ):
        with pytest.raises(HpoError) as refused:
            do()
        assert str(refused.value) == message
    with pytest.raises(
        StudyError, match=r"is accepted; otherwise choose another name: name='other'\.$"
    ):
        hpo.launch(**other, workers=0)


def test_a_study_holds_the_embedded_server_while_it_is_there(hpo_home: Path) -> None:
    with open_storage() as storage:
        Ledger(storage).register(toy_spec())
    study = hpo.load("toy")
    other = hpo.load("toy")
    assert status(hpo_home).users == (os.getpid(),)
    del other
    gc.collect()
    assert study.trials.empty
    assert study.best_trial is None
    with pytest.raises(StudyError, match="expected learning curves, got none"):
        study.plot_curves()
    with pytest.raises(StudyError, match="expected two trials, got 0"):
        study.plot_parallel_coordinate()
    assert status(hpo_home).running
    del study
    gc.collect()
    assert status(hpo_home).users == ()
