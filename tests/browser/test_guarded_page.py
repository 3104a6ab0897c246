"""What the page lets a visitor do: with the password, look; nothing else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import browsing
import pytest
from browsing import dashboard, write_password
from playwright.sync_api import Browser, Error
from workers import ledger_at, toy_spec

REFUSED = "Delete a study with: hpo delete NAME."


@pytest.fixture
def study(database_url: str) -> str:
    """A database with an open study that nobody works on."""
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec("kept"))
    return database_url


@pytest.mark.slow  # requests without a browser are judged in test_dashboard_server.py
def test_a_wrong_password_shows_nothing_and_the_right_one_everything(
    study: str, browser: Browser, tmp_path: Path
) -> None:
    password, file = write_password(tmp_path)
    with dashboard(study, "--password-file", str(file)) as address:
        for wrong in (None, {"username": "me", "password": "wrong horse battery"}):
            with browsing.watched(browser, http_credentials=wrong) as watched:
                statuses = []
                watched.page.on(
                    "response", lambda answer, found=statuses: found.append(answer.status)
                )
                with suppress(Error):  # nobody is there whom Chromium could ask for a password
                    watched.page.goto(address)
                assert set(statuses) == {401}
                assert "kept" not in watched.page.locator("body").inner_text()
        right = {"username": "me", "password": password}
        with browsing.watched(browser, http_credentials=right) as watched:
            watched.page.goto(address)
            watched.page.get_by_role("link", name="kept", exact=True).click()
            watched.page.get_by_text("kept (id=1)").wait_for()
            assert watched.troubles == []
            assert watched.violations() == []


def test_the_page_says_how_to_start_a_study_and_changes_nothing(
    database_url: str, browser: Browser
) -> None:
    with browsing.watched(browser) as watched, dashboard(database_url) as address:
        page = watched.page
        page.goto(address)
        assert page.get_by_role("heading", name="No study yet").is_visible()
        assert page.get_by_text("hpo launch --study seqdigits").is_visible()
        with ledger_at(database_url) as ledger:
            ledger.register(toy_spec("kept"))
        page.get_by_role("link", name="kept", exact=True).click()
        page.get_by_text("kept (id=1)").wait_for()
        for method, path, said in (
            ("DELETE", "/api/studies/1", REFUSED),
            ("POST", "/api/studies/1/rename", "A study keeps its name"),
            ("POST", "/api/studies", "Start a study with: hpo launch --study FILE."),
            ("POST", "/api/trials/1/tell", "Trials are settled by workers alone"),
        ):
            status, text = page.evaluate(
                """([method, path]) => fetch(path, {method, body: "{}",
                  headers: {"Content-Type": "application/json"}}
                ).then(async answer => [answer.status, await answer.text()])""",
                [method, path],
            )
            assert status == 403, path
            assert said in text
        assert all("403" in trouble for trouble in watched.troubles), watched.troubles
    with ledger_at(database_url) as ledger:
        assert [found.name for found in ledger.studies()] == ["kept"]
