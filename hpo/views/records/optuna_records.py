"""What Optuna's tools show of a finished study: confirmed scores, and a note."""

from __future__ import annotations

import re
from typing import Any

from hpo.study.networks import Confirmation
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views.records import json_records
from hpo.views.sentences import verdict

_LINK = re.compile(r"://|www\.|@", re.IGNORECASE)
_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")


def confirmed(result: Result) -> list[dict[str, Any]]:
    """Return the value of the attribute ``hpo:confirmed``: an entry for each
    configuration with two scores or more."""
    return [
        _record(result.spec, item) for item in result.tested if len(item.scores) > 1
    ]


def _record(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """Return the scores of a configuration, and their limits."""
    record: dict[str, Any] = {
        "trial": item.source,
        "mean": item.mean,
        "std": item.std,
        "scores": item.scores,
        "failed": item.failed,
    }
    if item.costs:
        record["cost"] = spec.cost_record(item.costs)
    if item.checked:
        record["step_scores"] = item.step_scores
    facts = json_records.confirmation(spec, item)
    for name in ("thermal", "chips", "yield", "warning"):
        if facts[name]:
            record[name] = facts[name]
    return record


def note(result: Result) -> str:
    """Return the verdict as Markdown."""
    return f"{_escaped(verdict.verdict(result))}."


def _escaped(text: str) -> str:
    """Return the text without Markdown, HTML or links.

    Special characters are escaped; words that a renderer would turn into links become
    code.

    Examples:
        >>> print(_escaped("1. *b* <img src=x> https://x.y"))
        1\\. \\*b\\* \\<img src\\=x\\> `https://x.y`
    """
    words = []
    for word in text.split():
        if _LINK.search(word):
            quoted = word.replace("`", "'")
            words.append(f"`{quoted}`")
        else:
            words.append(_SPECIAL.sub(r"\\\1", word))
    return " ".join(words)
