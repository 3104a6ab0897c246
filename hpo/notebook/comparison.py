"""Studies side by side, as ``hpo report A B`` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpo.errors import StudyError
from hpo.notebook.study import Study, load
from hpo.notebook.tables import pandas_for
from hpo.study.result import Result
from hpo.views.pages import side_by_side

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


def compare(*studies: str | Study, storage: str | None = None) -> StudyComparison:
    """Compare two to four searches for the best score by the same metric.

    Args:
        studies: names, or studies that are loaded.
        storage: as in ``load``, for names.

    Raises:
        StudyError: there is no such study, or one of them is something else.
        StorageError: the database cannot be reached.
    """
    if len(studies) < 2:
        raise StudyError(f"hpo.compare: expected two studies, got {len(studies)}.")
    loaded = [load(one, storage) if isinstance(one, str) else one for one in studies]
    return StudyComparison([study.result for study in loaded])


class StudyComparison:
    """Studies side by side, as they were when ``hpo.compare`` read them."""

    def __init__(self, results: Sequence[Result]) -> None:
        """Take the results.

        Raises:
            StudyError: they cannot be compared.
        """
        side_by_side.check(results)
        self._results = results

    def __repr__(self) -> str:
        """Say the verdict."""
        names = ", ".join(repr(result.name) for result in self._results)
        return "\n".join([f"<StudyComparison of {names}>", *self.verdict])

    def _repr_html_(self) -> str:
        """Show verdict and tables in a notebook."""
        return side_by_side.summary(self._results)

    @property
    def verdict(self) -> list[str]:
        """The score of the first study against each other one, by Welch's t test if
        both are confirmed; empty if their tasks differ."""
        return side_by_side.relations(self._results)

    @property
    def scores(self) -> pd.DataFrame:
        """Scores and costs in words: a column per study.

        Raises:
            HpoError: pandas is not installed.
        """
        pandas = pandas_for("compare().scores")
        frame: pd.DataFrame = pandas.DataFrame(side_by_side.facts(self._results))
        return frame

    @property
    def differences(self) -> pd.DataFrame:
        """The keys of the study files that differ: a column per study.

        Raises:
            HpoError: pandas is not installed.
        """
        pandas = pandas_for("compare().differences")
        columns = {
            name: pandas.Series(own, dtype=object)
            for name, own in side_by_side.differences(self._results).items()
        }
        frame: pd.DataFrame = pandas.DataFrame(columns)
        return frame

    def plot(self) -> go.Figure:
        """Draw trials, best scores so far and confirmed scores of each study."""
        return side_by_side.figure(self._results)
