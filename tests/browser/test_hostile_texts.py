"""Names and texts that look like HTML or Markdown are shown as they were written."""

from __future__ import annotations

import re

import optuna
import pytest
from browsing import Watched, dashboard
from workers import ledger_at, run_workers, toy_spec

from hpo.postgres.connect import open_storage

HOSTILE = "<img src=x onerror=window.hacked=1>"
SCRIPT = "</script><script>window.hacked=1</script>"
MARKDOWN = "![x](https://evil.example/x.png) [link](javascript:window.hacked=1)"
PAGES = {
    "": "Include PRUNED trials",
    "/analytics": "Hyperparameter Relationships",
    "/trials": "4 Trials",
    "/trialTable": None,
    "/note": None,
}
"""Pages of a study, and what each of them alone shows."""


def check_harmless(watched: Watched) -> None:
    """Nothing of the hostile texts has become an element, or has run."""
    page = watched.page
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src='x'], img[src*='evil.example']").count() == 0
    assert page.locator("a[href^='javascript:'], a[href*='evil.example']").count() == 0
    assert page.locator("script", has_text="window.hacked").count() == 0


@pytest.fixture
def study(database_url: str) -> str:
    """A finished study of ours whose every text is hostile."""
    reported = {
        "score": 0.9,
        "source": f"{HOSTILE} {MARKDOWN} {SCRIPT}",
        "params": {"x": 0.5},
    }
    spec = toy_spec(
        "ours",
        description=f"{HOSTILE} {MARKDOWN} {SCRIPT}",
        reported=reported,
        budget={"trials": 6, "seeds": 2, "epochs": 3},
    )
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
    run_workers(database_url, "ours", 1)
    return database_url


def test_hostile_texts_on_the_dashboard(study: str, watched: Watched) -> None:
    with open_storage(study) as storage:
        theirs = optuna.create_study(study_name=HOSTILE, storage=storage.optuna())
        theirs.set_user_attr(HOSTILE, HOSTILE)
        for number in range(4):
            trial = theirs.ask()
            trial.suggest_float(HOSTILE, 0.0, 1.0)
            trial.suggest_categorical("choice", [HOSTILE, MARKDOWN])
            trial.set_user_attr(HOSTILE, HOSTILE)
            theirs.tell(trial, float(number))
    page = watched.page
    with dashboard(study) as address:
        page.goto(address)
        page.get_by_text(HOSTILE).first.wait_for()
        check_harmless(watched)
        page.goto(f"{address}/dashboard/studies/{theirs._study_id}")
        before = None
        for path, alone in PAGES.items():
            watched.follow(f"/dashboard/studies/{theirs._study_id}{path}")
            if before:
                page.get_by_text(before).first.wait_for(state="hidden")
            if alone:
                page.get_by_text(alone).first.wait_for()
            before = alone
            page.get_by_text(HOSTILE).first.wait_for()
            page.wait_for_timeout(1000)  # for plots, which draw parameters' names
            check_harmless(watched)
        watched.follow("/dashboard/studies/1")  # a study of ours, whose file says it
        watched.wait_until(lambda: "Convergence" in watched.cards())
        page.locator("a[href$='/note']").click()
        page.get_by_text("By hpo:").wait_for()
        said = page.locator("body").inner_text()
        assert f"{HOSTILE} ![x](https://evil.example/x.png)" in said
        check_harmless(watched)
        page.goto(f"{address}/study/ours")
        page.wait_for_function("document.documentElement.dataset.drawn")
        page.locator("#now").get_by_text("submitted").wait_for()
        assert HOSTILE in page.locator("body").inner_text()
        plot = page.locator("#convergence-plot")
        plot.get_by_text(re.compile(r"reported 90\.00 % \(<img src=x")).first.wait_for()
        check_harmless(watched)
        page.goto("about:blank")  # it asks the server again and again, which ends here
