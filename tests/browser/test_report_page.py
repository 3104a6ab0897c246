"""The report in a browser: for narrow and wide pages, light and dark, by keyboard and by ear."""

from __future__ import annotations

from pathlib import Path

import pytest
import snapshots
from browsing import Watched, check_accessible
from playwright.sync_api import Page

from hpo.views import report as report_page
from hpo.views.palette import DARK, PAPER


@pytest.fixture
def report(tmp_path: Path, watched: Watched) -> Page:
    """A page with every kind of section, its figures drawn."""
    spec = snapshots.spec(budget={"trials": 120, "members": 3, "epochs": 10})
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
            " plot.querySelector('.main-svg').clientWidth <= plot.parentNode.clientWidth)"
        )
        boxes = "[document.documentElement, ...document.querySelectorAll('.scroll')]"
        assert report.evaluate(f"{boxes}.every(box => box.scrollWidth <= box.clientWidth)")
        check_accessible(report)
    report.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert report.evaluate(ground) == PAPER, "paper is white"
    assert report.evaluate("document.getElementById('convergence-plot')._fullLayout.width") < 680


def test_the_keyboard_alone_chooses_what_is_shown(report: Page) -> None:
    focused = "document.activeElement.textContent"
    for _ in range(3):
        report.keyboard.press("Tab")
        if report.evaluate(focused) == "by epochs":
            break
    report.keyboard.press("Enter")
    title = "document.getElementById('convergence-plot').layout.xaxis.title.text"
    assert report.evaluate(title) == "epochs of training in the search"
    assert report.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert report.locator(".scroll:not([tabindex='0'])").count() == 0, "tables scroll by keys"
