"""The output of a notebook's cell as a place for the live view."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, RenderableType

WIDTH, HEIGHT = 100, 28
"""Characters of the view in a cell."""
_HTML = '<pre style="white-space: pre; overflow-x: auto; line-height: 1.25">{code}</pre>'


def console() -> Console:
    """What the view is drawn on: it keeps what is printed, to be exported."""
    return Console(file=io.StringIO(), record=True, width=WIDTH, height=HEIGHT, force_jupyter=False)


class Cell:
    """Stands in for ``rich.live.Live``: an output of the cell that runs, written anew each time.

    It needs no widgets, and what it showed last is kept in the notebook's file.
    """

    def __init__(self) -> None:
        """Nothing is shown before the first update."""
        self._output: Any = None

    def start(self) -> None:
        """Nothing is to be prepared."""

    def update(self, view: RenderableType, *, refresh: bool = True) -> None:
        """Show it instead of what is there."""
        from IPython import display  # there in every notebook

        drawn = console()
        drawn.print(view)
        text = drawn.export_text(clear=False)
        html = drawn.export_html(inline_styles=True, code_format=_HTML)
        bundle = {"text/plain": text, "text/html": html}
        if self._output is None:
            show: Any = display.display
            self._output = show(bundle, raw=True, display_id=True)
        else:
            self._output.update(bundle, raw=True)

    def stop(self) -> None:
        """What is shown stays."""
