"""Somebody with a shell who launches the toy study, here or in a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers import ledger_at, table, wait_until

from hpo.study import file
from hpo.study.trials import StudySnapshot, WorkerInfo


def toy_study(*, trials: int = 24, epochs: int = 6, sleep_s: float = 0.1) -> str:
    """Return the file of a toy study; an epoch takes ``sleep_s``."""
    return f"""
objective = "toy_objective:ToyObjective"
seed = 3
[budget]
trials = {trials}
window = 4
seeds = 2
epochs = {epochs}
[fixed]
sleep_s = {sleep_s}
[space]
x = {{ low = 0.0, high = 1.0 }}
k = {{ low = 1, high = 8 }}
colour = {{ choices = ["red", "green"] }}
[sampler]
n_startup_trials = 4
[confirm]
top = 1
seeds = 3
[reported]
score = 0.6
std = 0.02
source = "toy paper"
[reported.params]
x = 0.5
"""


class User:
    """A user with a directory of their own.

    Args:
        directory: working directory, with ``toy.toml``.
        url: database.
        study: content of that file.
        always: options of all launches.
    """

    def __init__(
        self,
        directory: Path,
        url: str,
        study: str | None = None,
        always: tuple[str, ...] = (),
    ) -> None:
        """Write the study file; start nothing."""
        self.directory, self.url, self._always = directory, url, always
        self.said = ("", "")
        """Output of the launch, on stdout and stderr."""
        self.started: list[subprocess.Popen[str]] = []
        (directory / "toy.toml").write_text(study or toy_study())

    @property
    def environment(self) -> dict[str, str]:
        """Environment of all commands."""
        own = {"HPO_STORAGE": self.url, "HPO_HOME": str(self.directory / "home")}
        return {**os.environ, **own}

    def start(self, *line: str, **streams: Any) -> subprocess.Popen[str]:
        """Run ``hpo`` in the background."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hpo", *line],
            cwd=self.directory,
            env=self.environment,
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        self.started.append(process)
        return process

    def end(
        self, process: subprocess.Popen[str], status: int = 0, timeout_s: float = 500
    ) -> tuple[str, str]:
        """Wait for the end of a process; return its stdout and stderr."""
        out, err = process.communicate(timeout=timeout_s)
        assert process.returncode == status, err + out
        assert "hpo/launch/run.py" not in err, "a traceback of ours is no message"
        assert status or "Traceback" not in err, (
            "where it fails, it may quote a worker's"
        )
        return out, err

    def run(self, *line: str, status: int = 0) -> tuple[str, str]:
        """Run ``hpo`` to its end; return its stdout and stderr."""
        return self.end(self.start(*line), status)

    def launch(self, *options: str, **streams: Any) -> subprocess.Popen[str]:
        """Launch the study in the background."""
        return self.start(
            "launch", "--study", "toy.toml", *self._always, *options, **streams
        )

    def launched(self, *options: str, status: int = 0) -> tuple[str, str]:
        """Launch the study to its end, without the report, which takes longest."""
        return self.end(self.launch("--no-report", *options), status)

    def snapshot(self, name: str = "toy") -> StudySnapshot:
        """Return the study in its present state."""
        with ledger_at(self.url) as ledger:
            return ledger.snapshot(name, curves=True)

    def studies(self) -> list[str]:
        """Return the names of all studies."""
        with ledger_at(self.url) as ledger:
            return [study.name for study in ledger.studies()]

    def workers(self) -> list[WorkerInfo]:
        """Return the live workers with a trial."""
        with ledger_at(self.url) as ledger:
            return [w for w in ledger.workers() if w.alive and w.trial is not None]

    def wait_for_workers(self, count: int, timeout_s: float = 150) -> list[WorkerInfo]:
        """Wait until ``count`` workers have a trial."""
        wait_until(lambda: len(self.workers()) >= count, timeout_s=timeout_s)
        return self.workers()

    def wait_for_trials(self, count: int, name: str = "toy") -> None:
        """Wait until ``count`` trials have finished."""
        with ledger_at(self.url) as ledger:

            def enough() -> bool:
                known = [study.name for study in ledger.studies()]
                return name in known and ledger.snapshot(name).finished >= count

            wait_until(enough, timeout_s=60)

    def calm(self) -> list[Any]:
        """Return the table of the same study by one undisturbed local worker."""
        with ledger_at(self.url) as ledger:
            values = {"name": "calm", "fixed.sleep_s": 0.0}
            ledger.register(file.load(str(self.directory / "toy.toml"), values=values))
            line = ["--study", "calm"]
            subprocess.run(
                [sys.executable, "-m", "hpo.worker", *line],
                env=self.environment,
                check=True,
                capture_output=True,
            )
            return table(ledger.snapshot("calm", curves=True))

    def leave(self) -> None:
        """Kill all processes of the user."""
        for process in self.started:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@contextmanager
def somebody(directory: Path, url: str) -> Iterator[User]:
    """A user with a study that takes seconds."""
    user = User(directory, url, toy_study(trials=12, epochs=4, sleep_s=0.01))
    yield user
    user.leave()
