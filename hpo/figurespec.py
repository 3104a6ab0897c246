"""``[figure]``: how a study is drawn. It is presentation: no trial depends on it.

``kind = "curves"`` draws a sweep: medians with quartile bands over the networks of each point, a
colour per curve. ``kind = "scatter"`` draws the median score of every trial of any study against a
parameter, or against something that was measured on the trained networks.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from hpo.spectable import Table

_RULE = re.compile(r"([A-Za-z_]\w*) < ([A-Za-z_]\w*|[0-9.eE+-]+)")
_FORM = "a rule `A < B` between parameters or numbers"


class Figure(Table):
    """The ``[figure]`` table."""

    kind: Literal["curves", "scatter"]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    marks: tuple[float | int, ...] = ()
    """Where vertical lines stand."""
    overlay: tuple[str, ...] = ()
    """Other studies that are drawn into the same figure where they are there."""
    x: Annotated[str, Field(min_length=1)] | None = None
    """Scatter: a parameter, or ``info.NAME`` for what a training measured, median over members."""
    colour: str | None = None
    """Scatter: a rule ``A < B`` between parameters or numbers that divides the points in two."""
    colour_labels: tuple[str, str] | None = None
    """Scatter: what points are called where the rule holds, and where it does not."""

    def rule(self) -> tuple[str, str | float] | None:
        """The two sides of ``colour``: a parameter, and a parameter or a number.

        Raises:
            ValueError: it is no such rule.
        """
        if self.colour is None:
            return None
        found = _RULE.fullmatch(self.colour.strip())
        if found is None:
            raise ValueError(_FORM)
        left, right = found.groups()
        if right[0].isalpha() or right[0] == "_":
            return left, right
        try:
            return left, float(right)
        except ValueError:
            raise ValueError(_FORM) from None
