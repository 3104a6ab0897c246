"""A launch from Python: in a notebook, in a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

from rich.console import Console

from hpo import config
from hpo.console import Terminated
from hpo.errors import SpecError
from hpo.launch import executors
from hpo.launch.options import LaunchOptions
from hpo.launch.run import Launch, sigterm_as_interrupt
from hpo.notebook import Study, load
from hpo.postgres.connect import open_storage
from hpo.search import options as search_options
from hpo.study import file
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views.terminal import live
from hpo.views.terminal.live import LiveView, View


def launch(
    study: str | Path | Mapping[str, Any], *, workers: int | None, storage: str | None
) -> Study:
    """See ``hpo.launch.launch``."""
    spec, again = _read(study)
    options = LaunchOptions(
        command=again,
        site=config.load({"workers": workers}),
        storage=storage,
        writes_report=False,
    )
    executors.check(options)
    kind = _InCell if Console().is_jupyter else Launch
    with sigterm_as_interrupt(), open_storage(storage) as opened:
        try:
            with redirect_stderr(sys.stdout) if kind is _InCell else nullcontext():
                kind(options, spec, opened).run()
        except Terminated:
            raise
        except KeyboardInterrupt:  # stopped in order, and told so
            pass
        return load(spec.name, storage)


def _read(study: str | Path | Mapping[str, Any]) -> tuple[StudySpec, str]:
    """What is to run, checked, and the call that goes on with it."""
    if isinstance(study, Mapping):
        where, again = "hpo.launch", "hpo.launch(…), with the same study"
        spec = file.read(_plain(study), base=Path(), where=where)
    else:
        where, again = str(study), f"hpo.launch({str(study)!r})"
        spec = file.load(where)
    search_options.check(spec, where)
    return spec, again


def _plain(study: Mapping[str, Any]) -> dict[str, Any]:
    """The dict as a study file would give it: numbers of NumPy and paths are plain ones."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if hasattr(value, "tolist"):
            return value.tolist()
        raise SpecError(
            f"hpo.launch: values must be numbers, texts, lists or dicts, but got {value!r}. "
            "Write what a study file would have there."
        )

    tables: dict[str, Any] = json.loads(json.dumps(study, default=plain))
    return tables


class _InCell(Launch):
    """One whose progress is shown in the cell of a notebook; the study shows its result itself."""

    def view(self, first: Result) -> View:
        place, console = self._storage.place(), live.cell_console()
        return LiveView(first, storage=place, console=console, cell=live.Cell())

    def show_result(self, result: Result, outcome: str, page: Path | None) -> None:
        pass
