"""Fig. 1(b-d) and 2(a, c-e): neurons of trained networks over time, kept as small files.

The networks are those of the study fig2b, trained again from their seeds by ``hpo trace``.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hpo.errors import HpoError
from hpo.study.snapshot import StudySnapshot
from reproduction import data

PANELS_NS = {"fast": 0.1, "adapted": 1.0, "slow": 10.0}
"""Input time scales of Fig. 2(c, d, e): the study's marks."""
CLASSES = "0,1,2,3,4,5"
"""One image of each of these digits, the first of the test half."""


def record(snapshot: StudySnapshot, folder: Path) -> None:
    """Train the networks of the three panels again and write down what their neurons do.

    Member 0 of each point, and of every layer the neuron that tells the shown images apart best.

    Raises:
        HpoError: a network cannot be trained again.
    """
    for name, dt_ns in PANELS_NS.items():
        trial = next(
            (s.number for s in snapshot.search if math.isclose(float(s.params["dt_ns"]), dt_ns)),
            None,
        )
        path = folder / f"trace-{name}.json"
        if trial is not None and read_hash(path) != snapshot.spec.hash:
            data.write_whole(json.dumps(_trace(snapshot.spec.name, trial)) + "\n", path)


def _trace(study: str, trial: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "trace.json"
        command = [sys.executable, "-m", "hpo", "trace", study, "--trial", str(trial)]
        command += ["--member", "0", "--classes", CLASSES, "--neurons", "auto", "-o", str(target)]
        if subprocess.run(command, check=False).returncode:
            raise HpoError(f"{study}: its trial {trial} cannot be traced; see above.")
        return _compact(json.loads(target.read_text(encoding="utf-8")))


def _compact(tree: dict[str, Any]) -> dict[str, Any]:
    """What the figures need, to five digits."""
    return {
        "dt_ns": tree["dt_ns"],
        "spec_hash": tree["lineage"]["spec_hash"],
        "trial": tree["lineage"]["trial"],
        "seed": tree["lineage"]["seed"],
        "time_ns": [_short(t) for t in tree["time_ns"]],
        "series": [
            {
                "image": series["image"],
                "class": series["class"],
                "read_as": series["read_as"],
                "input": [_short(u) for u in series["input"][0]],
                "layers": [
                    {
                        "layer": layer["layer"],
                        "neuron": layer["neurons"][0],
                        "x": [_short(x) for x in layer["values"][0]],
                    }
                    for layer in series["layers"]
                ],
            }
            for series in tree["series"]
        ],
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def read_hash(path: Path) -> str | None:
    """Hash of the study that a trace was made from; None without the trace."""
    if not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["spec_hash"])


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The traces that are there, by panel."""
    paths = {name: folder / f"trace-{name}.json" for name in PANELS_NS}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }
