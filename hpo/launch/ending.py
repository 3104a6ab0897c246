"""The end of a launch: its workers stop or are left, and the result is reported."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from pathlib import Path

from hpo.console import EXIT_ERROR, EXIT_NO_RESULT, Terminated, later
from hpo.errors import HpoError
from hpo.launch.executors import GRACE_S, Executor
from hpo.launch.options import LaunchOptions
from hpo.ledger.ledger import Ledger
from hpo.study.result import Result
from hpo.study.trials import StudyState
from hpo.views.records import json_records
from hpo.views.sentences import formatting
from hpo.views.terminal import screen, status

DONE_GRACE_S = 60.0
"""Time for workers to end once their study is done: the last one writes its result for
Optuna's tools, which takes seconds, and longer on a busy machine."""


class LaunchEnd:
    """The end of one launch, by its study, the timeout, or a signal."""

    def __init__(
        self, options: LaunchOptions, study: str, ledger: Ledger, executor: Executor
    ) -> None:
        """Begin to measure the time of the launch; ``ledger`` waits for the
        database."""
        self._options = options
        self._name = study
        self._ledger = ledger
        self._executor = executor
        self._began_s = time.monotonic()
        self.deadline_s = math.inf
        """Monotonic time of the timeout."""
        if options.timeout_s is not None:
            self.deadline_s = self._began_s + options.timeout_s

    # --- interrupted ---

    def interrupt(self, wish: KeyboardInterrupt, latest: Result) -> None:
        """Stop in order: Ctrl-C waits for the workers' epochs, SIGTERM only briefly.

        Args:
            wish: what the user, or the system, has sent.
            latest: the study as it was.
        """
        if isinstance(wish, Terminated) and not self._options.in_cell:
            later(3 * GRACE_S, os._exit, 143)  # even if something still blocks
        if not self._executor.alive and latest.snapshot.helpers:
            self._leave_to_others(len(latest.snapshot.helpers))
            return
        leaves = self._executor.outlives and not self._cancels(wish)
        if not leaves:
            self._stop(latest, GRACE_S if isinstance(wish, Terminated) else None)
        self._print_interrupted()
        if leaves:
            self.leave()
        else:
            say(f"stopped. Resume with:\n  {self._options.command}")

    def leave(self) -> None:
        """Let workers continue that can run without the launch."""
        if self._executor.outlives:
            say(
                f"{self._executor.leave()}. Follow them with:\n "
                f" {self._options.command}"
            )

    def _leave_to_others(self, workers: int) -> None:
        """Say that the study goes on with workers that were started elsewhere."""
        self._print_interrupted()
        helpers = formatting.plural(workers, "worker")
        stop = status.stop_command(self._name, self._options.storage_option)
        say(
            f"the study continues with {helpers} started elsewhere."
            f" Stop it with:\n  {stop}\nFollow it with:\n  {self._options.command}"
        )

    def _print_interrupted(self) -> None:
        if self._options.json:
            self._print_record(self._ledger.result(self._name), "interrupted", None)

    def _stop(self, latest: Result, grace_s: float | None) -> None:
        """Stop the workers; with a second Ctrl-C, kill them."""
        say(
            "stopping: each worker finishes its epoch and saves a checkpoint …"
            " (Ctrl-C again: stop at once)"
        )
        try:
            with screen.countdown(latest, lambda: self._executor.alive, grace_s):
                self._executor.stop(grace_s)
        except KeyboardInterrupt:  # which has killed them
            say("workers killed; nothing is lost")

    def _cancels(self, wish: KeyboardInterrupt) -> bool:
        """Decide if workers that can run without the launch end with it."""
        choice = self._options.site.launch.on_cancel or "ask"
        if choice != "ask":
            return choice == "cancel"
        at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
        if isinstance(wish, Terminated) or not at_terminal:
            return False
        question = (
            f"leave the {self._executor.alive} workers running, or cancel them? [L/c] "
        )
        print(question, end="", file=sys.stderr, flush=True)
        try:
            return sys.stdin.readline().strip().lower().startswith("c")
        except KeyboardInterrupt:
            say("")
            return False

    # --- over, or timed out ---

    def finish(self, outcome: str) -> int:
        """Stop the workers, report, and return the exit status.

        Args:
            outcome: the state of the study, or ``timeout``.

        Raises:
            HpoError: the study has failed, was stopped, or no confirmation of an
                imported study has succeeded.
        """
        timed_out = outcome == "timeout"
        if timed_out and self._options.site.launch.on_cancel == "leave":
            self.leave()
        self._executor.stop(DONE_GRACE_S if outcome == StudyState.DONE else GRACE_S)
        ended_early = timed_out or outcome in (StudyState.FAILED, StudyState.STOPPED)
        result = self._ledger.result(self._name, curves=not ended_early)
        report = None if ended_early else self._write_report(result)
        self._show(result, outcome, report)
        again = self._options.command
        if timed_out:
            say(
                f"error: {self._name}: stopped after {self._options.timeout_s:g} s"
                f" (--timeout); nothing is lost. Resume with:\n  {again}"
            )
            return EXIT_ERROR
        reason = result.snapshot.reason
        if outcome == StudyState.STOPPED:
            resume = status.resume_command(self._name, self._options.storage_option)
            raise HpoError(
                f"{self._name}: stopped by {reason}; nothing is lost. Resume with:\n"
                f"  {resume}\n  {again}"
            )
        if outcome == StudyState.FAILED:
            step = status.next_step(result, self._options.storage_option)
            raise HpoError(f"{self._name}: study failed: {reason}\nnext: {step}")
        if outcome == StudyState.DONE and result.snapshot.failed_to_confirm:
            failed = result.snapshot.confirm
            step = status.confirm_again(result, self._options.storage_option)
            raise HpoError(
                f"{self._name}: all {len(failed)} confirmations failed; the last:"
                f" {formatting.last_line(failed[-1].message)}\nnext: {step}"
            )
        if result.lacks_complete_trial:
            return EXIT_NO_RESULT
        return 0

    def _show(self, result: Result, outcome: str, report: Path | None) -> None:
        """Print the result. In a cell, the study shows itself."""
        if self._options.json:
            self._print_record(result, outcome, report)
        elif not self._options.in_cell:
            lines = status.of_launch(
                result,
                report=str(report) if report else None,
                storage=self._options.storage_option,
                width=shutil.get_terminal_size().columns,
            )
            print("\n".join(lines), flush=True)

    def _print_record(self, result: Result, outcome: str, report: Path | None) -> None:
        record = {
            "event": "result",
            "outcome": outcome,
            **json_records.study(result),
            "seconds": time.monotonic() - self._began_s,
            "report": report,
        }
        print(json_records.dumps(record), flush=True)

    def _write_report(self, result: Result) -> Path | None:
        """Write the report and return its path; None without one, or if it cannot be
        written."""
        if not self._options.writes_report:
            return None
        # plotly and torch, which most of a launch does not need
        from hpo.views.pages import report
        from hpo.worker import network

        path = self._options.report or Path(f"{self._name}-report.html")
        others = self._ledger.overlays(result.spec)
        matrix = network.confusion(self._ledger, result)
        try:
            return report.write(result, path, others, matrix)
        except HpoError as error:
            say(f"the report: {error} See `hpo report --help`.")
            return None


def say(text: str) -> None:
    """Print a message for the user on stderr, since programs read stdout."""
    print(text, file=sys.stderr, flush=True)
