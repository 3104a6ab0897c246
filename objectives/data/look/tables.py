"""What the columns of a table are for: one series to predict, or labelled series, each
a row (wide) or several rows (long).

Where two readings are possible, the user is asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from hpo.errors import advise

from ...refusal import refuse
from ..formats import Variables, join_names, labelled, split_names
from ..formats.delimited import UNNAMED
from ..formats.raw import holds_numbers
from ..formats.recording import as_labels
from .question import QuestionError, Reading
from .summary import Request, Roles, Table, Values, What

ROW = "row"
"""Answer to the question which rows are one series: each by itself."""
MOST_LABELS = 50
"""Largest number of values of a column of numbers that may be labels."""
_TIME = re.compile(r"(t|time)([_\W].*)?", re.IGNORECASE)
_LABEL = re.compile("labels?|class(es)?|y|target", re.IGNORECASE)

Columns = Mapping[str, Values]


class TableReader:
    """A table, and what its columns may be."""

    def __init__(self, file: Variables, request: Request) -> None:
        """Read the columns.

        Raises:
            ValueError: there are no rows, or one cannot be read.
        """
        columns = {name: _comparable(file.get(name)) for name in file.shapes}
        self.file = file
        self.columns: Columns = columns
        self.request = request
        self.numbers = [n for n, one in columns.items() if holds_numbers(one)]
        self.times = [n for n, one in columns.items() if one.dtype.kind == "M"]
        self.texts = [n for n in columns if n not in {*self.numbers, *self.times}]
        self.timed = [*self.times, *filter(_TIME.fullmatch, self.numbers)]
        self.clocks = [name for name in self.timed if _mostly_grows(columns[name])]
        self.length = len(next(iter(columns.values())))
        if not self.length:
            refuse(file.path, "at least one row", "none", "Add it.")

    def choose(self, table: Table) -> Roles:
        """Return the roles of the columns.

        Raises:
            QuestionError: there are several readings.
            ValueError: there is none.
        """
        what = self.request.what or self._ask_what()
        if what == "predict":
            return self._predict({"name": "series", **table})
        return self._classify({"name": "arrays", **table})

    def _ask_what(self) -> What:
        """Return what the columns are for, if that is certain.

        Raises:
            QuestionError: it is not.
        """
        labels = self._label_columns()
        clock = self._find_clock()
        if labels and clock is None and (labels[0] in self.texts or self.clocks):
            return "classify"
        if labels and labels[0] in self.texts and self._certain_series(labels[0]):
            return "classify"
        is_wide = clock is None and 5 * len(self.columns) >= self.length
        if not labels and not is_wide:
            return "predict"
        label = labels[0] if labels else "NAME"
        target = label if label in self.numbers else self._last_number()
        meaning = f"one series of {self.length:,} points, to predict {target}"
        predicts = Reading(
            meaning, {"task": "predict", "targets": join_names([target])}
        )
        found = f"a table of {self.length:,} rows and {len(self.columns):,} columns"
        readings = [*self._readings(label), predicts]
        raise QuestionError(self.file.path, found, readings)

    def _readings(self, label: str) -> list[Reading]:
        """Return the readings of a table as labelled series."""
        options = {"task": "classify", "labels": label}
        readings = []
        if not self.clocks:
            meaning = f"each row is a series, with its label in {label}"
            readings.append(Reading(meaning, {**options, "series": ROW}))
        names = self._id_columns(label)
        if self.clocks and not names:
            names = ["NAME"]
        for name in names:
            meaning = f"rows with the same {name} are a series, with the label {label}"
            readings.append(Reading(meaning, {**options, "series": name}))
        return readings

    def _label_columns(self) -> list[str]:
        """Return the columns that may be labels, the most likely one first."""
        usable = [name for name in self.columns if name not in self.clocks]
        repeated = [name for name in usable if _repeats(self.columns[name])]
        named = [name for name in repeated if _LABEL.fullmatch(name)]
        if named:
            return named
        texts = [name for name in repeated if name in self.texts]
        ids: set[str] = set()
        for name in texts:
            ids.update(self._id_columns(name))
        labels = [name for name in texts if name not in ids]
        if texts:
            return labels or texts
        few = 2 if self._find_clock() else MOST_LABELS
        ends = dict.fromkeys(usable[-1:] + usable[:1])
        return [name for name in ends if _repeats(self.columns[name], few)]

    def _id_columns(self, label: str) -> list[str]:
        """Return the columns that may tell series apart: rows with the same value have
        one label. There are more values than labels, and several rows of each."""
        if label not in self.columns:
            return []
        y = _numbered(self.columns[label])
        n_labels = y.max() + 1
        found = []
        for name, values in self.columns.items():
            if name == label or name in self.clocks or name == labelled.TEST:
                continue
            ids = _numbered(values)
            n_ids = ids.max() + 1
            if n_labels < n_ids <= self.length / 2:
                n_pairs = len(np.unique(ids * n_labels + y))
                if n_pairs == n_ids:
                    found.append(name)
        return found

    def _find_clock(self) -> str | None:
        """Return the first column of the time that grows from row to row."""
        for name in self.clocks:
            if _grows(np.diff(self.columns[name])):
                return name
        return None

    def _last_number(self) -> str:
        """Return the last column of numbers that is not the time."""
        names = [name for name in self.numbers if name not in self.clocks]
        if not names:
            rule = "a column of numbers"
            refuse(self.file.path, rule, self.file.listed(), "Add one.")
        return names[-1]

    def _predict(self, table: Table) -> Roles:
        """Return the columns of a series to predict: those chosen; else all numbers
        predict the last one, without the time."""
        request = self.request
        clock = self._find_clock()
        if clock is None:
            self._refuse_disorder(self.clocks, "")
        counters = [name for name in self.numbers if self._counts_rows(name)]
        left_out = {clock, *counters, *self.texts, *self.times}
        usable = [name for name in self.columns if name not in left_out]
        targets = request.targets or join_names([self._last_number()])
        predicted = split_names(targets)
        others = [name for name in usable if name not in predicted] or predicted
        table["inputs"] = request.inputs or join_names(others)
        table["targets"] = targets
        notes = [*self.file.notes]
        if not request.inputs:
            notes += self._note_left_out(left_out - {clock, *predicted})
        return Roles(table=table, file=self.file, clock=clock, notes=notes)

    def _classify(self, table: Table) -> Roles:
        """Return the columns of labelled series, one per row or one per id."""
        request = self.request
        label = request.labels or self._find_label()
        label = self.file.choose_one("labels", label)
        table["labels"] = label
        series = request.series or self._find_series(label)
        notes = [*self.file.notes]
        if series != ROW or ROW in self.columns:
            table["series"] = self.file.choose_one("series", series)
            notes.append(
                f"rows with the same {series} are a series, labelled by {label}"
            )
            return self._long(table, notes)
        notes.append(f"each row is a series, labelled by {label}")
        return self._wide(table, notes)

    def _find_label(self) -> str:
        """Return the column of labels, if that is certain."""
        labels = self._label_columns()
        if len(labels) == 1:
            return labels[0]
        if not labels:
            labels = ["NAME"]
        readings = []
        for name in labels:
            meaning = f"the labels are in {name}"
            readings.append(Reading(meaning, {"task": "classify", "labels": name}))
        listed = self.file.listed()
        found = f"a table without a column that is certainly of labels: {listed}"
        raise QuestionError(self.file.path, found, readings)

    def _find_series(self, label: str) -> str:
        """Return the column that tells series apart, or ``ROW``, if that is certain.

        Raises:
            QuestionError: it is not.
        """
        if not self.clocks and (self.request.inputs or not self._id_columns(label)):
            return ROW
        certain = self._certain_series(label)
        if certain:
            return certain
        found = f"a table with labels in {label}, in which rows may belong together"
        raise QuestionError(self.file.path, found, self._readings(label))

    def _certain_series(self, label: str) -> str | None:
        """Return the column that tells series apart, if there is one only, and the time
        grows within its series."""
        ids = self._id_columns(label)
        if len(ids) == 1 and self._clock_within(ids[0]):
            return ids[0]
        return None

    def _clock_within(self, series: str) -> str | None:
        """Return the column of the time that grows within every series."""
        order = np.argsort(_numbered(self.columns[series]), kind="stable")
        same = np.diff(_numbered(self.columns[series])[order]) == 0
        for name in self.clocks:
            if _grows(np.diff(self.columns[name][order])[same]):
                return name
        return None

    def _long(self, table: Table, notes: list[str]) -> Roles:
        """Return the columns of a table in which a series has several rows.

        Raises:
            ValueError: its rows are not in the order of time.
        """
        series = table["series"]
        clock = self._clock_within(series)
        if clock is None:
            self._refuse_disorder(self.timed, f"of each {series} ")
        roles = {table["labels"], table["series"], labelled.TEST, clock}
        if not self.request.inputs:
            others = [name for name in self.columns if name not in roles]
            names = [name for name in others if name in self.numbers]
            notes += self._note_left_out(set(others) - set(names))
            table["inputs"] = join_names(names)
        else:
            table["inputs"] = self.request.inputs
        return Roles(table=table, file=self.file, clock=clock, notes=notes)

    def _refuse_disorder(self, times: Sequence[str], whose: str) -> None:
        """Refuse rows that are not in the order of their time, unless the user names
        the inputs."""
        if not times or self.request.inputs:
            return
        remedy = (
            "Sort them, or separate series that follow each other; or, if that is no"
            f" time, name {advise('--inputs', 'inputs')}."
        )
        rule = f"rows {whose}in the order of {times[0]}"
        refuse(self.file.path, rule, "another order", remedy)

    def _wide(self, table: Table, notes: list[str]) -> Roles:
        """Return the columns of a table in which each row is a series."""
        roles = {table["labels"], labelled.TEST}
        others = [name for name in self.columns if name not in roles]
        names = [n for n in others if n in self.numbers and not self._counts_rows(n)]
        if self.request.inputs:
            table["inputs"] = self.request.inputs
        elif len(names) < len(others):
            notes += self._note_left_out(set(others) - set(names))
            table["inputs"] = join_names(names)
        return Roles(table=table, file=self.file, notes=notes)

    def _counts_rows(self, name: str) -> bool:
        """Return whether a column has the numbers of the rows, such as an index."""
        values = self.columns[name]
        if name == UNNAMED and values.dtype.kind in "iu":
            return len(np.unique(values)) == self.length
        steps = np.diff(values)
        is_first = name == next(iter(self.columns))
        named = name.lower() in ("id", "index", "sample", "row")
        return bool((is_first or named) and steps.size and (steps == 1).all())

    def _note_left_out(self, names: Collection[str | None]) -> list[str]:
        kinds: dict[str, str] = dict.fromkeys(self.texts, "texts")
        kinds |= dict.fromkeys(self.times, "time stamps")
        return [
            f"the column {name} is left out: {kinds.get(name, 'it counts the rows')}"
            for name in self.columns
            if name in names
        ]


def _comparable(values: Values) -> Values:
    """Return a column whose values have an order: Python objects as texts."""
    if values.dtype.kind == "O":
        values = as_labels(values)
    return values.astype(str) if values.dtype.kind == "O" else values


def _repeats(values: Values, most: int = MOST_LABELS) -> bool:
    """Return whether a column may be labels: texts or whole numbers, few of which
    occur, several times each."""
    if values.dtype.kind == "f" and not (values == np.round(values)).all():
        return False
    different = len(np.unique(values))
    if values.dtype.kind in "iuf" and different > most:
        return False
    return 2 <= different <= len(values) / 2


def _grows(steps: Values) -> bool:
    """Return whether there are steps, all of them upwards."""
    return bool(steps.size and (steps > np.zeros(1, steps.dtype)).all())


def _mostly_grows(values: Values) -> bool:
    """Return whether a column may be the time, perhaps of several series: it seldom
    falls."""
    steps = np.diff(values)
    falls = np.count_nonzero(steps <= np.zeros(1, steps.dtype))
    return bool(5 * falls <= len(values))


def _numbered(values: Values) -> Any:
    """Return the number of each value among the different ones."""
    return np.unique(values, return_inverse=True)[1]
