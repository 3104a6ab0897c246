"""``hpo status --watch``: the studies of a database, or one of them, drawn again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from hpo.ledger.ledger import Ledger
from hpo.postgres.retry import is_passing
from hpo.study.trials import SlotState
from hpo.views.terminal import live as terminal_live
from hpo.views.terminal import status
from hpo.views.terminal.lines import Tracker


def watch(
    ledger: Ledger, study: str | None, *, every_s: float, where: str, console: Console
) -> None:
    """Show a study, or all of them, until Ctrl-C; a database that is away is waited for.

    Args:
        ledger: the database; one that does not wait by itself.
        study: its name; None for the overview.
        every_s: seconds between two looks.
        where: the database in words.
        console: the terminal, which shows what it showed before when this ends.

    Raises:
        StudyError: there is no such study, or it was deleted.
    """
    draw = _all(ledger, where, console) if study is None else _one(ledger, study, where, console)
    shown: RenderableType = Text("")
    away_since_s: float | None = None
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            note = "Ctrl-C ends the watching; workers go on"
            try:
                shown, away_since_s = draw(), None
            except Exception as error:
                if not is_passing(error):
                    raise
                now_s = time.monotonic()
                away_since_s = now_s if away_since_s is None else away_since_s
                note = f"database unreachable for {now_s - away_since_s:.0f} s, retrying"
            style = "dim" if away_since_s is None else "bold yellow"
            live.update(Group(shown, Text(note, style)), refresh=True)
            time.sleep(every_s)


def _all(ledger: Ledger, where: str, console: Console) -> Callable[[], RenderableType]:
    def draw() -> RenderableType:
        room = {"width": console.width, "height": console.height - 3}
        lines = status.overview(ledger.studies(), ledger.workers(), **room)
        return Text("\n".join([where, "", *lines]), no_wrap=True, overflow="ellipsis")

    return draw


def _one(ledger: Ledger, study: str, where: str, console: Console) -> Callable[[], RenderableType]:
    first = ledger.snapshot(study)
    tracker = Tracker(first)

    def draw() -> RenderableType:
        snapshot = ledger.snapshot(study)
        settled = [s for s in (*snapshot.search, *snapshot.confirm) if s.state != SlotState.RUNNING]
        settled.sort(key=lambda slot: slot.settled_at or snapshot.created_at)
        return terminal_live.screen(
            snapshot,
            storage=where,
            last=settled[-5:],
            notes=[],
            seconds_left=tracker.seconds_left(snapshot),
            width=console.width,
            height=console.height - 1,
        )

    return draw
