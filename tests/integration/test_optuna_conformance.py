"""Optuna's own conformance suite for storages, on its RDB storage as `open_storage` makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from optuna.testing.pytest_storages import StorageTestCase

from hpo.postgres.connect import Storage, open_storage

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


pytestmark = pytest.mark.slow  # a hundred connections of a library as it comes


@pytest.fixture(scope="module")
def opened(server_url: str) -> Iterator[Storage]:
    """One database for the whole suite: creating the tables takes longer than a test."""
    with open_storage(server_url) as storage:
        yield storage


class TestOptunaStorage(StorageTestCase):  # type: ignore[misc]
    """Every test of Optuna's begins with an empty database."""

    @pytest.fixture
    def storage(self, opened: Storage) -> RDBStorage:
        with opened.engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE studies, trials CASCADE"))
        return opened.optuna()
