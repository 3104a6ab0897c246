"""How pages are kept for all who look: made once, packed once, never older than they
may be."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pages
import pytest
from dashboards import Clock
from workers import wait_until

from hpo.dashboard.renewed_values import OLDEST_S, SHORTEST_S, Away, Fresh
from hpo.dashboard.replies import Shown
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
    assert fresh.get(60) == 1
    clock.now_s += SHORTEST_S / 2
    assert (fresh.get(60), made) == (1, [None]), "who asks so soon sees the same"
    clock.now_s += SHORTEST_S
    for _ in range(
        3
    ):  # who asks while it is made sees the last one, and begins no other
        assert fresh.get(0.01) == 1
    assert going.wait(60)
    clock.now_s += OLDEST_S
    with pytest.raises(Away):
        fresh.get(0.01)
    late.set()
    assert (fresh.get(60), made) == (2, [None, 1])


def test_an_old_error_is_told_to_nobody() -> None:
    clock, away = Clock(), [True]

    def make(last: int | None) -> int:
        if away.pop():
            raise Away("the database restarts")
        return 1

    fresh = Fresh(make, clock)
    with pytest.raises(Away, match="the database restarts"):
        fresh.get(60)
    away.append(False)
    clock.now_s += 3600
    assert fresh.get(60) == 1


def test_what_takes_long_to_make_is_made_less_often_but_before_it_is_too_old() -> None:
    clock = Clock()

    def make(last: float | None) -> float:
        clock.now_s += 10.0
        return clock.now_s

    fresh = Fresh(make, clock)
    assert fresh.get(60) == 10.0
    clock.now_s = OLDEST_S / 2 - 1.0
    assert fresh.get(60) == 10.0
    clock.now_s = OLDEST_S / 2
    assert fresh.get(60) == OLDEST_S / 2 + 10.0


def test_the_first_one_is_not_waited_for_and_trouble_is_told_and_tried_again() -> None:
    release, clock = threading.Event(), Clock()
    attempts: list[float] = []

    def make(_: Any) -> str:
        assert release.wait(60)
        attempts.append(clock.now_s)
        if clock.now_s == 0:
            raise ConnectionError("away")
        return "back"

    fresh = Fresh(make, clock)
    with pytest.raises(Away):
        fresh.get(0.01)
    release.set()
    for _ in range(3):  # who asks so soon is told the same
        with pytest.raises(ConnectionError, match="away"):
            fresh.get(60)
    assert attempts == [0.0]
    release.clear()
    clock.now_s = SHORTEST_S
    with pytest.raises(ConnectionError, match="away"):
        fresh.get(60)  # nobody waits for the next attempt
    release.set()
    wait_until(lambda: len(attempts) == 2)
    wait_until(lambda: fresh._error is None)
    assert fresh.get(60) == "back"


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
    assert (("Content-Encoding", "gzip") in reply.headers) == is_packed
    assert (gzip.decompress(reply.body) if is_packed else reply.body) == b"a page ?"
    (version,) = (value for name, value in reply.headers if name == "ETag")
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
