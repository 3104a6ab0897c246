"""The processes of a chaos run: launchers, their workers, and workers that nobody
launched."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.objective import JOURNAL

ROOT = Path(__file__).parents[1]
FILES = {
    path.stem: path
    for path in sorted((Path(__file__).parent / "studies").glob("*.toml"))
}
"""Study files by name."""


@dataclass(kw_only=True)
class Hand:
    """A process at work."""

    name: str
    process: psutil.Process
    child: subprocess.Popen[bytes] | None
    """None for a worker that a launcher started."""
    serves_all: bool = False
    log: Path | None = None
    sent: list[int] = field(default_factory=list)
    """Signals that it was sent."""
    termed_at: float | None = None
    resume_at: float | None = None
    """When it is to be continued, if it is paused."""

    @property
    def is_launcher(self) -> bool:
        """True for a launcher."""
        return self.name.startswith("launcher")

    def alive(self) -> bool:
        """True if the process runs or is paused."""
        if self.child is not None:
            return self.child.poll() is None
        try:
            return (
                self.process.is_running()
                and self.process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def send(self, signum: int) -> None:
        """Signal it, if it is still there."""
        self.sent.append(signum)
        try:
            self.process.send_signal(signum)
        except psutil.NoSuchProcess:
            return
        if signum == signal.SIGTERM:
            self.termed_at = time.monotonic()


class Crew:
    """Everyone who works on the studies."""

    def __init__(
        self, folder: Path, url: str, options: list[str], lease_s: float
    ) -> None:
        """Nobody yet.

        Args:
            folder: takes the logs and the journal.
            url: the database.
            options: of every launch, besides those of its workers.
            lease_s: of every worker.
        """
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.hands: list[Hand] = []
        self.gone: list[Hand] = []
        self.term_s: list[float] = []
        """Seconds from SIGTERM to the end, of workers and launchers that nothing else
        befell."""
        self._options = options
        self._lease = f"--lease={lease_s:g}"
        self._numbers = itertools.count(1)
        self._environment = {
            **os.environ,
            "HPO_STORAGE": url,
            "PYTHONPATH": str(ROOT),
            JOURNAL: str(self.journal),
        }
        folder.mkdir(parents=True, exist_ok=True)

    def start_worker(self, study: str | None) -> Hand:
        """Start a worker that belongs to no launcher; without a study, one that serves
        them all."""
        name = f"worker-{next(self._numbers)}"
        one = ["--study", study] if study else []
        hand = self._start(name, "hpo.worker", *one, "--name", name, self._lease)
        hand.serves_all = study is None
        return hand

    def start_launcher(self, study: str, workers: int) -> Hand:
        """Start a launcher of a study, with a number of workers of its own."""
        name = f"launcher-{next(self._numbers)}"
        options = [f"--workers={workers}", self._lease, "--no-report", *self._options]
        return self._start(name, "hpo.launch", "--study", str(FILES[study]), *options)

    def _start(self, name: str, module: str, *arguments: str) -> Hand:
        log = self.folder / f"{name}.log"
        with log.open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self._environment,
                start_new_session=True,
            )
        hand = Hand(name=name, process=psutil.Process(child.pid), child=child, log=log)
        self.hands.append(hand)
        return hand

    def look(self) -> None:
        """Take note of workers that launchers have started, and of who is gone."""
        known = {hand.process for hand in self.hands}
        for launcher in [h for h in self.hands if h.is_launcher and h.alive()]:
            for process in _children(launcher.process):
                if process not in known and (name := _worker_name(process)):
                    self.hands.append(Hand(name=name, process=process, child=None))
        for hand in [hand for hand in self.hands if not hand.alive()]:
            self.hands.remove(hand)
            self.gone.append(hand)
            if hand.sent == [signal.SIGTERM] and hand.termed_at is not None:
                self.term_s.append(time.monotonic() - hand.termed_at)

    def workers(self) -> list[Hand]:
        """Workers that live, paused or not."""
        return [hand for hand in self.hands if not hand.is_launcher]

    def wake(self, now: float | None = None) -> None:
        """Continue who was paused until ``now``; without it, everyone."""
        for hand in self.hands:
            if hand.resume_at is not None and (now is None or now >= hand.resume_at):
                hand.resume_at = None
                hand.send(signal.SIGCONT)

    def end(self, timeout_s: float) -> list[Hand]:
        """Wait until everyone has ended, then kill; who had to be killed.

        Workers that serve all studies wait for others, so they get a signal to end.
        """
        deadline = time.monotonic() + timeout_s
        for hand in self.workers():
            if hand.serves_all:
                hand.send(signal.SIGTERM)
        while self.hands and time.monotonic() < deadline:
            time.sleep(0.1)
            self.look()
        left = list(self.hands)
        for hand in left:
            hand.send(signal.SIGKILL)
            if hand.child is not None:
                hand.child.wait()
        return left

    def crashes(self) -> Iterator[str]:
        """Yield forbidden output and actions of processes."""
        for hand in self.gone:
            status = hand.child.returncode if hand.child is not None else 0
            if status not in _allowed(hand):
                yield f"{hand.name} ended with status {status}; its log: {hand.log}"
        for log in sorted(self.folder.glob("**/*.log")):
            text = log.read_text(encoding="utf-8", errors="replace")
            if "Traceback" in text:
                yield f"a traceback in {log}"
            for said in re.findall(r"a worker ended after .*exit status [1-9].*", text):
                yield f"{log}: {said}"


def _allowed(hand: Hand) -> set[int]:
    """Exit statuses that are no crash: done, or ended as the signals ask."""
    allowed = {0} | {-signum for signum in hand.sent if signum != signal.SIGCONT}
    if hand.is_launcher and signal.SIGTERM in hand.sent:
        allowed |= {128 + signal.SIGTERM}
    return allowed


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def _worker_name(process: psutil.Process) -> str | None:
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    if "hpo.worker" not in words or "--name" not in words:
        return None
    return words[words.index("--name") + 1]
