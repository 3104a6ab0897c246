"""Artifacts of studies in the database, the one thing that all hosts of a study share.

Optuna lists artifacts among the attributes of its studies and trials; their content is in the table
``artifacts``. What workers make of a finished study (``hpo.worker.artifacts``) has ids that follow
from study and file name (UUIDs of version 5), so that making them again replaces them; what
somebody uploads with ``optuna.artifacts.upload_artifact`` has random ids (version 4), and stays.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy import Connection, Row, delete, func, insert, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.errors import StorageError
from hpo.ledger import optuna_tables, reading
from hpo.ledger.lease import LEASE_S
from hpo.ledger.tables import NOW, artifacts, studies
from hpo.ledger.writing import lease
from hpo.postgres.retry import Transactional, transaction
from hpo.study.snapshot import StudyState

_NAMESPACE = uuid.UUID("6d1f4b5e-2f0a-5c43-9a52-0f6f3b9a7c11")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file to keep."""

    filename: str
    media_type: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An artifact in the database."""

    artifact_id: str
    filename: str
    media_type: str
    size: int
    """In bytes."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A study at the moment when its artifacts were asked for: they are those of no other."""

    study_id: int
    name: str
    state: StudyState
    spec: Mapping[str, Any]
    amendments: int
    worker: str | None = None
    """Who makes them under a lease; None if somebody does by hand."""


def _open_reader(connection: Connection, artifact_id: str) -> BinaryIO:
    """The content of an artifact.

    Raises:
        ArtifactNotFound: there is none of this id.
    """
    query = select(artifacts.c.data).where(artifacts.c.artifact_id == artifact_id)
    data = connection.scalar(query)
    if data is None:
        raise _not_found(artifact_id)
    return io.BytesIO(data)


def _write(connection: Connection, artifact_id: str, content: bytes) -> None:
    owner = optuna_tables.artifact_owner(connection, artifact_id)
    query = select(studies.c.id).where(studies.c.optuna_study_id == (owner or [None])[0])
    study_id = connection.scalar(query)
    if owner is None or study_id is None:
        raise StorageError(
            f"artifact {artifact_id}: a study made by hpo must list it, but none does. "
            f"Use optuna.artifacts.upload_artifact with such a study or its trial."
        )
    row = {
        "study_id": study_id,
        "filename": owner[1]["filename"],
        "media_type": owner[1]["mimetype"],
        "data": content,
    }
    connection.execute(
        upsert(artifacts)
        .values(artifact_id=artifact_id, **row)
        .on_conflict_do_update(index_elements=[artifacts.c.artifact_id], set_=row)
    )


def _remove(connection: Connection, artifact_id: str) -> None:
    """Delete the content of an artifact.

    Raises:
        ArtifactNotFound: there is none of this id.
    """
    own = delete(artifacts).where(artifacts.c.artifact_id == artifact_id)
    if not connection.execute(own).rowcount:
        raise _not_found(artifact_id)


def _listed(connection: Connection, study: str) -> list[Listed]:
    """The artifacts of a study by file name.

    Raises:
        StudyError: there is no such study.
    """
    columns = [artifacts.c[name] for name in ("artifact_id", "filename", "media_type")]
    size = func.octet_length(artifacts.c.data).label("size")
    query = select(*columns, size, artifacts.c.created_at).order_by(artifacts.c.filename)
    row = reading.study(connection, study)
    found = connection.execute(query.where(artifacts.c.study_id == row.id)).all()
    return [Listed(**row._mapping) for row in found]


def _content(connection: Connection, study: str, filename: str) -> bytes | None:
    """The artifact of a study that has a name; None if there is none.

    Raises:
        StudyError: there is no such study.
    """
    mine = artifacts.c.study_id == reading.study(connection, study).id
    query = select(artifacts.c.data).where(mine, artifacts.c.filename == filename)
    data: bytes | None = connection.scalar(query)
    return data


def _error(connection: Connection, study: str) -> str | None:
    """Why the artifacts of a study could not be made, if so."""
    error: str | None = reading.study(connection, study).artifact_error
    return error


def _due(connection: Connection) -> list[str]:
    """Names of the finished studies whose artifacts are still to be made, oldest first."""
    wanted = (studies.c.state == StudyState.DONE) & (studies.c.artifact_tries > 0)
    query = select(studies.c.name).where(wanted).order_by(studies.c.id)
    return list(connection.scalars(query))


def _held(connection: Connection, study: str) -> bool:
    """Whether a worker makes the artifacts of a study just now."""
    query = select(studies.c.artifact_until > NOW).where(studies.c.name == study)
    return bool(connection.scalar(query))


def _begin(
    connection: Connection, study: str, worker: str, lease_s: float = LEASE_S
) -> Edition | None:
    """Take one of the tries at the artifacts of a study, under a lease.

    None if they are not due, or another worker is at it. Should this one die at it, its lease
    runs out, and the error says so; ``Ledger.renew`` renews it, ``release`` ends it.

    Raises:
        StudyError: the study was deleted from Optuna's tables, which list artifacts.
    """
    taken = (studies.c.artifact_worker != worker) & (studies.c.artifact_until > NOW)
    query = select(studies, taken.label("taken")).where(studies.c.name == study)
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None or row.taken or row.state != StudyState.DONE or row.artifact_tries <= 0:
        return None
    optuna_tables.require_study(connection, row.optuna_study_id, study)
    values = {
        "artifact_tries": row.artifact_tries - 1,
        "artifact_error": f"{worker} was lost while it made them",
        "artifact_worker": worker,
        "artifact_until": lease(lease_s)["lease_until"],
    }
    connection.execute(update(studies).where(studies.c.id == row.id).values(values))
    return _edition(row, worker)


def _release(connection: Connection, edition: Edition) -> None:
    """End the lease that ``begin`` gave."""
    own = (studies.c.id == edition.study_id) & (studies.c.artifact_worker == edition.worker)
    values = {"artifact_worker": null(), "artifact_until": null()}
    connection.execute(update(studies).where(own).values(values))


def _edition_now(connection: Connection, study: str) -> Edition:
    """The study as it is now, for somebody who makes artifacts by hand.

    Raises:
        StudyError: there is no such study.
    """
    return _edition(reading.study(connection, study))


def _leave(connection: Connection, edition: Edition, why: str | None = None) -> None:
    """Leave to others what was begun: it was no failure, though ``why`` may say what lacked."""
    tries = studies.c.artifact_tries + 1
    _update(connection, edition, {"artifact_tries": tries, "artifact_error": _storable(why)})


def _fail(connection: Connection, edition: Edition, why: str) -> None:
    """Write down that the artifacts cannot be made; nobody tries again."""
    _update(connection, edition, {"artifact_tries": 0, "artifact_error": _storable(why)})


def _update(connection: Connection, edition: Edition, values: Mapping[str, Any]) -> None:
    if _still(connection, edition) is not None:
        own = studies.c.id == edition.study_id
        connection.execute(update(studies).where(own).values(values))


def _replace(connection: Connection, edition: Edition, made: Sequence[Artifact]) -> bool:
    """Put what was made in the place of what was made before.

    Returns:
        False, and nothing is written, if the study has gone on, or away, meanwhile.

    Raises:
        StudyError: the study was deleted from Optuna's tables, which list artifacts.
    """
    row = _still(connection, edition)
    if row is None:
        return False
    optuna_tables.require_study(connection, row.optuna_study_id, row.name)
    own = artifacts.c.study_id == row.id
    ids = connection.scalars(select(artifacts.c.artifact_id).where(own)).all()
    gone = [known for known in ids if uuid.UUID(known).version == 5]
    connection.execute(delete(artifacts).where(artifacts.c.artifact_id.in_(gone)))
    new = {str(uuid.uuid5(_NAMESPACE, f"{row.id}/{item.filename}")): item for item in made}
    for artifact_id, item in new.items():
        values = {"artifact_id": artifact_id, "study_id": row.id, **vars(item)}
        connection.execute(insert(artifacts).values(values))
    listed = {
        key: {"filename": item.filename, "mimetype": item.media_type, "encoding": None}
        for key, item in new.items()
    }
    optuna_tables.replace_artifacts(connection, row.optuna_study_id, gone, listed)
    made_them = {"artifact_tries": 0, "artifact_error": null()}
    connection.execute(update(studies).where(studies.c.id == row.id).values(made_them))
    return True


def _edition(row: Row[Any], worker: str | None = None) -> Edition:
    return Edition(
        study_id=row.id,
        name=row.name,
        state=StudyState(row.state),
        spec=row.spec,
        amendments=row.amendments,
        worker=worker,
    )


def _still(connection: Connection, edition: Edition) -> Row[Any] | None:
    """The row of a study that is the same edition still, locked until the transaction ends.

    It is not if its worker was silent for longer than its lease, and another one has begun.
    """
    query = select(studies).where(studies.c.id == edition.study_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None or edition.worker not in (None, row.artifact_worker):
        return None
    return row if _edition(row, edition.worker) == edition else None


def _storable(text: str | None) -> str | None:
    """Text that PostgreSQL can hold."""
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _not_found(artifact_id: str) -> ArtifactNotFound:
    return ArtifactNotFound(
        f"artifact {artifact_id}: the database must hold it, but it does not. It was deleted, or "
        f"made anew under another name: reload the page."
    )


class ArtifactStore(Transactional):
    """The artifacts of a database; ``optuna.artifacts`` and optuna-dashboard can use it.

    Every method is one transaction, and safe to repeat when the answer to it was lost.
    """

    # Optuna's protocol
    open_reader = transaction(_open_reader)
    remove = transaction(_remove)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep an artifact that one of our studies, or a trial of it, lists already.

        Raises:
            StorageError: no study of the ledger lists it.
        """
        self._write(artifact_id, content_body.read())

    _write = transaction(_write)

    # what workers make
    listed = transaction(_listed)
    content = transaction(_content)
    error = transaction(_error)
    due = transaction(_due)
    held = transaction(_held)
    begin = transaction(_begin)
    release = transaction(_release)
    edition = transaction(_edition_now)
    leave = transaction(_leave)
    fail = transaction(_fail)
    replace = transaction(_replace)
