"""Labelled series of named arrays: an array of series, or a wide or a long table.

- Arrays: ``x`` (n, time) or (n, time, channels), labels ``y`` (n,).
- Wide table: a row per series, a column per point, and a column of labels.
- Long table: a row per point, a column per channel, a column of labels, and one that
  tells which series the row belongs to.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np

from hpo.errors import advise

from ...refusal import refuse
from .raw import Raw, Values, as_shown, stack
from .recording import as_labels
from .variables import Array, Choice, Variables

INPUTS = "x"
LABELS = "y"
TEST = "test"
"""Names without a choice; ``TEST`` is optional, and the same with one."""


def read(file: Variables, choice: Choice) -> Raw:
    """Return the labelled series of a file.

    Args:
        file: its variables.
        choice: their roles; without one, ``x``, ``y`` and ``test``.

    Raises:
        ValueError: a variable is missing, the labels of a table are numbers to predict,
            or rows of one series differ in their label.
    """
    if file.is_table and not file.shapes.keys() >= {INPUTS, LABELS}:
        file.choose_one("labels", choice.labels)
    names = input_names(file, choice)
    label = choice.labels or LABELS
    first = file.get(names[0], _advise_name(file, "inputs", INPUTS))
    y = file.get(label, _advise_name(file, "labels", LABELS))
    if file.is_table:
        _check_no_target(file, label, y)
    test = file.get(TEST) if TEST in file.shapes else None
    if choice.series:
        return _group(file, choice.series, names, y, test)
    is_one_array = names == [INPUTS] and not choice.inputs
    x = first if is_one_array or len(names) == 1 < first.ndim else _join(file, names)
    return Raw(x=x, y=y, test=test, sha256=file.sha256, notes=file.notes)


def _advise_name(file: Variables, key: str, usual: str) -> str:
    """Return the remedy for a name that the file lacks: another value of this key of
    ``[task]``."""
    name = usual if usual in file.shapes else "NAME"
    line = f'{key} = "{name}" in [task]'
    python = f'task={{"{key}": "{name}"}}'
    return f"Give another name: {advise(line, python)}."


def _check_no_target(file: Variables, label: str, y: Array) -> None:
    """Refuse labels with fractions: a quantity to predict.

    NaN is for ``recording`` to refuse.
    """
    if as_labels(y).dtype.kind != "f":
        return
    broken = np.flatnonzero(np.isfinite(y) & (y != np.round(y)))
    if not len(broken):
        return
    row = int(broken[0])
    where = f"row {row + 1}"
    if file.place:
        where = file.place(label, row)
    option = f"--targets {shlex.quote(label)}"
    refuse(
        file.path,
        f"whole numbers or texts in `{label}`",
        f"{as_shown(y[row])!r} in {where}",
        f"To predict it, make the study with {advise(option, f'targets={label!r}')}.",
    )


def input_names(file: Variables, choice: Choice) -> list[str]:
    """Return the names of the inputs: chosen, or ``x``, or all other columns of a
    table.

    Raises:
        ValueError: the file has no such variable.
    """
    if choice.inputs:
        return file.choose("inputs", choice.inputs)
    if not file.is_table or not choice.labels:
        return [INPUTS]
    roles = {choice.labels, choice.series, TEST}
    names = [name for name in file.shapes if name not in roles]
    if not names:
        refuse(file.path, "columns of inputs", "none beside the labels", "Add them.")
    return names


def _join(file: Variables, names: Sequence[str]) -> Array:
    """Return columns side by side as the points of series, (n, time), or arrays as
    their channels, (n, time, channels).

    Raises:
        ValueError: they are of different shapes.
    """
    arrays = [file.numbers(name) for name in names]
    first = arrays[0]
    for name, array in zip(names, arrays, strict=True):
        if array.shape != first.shape:
            rule = f"inputs of one shape, {first.shape} as `{names[0]}`"
            refuse(file.path, rule, f"{name}.shape={array.shape}", "Name others.")
    if first.ndim < 3:
        return np.stack(arrays, axis=-1)
    return np.concatenate(arrays, axis=-1)


def _group(
    file: Variables,
    series: str,
    names: Sequence[str],
    y: Array,
    test: Array | None,
) -> Raw:
    """Return the series of a long table, in the order in which they begin."""
    ids = file.get(file.choose_one("series", series))
    rows = _join(file, names)
    if rows.ndim != 2 or not len(rows) == len(ids) == len(y):
        rule = f"columns of one length, {len(ids)} rows as `{series}`"
        refuse(file.path, rule, f"inputs of shape {rows.shape}", "Name others.")
    _, first, which = np.unique(ids, return_index=True, return_inverse=True)
    by_series = [np.flatnonzero(which == k) for k in np.argsort(first)]
    for members in by_series:
        _check_constant(file, series, ids, y, members)
    starts = [members[0] for members in by_series]
    parts: list[Values] = [rows[members].astype(np.float64) for members in by_series]
    return Raw(
        x=stack(file.path, parts),
        y=y[starts],
        test=None if test is None else test[starts],
        sha256=file.sha256,
        notes=file.notes,
    )


def _check_constant(
    file: Variables, series: str, ids: Array, y: Array, members: Array
) -> None:
    """Refuse a series whose rows have several labels."""
    different = members[y[members] != y[members[0]]]
    if not len(different):
        return
    row = int(different[0])
    where = f"row {row + 1}"
    if file.place:
        where = file.place(series, row)
    first = as_shown(y[members[0]])
    refuse(
        file.path,
        f"one label for all rows of the series {as_shown(ids[row])!r}, {first!r}",
        f"{as_shown(y[row])!r} in {where}",
        f"Correct that row, or name another column than {series!r}.",
    )
