"""The seeds of a study: the only source of randomness."""

from __future__ import annotations

import hashlib
from typing import Literal


def derive_seed(
    seed: int, purpose: Literal["suggest", "again", "member", "confirm"], index: int
) -> int:
    """Return a seed in [0, 2**32) for one purpose and index, independent of all the
    others.

    ``member`` seeds depend on the member alone, not on the trial: all trials of a study
    train their member 0 from the same random numbers, which makes their scores
    comparable.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
