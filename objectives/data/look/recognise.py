"""Which task reads a user's data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from .. import formats
from ..formats import csvs, idx, npz, raw
from ..refusal import refuse
from ..tasks import fashion_mnist
from .summary import What

Table = dict[str, Any]
"""Keys of ``[task]``."""
MOST_IMAGES = 6000
"""Largest number of large images to train on, as in ``studies/fashion-mnist.toml``."""
MOST_NAMES = 4
"""Largest number of files of a directory to name in a message."""
_FORMATS = (
    "Give an .npz file (arrays x, y; or u, target), a .ts file, a CSV file with a line"
    " of names (a series to predict), or a directory of CSV files with labels.csv or of"
    " IDX files: docs/how-to/own-data.md."
)


def choose_table(path: Path, what: What | None) -> Table:
    """Return the ``[task]`` table of the task that reads ``path``.

    Raises:
        ValueError: no task reads it, or none for ``what``.
    """
    if npz.matches(path) and path.is_file():
        table = _npz_table(path, what)
    else:
        table = _table_by_name(path)
    is_series = table["name"] == "series"
    if what == "predict" and not is_series:
        refuse(
            path,
            "a series to predict",
            "series with labels",
            "Give an .npz file with the arrays u and target, or a CSV file with a line"
            " of names.",
        )
    if what == "classify" and is_series:
        refuse(
            path,
            "series with labels",
            "one series to predict",
            "Give a directory of CSV files, one for each series, with labels.csv; or an"
            " .npz file.",
        )
    return table


def _npz_table(path: Path, what: What | None) -> Table:
    names = npz.arrays(path, raw.content(path), (), "").keys()
    has_labels = names >= {"x", "y"}
    has_targets = names >= {"u", "target"}
    if has_labels and has_targets and what is None:
        remedy = "Add --task classify or --task predict."
        refuse(path, "one kind of data", "the arrays x, y, u and target", remedy)
    if not has_labels and not has_targets:
        refuse(
            path,
            "arrays x and y (series and their labels), or u and target (a series to"
            " predict)",
            f"the arrays {', '.join(sorted(names)) or '(none)'}",
            "Save them by numpy.savez(…, x=x, y=y).",
        )
    is_series = has_targets and (what == "predict" or not has_labels)
    return {"name": "series" if is_series else "arrays", "path": str(path)}


def _table_by_name(path: Path) -> Table:
    """Return the ``[task]`` table by the names of files.

    Raises:
        ValueError: no task reads them.
    """
    pair = re.sub(r"_(TRAIN|TEST)\.ts$", "", str(path))
    if Path(f"{pair}_TRAIN.ts").is_file():
        return {"name": "ucr", "path": pair}
    if path.suffix == ".csv" and path.is_file():
        return {"name": "series", "path": str(path)}
    if "-ubyte" in path.name and idx.matches(path.parent):
        path = path.parent
    known = formats.find(path) if path.exists() else None
    if known is idx:
        return _image_table(path)
    has_labels = known is not csvs or (path / csvs.LABELS).is_file()
    if known is not None and has_labels:
        return {"name": "arrays", "path": str(path)}
    if any(path.glob("*_TRAIN.ts")):
        return {"name": "ucr", "path": str(path)}
    _refuse_unknown(path)


def _refuse_unknown(path: Path) -> NoReturn:
    if not path.exists():
        refuse(path, "a file or a directory", "nothing there", "Correct the path.")
    got = f"a file of another kind ({path.suffix or 'no suffix'})"
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir())
        got = f"a directory of {', '.join(names[:MOST_NAMES]) or 'nothing'}"
        if len(names) > MOST_NAMES:
            got += ", …"
    refuse(path, "data that a task reads", got, _FORMATS)


def _image_table(folder: Path) -> Table:
    """Return the ``[task]`` table of IDX images; fewer pixels and images of MNIST and
    the like."""
    files = {path.name.removesuffix(".gz"): path for path in idx.files(folder)}
    table: Table = {"name": "arrays", "path": str(folder)}
    if files.keys() != set(fashion_mnist.NAMES):
        return table
    first = files[fashion_mnist.NAMES[0]]
    content = idx.unpack(first, _FORMATS)
    n, *sizes = idx.array(first, content, "an IDX file", _FORMATS).shape
    if sizes != [fashion_mnist.SIDE, fashion_mnist.SIDE]:
        return table
    table = {"name": "fashion-mnist", "path": str(folder), "side": 14}
    if n > MOST_IMAGES + 1000:
        table["n_train"] = MOST_IMAGES
    return table
