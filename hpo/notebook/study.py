"""A study as a Python object: tables in pandas, the figures of the report, trained
networks."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError, StudyError
from hpo.files import check_ending
from hpo.ledger.reader import LedgerReader
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.retry import answering
from hpo.study.networks import Confirmation
from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Phase, Trial
from hpo.views.figures import (
    convergence,
    declared,
    front,
    importance,
    networks,
    parameters,
)
from hpo.views.figures.plotted import Plotted
from hpo.views.pages import page
from hpo.views.records import json_records
from hpo.views.sentences import caveats

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

__all__ = ["Study", "load", "studies"]


def load(study: str, storage: str | None = None) -> Study:
    """Load a study from the database, while it runs or afterwards.

    Args:
        study: its name.
        storage: PostgreSQL URL of the database; default: ``HPO_STORAGE``, else the
            embedded server, which starts if needed and runs while this process needs
            it.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
        StorageError: the database cannot be reached.
    """
    opened = open_storage(storage)
    try:
        loaded = Study(study, opened)
        loaded._result()
    except BaseException:
        opened.close()
        raise
    return loaded


def studies(storage: str | None = None) -> list[str]:
    """Return the names of all studies of the database, oldest first; ``storage`` as in
    ``load``.

    Raises:
        StorageError: the database cannot be reached.
    """
    with open_storage(storage) as opened:
        return [study.name for study in LedgerReader(opened).studies()]


class Study:
    """A read-only study in its database; every attribute reads its current state.

    ``hpo.load`` and ``hpo.launch`` return it. The figures are those of the report, by
    plotly. Each attribute raises ``StorageError`` if the database cannot be reached,
    and ``StudyError`` if the study was deleted.
    """

    def __init__(self, name: str, storage: Storage) -> None:
        """Take the name and the storage, which is closed with this object."""
        self.name = name
        self._storage = storage
        self._ledger = LedgerReader(storage)
        weakref.finalize(self, storage.close)

    def __repr__(self) -> str:
        """Name the study and its database."""
        return f"<Study {self.name!r} in {self._storage.place()}>"

    def _repr_html_(self) -> str:
        """Show verdict, progress and the best trials in a notebook."""
        return page.summary(self._result())

    # --- numbers ---

    @property
    def state(self) -> str:
        """The state: ``open``, ``done``, ``failed`` or ``stopped``."""
        return str(self._result().state)

    @property
    def result(self) -> Search | Front | Sweep:
        """The result, which the report and every other view show."""
        return self._result()

    @property
    def best(self) -> Trial | None:
        """The complete trial with the best score (posterior mean); None without one, or
        in a sweep.

        With a cost: the trial of ``confirmed``, else the cheapest that reached the
        reported score.
        """
        return self._result().best

    @property
    def best_params(self) -> dict[str, ParamValue]:
        """The parameters of ``best``, like Optuna's attribute; empty without one."""
        best = self.best
        return {} if best is None else dict(best.params)

    @property
    def best_value(self) -> float | None:
        """The score of ``best`` in the search, which is biased upwards. Report
        ``confirmed``."""
        best = self.best
        return None if best is None else best.score

    @property
    def spec(self) -> StudySpec:
        """The study file as an object."""
        return self._result().spec

    @property
    def confirmed(self) -> Confirmation | None:
        """The confirmed result of the verdict; None while there is none."""
        return self._result().confirmed

    @property
    def confirmations(self) -> list[Confirmation]:
        """Every confirmed configuration, in the order of the search's ranking."""
        return [item for item in self._result().confirmations if item.scores]

    @property
    def warning(self) -> str:
        """Why ``confirmed``, or points of a sweep, may not hold for the device, and
        what to do."""
        return caveats.warning(self._result())

    @property
    def trials(self) -> pd.DataFrame:
        """The search as a table: a row per started trial, indexed by its number.

        Columns: ``state`` (running, complete, pruned, failed, excluded), ``ended`` (how
        it ended early), ``score``, a column per searched parameter (with units in the
        names), then ``epochs``, ``seconds`` of training, ``attempts``, ``losses`` of
        workers, ``worker``, ``started_at`` and ``settled_at`` in UTC, ``message``; with
        a cost also ``cost``, with several ``cost.NAME`` of each. A parameter with the
        name of such a column gets the prefix ``params_``. A trial that ended early has
        the score of fewer epochs or networks.

        Raises:
            HpoError: pandas is not installed.
        """
        return _trials(self._result())

    @property
    def curves(self) -> pd.DataFrame:
        """The learning curves as a table: a row per epoch of every network.

        Columns: ``phase`` (search, confirm), ``trial``, ``network`` (of the trial, from
        0; in a confirmation its fresh seed, from 1), ``epoch`` from 1, ``score`` and
        ``loss`` after it. An epoch without a score has NaN: in a confirmation, which is
        tested once, and between the epochs of ``budget.score_every``.

        Raises:
            HpoError: pandas is not installed.
        """
        return _curves(self._result(curves=True))

    # --- figures ---

    def plot_convergence(self) -> go.Figure:
        """Draw every trial's score and the best so far, against the reported value.

        Raises:
            StudyError: the study has a cost or is a sweep, so it has no single best
                score.
        """
        result = self._result()
        if isinstance(result, Sweep):
            raise self._refuse("plot_convergence", "a search", "a sweep", "plot_figure")
        if isinstance(result, Front):
            fault = f"a score and cost={', '.join(result.costs)}"
            raise self._refuse(
                "plot_convergence", "a single score", fault, "plot_front"
            )
        return convergence.convergence(Plotted(result))

    def plot_confirmed(self) -> go.Figure:
        """Draw the scores of confirmed trials on fresh seeds, and the search's claims.

        Raises:
            StudyError: nothing has been confirmed yet.
        """
        result = self._result()
        if not any(item.scores for item in result.confirmations):
            fault = "none yet"
            if not result.spec.confirm:
                fault = "a study file without [confirm]"
            rule = "a confirmed result"
            raise self._refuse("plot_confirmed", rule, fault, "plot_curves")
        return networks.confirmed(Plotted(result))

    def plot_curves(self) -> go.Figure:
        """Draw the score after each epoch: the best trials by network, others in
        grey."""
        return networks.learning_curves(Plotted(self._result(curves=True)))

    def plot_parameters(self) -> go.Figure:
        """Draw the score against each searched parameter.

        Raises:
            StudyError: the study is a sweep, which has no search space.
        """
        result = self._result()
        if not result.spec.space:
            raise self._refuse("plot_parameters", "a [space]", "a sweep", "plot_figure")
        return parameters.parameters(Plotted(result))

    def plot_confusion_matrix(self) -> go.Figure:
        """Draw the confusion matrix of the stored network on the held-out test set.

        This network is that of the first fresh seed of the best trial's confirmation.

        Raises:
            StudyError: there is no stored network (yet), or it is no classifier.
        """
        from hpo.worker import network

        result = self._result()
        with answering(self._storage.place()):
            matrix = network.confusion(self._ledger, result)
        if matrix is None:
            raise StudyError(
                f"{self.name}: plot_confusion_matrix: expected a confirmed, stored"
                f" classifier, got none. See hpo status {self.name}."
            )
        return networks.confusion(matrix)

    def plot_importance(self) -> go.Figure:
        """Draw the importance of each parameter.

        Raises:
            StudyError: there are too few trials.
        """
        result = self._result()
        shares = None
        if result.selects:
            shares = importance.measure(result)
        if shares is None:
            raise StudyError(
                f"{self.name}: plot_importance: {importance.too_few(result)}"
            )
        return importance.bars(shares)

    def plot_front(self) -> go.Figure:
        """Draw the score against each cost, with the Pareto front.

        Raises:
            StudyError: the study has no ``[cost]``.
        """
        result = self._result()
        if not isinstance(result, Front):
            raise self._refuse("plot_front", "a [cost]", "none", "plot_convergence")
        return front.figure(Plotted(result))

    def plot_figure(self) -> go.Figure:
        """Draw the figure that the study file declares in ``[figure]``, or that of a
        sweep.

        Raises:
            StudyError: the study file declares none.
        """
        result = self._result()
        with answering(self._storage.place()):
            others = self._ledger.overlays(result.spec)
        chart = declared.chart(result, others)
        if chart is None:
            raise self._refuse("plot_figure", "a [figure]", "none", "plot_parameters")
        return declared.figure(chart)

    # --- networks ---

    def network(
        self, trial: int | None = None, *, path: str | Path | None = None
    ) -> Any:
        """Return a trained network, as a PyTorch module: ``network(x)``.

        The database keeps the network of the first fresh seed of each confirmed trial.
        ``x`` is (batch, time, channels), float32, normalised and padded as the task
        says; the output is (1, batch, classes).

        Args:
            trial: number of a confirmed trial; default: the best one.
            path: a file ``NAME.safetensors`` to save it, with its description in
                ``NAME.json``: parameters, scores, scaling of the input, lineage.

        Raises:
            StudyError: there is no such network, or the objective exposes none.
            HpoError: the file cannot be written.
        """
        from hpo.worker import network

        if path is not None:
            check_ending(Path(path), ".safetensors")
        with answering(self._storage.place()):
            kept = network.choose(self._result(curves=True), self._ledger, trial)
        module = getattr(network.restore(kept), "network", None)
        if module is None:
            raise StudyError(
                f"{self.name}: objective {kept.result.spec.objective!r} has no"
                " PyTorch module `network`. Set it; see"
                " hpo.contract.NetworkMember."
            )
        if path is not None:
            network.write(kept, Path(path))
        return module.eval()

    def _result(self, *, curves: bool = False) -> Search | Front | Sweep:
        with answering(self._storage.place()):
            return self._ledger.result(self.name, curves=curves)

    def _refuse(self, plot: str, rule: str, fault: str, instead: str) -> StudyError:
        return StudyError(
            f"{self.name}: {plot}: expected {rule}, got {fault}. See {instead}()."
        )


# --- tables ---

_FIRST = ("state", "ended", "score")
_LAST = (
    "epochs",
    "seconds",
    "attempts",
    "losses",
    "worker",
    "started_at",
    "settled_at",
    "message",
)
_CURVES = ("phase", "trial", "network", "epoch", "score", "loss")


def _trials(result: Result) -> pd.DataFrame:
    """Return a row per search trial; see ``Study.trials``."""
    pandas = _pandas("trials")
    spec = result.spec
    first = [*_FIRST, *spec.cost_columns]
    params = {name: name for name in spec.parameters}
    for name in params.keys() & {*first, *_LAST}:
        params[name] = f"params_{name}"
    rows = []
    for slot in result.search:
        row = json_records.trial(spec, slot)
        row |= zip(spec.cost_columns, slot.costs, strict=False)
        row |= {params[name]: value for name, value in slot.params.items()}
        row["seconds"] = slot.seconds
        row["state"] = str(slot.state)
        if row["ended"]:
            row["ended"] = str(row["ended"])
        rows.append(row)
    frame: pd.DataFrame = pandas.DataFrame(
        rows,
        index=pandas.Index([slot.number for slot in result.search], name="trial"),
        columns=[*first, *params.values(), *_LAST],
    )
    for name in ("started_at", "settled_at"):
        frame[name] = pandas.to_datetime(frame[name], utc=True)
    return frame.astype(dict.fromkeys(["score", *spec.cost_columns], "float64"))


def _curves(result: Result) -> pd.DataFrame:
    """Return a row per epoch of every network; see ``Study.curves``."""
    pandas = _pandas("curves")
    rows = []
    for slot in result.all_trials:
        networks: list[tuple[int, dict[int, float], Sequence[float]]] = []
        for one in slot.members:
            scores = dict(zip(one.scored_at, one.curve, strict=True))
            networks.append((one.member, scores, one.loss_curve))
        if not networks:  # a pruned curve has the scores until its end
            cut = {step.epoch: step.score for step in slot.steps if step.network == 0}
            networks = [(0, cut, ())]
        for network, scores, losses in networks:
            place: tuple[str, int | None, int] = (
                str(slot.phase),
                slot.number,
                network,
            )
            if slot.phase == Phase.CONFIRM and result.spec.confirm is not None:
                fresh_seed = slot.number % result.spec.confirm.members + 1
                place = (str(slot.phase), slot.source, fresh_seed)
            rows += [(*place, *epoch) for epoch in _epochs(scores, losses)]
    frame: pd.DataFrame = pandas.DataFrame(rows, columns=list(_CURVES))
    if rows:
        frame = frame.astype({"score": "float64", "loss": "float64"})
    return frame


def _epochs(
    scores: Mapping[int, float], losses: Sequence[float]
) -> Iterator[tuple[int, float, float]]:
    """Yield epoch, score and loss of a network; NaN for an epoch without one."""
    losses_at = dict(enumerate(losses, start=1))
    for epoch in range(1, max([0, *scores, *losses_at]) + 1):
        yield epoch, scores.get(epoch, math.nan), losses_at.get(epoch, math.nan)


def _pandas(what: str) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise HpoError(
            f"study.{what} needs pandas, which is not installed ({error}). Install it: "
            "pip install 'hpo-dynamics[notebook]'."
        ) from None
    return pandas
