"""Studies that are there before a test begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import sqlalchemy as sa
from servers import database
from workers import undisturbed

from hpo.postgres.connect import Storage
from hpo.study.spec import StudySpec


@contextmanager
def finished(server_url: str, template: str, *specs: StudySpec) -> Iterator[str]:
    """Name of a new database in which one worker has run these studies, to be copied."""
    with database(server_url, template) as url:
        for spec in specs:
            undisturbed(url, spec)
        yield str(sa.make_url(url).database)


def of_optuna(storage: Storage, name: str, trials: int = 3) -> optuna.Study:
    """A study that Optuna alone knows, with a trial per number."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=name, storage=storage.optuna())
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return study
