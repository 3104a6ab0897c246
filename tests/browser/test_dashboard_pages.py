"""Pages of the dashboard and the report in a browser: live, by keyboard alone, dark and
narrow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import browsing
import pytest
import snapshots
from browsing import Watched, check_accessible, dashboard
from playwright.sync_api import Browser, Page
from workers import kill, ledger_at, start_worker, toy_spec

from hpo.study.spec import StudySpec
from hpo.views.figures.palette import DARK, PAPER
from hpo.views.pages import report as report_page

REPORTED = {"score": 0.6, "std": 0.05, "source": "arXiv:2408.02835"}


def live(name: str) -> StudySpec:
    budget = {"trials": 200, "seeds": 1, "epochs": 3}
    spec = {
        "reported": REPORTED,
        "budget": budget,
        "fixed": {"sleep_s": 0.1},
        "confirm": False,
    }
    return toy_spec(name, tags=["a-tag"] if name == "live" else [], **spec)


def convergence(page: Page) -> Any:
    """Plotly's own traces and layout of the convergence."""
    return page.evaluate(
        """(({data, layout}) => JSON.parse(JSON.stringify({data, layout})))(
          document.getElementById("convergence-plot"))"""
    )


def points(page: Page) -> int:
    """Trials in the convergence as the browser has drawn it."""
    clouds = ("complete trial", "pruned")
    shown = [t for t in convergence(page)["data"] if t.get("visible") is not False]
    return sum(len(t["x"]) for t in shown if t.get("name") in clouds)


@pytest.mark.timeout(400)
def test_the_pages_follow_a_study_while_a_worker_runs(
    database_url: str, browser: Browser, watched: Watched
) -> None:
    page = watched.page
    with ledger_at(database_url) as ledger, dashboard(database_url) as address:
        page.goto(address)
        page.get_by_role("heading", name="No study yet").wait_for()
        check_accessible(page)
        for name in ("live", "another"):
            ledger.register(live(name))
        page.locator("#study-another").wait_for()
        page.locator("#study-live").get_by_text("waiting").wait_for()
        worker = start_worker(
            database_url, "--study", "live", "--name", "ann", "--lease", "5"
        )
        try:
            check_home(page)
            page.goto(f"{address}/study/live")
            check_study(watched)
            check_dark_and_narrow(browser, address)
        finally:
            kill(worker)
        page.get_by_text("No worker is serving this study.").wait_for()
        assert page.evaluate("window.not_reloaded")
        check_trials(page, address)
        page.get_by_role("link", name="In optuna-dashboard").click()
        page.get_by_text("live (id=1)").wait_for()
        page.get_by_text("Hyperparameter Importance").first.wait_for()
        assert (watched.troubles, watched.violations()) == ([], [])
        page.goto("about:blank")  # it asks the server again and again, which ends here


def check_home(page: Page) -> None:
    """It changes while the focus stays where it is."""
    card = page.locator("#study-live")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "another"
    page.evaluate("window.focused = document.activeElement")
    card.locator("svg .best").wait_for()
    card.get_by_text("running", exact=True).wait_for()
    card.get_by_text("1 at work on").wait_for()
    card.get_by_text("the reported 60.00 ± 5.00 %").wait_for()
    assert page.evaluate(
        "document.activeElement === window.focused && window.focused.isConnected"
    )
    check_accessible(page)
    for part in ("nobody", "a-tag"):  # of the live one
        page.get_by_label("Filter").fill(part)
        assert card.is_visible() == (part == "a-tag")
    page.get_by_label("Filter").fill("liv")
    page.locator("#study-another").wait_for(state="hidden")
    assert card.is_visible()
    assert card.get_by_role("link", name="live in optuna-dashboard").is_visible()


def check_study(watched: Watched) -> None:
    """Figures, workers and events change; what somebody has chosen, and where he reads,
    stays."""
    page = watched.page
    page.wait_for_function("document.documentElement.dataset.drawn")
    page.evaluate("window.not_reloaded = true")
    figure = convergence(page)
    (line,) = [s for s in figure["layout"]["shapes"] if s["type"] == "line"]
    (band,) = [s for s in figure["layout"]["shapes"] if s["type"] == "rect"]
    assert (line["y0"], band["y0"], band["y1"]) == (60, 55, 65)
    page.locator("#convergence-plot .shapelayer path").first.wait_for(state="attached")
    watched.wait_until(lambda: points(page) > 10)  # every section is there
    page.get_by_role("button", name="by epochs").click()
    page.locator("#curves-title").scroll_into_view_if_needed()
    page.evaluate(
        "window.at = document.getElementById('parameters').getBoundingClientRect().top"
    )
    before = points(page)
    page.locator("#now").get_by_text("ann", exact=True).wait_for()
    page.locator("#now").get_by_text(re.compile(r"live: trial \d+")).wait_for()
    page.locator("#now").get_by_text("submitted").wait_for()
    watched.wait_until(lambda: points(page) > before)
    assert convergence(page)["layout"]["xaxis"]["title"]["text"].startswith(
        "epochs of training"
    )
    assert (
        page.get_by_role("button", name="by epochs").get_attribute("aria-pressed")
        == "true"
    )
    at = "document.getElementById('parameters').getBoundingClientRect().top - window.at"
    assert abs(page.evaluate(at)) < 40, "what is in view stays there"
    check_accessible(page)


def check_trials(page: Page, address: str) -> None:
    """All trials are sorted and filtered in the browser; each has a page."""
    page.get_by_role("link", name="All trials").click()
    page.locator("#trials tbody tr").first.wait_for()
    check_accessible(page)
    numbers = page.locator("#trials tbody th")
    page.get_by_role("button", name="accuracy (%)").click()
    page.get_by_role("button", name="accuracy (%)").click()
    best = numbers.first.inner_text()
    page.get_by_label("Filter").fill("trial<3 complete")
    assert sorted(numbers.all_inner_texts()) <= ["0", "1", "2"]
    page.get_by_label("Filter").fill(f"trial={best}")
    assert numbers.all_inner_texts() == [best]
    numbers.get_by_role("link").click()
    page.get_by_role("heading", name=f"live: trial {best}").wait_for()
    page.wait_for_function("document.documentElement.dataset.drawn")
    page.get_by_text("Where it comes from").wait_for()
    check_accessible(page)
    page.goto(f"{address}/study/live")


def check_dark_and_narrow(browser: Browser, address: str) -> None:
    with browsing.watched(browser, color_scheme="dark") as dark:
        dark.page.set_viewport_size({"width": 400, "height": 800})
        for path, there in (
            ("/", "svg.curve"),
            ("/study/live", "#convergence-plot .main-svg"),
        ):
            dark.page.goto(f"{address}{path}")
            dark.page.locator(there).first.wait_for()
            assert dark.page.evaluate("document.documentElement.scrollWidth") == 400
        dark.page.wait_for_function("document.documentElement.dataset.drawn")
        assert convergence(dark.page)["layout"]["paper_bgcolor"] != "white"
        check_accessible(dark.page)
        assert (dark.troubles, dark.violations()) == ([], [])


# --- the report: for narrow and wide pages, by keyboard and by ear ---


@pytest.fixture
def report(tmp_path: Path, watched: Watched) -> Page:
    """A page with every kind of section, its figures drawn."""
    spec = snapshots.spec(budget={"trials": 120, "seeds": 3, "epochs": 10})
    path = report_page.write(snapshots.realistic(spec), tmp_path / "report.html")
    page = watched.page
    page.goto(path.as_uri())
    page.wait_for_function("document.documentElement.dataset.drawn")
    return page


def test_everybody_can_read_it(report: Page) -> None:
    grounds = {"light": PAPER, "dark": DARK[PAPER]}
    for width, scheme in ((2000, "light"), (400, "dark")):
        report.set_viewport_size({"width": width, "height": 900})
        report.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ground = "document.getElementById('convergence-plot').layout.paper_bgcolor"
        report.wait_for_function(f"{ground} === '{grounds[scheme]}'")
        report.wait_for_function(  # that no figure is cut
            "[...document.querySelectorAll('.plot')].every(plot =>"
            " plot.querySelector('.main-svg').clientWidth <="
            " plot.parentNode.clientWidth)"
        )
        boxes = "[document.documentElement, ...document.querySelectorAll('.scroll')]"
        assert report.evaluate(
            f"{boxes}.every(box => box.scrollWidth <= box.clientWidth)"
        )
        check_accessible(report)
    report.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert report.evaluate(ground) == PAPER, "paper is white"
    assert (
        report.evaluate("document.getElementById('convergence-plot')._fullLayout.width")
        < 680
    )


def test_the_keyboard_alone_chooses_what_is_shown(report: Page) -> None:
    focused = "document.activeElement.textContent"
    for _ in range(5):  # two tables stand before it
        report.keyboard.press("Tab")
        if report.evaluate(focused) == "by epochs":
            break
    report.keyboard.press("Enter")
    title = "document.getElementById('convergence-plot').layout.xaxis.title.text"
    assert report.evaluate(title) == "epochs of training in the search"
    assert (
        report.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    )
    assert report.locator(".scroll:not([tabindex='0'])").count() == 0, (
        "tables scroll by keys"
    )


def test_all_trials_of_a_report_are_sorted_and_filtered(report: Page) -> None:
    report.get_by_text("A table to sort and filter").click()
    first = report.locator("#trials tbody th").first
    first.wait_for()
    report.get_by_role("button", name="accuracy (%)").click()
    report.get_by_role("button", name="accuracy (%)").click()
    best = first.inner_text()
    report.get_by_label("Filter").fill(f"complete trial={best}")
    count = report.locator("#count").inner_text()
    assert count == "1 to 1 of 1 found among 120 trials"
    check_accessible(report)
