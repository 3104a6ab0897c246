"""What a script gives to Optuna, and a study of its function does not take from it."""

from __future__ import annotations

from textwrap import shorten

from hpo.errors import advise
from hpo.script import Source
from hpo.study.spec import StudySpec
from hpo.study.tables import Pruner, Sampler

_LONGEST = 60
"""Letters of a setting that are shown."""


def untaken_text(spec: StudySpec) -> str:
    """Say what the script sets that the study does not have, and how to give it; empty
    if there is nothing: ``from train.py: n_trials=30: use --trials``.

    What the study has otherwise than by default somebody has chosen.
    """
    if not spec.is_function:
        return ""
    path = spec.script.path
    shown = []
    options = []
    for key, text in Source(path).list_settings().items():
        if not _is_chosen(spec, key, text):
            shown.append(_show(key, text))
            options.append(_ways()[key])
    if not shown:
        return ""
    ways = ", ".join(dict.fromkeys(options))
    return f"from {path.name}: {', '.join(shown)}: use {ways}"


def _is_chosen(spec: StudySpec, key: str, text: str) -> bool:
    """Return whether the study has a setting of the script, or another one in its
    place."""
    match key:
        case "n_trials":
            return text == str(spec.budget.trials)
        case "sampler":
            return spec.sampler != Sampler() or text == "TPESampler()"
        case "pruner":
            return spec.pruner != Pruner() or text == "NopPruner()"
    return False


def _show(key: str, text: str) -> str:
    brief = shorten(text, _LONGEST, placeholder=" …")
    if key == "enqueue_trial":
        return key
    if key in ("sampler", "pruner") and text.endswith(")"):
        return brief
    return f"{key}={brief}"


def _ways() -> dict[str, str]:
    """Return how to give each setting."""
    return {
        "sampler": advise("--sampler", "sampler="),
        "pruner": advise("--pruner", "pruner="),
        "storage": "hpo import",
        "n_trials": advise("--trials", "budget="),
        "timeout": advise("--timeout", "hpo launch --timeout"),
        "n_jobs": advise("--workers", "workers="),
        "enqueue_trial": "hpo enqueue",
    }
