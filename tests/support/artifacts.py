"""Studies of which artifacts are kept, and what is kept of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from workers import toy_spec

from hpo.ledger.artifacts import ArtifactStore
from hpo.postgres.connect import Storage
from hpo.study.spec import StudySpec


def small(name: str = "toy", **tables: Any) -> StudySpec:
    """A study of networks that ends within a second."""
    return toy_spec(
        name, **{"objective": "toy_network:ToyNetworkObjective", "budget": {"trials": 4}, **tables}
    )


def plain(name: str = "toy", **tables: Any) -> StudySpec:
    """The same without networks: of it two files are kept, its learning curve."""
    return small(name, **{"objective": "toy_objective:ToyObjective", "confirm": False, **tables})


def names(store: ArtifactStore, study: str = "toy") -> list[str]:
    """The files that are kept of a study."""
    return [item.filename for item in store.listed(study)]


def tries(storage: Storage) -> int:
    """How often workers may still try to make those of ``toy``."""
    with storage.engine.connect() as connection:
        query = sa.text("SELECT artifact_tries FROM hpo_ledger.studies WHERE name = 'toy'")
        return int(connection.execute(query).scalar_one())
