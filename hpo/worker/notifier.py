"""Notifications about studies, sent once by one worker beside the training; results for
Optuna.

Optuna's tools show the confirmed scores of a finished study, one figure and the
verdict. Public functions of optuna-dashboard write the figure and the verdict.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from textwrap import shorten
from typing import Any

from hpo import config
from hpo.config import ConfigError, NotifyDefaults
from hpo.errors import one_line
from hpo.ledger.events import ATTEMPT_S, PAUSES_S
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.postgres.retry import may_come_back
from hpo.study.trials import StudyState
from hpo.views.records import json_records, optuna_records

log = logging.getLogger(__name__)

EVERY_S = 60.0
END_S = 5.0
"""Longest wait of an ending worker for its last notifications: a launch kills it after
10 s."""
_LONGEST = 300
"""Characters of a text at most, which may become the subject of an e-mail."""
FIGURE = "hpo-result"
"""Optuna's id of the figure, which fixes its place."""
_MARK = "**By hpo:** "
"""Beginning of our note. A note that begins otherwise is a user's, and stays."""
_TEXTS = {StudyState.DONE: "is done", StudyState.FAILED: "has failed"}


def configured() -> NotifyDefaults | None:
    """Return where notifications go, by ``hpo.toml`` and the environment; None for
    nowhere."""
    try:
        notify = config.load().notify
    except ConfigError as error:  # training works without
        log.warning("notifications are off: %s", error)
        return None
    return notify if notify.command or notify.webhook else None


class Notifier(threading.Thread):
    """Thread that sends pending notifications every minute, and when its worker
    ends."""

    def __init__(
        self, ledger: Ledger, notify: NotifyDefaults, study: str | None
    ) -> None:
        """Create a daemon thread for one study, or for all; ``start`` starts it."""
        super().__init__(name="notifier", daemon=True)
        self._notify = notify
        self._study = study
        self._ledger = ledger.impatient()
        self._ended = threading.Event()

    def run(self) -> None:
        """Send notifications until ``end``, and once more."""
        while not self._ended.wait(EVERY_S):
            self.look()
        self.look()

    def end(self) -> None:
        """Send notifications a last time: training is over."""
        self._ended.set()
        if self.is_alive():
            self.join(END_S)

    def look(self) -> None:
        """Send pending notifications; log failures."""
        try:
            for study, notice in self._ledger.due_notices(self._study):
                if self._ledger.claim_notice(study, notice):
                    self._ledger.settle_notice(study, notice, self._send(study, notice))
        except Exception as error:
            if not may_come_back(error):  # the worker logs outages of the database
                log.warning("cannot send notifications: %s", _why(error))

    def _send(self, study: str, notice: StudyState) -> bool:
        """Send a notice by every channel, without a connection; return whether all
        succeeded."""
        try:
            record = json_records.study(self._ledger.result(study))
        except Exception as error:
            if may_come_back(error):
                raise  # another worker retries when the claim has expired
            what = f"{study}, {notice}"
            log.warning("not notified: %s: %s", what, _why(error), extra=_about(study))
            return False
        text = shorten(
            f"{study} {_TEXTS[notice]}: {record['verdict']}", _LONGEST, placeholder=" …"
        )
        body = json_records.dumps({"event": notice, "text": text, **record})
        channels: list[Callable[[], object]] = []
        if self._notify.command:
            channels.append(partial(_run, self._notify.command, body, text))
        if self._notify.webhook:
            channels.append(partial(_post, self._notify.webhook, body))
        return all([self._try(channel, study, notice) for channel in channels])

    def _try(
        self, channel: Callable[[], object], study: str, notice: StudyState
    ) -> bool:
        """Send through a channel, with retries; return whether that succeeded."""
        what = f"{study}, {notice}"
        for pause_s in PAUSES_S:
            try:
                channel()
            except Exception as error:  # of any kind: training goes on
                trouble = _why(error)
                self._ended.wait(pause_s)
            else:
                log.info("notified: %s", what, extra=_about(study))
                return True
        log.warning("not notified: %s: %s", what, trouble, extra=_about(study))
        return False


def _about(study: str) -> dict[str, Any]:
    """Return what a line of the log is about: not the trial that this worker trains."""
    return {"study": study, "trial": None}


def _why(error: Exception) -> str:
    """Return what went wrong, without the command, which may hold a secret."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
        return f"timed out after {ATTEMPT_S:g} s"
    return one_line(error, 200)


def _run(command: str, body: str, text: str) -> None:
    """Run a shell command; its stderr goes to the worker's log."""
    subprocess.run(
        command,
        shell=True,
        input=body.encode(),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HPO_TEXT": text},
        timeout=ATTEMPT_S,
        check=True,
    )


def _post(address: str, body: str) -> None:
    """Send JSON to a web address."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, body.encode(), headers)
    urllib.request.urlopen(request, timeout=ATTEMPT_S).close()


# --- Optuna's tools ---


def show_in_optuna(storage: Storage, study: str) -> None:
    """Write the result of a study to Optuna's rows, over an older one.

    Raises:
        StudyError: the study was deleted.
    """
    import optuna  # imports of a second, needed only at the end of a study
    import optuna_dashboard

    from hpo.views.figures import main

    ledger = Ledger(storage)
    result = ledger.result(study)
    optuna_storage = storage.optuna()
    try:
        shown = optuna.load_study(study_name=study, storage=optuna_storage)
        shown.set_user_attr("hpo:confirmed", optuna_records.confirmed(result))
        figure = main.without_buttons(result, ledger.overlays(result.spec))
        if figure is not None:
            optuna_dashboard.save_plotly_graph_object(
                shown, figure, graph_object_id=FIGURE
            )
        old = optuna_dashboard.get_note(shown)
        new = f"{_MARK}{optuna_records.note(result)}"
        if old != new and (not old or old.startswith(_MARK)):
            optuna_dashboard.save_note(shown, new)
    finally:
        optuna_storage.engine.dispose()  # a worker holds one connection
