"""Three projects in three folders, each with an `objective.py`, on one dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Watched, dashboard
from users import User, toy_study

MODULE = """
from toy_objective import ToyObjective

class Mine(ToyObjective):
    metric = "{metric}"
"""
PROJECTS = {"lasers": "power_mw", "magnets": "torque_mt", "springs": "reach_mm"}
"""The metric of the objective of each project."""


@pytest.mark.timeout(300)
def test_a_dashboard_shows_the_projects_of_all_folders(
    database_url: str, tmp_path: Path, watched: Watched
) -> None:
    study = toy_study(trials=3, epochs=2, sleep_s=0.0)
    study = study.replace("toy_objective:ToyObjective", "objective:Mine")
    users = []
    for name, metric in PROJECTS.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "objective.py").write_text(MODULE.format(metric=metric))
        users.append(User(folder, database_url, study))
    started = [
        user.launch("--no-report", "--name", user.directory.name) for user in users
    ]
    for user, launch in zip(users, started, strict=True):
        user.end(launch)
    page = watched.page
    with dashboard(database_url) as address:
        page.goto(address)
        for name in PROJECTS:
            page.locator(f"#study-{name} .curve .best").wait_for()
        for name, metric in PROJECTS.items():
            page.goto(f"{address}/study/{name}")
            page.wait_for_function("document.documentElement.dataset.drawn")
            title = "document.getElementById('convergence-plot').layout.yaxis.title"
            assert page.evaluate(f"{title}.text") == metric
