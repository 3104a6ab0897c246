"""``hpo.objectives.train``: one network by the name of its objective."""

from __future__ import annotations

from typing import Any

import pytest

from hpo import objectives
from hpo.contract import Outcome, Progress

SMALL = {"tau_ns": 10.0, "layers": 1, "width": 2, "epochs": 2}


def train(**options: Any) -> Outcome:
    return objectives.train("spintronic", SMALL, **options)


def test_seed_and_checkpoint_determine_a_network() -> None:
    seen: list[Progress] = []
    whole = train(seed=3, on_epoch=seen.append)
    assert [one.score for one in seen] == list(whole.curve)
    assert whole.solved is not None
    assert whole.claimed == whole.solved.score
    assert train(seed=4) != whole

    saved: list[bytes] = []

    def stop(progress: Progress) -> None:
        assert progress.checkpoint is not None
        saved.append(progress.checkpoint())
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(seed=3, on_epoch=stop)
    assert train(seed=3, resume=saved[0]) == whole


def test_a_confirmation_scores_on_the_test_half() -> None:
    assert train(confirm=True).info["n_scored"] == 899
    assert train().info["n_scored"] < 899
    uneven = train(confirm=True, task={"split_seed": 1, "name": "sequential-digits"})
    assert uneven.score != train(confirm=True).score


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "nothing"}, "unknown objective 'nothing'. Built in: ctrnn"),
        ({"task": {"name": "digits"}}, "'spintronic' has no task 'digits'. Its tasks:"),
        ({"task": {"split": 1}}, "split\n  Extra inputs are not permitted"),
        ({"params": {"tau": 1.0}}, "tau\n  Extra inputs are not permitted"),
    ],
)
def test_what_is_unknown_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises((LookupError, ValueError), match=said):
        objectives.train(**{"name": "spintronic", "params": SMALL, **options})
