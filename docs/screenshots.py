"""Take the pictures of dashboard and report for the documentation.

They show the finished study seqdigits: of the report its convergence, of the dashboard
what is first in view. The home page has five small studies, on a server of its own.

PYTHONPATH=tests/support python docs/screenshots.py
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import browsing
import servers
import workers
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from hpo.views.pages import report as report_page

HERE = Path(__file__).parent
STUDY = "seqdigits"
_SMALL: dict[str, Any] = {
    "objective": "spintronic",
    "budget": {"trials": 16, "window": 4, "seeds": 1, "epochs": 15},
    "space": {
        "tau_ns": {"low": 1.0, "high": 20.0, "log": True},
        "lr0": {"low": 0.05, "high": 1.0, "log": True},
    },
    "confirm": {"top": 1, "seeds": 3},
    "reported": {"score": 0.8983, "std": 0.0291, "source": "arXiv:2408.02835"},
}
_FIXED = {
    "layers": 2,
    "point_ns": 1.0,
    "thermal_power": 1e-3,
    "integrator": "exponential-ab3",
    "max_step_ns": 0.35,
    "s": 0.05,
    "batch_size": 20,
    "lr_decay": 1000.0,
    "ema_decay": 0.8,
}


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
            result = Ledger(storage).result(STUDY, curves=True)
            page.goto(report_page.write(result, Path(folder) / "report.html").as_uri())
            page.wait_for_function("document.documentElement.dataset.drawn")
            page.set_viewport_size({"width": 1120, "height": 860})
            page.wait_for_timeout(1000)
            save(page.locator("#convergence"), "report.png")
        page.set_viewport_size({"width": 1440, "height": 1000})
        page.goto(address)
        page.get_by_role("link", name=STUDY, exact=True).click()
        page.wait_for_function("document.documentElement.dataset.drawn")
        page.set_viewport_size({"width": 1440, "height": 1180})
        page.locator("#now").get_by_text("submitted").wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(2000)  # for what comes into view to be drawn
        save(page, "dashboard.png")
        home(browser)


def small(width: int, trials: int = 16) -> StudySpec:
    """A study of networks of two layers, briefly trained: it is over in a minute."""
    text = f"Networks of 2 x {width} oscillators read digits."
    raw = {**_SMALL, "name": f"digits-{width}", "description": text}
    raw |= {"fixed": {**_FIXED, "width": width}, "seed": width}
    raw["budget"] = {**_SMALL["budget"], "trials": trials}
    return validate(raw, where="screenshots")


def home(browser: Browser) -> None:
    """The home page of a server of its own: three finished studies, a live one, one
    that waits."""
    with servers.temporary_home() as directory:
        os.environ["HPO_HOME"] = str(directory)
        os.environ.pop("HPO_STORAGE", None)
        with (
            open_storage() as storage,
            workers.ledger_at(storage.url) as ledger,
            browsing.dashboard(storage.url) as address,
            browsing.watched(browser) as watched,
        ):
            for width in (12, 16, 24):
                ledger.register(small(width))
                workers.run_workers(storage.url, f"digits-{width}", 2)
            ledger.register(small(64))
            ledger.register(small(32, trials=60))
            worker = workers.start_worker(storage.url, "--study", "digits-32")
            try:
                watched.page.set_viewport_size({"width": 1400, "height": 900})
                watched.page.goto(address)
                card = watched.page.locator("#study-digits-32")
                some = re.compile("^[5-9] of 60 finished")
                card.get_by_text(some).wait_for(timeout=300_000)
                save(watched.page, "dashboard-home.png")
            finally:
                workers.kill(worker)


def save(shown: Page | Locator, name: str) -> None:
    """Write what is in view, or a part of the page, as a small PNG."""
    picture = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(HERE / name, optimize=True)
    print(HERE / name, f"{(HERE / name).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
