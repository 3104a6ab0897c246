"""What is said of data is what is read: sizes and splits of every task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from recordings import labels, save, save_csv, series, unequal

from hpo.launch import plan
from hpo.objectives.contract import Protocol
from hpo.study.file import read


def told(tmp_path: Path, protocol: Protocol = Protocol.VALIDATION, **task: Any) -> list[str]:
    raw: dict[str, Any] = {
        **{"name": "own", "objective": "spintronic", "budget": {"trials": 1}, "task": task},
        **{"protocol": protocol, "space": {"tau_ns": {"low": 1.0, "high": 2.0}}},
    }
    study = read(raw, base=tmp_path, where="test")
    return plan.describe(study, plan.read(study))


def test_it_is_said_in_words_with_a_warning_where_axes_seem_to_be_swapped(tmp_path: Path) -> None:
    assert told(tmp_path) == [
        "1,797 series × 64 points × 1 channel; 10 classes; 629 train / 269 validation / 899 test",
        "a trial's score is as precise as on 505 series: 90.0 % has a standard error of 1.3 points",
    ]
    assert told(tmp_path, Protocol.PAPER)[0] == (
        "1,797 series × 64 points × 1 channel; 10 classes; 898 train / 899 test"
    )
    save_csv(tmp_path / "series", unequal(), labels())
    assert told(tmp_path, name="arrays", path="series", pad="before") == [
        "60 series × 5 points × 2 channels; 3 classes; 21 train / 9 validation / 30 test; "
        "lengths 2–5, padded before",
        "a trial's score is as precise as on 17 series: 90.0 % has a standard error of 7.6 points",
        "few series: with validation_folds = 5 in [task] and members = 5 in [budget], a trial is "
        "scored on every training series",
    ]
    save(tmp_path / "swapped.npz", x=np.swapaxes(series(), 1, 2))
    said, warning, *_ = told(tmp_path, name="arrays", path="swapped.npz")
    assert said.startswith("60 series × 2 points × 5 channels; ")
    assert warning == (
        "warning: 5 channels exceed 2 points. If these are the time points, x must be "
        "(n, time, channels): x.transpose(0, 2, 1)"
    )
