"""Commands that need no database, in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hpo.cli import main


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``hpo`` to its end; return what it prints."""

    def run(*line: str) -> str:
        assert main.main([*line]) == 0
        return capsys.readouterr().out

    return run
