"""HTML as a browser reads it, and a text that it would run if it could."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = "</script><img src=x onerror=alert(1)>"


class _Names(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}


def names(page: str) -> set[str]:
    """Names of all tags of a page, and of all their attributes."""
    parser = _Names()
    parser.feed(page)
    return parser.found
