"""The processes of a rehearsal, and how their calls differ."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from hpo.check.differences import (
    name_changed_facts,
    name_changed_results,
    name_differences,
)
from hpo.check.run import DRY_CALLS, DRY_S, Order, Run
from hpo.errors import HpoError
from hpo.search.uncompiled import name_uncompiled
from hpo.study import functions
from hpo.study.dimensions import Dimension
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.worker import crew

_START_S = 60.0
"""Longest time that a process needs beside its dry calls."""


class Rehearsal:
    """Calls of a study's objective, each made in a process of its own when it is asked
    for.

    Every property raises ``HpoError`` if a process ends without a result.
    """

    def __init__(self, spec: StudySpec) -> None:
        """Take a study; call nothing yet."""
        self._spec = spec

    @cached_property
    def first(self) -> Run:
        """The first trial."""
        (run,) = self._run("first")
        return run

    @property
    def other_seed(self) -> Run:
        """The first trial with another seed."""
        return self._second[0]

    @property
    def again(self) -> Run:
        """The first trial once more, in the same process after that."""
        return self._second[1]

    @cached_property
    def _second(self) -> list[Run]:
        return list(self._run("second"))

    @cached_property
    def alone(self) -> Run:
        """The first trial once more, in a process of its own."""
        (run,) = self._run("first")
        return run

    @property
    def seconds(self) -> float:
        """Wall time of the first trial: of a function that of its repetition, since
        only the first call of a process waits for what starts up."""
        if self._spec.is_function and not self._has_failed:
            return self.again.seconds
        return self.first.seconds

    @property
    def uncompiled(self) -> list[str]:
        """What of its networks no compiled kernel computes, as ``name=value``."""
        return name_uncompiled(self._spec)

    @property
    def keeps_state(self) -> bool:
        """Whether the first trial repeats in a process of its own."""
        return not name_differences(self.first, self.alone)

    @cached_property
    def dry(self) -> list[Run]:
        """The next trials of a function, up to their first report; fewer if they take
        long."""
        if not self._spec.is_function:
            return []
        return list(self._run("dry"))

    @property
    def space(self) -> dict[str, Dimension]:
        """The parameters by name: of a function those that its calls have asked for."""
        if not self._spec.is_function:
            return dict(self._spec.dimensions)
        suggestions = [run.suggestion for run in [self.first, *self.dry]]
        return functions.find_space(suggestions)

    @cached_property
    def differences(self) -> list[str]:
        """What differs when the first trial is repeated, in words."""
        if self._has_failed:
            return []
        return name_differences(self.first, self.again)

    @property
    def changed_facts(self) -> list[str]:
        """User attributes that differ then."""
        return name_changed_facts(self.first, self.again)

    @property
    def seed_has_effect(self) -> bool | None:
        """Whether another seed changes values, reports or training losses; None if the
        first trial fails or does not repeat."""
        if self._has_failed or self.differences:
            return None
        return bool(self.seed_differences)

    @property
    def seed_differences(self) -> list[str]:
        """What another seed changes, in words: value, reports, training losses."""
        return name_changed_results(self.first, self.other_seed)

    @property
    def is_reproducible(self) -> bool:
        """Whether the first trial repeats, and no call fails."""
        if self._has_failed or self.differences:
            return False
        return self.other_seed.state != SlotState.FAILED

    @property
    def _has_failed(self) -> bool:
        return self.first.state == SlotState.FAILED

    def count_calls(self, name: str) -> tuple[int, int]:
        """Return how many of the first call and the dry ones ask for a parameter, and
        of how many: those that lasted too long may have asked later."""
        runs = [self.first, *self.dry]
        n_with = sum(name in run.params for run in runs)
        n_without = 0
        for run in runs:
            if name not in run.params and run.state != SlotState.RUNNING:
                n_without += 1
        return n_with, n_with + n_without

    def _run(self, what: Literal["first", "second", "dry"]) -> Iterator[Run]:
        params: Mapping[str, Any] = {}
        attrs: Mapping[str, Any] = {}
        if what == "second":
            params = self.first.params
            attrs = self.first.attrs
        order = Order(
            study=self._spec.stored(),
            about=self._spec.about.stored(),
            what=what,
            params=params,
            attrs=attrs,
        )
        with TemporaryDirectory() as folder:
            results = Path(folder) / "results"
            log = Path(folder) / "log"
            results.touch()
            status = _start(order, results, log)
            lines = results.read_text(encoding="utf-8").splitlines()
            if what != "dry" and (status != 0 or not lines):
                raise HpoError(_explain(status, log))
        for line in lines:
            yield Run(**json.loads(line))


def _start(order: Order, results: Path, log: Path) -> int:
    """Run a process to its end and return its exit status."""
    longest_s = None
    if order.what == "dry":
        longest_s = _START_S + DRY_CALLS * DRY_S
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "hpo.check", str(results)],
                input=json.dumps(asdict(order)).encode(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=crew.worker_environment(),
                timeout=longest_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
    return done.returncode


def _explain(status: int, log: Path) -> str:
    how = f"with exit status {status}"
    if status < 0:
        how = f"killed by {signal.Signals(-status).name}"
    return f"the process of the trial ended {how}. It wrote:\n{crew.tail(log)}"
