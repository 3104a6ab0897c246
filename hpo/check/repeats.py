"""``python -m hpo.check.repeats``: train the first network of the study on stdin in two
processes, one after the other, and print what differs, as a list of JSON.

A worker asks for it before the first trial of a study.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

from hpo.check.differences import name_differences
from hpo.check.rehearsal import Rehearsal
from hpo.console import answer, working_directory_last
from hpo.errors import HpoError
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState


def compare_first(spec: StudySpec) -> list[str]:
    """Return what differs between two trainings of the first network.

    Raises:
        HpoError: one of them fails, or its process ends without a result.
    """
    rehearsal = Rehearsal(spec)
    for run in (rehearsal.first, rehearsal.alone):
        if run.state == SlotState.FAILED:
            raise HpoError(f"its first network cannot be trained: {run.message}")
    return name_differences(rehearsal.first, rehearsal.alone)


def _print_differences() -> int:
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    study = json.load(sys.stdin)
    spec = file.restore(study["study"], study["about"], "hpo worker")
    print(json.dumps(compare_first(spec)))
    return 0


def _end_with(parent: int) -> None:
    """End this session, and so the trainings, once its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    working_directory_last()
    sys.exit(answer(_print_differences))
