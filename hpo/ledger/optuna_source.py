"""Studies of Optuna in storages of any kind: found and read, never written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial

from hpo.errors import StudyError, near_miss, one_line
from hpo.ledger.optuna_tables import METRIC_NAMES
from hpo.postgres.urls import SCHEMES, parse_url

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, kw_only=True)
class OptunaStudy:
    """A study of Optuna, as its storage has it."""

    name: str
    place: str
    """Its storage for people, without a password."""
    directions: Sequence[StudyDirection]
    trials: Sequence[FrozenTrial]
    """In order of their numbers."""
    user_attrs: Mapping[str, Any]
    system_attrs: Mapping[str, Any]
    id: int
    """Optuna's, in its storage."""

    @property
    def metrics(self) -> list[str]:
        """The names of its values; empty if they have none."""
        return list(self.system_attrs.get(METRIC_NAMES, ()))


def is_source(text: str) -> bool:
    """Return whether a text names a storage of Optuna: a URL, or a file that is one."""
    if "://" in text:
        return True
    path = Path(text)
    return path.is_file() and _kind_of(path) is not None


def read_source(source: str, name: str | None) -> OptunaStudy:
    """Read a study of a storage, or the only one in it.

    Args:
        source: URL of a database, or path of a journal or SQLite file.
        name: name of the study; None if there is just one.

    Raises:
        StudyError: the storage cannot be read, or has no such study; the message lists
            those that it has.
    """
    place, build = _find_storage(source)
    with _explained(place):
        storage = build()
        try:
            return read_study(storage, place, name)
        finally:
            storage.remove_session()


def read_study(storage: BaseStorage, place: str, name: str | None) -> OptunaStudy:
    """Read a study of an open storage; ``place`` is its name in messages.

    Raises:
        StudyError: it has no such study.
    """
    found = _choose(storage.get_all_studies(), place, name)
    trials = storage.get_all_trials(found._study_id, deepcopy=False)
    return OptunaStudy(
        name=found.study_name,
        place=place,
        directions=found.directions,
        trials=sorted(trials, key=lambda trial: trial.number),
        user_attrs=found.user_attrs,
        system_attrs=found.system_attrs,
        id=found._study_id,
    )


def _choose(
    studies: Sequence[FrozenStudy], place: str, name: str | None
) -> FrozenStudy:
    names = sorted(study.study_name for study in studies)
    listed = ", ".join(names) or "no study"
    if name is None:
        if len(studies) == 1:
            return studies[0]
        raise StudyError(f"{place}: name the study to import; it has {listed}.")
    for study in studies:
        if study.study_name == name:
            return study
    raise StudyError(
        f"{place}: no study {name!r}; it has {listed}. {near_miss(name, names)}".strip()
    )


# --- storages ---


def _find_storage(source: str) -> tuple[str, Callable[[], BaseStorage]]:
    """Return the name of a storage for messages, and what opens it.

    Raises:
        StudyError: there is no such file.
    """
    if "://" in source:
        return _find_database(source)
    path = Path(source)
    if _kind_of(path) == "sqlite":
        return source, lambda: _open_database(f"sqlite:///{path.absolute()}")
    return source, lambda: JournalStorage(JournalFileBackend(source))


def _find_database(source: str) -> tuple[str, Callable[[], BaseStorage]]:
    scheme = source.partition("://")[0]
    if scheme in SCHEMES:
        url = parse_url(source)
    else:
        try:
            url = sa.make_url(source)
        except (sa.exc.ArgumentError, ValueError):
            raise StudyError(
                f"{scheme}://...: not the URL of a storage. Write for instance"
                " sqlite:///mine.db."
            ) from None
    place = url.render_as_string(hide_password=True)
    if scheme.startswith("sqlite") and not Path(url.database or "").is_file():
        raise StudyError(f"{place}: no such file. Check the path.")
    whole = url.render_as_string(hide_password=False)
    return place, lambda: _open_database(whole)


def _open_database(url: str) -> RDBStorage:
    return RDBStorage(url, skip_table_creation=True)


def _kind_of(path: Path) -> str | None:
    """Return what kind of storage a file is; None if it is none."""
    with path.open("rb") as stream:
        begin = stream.readline(1_000_000)
    if begin.startswith(_SQLITE):
        return "sqlite"
    try:
        first = json.loads(begin)
    except ValueError:
        return None
    if isinstance(first, dict) and "op_code" in first:
        return "journal"
    return None


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """Turn what a storage raises into words."""
    try:
        yield
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        cause = error.__cause__ or error
        raise StudyError(
            f"{place}: its driver is not installed: {one_line(cause)}. Install it with"
            " pip."
        ) from None
    except RuntimeError as error:  # tables of another version
        raise StudyError(f"{place}: {one_line(error)}") from None
    except (OptunaError, sa.exc.SQLAlchemyError, OSError, LookupError, ValueError) as e:
        cause = e.__cause__ or e
        why = one_line(getattr(cause, "orig", None) or cause)
        raise StudyError(
            f"{place}: cannot be read as a storage of Optuna: {why.rstrip('.')}. Check"
            " the name."
        ) from None
