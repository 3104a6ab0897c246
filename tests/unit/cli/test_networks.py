"""``hpo trace``: which series of the test part it shows."""

from __future__ import annotations

from typing import Any

import pytest
from toy_network import ToyMember

from hpo.cli import networks
from hpo.contract import Protocol
from hpo.errors import HpoError

NET: Any = ToyMember(None, None, Protocol.CONFIRM, 0)  # type: ignore[arg-type]


def test_series_are_picked_by_position_by_class_or_one_of_each() -> None:
    assert networks._pick(NET, [5, 2, 5], None) == [5, 2]
    assert networks._pick(NET, None, ["square", "sine"]) == [1, 0]
    assert networks._pick(NET, None, None) == [0, 1, 2]
    with pytest.raises(
        HpoError, match=r"^--images 12: not in the test part\. Valid: 0 to 11\.$"
    ):
        networks._pick(NET, [12], None)
    with pytest.raises(
        HpoError, match=r"^--classes cosine: not in the test part\. Valid: sine, sq"
    ):
        networks._pick(NET, None, ["cosine"])
