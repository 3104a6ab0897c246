"""A study in its database, as a Python object."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import NothingYetError, StudyError, for_python
from hpo.files import check_ending
from hpo.ledger.reader import LedgerReader
from hpo.notebook import tables
from hpo.notebook.figures import Figures
from hpo.postgres.connect import Storage, open_storage
from hpo.study.networks import Confirmation
from hpo.study.python_values import plain
from hpo.study.result import Front, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views.pages import page
from hpo.views.sentences import caveats

if TYPE_CHECKING:
    import pandas as pd

    from hpo.asktell.session import AskedTrial, Session
    from hpo.ledger.ledger import Ledger


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
    with for_python():
        opened = open_storage(storage, creates=False)
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
    try:
        with for_python(), open_storage(storage, creates=False) as opened:
            return [study.name for study in LedgerReader(opened).studies()]
    except NothingYetError:
        return []


class Study(Figures):
    """A study in its database; every attribute reads its current state.

    ``hpo.load`` and ``hpo.launch`` return it. The figures are those of the report, by
    plotly. Each attribute raises ``StorageError`` if the database cannot be reached,
    and ``StudyError`` if the study was deleted.
    """

    def __init__(self, name: str, storage: Storage) -> None:
        """Take the name and the storage, which is closed with this object."""
        super().__init__(name, storage)
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
    def best_trial(self) -> Trial | None:
        """The complete trial with the best score (posterior mean); None without one, or
        in a sweep.

        With a cost: the trial of ``confirmed``, else the cheapest that reached the
        reported score.
        """
        return self._result().best

    @property
    def best_params(self) -> dict[str, ParamValue]:
        """The parameters of ``best_trial``; empty without one."""
        best = self.best_trial
        return {} if best is None else dict(best.params)

    @property
    def best_value(self) -> float | None:
        """The score of ``best_trial`` in the search, which is biased upwards. Report
        ``confirmed``."""
        best = self.best_trial
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
        return list(self._result().tested)

    @property
    def warning(self) -> str:
        """Why ``confirmed``, or points of a sweep, may not hold for the device, and
        what to do."""
        return caveats.warning(self._result())

    @property
    def trials(self) -> pd.DataFrame:
        """The search as a table: a row per started trial, indexed by its number.

        Columns: ``state`` (running, complete, pruned, failed, excluded), ``ended``
        (where it was pruned), ``score``, a column per searched parameter (with units in
        the names), then ``epochs``, ``seconds`` of training, ``attempts``, ``losses``
        of workers, ``worker``, ``started_at`` and ``finished_at`` in UTC, ``message``;
        with a cost also ``cost``, with several ``cost.NAME`` of each. A parameter with
        the name of such a column gets the prefix ``params_``. A pruned trial has the
        score of fewer epochs or networks.

        Raises:
            HpoError: pandas is not installed.
        """
        return tables.trials(self._result())

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
        return tables.curves(self._result(curves=True))

    @property
    def tolerances(self) -> pd.DataFrame:
        """What the networks of ``confirmed`` ask of hardware: a row per imperfection.

        Columns: ``label``, ``unit``, ``amount`` that costs one point of accuracy or a
        tenth of the error (of a unit ``%`` a fraction of 1), ``found``: ``at`` it,
        ``kept`` even at this one, or ``lost`` already; ``low`` and ``high``, the
        interval of this median; ``good`` and ``usual``, what hardware has; and
        ``source``. Empty where nothing was measured.

        Raises:
            HpoError: pandas is not installed.
        """
        return tables.tolerances(self._result())

    # --- ask and tell ---

    @cached_property
    def _session(self) -> Session:
        """What this object has asked, and not told yet."""
        from hpo.asktell.session import Session  # a slow import

        return Session(self._storage, self.name)

    def ask(self, lease_s: float = 3600.0) -> AskedTrial | None:
        """Return the next trial of a study that you evaluate yourself; None if it is
        done.

        Its study file has ``objective = "ask-and-tell"``. What a process has asked and
        not told when it dies, the next one on this computer is asked first. While
        other clients must tell first, the call waits.

        Args:
            lease_s: seconds until another client may be asked for the trial, unless
                ``trial.renew()`` extends them.

        Raises:
            StudyError: workers evaluate this study, it has failed or was stopped, or
                this object must tell a value first.
        """
        with self._asking():
            return self._session.ask(lease_s)

    def tell(
        self,
        trial: AskedTrial | int | str,
        values: float | Sequence[float] | None = None,
        *,
        sd: float | None = None,
        state: str | None = None,
    ) -> None:
        """Tell the value of a trial that you have evaluated.

        It counts whoever has asked for the trial, and it counts once: the same value
        again is accepted.

        Args:
            trial: what ``ask`` has returned, or its number.
            values: the value, or one for each of ``metrics`` in the study file.
            sd: standard deviation of the (first) value, if you know it: noise for the
                sampler ``kriging-believer``.
            state: ``"failed"`` without a value, or ``"pruned"``; default:
                ``"complete"``.

        Raises:
            StudyError: the trial was not asked, a value cannot be stored, or another
                one was told before.
        """
        with self._asking():
            self._session.tell(trial, values, sd=sd, state=state)

    # --- changes ---

    def enqueue(self, params: Mapping[str, ParamValue]) -> int:
        """Set parameters of the next trial that has not begun, and return its number.

        The sampler suggests the others. The trial counts in the budget.

        Raises:
            StudyError: the study is over, or it is no search that can take the trial.
            SpecError: a parameter is not searched, or lies outside the space.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            chosen = plain(params, f"{self.name}: enqueue")
            return interventions.enqueue(ledger, self.name, chosen)

    def extend(self, trials: int) -> None:
        """Raise the budget to a number of trials in all; ``hpo.launch`` then runs them.

        Old trials are kept, and the confirmation considers all of them.

        Raises:
            StudyError: the budget is larger already, ``[stop]`` has ended the search,
                or the study is a sweep.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            interventions.extend(ledger, self.name, trials)

    def stop(self, *, release: bool = False) -> None:
        """Stop the study on all hosts; its workers first save a checkpoint.

        ``hpo.launch`` and workers ignore it until ``resume``.

        Args:
            release: free its running trials at once, since their workers are dead.

        Raises:
            StudyError: the study is done, or has failed.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            interventions.stop(ledger, self.name, release=release)

    def resume(self, *, release: bool = False) -> None:
        """Let workers go on with a stopped or failed study.

        Failures so far stay failures, and no longer count towards its limit.

        Args:
            release: free its running trials at once, since their workers are dead.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            interventions.resume(ledger, self.name, release=release)

    def retry(self, trial: int | None = None) -> None:
        """Run a failed trial again, with its parameters; default: all failed trials.

        Raises:
            StudyError: there is no such trial, or it has not failed.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            interventions.retry(ledger, self.name, trial)

    def exclude(self, trial: int, reason: str = "") -> None:
        """Exclude a trial from the ranking and from later suggestions.

        Raises:
            StudyError: there is no such trial, it has failed, or a worker is at work
                on it.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            interventions.exclude(ledger, self.name, trial, reason)

    def accept_code(self) -> None:
        """Accept that the source of the objective has changed on this host.

        Raises:
            SpecError: the objective cannot be imported.
        """
        from hpo.ledger import interventions

        with self._changing() as ledger:
            interventions.accept_code(ledger, self.name)

    # --- networks ---

    def network(
        self, trial: int | None = None, *, path: str | Path | None = None
    ) -> Any:
        """Return a trained network, as a PyTorch module: ``network(x)``.

        The database keeps of each confirmed trial the network of least training loss.
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
        with self._asking():
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

    @contextmanager
    def _changing(self) -> Iterator[Ledger]:
        """Yield a ledger that writes, which takes longer to import."""
        from hpo.ledger.ledger import Ledger

        with self._asking():
            yield Ledger(self._storage)
