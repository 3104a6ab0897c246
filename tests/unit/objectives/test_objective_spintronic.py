"""The objective ``spintronic`` as the service calls it."""

from __future__ import annotations

from functools import partial

import pytest
from trainings import SMALL, checkpoints, evaluate

from hpo.objectives.contract import Protocol
from hpo.objectives.tasks.sequential_digits import SequentialDigitsParams

spintronic = partial(evaluate, "spintronic")


def test_outcome_says_what_was_trained_and_scored() -> None:
    info = spintronic(epochs=1).info
    drive = info.pop("cumulative_drive")
    weight = info.pop("mean_weight_per_ns")
    assert drive == pytest.approx(0.5 * weight * 32**0.5 * 1.0)  # Eq. (9) times dt, at the defaults
    assert info == {
        "n_synapses": 2896,
        "n_neurons": 96,
        "presentation_ns": 64.0,
        "energy_pj": pytest.approx(38.56 * 0.64),  # section V, for 64 of its 100 ns
        "n_train": 629,
        "n_scored": 269,
        "n_skipped_updates": 0,
    }
    info = spintronic(protocol=Protocol.CONFIRM, **SMALL | {"epochs": 1}).info
    assert (info["n_train"], info["n_scored"]) == (898, 899)


def test_checkpoint_of_another_member_task_or_parameter_is_refused() -> None:
    checkpoint, _ = checkpoints("spintronic", seed=1, epochs=2)
    with pytest.raises(
        ValueError, match=r"expected `member_seed == 0`, got member_seed=1. Resume with"
    ):
        spintronic(resume=checkpoint, epochs=2)
    with pytest.raises(ValueError, match=r"expected `lr0 == 0.2`, got lr0=0.149"):
        spintronic(resume=checkpoint, epochs=2, seed=1, lr0=0.2)
    with pytest.raises(ValueError, match="expected `protocol == 'paper'`"):
        spintronic(resume=checkpoint, epochs=2, seed=1, protocol=Protocol.PAPER)
    with pytest.raises(ValueError, match=r"expected `variability.draws == 3`, got .*=None"):
        spintronic(resume=checkpoint, epochs=2, seed=1, variability={"draws": 3})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "accuracy", "error"), [("spintronic", 0.897, 0.0165), ("ctrnn", 0.89, 0.0348)]
)
def test_the_defaults_reach_the_accuracy_of_the_paper(
    kind: str, accuracy: float, error: float
) -> None:
    """89.83 ± 2.91 % over ten runs is reported, without a word on how the images were split.

    Which half trains matters as much as the seed: over 16 splits, ten seeds each, we measured means
    of 88.0 to 91.2 %, 89.7 ± 1.0 %, and about ± 1.4 % from seed to seed. So each of ten runs has a
    split of its own here; their mean is good to 1.7 / √10 = 0.55 %, of which three are allowed.
    Of CTRNNs it is 89.00 ± 3.48 %; their defaults are those of the paper, not a search's optimum.
    """
    tasks = [SequentialDigitsParams(split_seed=run) for run in range(10)]
    scores = [
        evaluate(kind, Protocol.CONFIRM, epochs=60, seed=run, task=task).score
        for run, task in enumerate(tasks)
    ]
    assert sum(scores) / 10 == pytest.approx(accuracy, abs=error)
