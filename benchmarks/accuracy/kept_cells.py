"""Measurements of many cells that are kept one by one: what was stopped continues."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from hpo.worker import provenance


def measure_missing(
    results_file: Path,
    cells: Mapping[str, tuple[Any, ...]],
    measure_cell: Callable[..., Any],
    about: Mapping[str, Any],
    say: Callable[[str, Any], None],
) -> None:
    """Measure the cells that the file has not, on all cores, and keep each in it.

    Args:
        results_file: JSON; it is written after each cell.
        cells: arguments of ``measure_cell`` by the name of the cell.
        measure_cell: a function of a module, called in other processes.
        about: what else the file says.
        say: is called with the name of a new cell and what was measured.
    """
    process = provenance.of_this_process()
    results = {
        **read(results_file),
        "measured": time.strftime("%Y-%m-%d"),
        **{name: process[name] for name in ("cpu", "versions")},
        **about,
    }
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        running = {
            pool.submit(measure_cell, *arguments): key
            for key, arguments in cells.items()
            if key not in results["cells"]
        }
        for future in as_completed(running):
            key = running[future]
            results["cells"][key] = future.result()
            text = json.dumps(results, indent=1)
            results_file.write_text(text + "\n", encoding="utf-8")
            say(key, results["cells"][key])


def read(results_file: Path) -> dict[str, Any]:
    """Return what has been measured."""
    if not results_file.exists():
        return {"cells": {}}
    results: dict[str, Any] = json.loads(results_file.read_text(encoding="utf-8"))
    return results
