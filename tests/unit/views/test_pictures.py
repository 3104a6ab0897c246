"""The convergence as a picture for a paper, of a study that declares no figure."""

from __future__ import annotations

from pathlib import Path

import pytest
import snapshots

from hpo.study.trials import SlotState
from hpo.views import pictures

DONE = snapshots.realistic(snapshots.spec())


@pytest.mark.parametrize(
    ("ending", "magic"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG")]
)
def test_it_is_written(ending: str, magic: bytes, tmp_path: Path) -> None:
    path = pictures.write(DONE, tmp_path / f"a{ending}")
    assert path.read_bytes().startswith(magic)


def test_it_holds_trials_best_reported_and_confirmed() -> None:
    (axes,) = pictures.convergence(DONE).axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels[:3] == ["trial", "best so far", "reported 89.83 ± 2.91 % (arXiv:2408.02835)"]
    assert labels[3].endswith(" on 10 fresh seeds")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "accuracy (%)")
    best = next(line for line in axes.lines if line.get_label() == "best so far")
    low, high = axes.get_ylim()
    assert all(low < score < high for score in best.get_ydata()), "never clipped"


def test_curves_that_were_cut_short_have_no_place() -> None:
    complete = [slot for slot in DONE.search if slot.state == SlotState.COMPLETE]
    (axes,) = pictures.convergence(DONE).axes
    drawn = next(line for line in axes.lines if line.get_label() == "trial")
    assert list(drawn.get_xdata()) == [slot.number for slot in complete]


def test_there_is_a_picture_before_any_trial_is_complete() -> None:
    (axes,) = pictures.convergence(snapshots.changed(DONE, search=(), confirm=())).axes
    assert axes.lines[0].get_label().startswith("reported")
