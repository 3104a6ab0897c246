"""The figures of a study, by plotly; those that Optuna has bear Optuna's names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hpo.errors import StudyError, for_python
from hpo.ledger.reader import LedgerReader
from hpo.postgres.connect import Storage
from hpo.postgres.retry import answering
from hpo.study import tolerances as study_tolerances
from hpo.study.messages import did_you_mean
from hpo.study.result import Front, Search, Sweep
from hpo.views.figures import (
    contour,
    convergence,
    front,
    importance,
    main,
    networks,
    parallel,
    parameters,
    tolerances,
)
from hpo.views.figures.plotted import Plotted

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Figures:
    """The figures of a study in its database, as it is now."""

    def __init__(self, name: str, storage: Storage) -> None:
        """Take the name and the storage."""
        self.name = name
        self._storage = storage
        self._ledger = LedgerReader(storage)

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
        if not result.tested:
            fault = "none yet"
            if not result.spec.confirm:
                fault = "a study file without [confirm]"
            rule = "a confirmed result"
            raise self._refuse("plot_confirmed", rule, fault, "plot_curves")
        return networks.confirmed(Plotted(result))

    def plot_tolerances(self) -> go.Figure:
        """Draw how much of each imperfection of hardware the confirmed networks
        tolerate.

        Raises:
            StudyError: nothing has been measured.
        """
        result = self._result()
        card = study_tolerances.of_result(result)
        if card is None:
            rule = "confirmed networks with tolerances"
            raise self._refuse("plot_tolerances", rule, "none", "plot_confirmed")
        return tolerances.figure(result.spec, card)

    def plot_curves(self) -> go.Figure:
        """Draw the score after each epoch: the best trials by network, others in
        grey.

        Raises:
            StudyError: no trial has scored two epochs.
        """
        result = self._result(curves=True)
        if not networks.has_curves(result):
            rule = "learning curves"
            raise self._refuse("plot_curves", rule, "none", "plot_slice")
        return networks.learning_curves(Plotted(result))

    def plot_slice(self, params: Sequence[str] | None = None) -> go.Figure:
        """Draw the score against each searched parameter.

        Args:
            params: names of parameters; default: all.

        Raises:
            StudyError: the study is a sweep, which has no search space, or does not
                search such a parameter.
        """
        result = self._result()
        names = self._searched("plot_slice", result, params)
        return parameters.parameters(Plotted(result), names)

    def plot_parallel_coordinate(
        self, params: Sequence[str] | None = None
    ) -> go.Figure:
        """Draw each trial as a line through its score and its parameters.

        Pruned trials are left out.

        Args:
            params: names of parameters; default: all.

        Raises:
            StudyError: the study is a sweep, does not search such a parameter, or has
                fewer than two trials that trained a network to the end.
        """
        plot = "plot_parallel_coordinate"
        result = self._result()
        names = self._searched(plot, result, params)
        n = len(result.comparable)
        if n < parallel.LEAST:
            raise self._refuse(plot, "two trials", n, "plot_convergence")
        return parallel.coordinates(Plotted(result), names)

    def plot_contour(self, params: Sequence[str] | None = None) -> go.Figure:
        """Draw the posterior mean of the score over two parameters, and the trials.

        A Gaussian process is fitted to the complete trials. The other parameters have
        the values of the best trial.

        Args:
            params: the names of two parameters; default: the two most important ones,
                or the first two of the space if there are too few trials to say.

        Raises:
            StudyError: the study is a sweep, does not search two such parameters, or
                has no complete trial.
        """
        from hpo.search.importance import measure_importance  # a slow import

        plot = "plot_contour"
        result = self._result()
        names = self._searched(plot, result, params)
        if params is None:
            ranked = measure_importance(result.spec, result.comparable)
            names = list(ranked or names)[:2]
        if len(names) != 2:
            got = ", ".join(names)
            raise self._refuse(plot, "two parameters", got, "plot_slice")
        if result.best is None:
            raise self._refuse(plot, "a complete trial", "none yet", "plot_slice")
        return contour.contour(Plotted(result), *names)

    def plot_param_importances(self) -> go.Figure:
        """Draw the importance of each parameter, and how uncertain it is.

        How much of the variance of the score over the search space the parameter
        explains, as a share of the total (a functional ANOVA of the surrogate); ± one
        standard deviation over bootstrap resamples of the trials.

        Raises:
            StudyError: fewer than 20 trials trained a network to the end, their scores
                are equal, or the study is a sweep.
        """
        from hpo.search.importance import measure_importance  # a slow import

        plot = "plot_param_importances"
        result = self._result()
        self._searched(plot, result, None)
        shares = measure_importance(result.spec, result.comparable)
        if shares is None:
            raise StudyError(f"{self.name}: {plot}: {importance.too_few(result)}")
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
        sweep or a grid of two parameters.

        Raises:
            StudyError: the study file declares none.
        """
        result = self._result()
        with self._asking():
            others = self._ledger.overlays(result.spec)
        figure = main.declared_figure(result, others)
        if figure is None:
            raise self._refuse("plot_figure", "a [figure]", "none", "plot_slice")
        return figure

    def plot_confusion_matrix(self) -> go.Figure:
        """Draw the confusion matrix of the stored network on the held-out test set.

        Of the best trial's confirmation, this is the network of least training loss.

        Raises:
            StudyError: there is no stored network (yet), or it is no classifier.
        """
        from hpo.worker import network

        result = self._result()
        with self._asking():
            matrix = network.confusion(self._ledger, result)
        if matrix is None:
            rule = "a confirmed, stored classifier"
            raise self._refuse("plot_confusion_matrix", rule, "none", "plot_confirmed")
        return networks.confusion(matrix)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Name Python in errors, and the database in those of a lost connection."""
        with for_python(), answering(self._storage.place()):
            yield

    def _result(self, *, curves: bool = False) -> Search | Front | Sweep:
        with self._asking():
            return self._ledger.result(self.name, curves=curves)

    def _searched(
        self, plot: str, result: Search | Front | Sweep, params: Sequence[str] | None
    ) -> list[str]:
        """Return the parameters to draw; refuse those that the study does not
        search."""
        known = list(result.spec.dimensions)
        if not known:
            if result.spec.defines_by_run:
                raise self._refuse(plot, "a trial", "none yet", "plot_convergence")
            raise self._refuse(plot, "a [space]", "a sweep", "plot_figure")
        if params is None:
            return known
        if isinstance(params, str):
            params = [params]
        for name in params:
            if name not in known:
                raise StudyError(
                    f"{self.name}: {plot}: unknown parameter {name!r}."
                    f" {did_you_mean(name, known)}"
                )
        return list(params)

    def _refuse(self, plot: str, rule: str, fault: object, instead: str) -> StudyError:
        return StudyError(
            f"{self.name}: {plot}: expected {rule}, got {fault}. See {instead}()."
        )
