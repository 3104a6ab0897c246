"""Every random state of a study, derived from its seed: nothing else is a source of randomness."""

from __future__ import annotations

import hashlib
from typing import Literal

Purpose = Literal["suggest", "again", "member", "confirm"]


def derive(seed: int, purpose: Purpose, index: int) -> int:
    """A seed in [0, 2**32) for one purpose and index, independent of all the others.

    ``member`` seeds depend on the member alone, not on the trial: all trials of a study train
    their member 0 from the same random numbers, which makes their scores comparable.

    Examples:
        >>> derive(0, "member", 0) == derive(0, "member", 0)
        True
        >>> len({derive(0, "member", 0), derive(0, "confirm", 0), derive(1, "member", 0)})
        3
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
