"""Run the notebook of the documentation again and keep its output; needs chromium.

PYTHONPATH=tests/support python docs/notebook.py

It runs in an empty directory, on an embedded server of its own. Each figure also gets a
picture, for pages without plotly. Paths and the host's name are replaced, and messages
about waiting left out.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import time
from pathlib import Path

import browsing
import nbformat
import plotly.io
from nbclient import NotebookClient
from playwright.sync_api import Browser

from hpo.postgres.embedded import stop

BOOK = Path(__file__).parent / "tutorial" / "notebook.ipynb"
FIGURE = "application/vnd.plotly.v1+json"
WIDTH = 800


def main() -> None:
    """Run the notebook and write it."""
    book = nbformat.read(BOOK, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        os.chmod(
            home, 0o755
        )  # PostgreSQL runs as another account where this runs as root
        os.environ["HPO_HOME"] = home
        with tempfile.TemporaryDirectory() as work:
            began = time.monotonic()
            place = {"metadata": {"path": work}}
            NotebookClient(
                book, timeout=None, resources=place, record_timing=False
            ).execute()
            print(f"{time.monotonic() - began:.0f} s")
        stop(Path(home))
        text = nbformat.writes(book).replace(home, "/home/me/.local/share/hpo")
    book = nbformat.reads(text.replace(os.uname().nodename, "lab"), as_version=4)
    with browsing.browser() as browser:
        for cell in (cell for cell in book.cells if cell.cell_type == "code"):
            cell.outputs = [
                o for o in cell.outputs if not o.get("text", "").startswith("waiting:")
            ]
            for output in cell.outputs:
                if FIGURE in output.get("data", {}):
                    output.data["image/png"] = picture(browser, output.data[FIGURE])
    nbformat.write(book, BOOK)


def picture(browser: Browser, figure: object) -> str:
    """Return a figure as a PNG, in Base64."""
    drawn = plotly.io.from_json(json.dumps(figure), skip_invalid=True)
    page = browser.new_page(viewport={"width": WIDTH, "height": 600})
    page.set_content(
        drawn.to_html(include_plotlyjs=True, config={"displayModeBar": False})
    )
    plot = page.locator(".js-plotly-plot")
    plot.locator(".main-svg").first.wait_for()
    page.wait_for_timeout(500)
    png = base64.b64encode(plot.screenshot()).decode()
    page.close()
    return re.sub(r"\s", "", png)


if __name__ == "__main__":
    main()
