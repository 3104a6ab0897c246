"""The checkpoint of a call as it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint with what Optuna knows of the trial at that moment."""

    data: bytes | None = None
    """What the function saved."""
    reports: Mapping[int, float] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """The pruner's notes."""

    def write(self) -> bytes:
        """Return it as bytes, which ``read`` takes: a line of JSON, then the data."""
        head = {"reports": list(self.reports.items()), "attrs": dict(self.attrs)}
        return json.dumps(head).encode() + b"\n" + (self.data or b"")

    @classmethod
    def read(cls, saved: bytes | None) -> Saved:
        """Return a written checkpoint; an empty one without bytes."""
        if saved is None:
            return cls()
        head, _, data = saved.partition(b"\n")
        known = json.loads(head)
        reports = {int(step): float(value) for step, value in known["reports"]}
        return cls(data=data, reports=reports, attrs=known["attrs"])
