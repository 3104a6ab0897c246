"""HTML as a browser reads it, and a text that it would run if it could."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from typing import Any

HOSTILE = "</script><img src=x onerror=alert(1)>"


class _Names(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}


def names(page: str) -> set[str]:
    """Return the names of all tags of a page, and of all their attributes."""
    parser = _Names()
    parser.feed(page)
    return parser.names


def figures(page: str) -> dict[str, Any]:
    """Return plotly's figures of a page, by the id of their element."""
    packed = re.search(r'id="figures">([^<]*)<', page)
    assert packed is not None
    by_id = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert all(f'id="{name}"' in page for name in by_id)
    return dict(by_id)


def shown(page: str) -> str:
    """Return a page without its code, and with its figures as JSON."""
    return re.sub(r"<script.*?</script>", "", page, flags=re.S) + json.dumps(
        figures(page)
    )
