"""Optuna's plots, of at most so many trials and parameters.

A contour plot has a grid of trials × trials for every pair of parameters: 24 GB at 5,000 trials of
seven parameters. A plot of more than its limit shows the best trials and an even sample of the
others, and its title says so.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna import visualization
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study, StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard._pareto_front import get_pareto_front_trials

from hpo.dashboard.answers import Reply, packed, problem, takes_gzip
from hpo.dashboard.optuna_storage import ReadOnlyStorage
from hpo.dashboard.trial_cache import View, complete

_KEPT = 16


@dataclass(frozen=True)
class _Plot:
    draw: Callable[..., Any]
    trials: int = 5000
    parameters: int | None = None
    of_values: bool = True


PLOTS = {
    "contour": _Plot(visualization.plot_contour, trials=100, parameters=6),
    "rank": _Plot(visualization.plot_rank, trials=400, parameters=6),
    "slice": _Plot(visualization.plot_slice),
    "parallel_coordinate": _Plot(visualization.plot_parallel_coordinate, trials=2000),
    "edf": _Plot(visualization.plot_edf),
    "timeline": _Plot(visualization.plot_timeline, trials=2000, of_values=False),
    "pareto_front": _Plot(visualization.plot_pareto_front, of_values=False),
}


class Plots:
    """Draws one at a time, and keeps the last ones while their study is unchanged."""

    def __init__(self) -> None:
        """Nothing is drawn yet."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, str, bool], tuple[int, Reply]] = OrderedDict()

    def get(
        self, storage: ReadOnlyStorage, study: FrozenStudy, name: str, view: View, accepted: str
    ) -> Reply:
        """A plot as plotly's JSON."""
        if name not in PLOTS:
            return problem("404 Not Found", f"plot_type={name} is not supported.")
        key = (study._study_id, name, takes_gzip(accepted))
        with self._lock:
            version, reply = self._kept.get(key, (None, None))
            if reply is None or version != view.version:
                try:
                    figure = _draw(storage, study, PLOTS[name], view.trials)
                except ValueError as error:  # not for this study: a front of one score, say
                    return problem("400 Bad Request", f"{name}: {error}")
                reply = packed([figure.to_json().encode()], accepted)
                self._kept[key] = view.version, reply
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return reply


def _draw(
    storage: ReadOnlyStorage, frozen: FrozenStudy, plot: _Plot, trials: list[FrozenTrial]
) -> Any:
    directions = frozen.directions
    chosen = choose(trials, plot.trials, directions)
    seen = storage.with_trials(chosen)
    study = optuna.load_study(study_name=frozen.study_name, storage=seen)
    options: dict[str, Any] = {}
    if plot.of_values:
        options["target_name"] = "Objective Value"
        if len(directions) > 1:
            name = (study.metric_names or ["Objective 0"])[0]
            options |= {"target": lambda t: t.values[0], "target_name": name}
    said = []
    if len(chosen) < len(trials):
        said.append(f"{len(chosen)} of {len(trials)} trials: the best, and an even sample")
    if plot.parameters is not None:
        names = sorted({name for trial in chosen for name in trial.params})
        if len(names) > plot.parameters:
            options["params"] = most_important(study, names, plot.parameters)
            said.append(f"the {plot.parameters} most important of {len(names)} parameters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = plot.draw(study, **options)
    if plot.draw is visualization.plot_slice:
        figure.update_layout(width=None)  # else it is wider than the page
    if said:
        title = figure.layout.title.text or ""
        figure.update_layout(title={"text": f"{title}<br><sup>{'; '.join(said)}</sup>"})
    return figure


def choose(
    trials: list[FrozenTrial], limit: int, directions: list[StudyDirection]
) -> list[FrozenTrial]:
    """At most so many trials, by number: half are the best, the others spread over the rest.

    Of several objectives the front is the best, then what is best by the first of them.
    """
    if len(trials) <= limit:
        return trials
    sign = -1.0 if directions[0] == StudyDirection.MAXIMIZE else 1.0
    ranked = sorted(complete(trials), key=lambda t: sign * (t.values or [0.0])[0])
    if len(directions) > 1:  # what no other beats comes first
        front = get_pareto_front_trials(trials=ranked, directions=directions)
        numbers = {trial.number for trial in front}
        ranked.sort(key=lambda trial: trial.number not in numbers)
    best = {trial.number for trial in ranked[: limit // 2]}
    rest = [trial for trial in trials if trial.number not in best]
    n = limit - len(best)
    chosen = best | {rest[i * len(rest) // n].number for i in range(n)}
    return [trial for trial in trials if trial.number in chosen]


def most_important(study: Study, names: list[str], limit: int) -> list[str]:
    """The parameters that matter most for the first score, by Optuna's PED-ANOVA."""
    sign = -1.0 if study.directions[0] == StudyDirection.MAXIMIZE else 1.0
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 2:
        return names[:limit]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_param_importances(
                study,
                evaluator=PedAnovaImportanceEvaluator(),
                target=lambda trial: sign * trial.values[0],
            )
    except (ValueError, RuntimeError):  # parameters that not all trials have
        found = {}
    ranked = [name for name in found if name in names]
    return [*ranked, *(name for name in names if name not in ranked)][:limit]
