"""``python -m hpo.check.repeats``: train the first network of the study on stdin in two
processes, and print what differs, as a list of JSON.

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
from hpo.check.run import Order, carry_out
from hpo.console import answer, working_directory_last
from hpo.contract import ExitedError
from hpo.errors import HpoError
from hpo.study import file
from hpo.study.trials import SlotState


def compare_first(order: Order) -> list[str]:
    """Return what differs between the first network trained here, and in another
    process.

    Raises:
        HpoError: one of the two trainings fails, or its process ends without a result.
        ExitedError: this one would have.
    """
    (here,) = carry_out(order)
    spec = file.restore(order.study, order.about, "hpo worker")
    there = Rehearsal(spec).first
    for run in (here, there):
        if run.state == SlotState.FAILED:
            raise HpoError(f"its first network cannot be trained twice: {run.message}")
    return name_differences(here, there)


def _print_differences() -> int:
    order = Order(**json.load(sys.stdin), what="first")
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    output = os.dup(1)
    os.dup2(2, 1)  # what the objective prints
    try:
        found = compare_first(order)
    except ExitedError as error:
        raise HpoError(f"{order.study['objective']} {error}") from None
    os.write(output, json.dumps(found).encode())
    return 0


def _end_with(parent: int) -> None:
    """End this session once its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    working_directory_last()
    status = answer(_print_differences)
    sys.stderr.flush()
    os._exit(status)  # tearing PyTorch down would take two seconds of CPU
