"""What a sampler decides before a function runs: the parameters that all earlier trials
have in common, which Optuna samples jointly.

Trials of the window see these of one another, as far as they are decided by the history
alone; what a function asks for besides is hidden until the trial is finished and its
window has passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import distribution_to_json

from hpo.functions import history
from hpo.search.history import quiet
from hpo.search.optuna_adapter import STUDY, History
from hpo.search.suggest import make_function_sampler
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Past, Suggestion


def decide(
    spec: StudySpec,
    number: int,
    trials: Sequence[Past],
    enqueued: Mapping[str, ParamValue] | None = None,
) -> Suggestion:
    """Decide what can be decided before the function of trial ``number`` runs.

    The arguments are those of ``search.suggest.suggest``.
    """
    past = history.see(spec, number, trials)
    seen = history.frozen_trials(spec, past)
    sampler = make_function_sampler(spec, number, past)
    with quiet():
        storage = History(seen, history.read_directions(spec))
        study = optuna.load_study(
            study_name=STUDY, storage=storage, sampler=sampler, pruner=None
        )
        storage.create_new_trial(storage.study_id, history.open_trial(enqueued))
        trial = storage.get_trial(number)
        sampler.before_trial(study, trial)
        space = sampler.infer_relative_search_space(study, trial)
        params = sampler.sample_relative(study, trial, space)
    params |= {name: own for name, own in (enqueued or {}).items() if name in params}
    texts = {name: distribution_to_json(space[name]) for name in params}
    attrs = storage.get_trial(number).system_attrs
    return Suggestion.decided_by_history(params, texts, attrs)
