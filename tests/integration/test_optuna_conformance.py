"""Optuna's own tests of storages, on a database that has our tables and checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase
from servers import database

from hpo.postgres.connect import open_storage


@pytest.fixture(scope="module")
def shared(server_url: str, with_tables: str) -> Iterator[RDBStorage]:
    """Optuna's storage on a database of the service."""
    with database(server_url, with_tables) as url, open_storage(url) as storage:
        yield storage.optuna()


class TestStorage(StorageTestCase):
    """Studies of Optuna's own: nothing is refused to them."""

    @pytest.fixture
    def storage(self, shared: RDBStorage) -> Iterator[RDBStorage]:
        """Return it without studies."""
        yield shared
        for study in shared.get_all_studies():
            shared.delete_study(study._study_id)
