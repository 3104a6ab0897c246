"""A study that fits a user's data: the file that ``hpo new study`` and
``hpo.new_study`` write."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.files import render, write_new, writing
from hpo.study import file, messages

if TYPE_CHECKING:
    from hpo.objectives.data.look import Request


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A study file that is not written yet."""

    path: Path
    text: str
    facts: list[tuple[str, str]]
    """How the data were read, each with its topic."""
    time: str
    """Time of the study on two cores."""

    def write(self) -> None:
        """Write the file.

        Raises:
            HpoError: there is another one with this name.
        """
        write_new({self.path: self.text})

    def lines(self, run: str) -> list[str]:
        """Return the facts as a table, and how to run the study."""
        from hpo.views.terminal import text_tables

        again = f"{self.path}: run it with {run}, about {self.time} on two cores"
        return [*text_tables.columns(self.facts), "", again]


def draft(
    where: str, name: str, path: Path, request: Request, point_ns: float | None
) -> Draft:
    """Return a study of the data at ``path``, after all checks; writes nothing.

    Args:
        where: what messages begin with.
        name: name of the study, and of its file in the working directory.
        path: file or directory of the data.
        request: how to read them.
        point_ns: time between two points on the device; None: that of the data, or 1.

    Raises:
        HpoError: no task reads the data, they break a rule or can be read in several
            ways; or the name is not valid.
    """
    from hpo.objectives.data import look
    from hpo.objectives.data.tasks.own_series import OwnSeriesParams

    with messages.explained(where, OwnSeriesParams):
        data = look.look(path, request)
        study = look.study(data, point_ns=point_ns)
    text = render(
        "hpo.launch", f"{data.what}.toml.j2", name=name, data=data, study=study
    )
    to = Path(f"{name}.toml")
    file.read({"name": name, **tomllib.loads(text)}, base=Path(), where=str(to))
    return Draft(path=to, text=text, facts=data.rows, time=study.time)


# --- data in memory ---


def from_python(
    name: str,
    data: Any,
    roles: Mapping[str, str | Sequence[str]],
    horizon: int,
    point_ns: float | None,
) -> Path:
    """Write a study of data in memory, or in a file; see ``hpo.launch.new_study``."""
    from hpo.objectives.data.formats import join_names
    from hpo.objectives.data.look import Request

    texts: dict[str, Any] = {}
    for role, names in roles.items():
        texts[role] = names if isinstance(names, str) else join_names(names)
    request = Request(**texts, horizon=horizon)
    with kept("hpo.new_study", name, data) as path:
        drafted = draft("hpo.new_study", name, path, request, point_ns)
        drafted.write()
    print("\n".join(drafted.lines(f"hpo.launch({str(drafted.path)!r})")))
    return drafted.path


@contextmanager
def added(
    study: str | Path | Mapping[str, Any] | None, tables: Mapping[str, Any], data: Any
) -> Iterator[Mapping[str, Any]]:
    """Yield the tables of a launch with the path of its data, if there are some.

    Args:
        study: a file, or the content of one.
        tables: tables in place of its own.
        data: see ``hpo.launch.launch``.

    Raises:
        HpoError: the data break a rule, or can be read in several ways.
    """
    if data is None:
        yield tables
        return
    task = dict(tables.get("task", {}))
    if isinstance(study, Mapping):
        name = tables.get("name", study.get("name"))
        task = {**study.get("task", {}), **task}
    else:
        name = tables.get("name", study and Path(study).stem)
    with kept("hpo.launch", str(name or "study"), data) as path:
        if isinstance(study, str | Path):
            task["path"] = str(path.absolute())
        else:
            task = complete_task(task, path)
        yield {**tables, "task": task}


def complete_task(task: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return a ``[task]`` table for data at ``path``: what ``new_study`` would write,
    with the keys that are given.

    Raises:
        HpoError: the data can be read in several ways, or break a rule.
    """
    from hpo.objectives.data import look
    from hpo.objectives.data.tasks.own_series import OwnSeriesParams

    given = {**task, "path": str(path)}
    if "name" in given:
        return given
    asked = {key: given.pop(key) for key in _ASKED if key in given}
    with messages.explained("hpo.launch: task", OwnSeriesParams):
        found = look.look(path, look.Request(**asked))
    return {**found.table, **given}


_ASKED = ("inputs", "labels", "series", "targets", "horizon")
"""Keys of ``[task]`` that say how to read data."""


@contextmanager
def kept(where: str, name: str, data: Any) -> Iterator[Path]:
    """Yield the path of data; those in memory are written to ``NAME-HASH.npz`` in the
    working directory.

    The hash is that of the content: changed data make another file, and the same data
    none. The file is removed again if the block fails.

    Raises:
        HpoError: there are no such data.
    """
    from hpo.objectives.data.formats import memory

    if isinstance(data, str | os.PathLike):
        yield Path(data)
        return
    try:
        content = memory.to_npz(memory.named_arrays(data))
    except ValueError as error:
        raise HpoError(f"{where}: {error}") from None
    stem = re.sub(r"[^\w.+-]", "-", name)
    path = Path(f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}.npz")
    is_new = not path.exists()
    with writing(path) as file_:
        file_.write_bytes(content)
    try:
        yield path
    except BaseException as error:
        if is_new:
            path.unlink()
        if isinstance(error, HpoError):
            message = str(error).replace(str(path.absolute()), memory.WHERE)
            raise type(error)(message.replace(str(path), memory.WHERE)) from None
        raise
    print(f"{path}: the data, {len(content):,} bytes; workers read them there")
