"""What the arrays of a file, or the columns of a table, are for.

The names say it, or the user does. Where two readings are possible, the user is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpo.errors import advise

from ...refusal import refuse
from ..formats import Variables, labelled
from ..tasks import own_series
from .summary import Request, Roles, Table
from .tables import ROW, TableReader

_INPUTS = (labelled.INPUTS, "X", "inputs", "data")
_LABELS = (labelled.LABELS, "Y", "labels", "label", "classes")
_SERIES_INPUTS = (own_series.INPUTS, "U")
_SERIES_TARGETS = (own_series.TARGETS, "targets")


def choose(file: Variables, request: Request) -> Roles:
    """Return the roles of the variables of a file.

    Raises:
        QuestionError: there are several readings.
        ValueError: there is none.
    """
    table = {"path": str(file.path)}
    if _has_pair(file, _SERIES_INPUTS, _SERIES_TARGETS) or not file.is_table:
        return _choose_arrays(file, request, table)
    with np.errstate(invalid="ignore"):  # of numbers that the task refuses
        return TableReader(file, request).choose(table)


def _has_pair(
    file: Variables, first: Sequence[str], second: Sequence[str]
) -> tuple[str, str] | None:
    """Return the two names of inputs and outputs that a file has, if it has one
    each."""
    inputs = [name for name in first if name in file.shapes]
    outputs = [name for name in second if name in file.shapes]
    if len(inputs) == len(outputs) == 1:
        return inputs[0], outputs[0]
    return None


def _advise_labels() -> str:
    return advise("--inputs NAME --labels NAME", "inputs='NAME', labels='NAME'")


def _advise_targets() -> str:
    return advise("--inputs NAME --targets NAME", "inputs='NAME', targets='NAME'")


def _choose_arrays(file: Variables, request: Request, table: Table) -> Roles:
    labelled_pair = _has_pair(file, _INPUTS, _LABELS)
    series_pair = _has_pair(file, _SERIES_INPUTS, _SERIES_TARGETS)
    what = request.what
    if what is None and labelled_pair and series_pair:
        u, target = series_pair
        refuse(
            file.path,
            "one kind of data",
            f"the arrays {', '.join((*labelled_pair, u))} and {target}",
            f"Add {advise('--task classify or --task predict', 'labels or targets')}.",
        )
    if what == "predict" and labelled_pair and not series_pair and not request.targets:
        remedy = f"Name some of {file.listed()}: {_advise_targets()}."
        refuse(file.path, "a series to predict", "series with labels", remedy)
    if what == "classify" and series_pair and not labelled_pair and not request.labels:
        remedy = f"Name some of {file.listed()}: {_advise_labels()}."
        refuse(file.path, "series with labels", "one series to predict", remedy)
    if what is None and series_pair:
        what = "predict"
    if what == "predict":
        keys = {"inputs": request.inputs, "targets": request.targets}
        usual = {"inputs": own_series.INPUTS, "targets": own_series.TARGETS}
        return Roles(
            table={"name": "series", **table, **_name(file, keys, series_pair, usual)}
        )
    keys = {"inputs": request.inputs, "labels": request.labels}
    usual = {"inputs": labelled.INPUTS, "labels": labelled.LABELS}
    named = _name(file, keys, labelled_pair, usual)
    if request.series and request.series != ROW:
        named["series"] = request.series
    return Roles(table={"name": "arrays", **table, **named})


def _name(
    file: Variables,
    keys: dict[str, str],
    pair: tuple[str, str] | None,
    usual: dict[str, str],
) -> Table:
    """Return the names of inputs and outputs: those that the user gives, else those of
    the file; without the usual ones.

    Raises:
        ValueError: neither says them.
    """
    if pair is not None:
        for key, name in zip(keys, pair, strict=True):
            keys[key] = keys[key] or name
    if len(file.shapes) == 1:
        rule = "series and their labels, or a series and its targets"
        remedy = "Give both in one file, or as .npy files in a directory."
        refuse(file.path, rule, f"one array, {file.listed()}", remedy)
    if not all(keys.values()):
        refuse(
            file.path,
            "arrays x and y (series and their labels), or u and target (a series to"
            " predict)",
            f"the arrays {file.listed()}",
            f"Name them: {_advise_labels()}, or {_advise_targets()}.",
        )
    for key, text in keys.items():
        if key == "labels":
            file.choose_one(key, text)
        else:
            file.choose(key, text)
    return {key: name for key, name in keys.items() if name != usual[key]}
