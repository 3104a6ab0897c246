"""A kept network of a study: which one, and what is said of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import snapshots
from toy_network import ToyMember
from toy_objective import ToyParams, ToyTask

from hpo.contract import Protocol
from hpo.errors import StudyError
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.records import kept_network
from hpo.views.records.kept_network import KeptNetwork
from hpo.worker import network, provenance

NETWORK = {"objective": "toy_network:ToyNetworkObjective"}
PARAMS = {"x": 0.4, "k": 3, "rate_per_ns": 0.02, "colour": "red"}
SEED = 1000
WEIGHTS = ToyMember(
    ToyParams.model_validate({**PARAMS, "epochs": 60}),
    ToyTask(),
    Protocol.CONFIRM,
    SEED,
).to_bytes()


class Kept:
    """A ledger that keeps the networks of these trainings, by the trial that they
    confirm."""

    def __init__(self, numbers: dict[int, int]) -> None:
        self.numbers = numbers

    def network(self, name: str, source: int) -> tuple[int, bytes] | None:
        if source not in self.numbers:
            return None
        return self.numbers[source], WEIGHTS


def study(**changes: Any) -> Result:
    """Trials 0 (pruned, nothing trained), 1 (the best) and 2; 1 and 2 are confirmed."""
    spec = snapshots.spec(**{**NETWORK, **changes})
    lineage = provenance.of_this_process()
    pruned = snapshots.slot(0, SlotState.PRUNED, lineage=lineage)
    complete = [
        snapshots.slot(
            number,
            SlotState.COMPLETE,
            score=0.9 - 0.1 * number,
            members=tuple(snapshots.member(i, (0.5, 0.8)) for i in range(3)),
            lineage=lineage,
        )
        for number in (1, 2)
    ]
    fresh = [
        snapshots.confirmation(number, i, 0.7, params={}, lineage=lineage)
        for number in (1, 2)
        for i in range(2)
    ]
    return snapshots.snapshot(spec, (pruned, *complete), tuple(fresh))


def chosen(**wanted: int) -> KeptNetwork:
    """Return the network that is chosen where those of trials 1 and 2 are stored."""
    ledger: Any = Kept({1: 10, 2: 21})
    return network.choose(study(), ledger, **wanted)


def test_the_network_of_the_best_trial_is_chosen_or_what_is_asked_for() -> None:
    best = chosen()
    assert best.name == "trial 1, fresh seed 1 of 10"
    assert chosen(trial=2).name == "trial 2, fresh seed 2 of 10"
    others = {
        "noise": 0.02,
        "sleep_s": 0.0,
        "fail": "no",
        "memory_gib": 0.0,
        "score_every": 1,
        "epochs": 60,
    }
    assert best.params.model_dump() == {**PARAMS, **others}


@pytest.mark.parametrize(
    ("result", "trial", "message"),
    [
        (study(), 9, "trial 9 does not exist. List the trials: hpo trials toy-study."),
        (
            study(),
            0,
            "trial 0: no network is stored. Only confirmed trials have one: 1, 2.",
        ),
        (
            study(),
            2,
            "trial 2: no network is stored: 2 of 10 fresh seeds complete, 8 not"
            " finished; their networks were too large, or the objective returned none."
            " Other confirmed trials: 1.",
        ),
        (
            snapshots.snapshot(snapshots.spec(**NETWORK)),
            None,
            "there is no best trial: 0 of 60 trials finished.",
        ),
        (
            study(
                protocol="confirm",
                sampler={"name": "random"},
                pruner=None,
                confirm=None,
            ),
            None,
            "there is no best trial: the study measures every point.",
        ),
    ],
)
def test_a_missing_network_is_refused(
    result: Result, trial: int | None, message: str
) -> None:
    ledger: Any = Kept({1: 10})
    with pytest.raises(StudyError, match=re.escape(message)):
        network.choose(result, ledger, trial)


def test_a_confirmation_that_failed_keeps_no_network() -> None:
    result = study()
    failed = snapshots.confirmation(1, 0, None)
    alone = snapshots.snapshot(result.spec, tuple(result.search), (failed,))
    ledger: Any = Kept({})
    said = (
        "trial 1: no network is stored: 0 of 10 fresh seeds complete, 1 failed, 9 not"
    )
    with pytest.raises(StudyError, match=said):
        network.choose(alone, ledger)


def test_a_network_that_is_replaced_as_it_is_read_is_told() -> None:
    ledger: Any = Kept({1: 15})
    with pytest.raises(StudyError, match=r"has just replaced the network\. Run this"):
        network.choose(study(), ledger)


def test_its_facts_are_json_with_units_scores_and_lineage() -> None:
    facts = kept_network.record(chosen())
    json.dumps(facts, allow_nan=False)
    assert {"rate_per_ns": "1/ns", "x": "1"}.items() <= facts["parameter_units"].items()
    assert "colour" not in facts["parameter_units"]
    scores = {"score": 0.7, "trial_confirmed_scores": [0.7, 0.7]}
    scores["scored_on"] = "the test part"
    assert scores.items() <= facts["scores"].items()
    lineage = {"trial": 1, "fresh_seed": 1, "seed": SEED}
    assert lineage.items() <= facts["lineage"].items()
    assert facts["lineage"]["stored_by"]["cpu"] == provenance.of_this_process()["cpu"]


def test_its_facts_name_the_seed_that_trained_it() -> None:
    other = chosen(trial=2)
    lineage = kept_network.record(other)["lineage"]
    assert lineage["network"] == "trial 2, fresh seed 2 of 10"
    assert lineage["fresh_seed"] == 2
    assert lineage["seed"] == other.measured.seed == SEED + 1


def test_its_weights_are_restored_and_those_of_another_are_refused() -> None:
    assert network.restore(chosen()).to_bytes() == WEIGHTS
    with pytest.raises(
        StudyError, match=r"^toy-study, trial 1, fresh seed 1 of 10: it is another"
    ):
        network.restore(replace(chosen(), data=b"of another"))


def test_what_cannot_be_restored_is_one_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = chosen()
    own = replace(kept, result=snapshots.snapshot(snapshots.spec()))
    with pytest.raises(
        StudyError, match="objective 'toy_objective:ToyObjective' trains no"
    ):
        network.restore(own)

    def gone(*_: object, **__: object) -> None:
        raise ValueError("data.npz: it must be there.")

    monkeypatch.setattr(type(kept.result.spec.objective_impl), "member", gone)
    with pytest.raises(
        StudyError, match=r"^toy-study, .*: data.npz: it must be there\.$"
    ):
        network.restore(kept)
