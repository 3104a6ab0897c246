"""The answers that optuna-dashboard's own code cannot give within bounds of time and memory.

`detail` and the CSV are what optuna-dashboard answers, from trials that are read and serialised
once. Files are handed out so that no browser takes one for a page.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial
from optuna_dashboard import _importance as importance
from optuna_dashboard import _inmemory_cache as derived
from optuna_dashboard import _note as notebook
from optuna_dashboard import _serializer as serializer
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from optuna_dashboard._pareto_front import get_pareto_front_trials
from optuna_dashboard.preferential import _system_attrs as preferences
from sqlalchemy import Engine, select

from hpo.dashboard.optuna_storage import ReadOnlyStorage
from hpo.dashboard.trial_cache import View, complete
from hpo.errors import SpecError
from hpo.ledger import optuna_tables, reading
from hpo.ledger.tables import studies
from hpo.study.result import Result
from hpo.views.numbers import importance as numbers_importance

_SHOWN = ("image/png", "image/jpeg", "image/svg+xml", "text/csv", "application/json", "text/plain")
"""Media types that the page shows; anything else is only handed out."""
_OF_TRIAL = re.compile(r"dashboard:(?:artifacts:)?([0-9]+):")
_PIECES = 64


@dataclass(frozen=True)
class Reply:
    """What is answered: a status, headers, and bytes."""

    body: bytes
    media: str = "application/json"
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()

    def head(self) -> list[tuple[str, str]]:
        """All headers."""
        if self.status.startswith("204"):
            return list(self.headers)
        length = ("Content-Length", str(len(self.body)))
        return [("Content-Type", self.media), length, *self.headers]


def problem(status: str, reason: str) -> Reply:
    """An answer whose reason the page shows."""
    return Reply(json.dumps({"reason": reason}).encode(), status=status)


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header lets answers be compressed."""
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted) is not None


def packed(pieces: Iterable[bytes], accepted: str, media: str = "application/json") -> Reply:
    """An answer in pieces, compressed if the client accepts that: never whole and plain at once."""
    if not takes_gzip(accepted):
        return Reply(b"".join(pieces), media)
    packer = zlib.compressobj(level=1, wbits=31)
    body = b"".join([*map(packer.compress, pieces), packer.flush()])
    return Reply(body, media, headers=(("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")))


@dataclass
class Details:
    """``GET /api/studies/ID``: every trial is serialised once, unless its note changes."""

    kept: dict[int, dict[int, tuple[FrozenTrial, Any, bytes]]] = field(default_factory=dict)

    def pieces(self, study: FrozenStudy, view: View, after: int) -> Iterator[bytes]:
        """The study as JSON, with its trials from number ``after`` on."""
        notes = _by_trial(study.system_attrs)
        head = json.dumps(_head(study, view)).encode()
        yield b'{"trials": ['
        shown = view.trials[after:]
        for first in range(0, len(shown), _PIECES):
            some = shown[first : first + _PIECES]
            texts = (self._trial(study._study_id, t, notes.get(t._trial_id, {})) for t in some)
            yield (b", " if first else b"") + b", ".join(texts)
        yield b"], " + head[1:]

    def _trial(self, study_id: int, trial: FrozenTrial, note: dict[str, Any]) -> bytes:
        kept = self.kept.setdefault(study_id, {})
        found = kept.get(trial._trial_id)
        if found is not None and found[0] is trial and found[1] == note:
            return found[2]
        text = json.dumps(_serialized(study_id, trial, note)).encode()
        kept[trial._trial_id] = trial, note, text
        return text

    def forget(self, but: Iterable[int]) -> None:
        """Drop what is kept of studies that are not among these."""
        for study_id in set(self.kept.copy()).difference(but):
            self.kept.pop(study_id, None)


def _head(study: FrozenStudy, view: View) -> dict[str, Any]:
    """All but the trials."""
    system = study.system_attrs
    # by name: optuna-dashboard takes them from a set, in another order in every process
    graphs = dict(sorted(get_plotly_graph_objects(system).items()))
    best = _best(study, view)
    skipped = set(preferences.get_skipped_trial_ids(system))
    numbers = [trial.number for trial in view.trials if trial._trial_id in skipped]
    head: dict[str, Any] = serializer.serialize_study_detail(
        study, best, [], *_properties(study._study_id, view), graphs, numbers
    )
    trials = _by_trial(system)
    head["best_trials"] = [
        _serialized(study._study_id, t, trials.get(t._trial_id, {})) for t in best
    ]
    del head["trials"]
    return head


def _properties(study_id: int, view: View) -> Any:
    """What all trials have in common, computed once per view."""
    if "properties" not in view.shared:
        view.shared["properties"] = derived.get_cached_extra_study_property(
            derived.InMemoryCache(), study_id, view.trials
        )
    return view.shared["properties"]


def importances(storage: ReadOnlyStorage, engine: Engine, study: FrozenStudy, view: View) -> Reply:
    """How much each parameter matters for each score, computed once per view.

    Of a study of ours that is what its report says: nothing from too few trials, nor of its costs.
    """
    if "importances" not in view.shared:
        try:
            with engine.begin() as connection:
                mine = studies.c.optuna_study_id == study._study_id
                name = connection.scalar(select(studies.c.name).where(mine))
                ours = None if name is None else reading.snapshot(connection, name)
            found = (
                _of_others(storage, study, view)
                if ours is None
                else _of_ours(Result.of(ours), view)
            )
        except (ValueError, SpecError) as error:
            return problem("400 Bad Request", f"importances: {error}")
        view.shared["importances"] = found
    return Reply(json.dumps({"param_importances": view.shared["importances"]}).encode())


def _of_ours(result: Result, view: View) -> list[Any]:
    measured = numbers_importance.measure(result)
    shares = {e.name: e.share for e in measured.effects} if measured else {}
    found = importance.convert_to_importance_type(shares, view.trials)
    return [found, *([] for _ in result.costs)]


def _of_others(storage: ReadOnlyStorage, study: FrozenStudy, view: View) -> list[Any]:
    """What optuna-dashboard says, without its memory.

    Its own answer holds the trials of every study that it was ever asked for, and is not another
    after as many trials were excluded as have come.
    """
    study_id, seen = study._study_id, storage.with_trials(view.trials)
    if not any(trial.params for trial in complete(view.trials)):
        return [[] for _ in study.directions]
    found = []
    for i in range(len(study.directions)):
        with importance.param_importance_cache_lock:
            importance.param_importance_cache.pop(f"{study_id}:{i}", None)
        asked = derived.InMemoryCache(), seen, study_id, i, view.trials
        found.append(importance.get_param_importance_from_trials_cache(*asked))
    return found


def _best(study: FrozenStudy, view: View) -> list[FrozenTrial]:
    if study.system_attrs.get("preference:is_preferential", False):
        return _preferred(study, view)
    if "best" not in view.shared:
        view.shared["best"] = list(_best_of(study.directions, complete(view.trials)))
    found: list[FrozenTrial] = view.shared["best"]
    return found


def _preferred(study: FrozenStudy, view: View) -> list[FrozenTrial]:
    """Of trials that people compared, those that were never the worse one, nor skipped."""
    pairs = preferences.get_preferences(study.system_attrs)
    best = {better for better, _ in pairs} - {worse for _, worse in pairs}
    return [
        trial
        for trial in view.trials
        if trial.number in best
        and not preferences.is_skipped_trial(trial._trial_id, study.system_attrs)
    ]


def _best_of(directions: list[StudyDirection], trials: list[FrozenTrial]) -> Iterable[FrozenTrial]:
    if not trials:
        return []
    if len(directions) > 1:
        front: list[FrozenTrial] = get_pareto_front_trials(trials=trials, directions=directions)
        return front
    pick = max if directions[0] == StudyDirection.MAXIMIZE else min
    return [pick(trials, key=lambda trial: trial.value or 0.0)]


def _by_trial(system_attrs: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The attributes of a study that say something of one of its trials."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, value in system_attrs.items():
        if match := _OF_TRIAL.match(key):
            found[int(match[1])][key] = value
    return found


def _serialized(study_id: int, trial: FrozenTrial, attrs: dict[str, Any]) -> dict[str, Any]:
    """A trial as optuna-dashboard's page takes it, with the zone of its times.

    Without the zone, a browser takes the times of a server elsewhere for its own.
    """
    bare = copy.copy(trial)
    bare.intermediate_values = {}  # of which optuna-dashboard asks NumPy three questions each
    record: dict[str, Any] = serializer.serialize_frozen_trial(study_id, bare, attrs)
    curve = sorted(trial.intermediate_values.items())
    record["intermediate_values"] = [
        {"step": step, "value": value if math.isfinite(value) else str(value)}
        for step, value in curve
    ]
    for name in ("datetime_start", "datetime_complete"):
        at = getattr(trial, name)
        if at is not None:
            record[name] = at.astimezone().isoformat()
    return record


def table(study: FrozenStudy, view: View, numbers: Iterable[int] | None, accepted: str) -> Reply:
    """A study as CSV, with the columns of optuna-dashboard; ``numbers`` choose trials."""
    wanted = None if numbers is None else set(numbers)
    trials = [t for t in view.trials if wanted is None or t.number in wanted]
    reply = packed(_rows(study, trials), accepted, "text/csv; charset=utf-8")
    name = attachment(f"{study.study_name}.csv")
    return Reply(reply.body, reply.media, headers=(*reply.headers, name))


def _rows(study: FrozenStudy, trials: Sequence[FrozenTrial]) -> Iterator[bytes]:
    """The table; a "?" stands for what UTF-8 lacks, as in names of files that are no text."""
    params = sorted({name for t in trials for name in t.params})
    attrs = sorted({name for t in trials for name in t.user_attrs})
    names = study.system_attrs.get("study:metric_names")
    many = [f"Objective {i}" for i in range(len(study.directions))]
    values = names or (many if len(many) > 1 else ["Value"])
    head = [f"Param {name}" for name in params] + [f"UserAttribute {name}" for name in attrs]
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(map(_cell, ["Number", "State", *values, *head]))
    for number, trial in enumerate(trials, start=1):
        row = [trial.number, trial.state.name, *(trial.values or [None] * len(many))]
        row += [trial.params.get(name) for name in params]
        row += [trial.user_attrs.get(name) for name in attrs]
        writer.writerow(map(_cell, row))
        if number % _PIECES == 0:
            yield buffer.getvalue().encode(errors="replace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode(errors="replace")


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def attachment(filename: str) -> tuple[str, str]:
    """The header that has a file saved under a name, whatever is in the name."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", filename).lstrip(".")[:100] or "file"
    full = quote(filename[:200], safe="", errors="replace")
    return "Content-Disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"


def note(
    engine: Engine, study_id: int, view: View, of_trial: Sequence[int], sent: Mapping[str, Any]
) -> Reply:
    """Save an edited note, if nobody else has changed it meanwhile.

    In one transaction: optuna-dashboard's own takes one per row, so that a reader, or whoever
    publishes the study's note, can meet half a note. ``of_trial`` holds the id of the trial whose
    note it is; it is empty for that of the study. What is ``sent`` is ``version``, the next one,
    and ``body``.
    """
    trial_id = of_trial[0] if of_trial else None
    known = {trial._trial_id for trial in view.trials}.issuperset(of_trial)
    with engine.begin() as connection:
        if not known or not optuna_tables.lock_study(connection, study_id):
            return problem("404 Not Found", "What the note belongs to was deleted.")
        texts = optuna_tables.system_attrs(connection, study_id)
        prefix = notebook.note_str_key_prefix(trial_id)
        version = notebook.note_ver_key(trial_id)
        old = {key: json.loads(texts[key]) for key in texts if key.startswith((prefix, version))}
        if not notebook.version_is_incremented(old, trial_id, sent["version"]):
            reason = "The note has changed meanwhile. Copy your edits, and reload the page."
            known_note = notebook.get_note_from_system_attrs(old, trial_id)
            text = json.dumps({"reason": reason, "note": known_note})
            return Reply(text.encode(), status="409 Conflict")
        new = {version: json.dumps(sent["version"]), f"{prefix}0": json.dumps(sent["body"])}
        optuna_tables.drop_system_attrs(connection, study_id, old.keys() - new.keys())
        optuna_tables.set_system_attrs(connection, study_id, new)
    return Reply(b"", status="204 No Content")
