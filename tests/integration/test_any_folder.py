"""Results need no class: a study of an own objective is read in a folder without it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from dashboards import dashboard
from servers import database
from users import User, toy_study
from workers import wait_until

import hpo
from hpo.errors import SpecError

MODULE = """
from toy_network import ToyNetworkObjective

class Mine(ToyNetworkObjective):
    metric = "share_of_hits"
    costs = {"energy_pj": "of a toy"}
"""
LACKS = (
    "study 'toy', to show its network: objective: objective 'objective:Mine' cannot be"
    " imported: No module named 'objective' in the working directory, nor installed."
)


@pytest.fixture(scope="module")
def places(
    server_url: str, with_tables: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[User, User]]:
    """The user in the folder of the objective, whose study is done, and in an empty
    one; who uses the study only looks."""
    study = toy_study(trials=6, epochs=2, sleep_s=0.0)
    study = study.replace("toy_objective:ToyObjective", "objective:Mine")
    with database(server_url, with_tables) as url:
        home = User(tmp_path_factory.mktemp("home"), url, study)
        away = User(tmp_path_factory.mktemp("away"), url)
        (away.directory / "toy.toml").unlink()
        (home.directory / "objective.py").write_text(MODULE)
        home.launched()
        yield home, away
        for user in (home, away):
            user.leave()


@pytest.mark.parametrize(
    "line",
    [
        ("status", "toy"),
        ("status", "--all"),
        ("best", "toy", "--json"),
        ("trials", "toy"),
        ("export", "toy"),
    ],
    ids=" ".join,
)
def test_every_view_says_the_same_in_any_folder(
    places: tuple[User, User], line: tuple[str, ...]
) -> None:
    home, away = places
    here, _ = home.run(*line)
    there, _ = away.run(*line)
    now = re.compile(r"\d+ (s|min) ago|\d\d:\d\d(:\d\d)?|\"at\": .*")
    assert now.sub("", there) == now.sub("", here) != ""


def test_a_report_lacks_what_the_class_alone_can_show(
    places: tuple[User, User],
) -> None:
    home, away = places
    home.run("report", "toy")
    _, said = away.run("report", "toy")
    assert f"no confusion matrix here: {LACKS}" in said
    reports = [(u.directory / "toy-report.html").read_text() for u in (home, away)]
    assert ["Confusion" in report for report in reports] == [True, False]
    for report in reports:
        assert "share_of_hits" in report


def test_a_network_needs_the_class(places: tuple[User, User]) -> None:
    _, said = places[1].run("trace", "toy", status=1)
    assert f"error: {LACKS}" in said


def test_a_backup_is_written_and_read_without_the_class(
    places: tuple[User, User],
) -> None:
    away = places[1]
    away.run("export", "toy", "--backup", "toy.jsonl")
    away.run("import", "toy.jsonl", "--name", "again")
    before = away.snapshot("toy")
    after = away.snapshot("again")
    assert after.spec.about == before.spec.about
    assert [t.score for t in after.search] == [t.score for t in before.search]


def test_python_reads_it(places: tuple[User, User]) -> None:
    study = hpo.load("toy", places[1].url)
    (best,) = [t for t in study.result.search if t.number == study.result.best.number]
    assert study.best_params == best.params
    assert study.plot_convergence().layout.yaxis.title.text == "share_of_hits"
    with pytest.raises(SpecError, match="study 'toy', to show its network: "):
        study.network()


def test_the_dashboard_and_its_metrics_show_it(places: tuple[User, User]) -> None:
    with dashboard(HPO_STORAGE=places[1].url) as running:
        wait_until(lambda: b"share_of_hits" in running.get("/study/toy").body)
        assert 'study="toy"' in running.get("/metrics").body.decode()
    assert "cannot be imported" not in running.errors
