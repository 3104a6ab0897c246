"""What Optuna's tools show of a finished study beside its trials: what was confirmed, one figure,
and the verdict.

The last two are written by public functions of optuna-dashboard, which reads them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.networks import Confirmation
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec
from hpo.views import json_records

if TYPE_CHECKING:
    import plotly.graph_objects as go


FIGURE = "hpo-result"
"""Optuna's id of the figure, and so its place."""
_MARK = "**By hpo:** "
"""So begins our note. One that begins otherwise is somebody's, and stays."""

_LINK = re.compile(r"://|www\.|@", re.IGNORECASE)


def write(storage: Storage, study: str) -> None:
    """Show the result of a study in Optuna's rows, in place of the one that was there.

    Raises:
        StudyError: it was deleted.
    """
    import optuna  # these take a second, and only the end of a study needs them
    import optuna_dashboard

    from hpo.views import verdict

    ledger = Ledger(storage)
    result = ledger.result(study)
    optuna_storage = storage.optuna()
    try:
        shown = optuna.load_study(study_name=study, storage=optuna_storage)
        told = [_told(result.spec, one) for one in result.confirmations if len(one.scores) > 1]
        shown.set_user_attr("hpo:confirmed", told)
        figure = _figure(result, ledger.overlays(result.spec))
        if figure is not None:
            optuna_dashboard.save_plotly_graph_object(shown, figure, graph_object_id=FIGURE)
        old = optuna_dashboard.get_note(shown)
        new = f"{_MARK}{_escaped(verdict.verdict(result))}."
        if old != new and (not old or old.startswith(_MARK)):
            optuna_dashboard.save_note(shown, new)
    finally:
        optuna_storage.engine.dispose()  # a worker holds one connection


def _told(spec: StudySpec, item: Confirmation) -> dict[str, Any]:
    """What ``hpo:confirmed`` says of a configuration: its scores, and what limits them."""
    known = json_records.confirmation(spec, item)
    more = {name: known[name] for name in ("chips", "yield", "warning") if known[name]}
    return item.told_of(spec) | more


def _escaped(text: str) -> str:
    """Text in which nothing is Markdown, HTML or a link.

    What could begin one is escaped; words that a renderer makes links of by itself become code.

    Examples:
        >>> print(_escaped("1. *b* <img src=x> https://x.y"))
        1\\. \\*b\\* \\<img src\\=x\\> `https://x.y`
    """
    return " ".join(
        "`{}`".format(word.replace("`", "'"))
        if _LINK.search(word)
        else re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", word)
        for word in text.split()
    )


def _figure(result: Result, others: list[Result]) -> go.Figure | None:
    """The convergence against the reported optimum; of a front that, of a sweep its figure."""
    from hpo.views.figures import declared

    if (drawn := declared.of_study(result, others)) is not None and type(result) is Search:
        drawn.data = [t for t in drawn.data if t.visible]  # by trials: its buttons would need more
        drawn.update_layout(updatemenus=(), title_text="Convergence", margin_t=60)
    return drawn
