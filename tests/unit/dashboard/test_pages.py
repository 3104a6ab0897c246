"""How pages are kept for all who look: made once, packed once, never older than they
may be."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pages
import pytest
from dashboards import Clock

from hpo.dashboard.pages import OLDEST_S, SHORTEST_S, Fresh, Shown
from hpo.views.pages import overview


def test_what_is_made_is_shown_until_it_is_too_old_and_then_made_anew_once() -> None:
    clock, made, going, late = Clock(), [], threading.Event(), threading.Event()

    def make(last: int | None) -> int:
        if last is not None:
            going.set()
            assert late.wait(60)
        made.append(last)
        return len(made)

    fresh = Fresh(make, clock)
    assert fresh.get(60) == (1, 0.0)
    clock.now_s += SHORTEST_S / 2
    assert fresh.get(60) == (1, SHORTEST_S / 2), "who asks so soon sees the same"
    clock.now_s += SHORTEST_S
    for _ in range(
        3
    ):  # who asks while it is made sees the last one, and begins no other
        assert fresh.get(0.01) == (1, 1.5 * SHORTEST_S)
    assert going.wait(60)
    clock.now_s += OLDEST_S
    assert fresh.get(0.01) is None, "too old"
    late.set()
    value = fresh.get(60)
    assert value is not None
    assert (value[0], made) == (2, [None, 1])


def test_what_takes_long_to_make_is_made_less_often_but_before_it_is_too_old() -> None:
    clock = Clock()

    def make(last: float | None) -> float:
        clock.now_s += 10.0
        return clock.now_s

    fresh = Fresh(make, clock)
    assert fresh.get(60) == (10.0, 10.0)
    clock.now_s = OLDEST_S / 2 - 1.0
    assert fresh.get(60) == (10.0, OLDEST_S / 2 - 1.0)
    clock.now_s = OLDEST_S / 2
    assert fresh.get(60) == (OLDEST_S / 2 + 10.0, 10.0)


def test_the_first_one_is_not_waited_for_and_trouble_is_told_and_tried_again() -> None:
    release, clock = threading.Event(), Clock()

    def make(_: Any) -> str:
        assert release.wait(60)
        if clock.now_s == 0:
            raise ConnectionError("away")
        return "back"

    fresh = Fresh(make, clock)
    assert fresh.get(0.01) is None
    release.set()
    with pytest.raises(ConnectionError, match="away"):
        fresh.get(60)
    clock.now_s = 1.0
    assert fresh.get(60) == ("back", 0.0)


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip, br", True),
        ("br", False),
        ("gzip;q=0, br", False),
        ("br, gzip; q=0.5", True),
    ],
)
def test_a_page_is_packed_for_who_accepts_that_and_not_sent_twice(
    accepted: str, is_packed: bool
) -> None:
    shown = Shown("a page \udce9")
    reply = shown.reply(accepted)
    assert (("Content-Encoding", "gzip") in reply.head()) == is_packed
    assert (gzip.decompress(reply.body) if is_packed else reply.body) == b"a page ?"
    (version,) = (value for name, value in reply.head() if name == "ETag")
    again = shown.reply(accepted, version)
    assert (again.status, again.body) == ("304 Not Modified", b"")
    assert shown.reply(accepted, '"another"').status == "200 OK"


def test_pages_show_texts_as_texts() -> None:
    for shown in (
        overview.no_study(pages.HOSTILE),
        overview.notice(pages.HOSTILE, pages.HOSTILE),
    ):
        assert not {"img", "onerror"} & pages.names(shown)
        assert "&lt;img src=x" in shown
