"""Networks that plain PyTorch computes, for lack of a compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence

REMEDY = "docs/reference/classes.md says what has one."
_HOW_SLOW = "4 to 100 times slower, most with small batches"
"""Measured for an epoch of the built-in devices, batches of 20 and 120."""


def uncompiled_text(names: Sequence[str]) -> str:
    """Say what has no kernel, and what that costs; empty if there is nothing."""
    if not names:
        return ""
    return f"no compiled kernel for {', '.join(names)}: plain PyTorch, {_HOW_SLOW}"
