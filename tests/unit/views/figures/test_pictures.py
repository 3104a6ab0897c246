"""Figures as pictures for a paper: what plotly draws, drawn again by Matplotlib."""

from __future__ import annotations

from pathlib import Path

import fronts
import pytest
import snapshots

from hpo.errors import HpoError
from hpo.views.figures import convergence, front, networks, pictures
from hpo.views.figures.plotted import Plotted

DONE = snapshots.realistic(snapshots.spec())


@pytest.mark.parametrize(
    ("ending", "magic"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG")]
)
def test_a_picture_is_written_and_the_same_again(
    ending: str, magic: bytes, tmp_path: Path
) -> None:
    figure = front.figure(Plotted(fronts.both()))
    one, two = (pictures.write(figure, tmp_path / f"{name}{ending}") for name in "ab")
    assert one.read_bytes().startswith(magic)
    assert one.read_bytes() == two.read_bytes()
    with pytest.raises(
        HpoError, match=r"expected the ending \.svg, \.pdf or \.png, got \.gif"
    ):
        pictures.write(figure, tmp_path / "a.gif")


def test_a_convergence_has_trials_best_reported_and_confirmed() -> None:
    (axes,) = pictures.drawn(convergence.convergence(Plotted(DONE))).axes
    labels = axes.get_legend_handles_labels()[1]
    assert {"complete trial", "best so far", "confirmed on fresh seeds"} <= {*labels}
    assert any("89.83 ± 2.91 %" in label for label in labels)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "accuracy (%)")
    best = next(c for c in axes.containers if c.get_label() == "best so far")[0]
    assert best.get_drawstyle() == "steps-post"
    low, high = axes.get_ylim()
    assert all(low < score < high for score in best.get_ydata())


def test_a_front_has_a_panel_for_each_cost_and_one_legend() -> None:
    drawn = pictures.drawn(front.figure(Plotted(fronts.both())))
    assert [axes.get_xlabel() for axes in drawn.axes] == ["energy (pJ)", "synapses"]
    assert [axes.get_ylabel() for axes in drawn.axes] == ["accuracy (%)", ""]
    assert min(len(axes.containers) for axes in drawn.axes) >= 5
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert len(labels) == len({*labels})
    assert "front of the search" in labels


def test_other_figures_can_be_drawn_too_also_before_any_trial_is_complete() -> None:
    for figure in (
        networks.confirmed(Plotted(DONE)),
        networks.learning_curves(Plotted(DONE)),
    ):
        assert pictures.drawn(figure).axes
    empty = snapshots.changed(DONE, search=(), confirm=())
    assert len(pictures.drawn(convergence.convergence(Plotted(empty))).axes) == 1
