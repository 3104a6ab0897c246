"""The home page in a browser: live, by keyboard alone, accessible, light, dark and narrow."""

from __future__ import annotations

import json

import browsing
from axe_playwright_python.sync_playwright import Axe
from browsing import Watched, dashboard
from playwright.sync_api import Browser, Page
from workers import kill, ledger_at, start_worker, toy_spec

from hpo.study.spec import StudySpec

REPORTED = {"score": 0.6, "std": 0.05, "source": "arXiv:2408.02835"}


def live(name: str) -> StudySpec:
    budget = {"trials": 60, "members": 1, "epochs": 3}
    return toy_spec(name, reported=REPORTED, budget=budget, fixed={"sleep_s": 0.1}, confirm=False)


def check_accessible(page: Page) -> None:
    """Nothing that axe-core holds to be wrong, however slight."""
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps([(v["id"], [n["html"] for n in v["nodes"]]) for v in found])


def test_the_home_page_follows_its_studies(
    database_url: str, browser: Browser, watched: Watched
) -> None:
    page = watched.page
    with ledger_at(database_url) as ledger, dashboard(database_url) as address:
        page.goto(address)
        assert page.get_by_role("heading", name="No study yet").is_visible()
        check_accessible(page)
        for name in ("live", "another"):
            ledger.register(live(name))
        card = page.locator("#study-live")
        card.get_by_text("waiting").wait_for()
        worker = start_worker(database_url, "--study", "live")
        try:
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.type") == "search"
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.textContent") == "another"
            page.keyboard.press("Tab")
            page.evaluate("window.focused = document.activeElement")
            card.locator("svg .best").wait_for()
            card.get_by_text("running", exact=True).wait_for()
            card.get_by_text("1 at work on").wait_for()
            card.get_by_text("the reported 60.00 ± 5.00 %").wait_for()
            card.get_by_text("for the search").wait_for()
            # what is there is kept: focus and all, though the page was written anew several times
            assert page.evaluate("document.activeElement === window.focused")
            assert page.evaluate("window.focused.isConnected")
            check_accessible(page)
            with browsing.watched(browser, color_scheme="dark") as dark:
                dark.page.set_viewport_size({"width": 400, "height": 800})
                dark.page.goto(address)
                dark.page.locator("svg.curve").wait_for()
                assert dark.page.evaluate("document.documentElement.scrollWidth") == 400
                check_accessible(dark.page)
                assert (dark.troubles, dark.violations()) == ([], [])
        finally:
            kill(worker)
        page.get_by_label("Filter").fill("liv")
        page.locator("#study-another").wait_for(state="hidden")
        assert card.is_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # to Optuna's page of it
        page.get_by_text("live (id=1)").wait_for()
        assert page.locator("input[type=file]").count() == 1
        assert not page.get_by_text("Upload a New File").is_visible()
        page.locator("[data-testid='HomeIcon']").first.click()
        page.get_by_role("heading", name="In progress").wait_for()


def test_the_cards_follow_the_dark_mode_of_optuna_dashboard(
    database_url: str, browser: Browser
) -> None:
    with ledger_at(database_url) as ledger, dashboard(database_url) as address:
        ledger.register(live("shown"))
        filters = {}
        for scheme in ("light", "dark"):
            with browsing.watched(browser, color_scheme=scheme) as watched:
                page = watched.page
                page.set_viewport_size({"width": 400, "height": 900})
                page.goto(f"{address}/dashboard/studies/1")
                watched.wait_until(lambda seen=watched: len(seen.cards()) > 1)
                card = page.locator("[id^='user-defined-plot:hpo-']").first
                page.locator("main fieldset").first.wait_for()
                assert page.evaluate("document.documentElement.scrollWidth") == 400
                filters[scheme] = card.evaluate("card => getComputedStyle(card).filter")
                card.hover()
                assert not card.locator(".modebar-container").is_visible()
                if scheme == "dark":
                    page.locator("[data-testid='Brightness4Icon']").click()
                    filters["switched"] = card.evaluate("card => getComputedStyle(card).filter")
    assert filters == {"light": "none", "dark": "invert(1) hue-rotate(180deg)", "switched": "none"}
