"""One browser for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import browsing
import pytest
from browsing import Watched
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with browsing.browser() as started:
        yield started


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A fresh page; whatever went wrong on it fails the test."""
    with browsing.watched(browser) as found:
        yield found
        assert found.troubles == []
        assert found.violations() == []
