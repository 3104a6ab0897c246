"""Which trials a worker reads again, and which it knows."""

from __future__ import annotations

from hpo.ledger.past import Known, StudyVersion
from hpo.study.trials import Past, SlotState, Suggestion

VERSION = StudyVersion(study_id=1, timeline="a", amendments=0)


class Table:
    """The trials of a database, and what is read of it."""

    def __init__(self, *scores: float | None) -> None:
        """Finished trials with these scores; None runs."""
        self.trials = [trial(score) for score in scores]
        self.numbers: list[range] = []

    def read(self, study_id: int, numbers: range) -> list[Past]:
        """Return trials of the only study."""
        self.numbers.append(numbers)
        return [self.trials[k] for k in numbers]


def trial(score: float | None) -> Past:
    state = SlotState.RUNNING if score is None else SlotState.COMPLETE
    return Past(suggestion=Suggestion(params={"x": 0.5}), state=state, score=score)


def test_finished_trials_are_read_once_and_the_last_one_again() -> None:
    known = Known()
    table = Table(0.1, 0.2, None, 0.4)
    first = known.first(4, VERSION, table.read)
    table.trials = [*map(trial, (0.1, 0.2, 0.3, 0.4))]
    second = known.first(4, VERSION, table.read)
    assert table.numbers == [range(4), range(1, 4)]
    assert second == table.trials
    assert all(own is before for own, before in zip(second[:2], first, strict=False))


def test_all_are_read_anew_where_the_database_is_another() -> None:
    known = Known()
    known.first(3, VERSION, Table(0.1, 0.2, 0.3).read)
    for other in (VERSION._replace(timeline="b"), VERSION._replace(amendments=1)):
        table = Table(0.5, 0.6, 0.3)
        assert known.first(3, other, table.read) == table.trials
        assert table.numbers == [range(3)]


def test_all_are_read_anew_where_the_last_known_trial_is_another() -> None:
    """As in a virtual machine that was set back: its server has noticed nothing."""
    known = Known()
    known.first(3, VERSION, Table(0.1, 0.2, 0.3).read)
    table = Table(0.5, 0.6, None, None)
    assert known.first(4, VERSION, table.read) == table.trials
    assert table.numbers == [range(2, 4), range(4)]
