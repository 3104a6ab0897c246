"""The log of a process: lines for people, or one JSON object a line for programs.

`HPO_LOG=json` chooses the second. Each object has `time` (UTC), `level`, `worker`,
`study`, `trial` (null where there is none) and `message`; an exception adds
`traceback`.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from hpo import settings

_TEXT = "%(asctime)s %(levelname)s %(message)s"
_KEYS = ("worker", "study", "trial")
_doing: dict[str, Any] = {}
"""What this process is, and works on."""


class _JsonFormatter(logging.Formatter):
    """Format a record as one JSON object; ``extra`` of a record overrides what the
    process works on."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        for key in _KEYS:
            line[key] = getattr(record, key, _doing.get(key))
        line["message"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin(level: int) -> None:
    """Log to stderr from this level on, as `HPO_LOG` says.

    As JSON, warnings and uncaught exceptions become lines of the log, too.

    Raises:
        HpoError: `HPO_LOG` is neither `text` nor `json`.
    """
    logging.basicConfig(level=level, format=_TEXT)
    if not settings.logs_json():
        return
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_JsonFormatter())
    logging.captureWarnings(True)
    sys.excepthook = lambda *error: logging.critical(
        "ended by an error", exc_info=error
    )
    threading.excepthook = lambda error: logging.critical(
        "a thread ended by an error",
        exc_info=(
            error.exc_type,
            error.exc_value or error.exc_type(),
            error.exc_traceback,
        ),
    )


def say(text: str) -> None:
    """Write a line to stdout, with the time, or as JSON."""
    if settings.logs_json():
        record = logging.makeLogRecord({"levelname": "INFO", "msg": text})
        print(_JsonFormatter().format(record), flush=True)
    else:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def of_worker(name: str) -> None:
    """Name the worker of this process in all later lines."""
    _doing["worker"] = name


@contextmanager
def of_trial(study: str, trial: int) -> Iterator[None]:
    """Name a study and the number of a trial in the lines of a block."""
    _doing.update(study=study, trial=trial)
    try:
        yield
    finally:
        _doing.update(study=None, trial=None)
