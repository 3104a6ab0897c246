"""Which task reads a user's data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from hpo.errors import advise

from ...refusal import refuse
from .. import formats
from ..formats import csvs, idx
from ..tasks import fashion_mnist
from . import roles
from .summary import Request, Roles, Table

MOST_IMAGES = 6000
"""Largest number of large images to train on, as in ``studies/fashion-mnist.toml``."""
MOST_NAMES = 4
"""Largest number of files of a directory to name in a message."""
_FORMATS = f"Give {formats.describe()}: docs/how-to/own-data.md."


def choose_roles(path: Path, request: Request) -> Roles:
    """Return which task reads ``path``, with its ``[task]`` table, and what of it.

    Raises:
        QuestionError: the data can be read in several ways.
        ValueError: no task reads them, or none as the request says.
    """
    arrays = formats.find_arrays(path)
    if arrays is not None and path.exists():
        return roles.choose(arrays.open(path), request)
    table = _table_by_name(path)
    if request.what == "predict":
        remedy = f"Give {formats.describe(arrays_only=True)}."
        refuse(path, "a series to predict", "series with labels", remedy)
    if any((request.inputs, request.labels, request.series)):
        names = advise("--inputs, --labels and --series", "inputs, labels, series")
        remedy = f"Leave {names} out."
        refuse(path, "arrays or columns with names", "files of series", remedy)
    return Roles(table=table)


def _table_by_name(path: Path) -> Table:
    """Return the ``[task]`` table by the names of files.

    Raises:
        ValueError: no task reads them.
    """
    pair = re.sub(r"_(TRAIN|TEST)\.ts$", "", str(path))
    if Path(f"{pair}_TRAIN.ts").is_file():
        return {"name": "ucr", "path": pair}
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
