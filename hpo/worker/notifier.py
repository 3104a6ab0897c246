"""Tells of studies: people, once, by one worker, beside the training; and Optuna's tools.

Those show of a finished study, beside its trials, what was confirmed, one figure, and the verdict.
The last two are written by public functions of optuna-dashboard, which reads them.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from hpo import config
from hpo.config import ConfigError, NotifyDefaults
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.postgres.retry import is_passing
from hpo.study.networks import Confirmation
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec
from hpo.study.trials import StudyState
from hpo.views import json_records, verdict

if TYPE_CHECKING:
    import plotly.graph_objects as go

log = logging.getLogger(__name__)

EVERY_S = 60.0
END_S = 5.0
"""A worker that ends waits so long until its last look is over: its launch kills it after 10 s."""
TIMEOUT_S = 8.0
"""Of an attempt."""
PAUSES_S = (1.0, 5.0, 0.0)
"""After each attempt, if it failed."""
_LONGEST = 300
"""Of a text, which may be the subject of a mail."""
FIGURE = "hpo-result"
"""Optuna's id of the figure, and so its place."""
_MARK = "**By hpo:** "
"""So begins our note. One that begins otherwise is somebody's, and stays."""
_LINK = re.compile(r"://|www\.|@", re.IGNORECASE)
_TEXTS = {StudyState.DONE: "is done", StudyState.FAILED: "has failed"}


def configured() -> NotifyDefaults | None:
    """Who is to be told, as far as ``hpo.toml`` and the environment say; else None."""
    try:
        notify = config.load().notify
    except ConfigError as error:  # trials can be trained without
        log.warning("nobody is notified: %s", error)
        return None
    return notify if notify.command or notify.webhook else None


class Notifier(threading.Thread):
    """Looks every minute, and when its worker ends, for what nobody has been told yet."""

    def __init__(
        self, storage: Storage, ledger: Ledger, notify: NotifyDefaults, study: str | None
    ) -> None:
        """A daemon thread; ``start`` begins. It tells of one study, or of all."""
        super().__init__(name="notifier", daemon=True)
        self._notify, self._study = notify, study
        self._ledger = ledger.impatient()
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until ``end``, and once more."""
        while not self._ended.wait(EVERY_S):
            self.look()
        self.look()

    def end(self) -> None:
        """Look a last time; training is over."""
        self._ended.set()
        if self.is_alive():
            self.join(END_S)

    def look(self) -> None:
        """Tell what is to be told; trouble is a line in the log."""
        try:
            for study, notice in self._ledger.due_notices(self._study):
                if self._ledger.claim_notice(study, notice):
                    self._ledger.settle_notice(study, notice, self._tell(study, notice))
        except Exception as error:
            if not is_passing(error):  # of a database that is away, the worker tells
                log.warning("nobody could be notified: %s", _why(error))

    def _tell(self, study: str, notice: StudyState) -> bool:
        """Tell by every way that there is, holding no connection; whether all went well."""
        try:
            record = json_records.study(self._ledger.result(study))
        except Exception as error:
            if is_passing(error):
                raise  # who looks when the claim is over tries again
            log.warning("not notified: %s, %s: %s", study, notice, _why(error))
            return False
        text = shorten(f"{study} {_TEXTS[notice]}: {record['verdict']}", _LONGEST, placeholder=" …")
        body = json_records.dumps({"event": notice, "text": text, **record})
        ways: list[Callable[[], object]] = []
        if self._notify.command:
            ways.append(partial(_run, self._notify.command, body, text))
        if self._notify.webhook:
            ways.append(partial(_post, self._notify.webhook, body))
        return all([self._went(way, f"{study}, {notice}") for way in ways])

    def _went(self, way: Callable[[], object], what: str) -> bool:
        """Go a way, again if it fails; whether that has worked."""
        for pause_s in PAUSES_S:
            try:
                way()
            except Exception as error:  # whatever it is, training goes on
                trouble = _why(error)
                self._ended.wait(pause_s)
            else:
                log.info("notified: %s", what)
                return True
        log.warning("not notified: %s: %s", what, trouble)
        return False


def _why(error: Exception) -> str:
    """What went wrong, without the command, which may hold what is secret."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
        return f"no end within {TIMEOUT_S:g} s"
    return " ".join(str(error).split())[:200]


def _run(command: str, body: str, text: str) -> None:
    """Run a command of the shell; what it says on stderr is in the worker's log."""
    subprocess.run(
        command,
        shell=True,
        input=body.encode(),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HPO_TEXT": text},
        timeout=TIMEOUT_S,
        check=True,
    )


def _post(address: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, body.encode(), headers)
    urllib.request.urlopen(request, timeout=TIMEOUT_S).close()


# --- Optuna's tools -------------------------------------------------------------------------------


def show_in_optuna(storage: Storage, study: str) -> None:
    """Show the result of a study in Optuna's rows, in place of the one that was there.

    Raises:
        StudyError: it was deleted.
    """
    import optuna  # these take a second, and only the end of a study needs them
    import optuna_dashboard

    ledger = Ledger(storage)
    result = ledger.result(study)
    optuna_storage = storage.optuna()
    try:
        shown = optuna.load_study(study_name=study, storage=optuna_storage)
        told = [_told(result.spec, one) for one in result.confirmations if len(one.scores) > 1]
        shown.set_user_attr("hpo:confirmed", told)
        figure = _figure(result, ledger.overlays(result.spec))
        if figure is not None:
            optuna_dashboard.save_plotly_graph_object(shown, figure, graph_object_id=FIGURE)
        old = optuna_dashboard.get_note(shown)
        new = f"{_MARK}{_escaped(verdict.verdict(result))}."
        if old != new and (not old or old.startswith(_MARK)):
            optuna_dashboard.save_note(shown, new)
    finally:
        optuna_storage.engine.dispose()  # a worker holds one connection


def _told(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """What ``hpo:confirmed`` says of a configuration: its scores, and what limits them."""
    known = json_records.confirmation(spec, item)
    more = {name: known[name] for name in ("chips", "yield", "warning") if known[name]}
    return item.told_of(spec) | more


def _escaped(text: str) -> str:
    """Text in which nothing is Markdown, HTML or a link.

    What could begin one is escaped; words that a renderer makes links of by itself become code.

    Examples:
        >>> print(_escaped("1. *b* <img src=x> https://x.y"))
        1\\. \\*b\\* \\<img src\\=x\\> `https://x.y`
    """
    return " ".join(
        "`{}`".format(word.replace("`", "'"))
        if _LINK.search(word)
        else re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", word)
        for word in text.split()
    )


def _figure(result: Result, others: list[Result]) -> go.Figure | None:
    """The convergence against the reported optimum; of a front that, of a sweep its figure."""
    from hpo.views.figures import declared

    if (drawn := declared.of_study(result, others)) is not None and type(result) is Search:
        drawn.data = [t for t in drawn.data if t.visible]  # by trials: its buttons would need more
        drawn.update_layout(updatemenus=(), title_text="Convergence", margin_t=60)
    return drawn
