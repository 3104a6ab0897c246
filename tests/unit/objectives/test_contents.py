"""What is said of data is what is read: sizes and splits of every task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from recordings import labels, save, save_csv, series, unequal

from hpo.launch import plan
from hpo.study.file import validate
from hpo.study.spec import StudySpec
from objectives.contract import Protocol


def spec(protocol: Protocol = Protocol.VALIDATION, **task: object) -> StudySpec:
    raw = {
        "name": "own",
        "objective": "spintronic",
        "protocol": protocol,
        "budget": {"trials": 1},
        "task": task,
        "space": {"tau_ns": {"low": 1.0, "high": 2.0}},
    }
    if protocol is Protocol.CONFIRM:
        raw["confirm"] = False
    return validate(raw, where="test")


def told(study: StudySpec) -> list[str]:
    return plan.data(study, plan.read(study))


def test_series_of_unequal_lengths_are_said_to_be(tmp_path: Path) -> None:
    save_csv(tmp_path / "series", unequal(), labels())
    (said,) = told(spec(name="arrays", path=str(tmp_path / "series"), pad="before"))
    assert said == (
        "60 series × 5 points × 2 channels; 3 classes; 21 train / 9 validation / 30 test; "
        "lengths 2–5, padded before"
    )


def test_it_is_said_in_words_with_a_warning_where_axes_seem_to_be_swapped(tmp_path: Path) -> None:
    assert told(spec()) == [
        "1,797 series × 64 points × 1 channel; 10 classes; 629 train / 269 validation / 899 test"
    ]
    assert told(spec(Protocol.PAPER)) == [
        "1,797 series × 64 points × 1 channel; 10 classes; 898 train / 899 test"
    ]
    x = series()
    path = save(tmp_path / "swapped.npz", x=np.swapaxes(x, 1, 2))
    said, warning = told(spec(name="arrays", path=str(path)))
    assert said.startswith(f"{len(x)} series × {x.shape[2]} points × {x.shape[1]} channels; ")
    assert warning == (
        f"warning: {x.shape[1]} channels exceed {x.shape[2]} points. If these are the time points, "
        "x must be (n, time, channels): x.transpose(0, 2, 1)"
    )
