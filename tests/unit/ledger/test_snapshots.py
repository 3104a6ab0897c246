"""Reading very many rows."""

from __future__ import annotations

import gc
from contextlib import suppress

from hpo.ledger.snapshots import without_collection


def test_garbage_is_collected_again_after_an_error() -> None:
    with suppress(ValueError), without_collection():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


def test_an_inner_use_leaves_the_outer_one_as_it_is() -> None:
    with without_collection():
        with without_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
