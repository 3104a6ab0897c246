"""The learning curve of the best trial: its numbers, and what its picture says."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from snapshots import realistic, spec

from hpo.study.snapshot import StudySnapshot
from hpo.study.trials import Trial
from hpo.views import pictures
from hpo.worker.artifacts import learning_curve


def best(snapshot: StudySnapshot) -> Trial:
    return snapshot.best


def rows(snapshot: StudySnapshot, trial: Trial) -> list[dict[str, str]]:
    stream = io.StringIO(newline="")
    learning_curve.write_csv(snapshot, trial, stream)
    stream.seek(0)
    return list(csv.DictReader(stream))


def texts(figure: Figure) -> str:
    """All that is written in a picture that can be drawn."""
    with pictures.style():
        assert pictures.rendered(figure, ".svg").startswith(b"<?xml")
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    axes = [axes.get_title(loc="left") + axes.get_ylabel() for axes in figure.axes]
    return "\n".join([*labels, *axes])


def test_every_network_of_the_best_trial_is_there() -> None:
    study = realistic(spec())
    trial = best(study)
    found = rows(study, trial)
    names = list(dict.fromkeys(row["network"] for row in found))
    assert names[:3] == ["member 0", "member 1", "member 2"]
    assert names[3:] == [f"fresh seed {k}" for k in range(1, 11)]
    scores = [float(row["score"]) for row in found if row["network"] == "member 1"]
    assert scores == list(trial.members[1].curve)
    finals = {row["network"]: float(row["final_score"]) for row in found if row["final_score"]}
    assert list(finals) == names
    assert finals["member 2"] == trial.members[2].score
    fresh = [row for row in found if row["network"].startswith("fresh")]
    assert not any(row["score"] for row in fresh), "the test part chooses nothing"


def test_the_picture_says_what_was_scored_on_which_data() -> None:
    study = realistic(spec())
    said = texts(learning_curve.figure(study, best(study)))
    for text in (
        "search: 3 networks, validation data of the training part",
        "confirmation: 10 fresh seeds, the test part",
        "reported 89.83 ± 2.91 % (arXiv:2408.02835)",
        f"toy-study, trial {best(study).number}\naccuracy ",
        "accuracy (%)",
        "training loss",
    ):
        assert text in said


@pytest.mark.parametrize("loss", [(), (math.nan, math.inf), (-1.0, 0.0)])
def test_losses_of_any_kind(loss: tuple[float, ...]) -> None:
    study = realistic(spec(confirm=None, reported=None), confirmed=False)
    trial = best(study)
    members = tuple(replace(m, loss_curve=loss, curve=()) for m in trial.members)
    trial = replace(trial, members=members)
    said = texts(learning_curve.figure(study, trial))
    assert ("training loss" in said) == (loss == (-1.0, 0.0))
    assert "reported" not in said
    assert len(rows(study, trial)) == 3 * max(1, len(loss))


def test_text_of_users_is_no_mathematics() -> None:
    study = realistic(spec(reported={"score": 0.9, "source": "$x^{"}))
    assert r"(\$x^{)" in texts(learning_curve.figure(study, best(study)))
    assert pictures.wrapped("a $b$ " * 30).count("\n") == 1
