"""Takes the pictures of dashboard and report for the documentation: of the study seqdigits.

PYTHONPATH=tests/support python docs/screenshots.py
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import browsing
from PIL import Image
from playwright.sync_api import Page

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.views.report import page as report_page

HERE = Path(__file__).parent
STUDY = "seqdigits"


def main() -> None:
    """Take them."""
    with (
        open_storage() as storage,
        browsing.dashboard(storage.url) as address,
        browsing.browser() as browser,
        browsing.watched(browser) as watched,
    ):
        page = watched.page
        with tempfile.TemporaryDirectory() as folder:
            snapshot = Ledger(storage).snapshot(STUDY, curves=True)
            page.goto(report_page.write(snapshot, Path(folder) / "report.html").as_uri())
            page.wait_for_function("document.documentElement.dataset.drawn")
            page.set_viewport_size({"width": 1120, "height": 860})
            page.wait_for_timeout(1000)
            save(page, "report.png")
        page.set_viewport_size({"width": 1440, "height": 1000})
        page.goto(address)
        page.get_by_text(STUDY).first.click()
        watched.wait_until(lambda: any(c.startswith("Confirmed on") for c in watched.cards()))
        page.set_viewport_size({"width": 1440, "height": 1080})
        page.mouse.move(0, 0)
        page.wait_for_timeout(2000)  # for what comes into view to be drawn
        save(page, "dashboard.png")
        page.locator("a[href$='/note']").click()
        page.get_by_text("Reported:").wait_for()
        page.set_viewport_size({"width": 1440, "height": 720})
        page.wait_for_timeout(1000)
        save(page, "dashboard-note.png")


def save(page: Page, name: str) -> None:
    """Write what is in view as a small PNG."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(HERE / name, optimize=True)
    print(HERE / name, f"{(HERE / name).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
