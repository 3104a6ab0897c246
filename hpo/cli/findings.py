"""Findings of an examination, as lines of text: ``hpo doctor``, ``hpo check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A line of an examination."""

    what: str
    found: str
    verdict: Literal["ok", "warning", "error"] = "ok"
    """After a warning, studies run, but worse than they could; after an error they do
    not run, or compute wrong results."""
    remedy: str = ""


def line(finding: Finding) -> str:
    """Format a finding as text."""
    text = f"{finding.what:<16}  {finding.verdict.upper():<7}  {finding.found}"
    if finding.remedy:
        text += f"\n{'':27}{finding.remedy}"
    return text
