"""A real browser on a real dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dashboards
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from required import program

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000
"""Patience on a busy machine with what a person would see within seconds."""
_WATCH = """
window.violations = [];
document.addEventListener(
  "securitypolicyviolation",
  event => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with a profile of its own."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program(*CHROMIUM), args=[*FLAGS]
        )
        try:
            yield started
        finally:
            started.close()


@dataclass
class Watched:
    """A page, and the errors on it."""

    page: Page
    troubles: list[str] = field(default_factory=list)

    def wait_until(
        self, condition: Callable[[], bool], timeout_s: float = 120.0
    ) -> None:
        """Wait for a condition; check it seldom, since the page needs the same
        processor."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, (
                self.page.url,
                [*self.cards()],
                self.troubles,
            )
            self.page.wait_for_timeout(500)

    def follow(self, path: str) -> None:
        """Go to a path within the loaded page, as its own links do."""
        self.page.evaluate(
            """path => {
              history.pushState({}, "", path);
              dispatchEvent(new PopStateEvent("popstate"));
            }""",
            path,
        )

    def violations(self) -> list[str]:
        """Return what the content security policy refused since the page was loaded."""
        return list(self.page.evaluate("window.violations"))

    def cards(self) -> dict[str, dict[str, Any]]:
        """Return the plots by title: plotly's own traces and layout."""
        plots = self.page.evaluate(
            """[...document.querySelectorAll(".js-plotly-plot")].map(plot => [
              (plot.layout.title && plot.layout.title.text || "")
                .replace(/<[^>]*>/g, ""),
              JSON.parse(JSON.stringify({
                traces: plot.data, shapes: plot.layout.shapes || [],
                texts: (plot.layout.annotations || []).map(each => each.text)}))])"""
        )
        return dict(plots)


@contextmanager
def watched(started: Browser, **options: Any) -> Iterator[Watched]:
    """A fresh page that records errors, dialogs and refusals.

    Args:
        started: the browser.
        options: of ``Browser.new_context``.
    """
    with started.new_context(
        viewport={"width": 1440, "height": 1000},
        locale="en-GB",
        timezone_id="UTC",
        **options,
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_WATCH)
        watch = Watched(context.new_page())

        def say(kind: str, text: str) -> None:
            watch.troubles.append(f"{kind}: {text}")

        watch.page.on("pageerror", lambda error: say("exception", str(error)))
        watch.page.on(
            "dialog", lambda dialog: (say("dialog", dialog.message), dialog.dismiss())
        )
        watch.page.on(
            "console",
            lambda message: (
                say("console", message.text) if message.type == "error" else None
            ),
        )
        yield watch


def check_accessible(page: Page) -> None:
    """Fail if axe-core reports a violation, even a minor one."""
    violations = Axe().run(page).response["violations"]
    assert not violations, [
        (v["id"], [node["html"] for node in v["nodes"]]) for v in violations
    ]


@contextmanager
def dashboard(url: str, *options: str) -> Iterator[str]:
    """``hpo dashboard`` on a database, which ends in order; the address of its page."""
    with dashboards.dashboard(*options, HPO_STORAGE=url) as running:
        yield running.url
        status, _ = running.end()
    assert status == 0, running.errors
    assert "Traceback" not in running.errors
