"""Studies that are published, read back as optuna-dashboard reads them."""

from __future__ import annotations

import json
from typing import Any

import optuna
import optuna_dashboard
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from workers import toy_spec

from hpo.postgres.connect import Storage
from hpo.study.spec import StudySpec

REPORTED = {"score": 0.9, "std": 0.01, "source": "toy paper", "params": {"x": 0.5}}
CARDS = [
    "hpo-1-convergence",
    "hpo-2-epochs",
    "hpo-2-time",
    "hpo-3-distance",
    "hpo-4-parameters",
]


def spec(name: str = "toy", **tables: Any) -> StudySpec:
    """A study with a reported optimum."""
    return toy_spec(name, reported=REPORTED, **tables)


def system_attrs(storage: Storage, name: str = "toy") -> dict[str, Any]:
    """What Optuna holds of a study beside its trials."""
    optuna_storage = storage.optuna()
    return optuna_storage.get_study_system_attrs(optuna_storage.get_study_id_from_name(name))


def cards(storage: Storage, name: str = "toy") -> dict[str, Any]:
    """The figures of a study as optuna-dashboard sends them to the browser."""
    found = get_plotly_graph_objects(system_attrs(storage, name))
    return {key: json.loads(found[key]) for key in sorted(found)}


def note(storage: Storage, name: str = "toy") -> str:
    """The note of a study."""
    study = optuna.load_study(study_name=name, storage=storage.optuna())
    return optuna_dashboard.get_note(study)


def shown_trials(storage: Storage) -> int:
    """How many trials the convergence shows."""
    return trials_of(cards(storage)["hpo-1-convergence"])


def trials_of(convergence: Any) -> int:
    """How many trials this figure of the convergence shows."""
    clouds = [t for t in convergence["data"] if t.get("name") in ("trial", "off scale")]
    return sum(len(t["x"]) for t in clouds)
