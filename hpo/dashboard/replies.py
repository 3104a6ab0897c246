"""What the dashboard sends: answers, and texts that many viewers share."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_HTML = "text/html; charset=utf-8"
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
"""An Accept-Encoding header that permits gzip."""


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers and body."""

    body: bytes
    media: str = _HTML
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def refusal(cls, status: str, reason: str, *headers: tuple[str, str]) -> Reply:
        """Return an answer that says why there is no other."""
        body = json.dumps({"reason": reason}).encode()
        return cls(body, "application/json", status, headers)

    def send(self, start_response: StartResponse) -> list[bytes]:
        """Answer a request."""
        length = str(len(self.body))
        headers = [("Content-Type", self.media), ("Content-Length", length)]
        start_response(self.status, [*headers, *self.headers])
        return [self.body]


class Refused(Exception):
    """A refused request, and the answer to it."""

    def __init__(self, status: str, reason: str, *headers: tuple[str, str]) -> None:
        """Take the status line, the text of the answer, and further headers."""
        super().__init__(reason)
        self.reply = Reply.refusal(status, reason, *headers)


class Shown:
    """A text for many viewers: compressed once, and sent only to clients without a
    copy."""

    def __init__(self, content: str, media: str = _HTML) -> None:
        """Take the text; lone surrogates are replaced."""
        self._media = media
        self._plain = content.encode(errors="replace")
        self._packed = gzip.compress(self._plain, compresslevel=5, mtime=0)
        self._version = f'"{hashlib.sha256(self._plain).hexdigest()[:16]}"'

    def reply(self, accepted: str, etag: str = "") -> Reply:
        """Return the text for the accepted encodings; 304 if ``etag`` is its ETag."""
        headers = (("ETag", self._version), ("Vary", "Accept-Encoding"))
        if self._version == etag:
            return Reply(b"", self._media, "304 Not Modified", headers)
        if not _GZIP.search(accepted):
            return Reply(self._plain, self._media, headers=headers)
        packed = (*headers, ("Content-Encoding", "gzip"))
        return Reply(self._packed, self._media, headers=packed)
