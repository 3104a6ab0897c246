"""``python -m hpo.check FILE``: carry out the order on stdin, and append each run to
the file as a line of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from hpo.check.run import Order, carry_out
from hpo.console import answer, working_directory_last
from hpo.contract import ExitedError, UnavailableError
from hpo.errors import HpoError


def _carry_out(path: Path) -> int:
    order = Order(**json.load(sys.stdin))
    with path.open("a", encoding="utf-8") as lines:
        try:
            for run in carry_out(order):
                lines.write(json.dumps(asdict(run)) + "\n")
                lines.flush()
        except UnavailableError as error:
            raise HpoError(str(error)) from None
        except ExitedError as error:
            raise HpoError(
                f"{order.study['objective']} {error} in its first trial. Let it return,"
                " or raise an exception if it fails."
            ) from None
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # KeyboardInterrupt is the code's own
    working_directory_last()
    status = answer(lambda: _carry_out(Path(sys.argv[1])))
    sys.stderr.flush()
    os._exit(status)  # tearing PyTorch down would take two seconds of CPU
