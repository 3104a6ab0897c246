"""A network of a study: which one, kept or trained again, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import snapshots

from hpo.errors import StudyError
from hpo.search import seeds
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.worker import network, provenance
from hpo.worker.network import Found
from objectives.contract import Protocol

NETWORK = {"objective": "toy_network:ToyNetworkObjective"}
PARAMS = {"x": 0.4, "k": 3, "rate_per_ns": 0.02, "colour": "red"}


def study(*, confirmed: int = 2, **changes: Any) -> Result:
    """Trials 0 (pruned, nothing trained), 1 (the best) and 2; trial 1 is confirmed."""
    spec = snapshots.spec(**{**NETWORK, **changes})
    lineage = provenance.of_this_process()
    search = (
        snapshots.slot(0, SlotState.PRUNED, lineage=lineage),
        *(
            snapshots.slot(
                number,
                SlotState.COMPLETE,
                score=0.9 - 0.1 * number,
                members=tuple(snapshots.member(i, (0.5, 0.8)) for i in range(3)),
                lineage=lineage,
            )
            for number in (1, 2)
        ),
    )
    fresh = [snapshots.confirmation(1, i, 0.7, params={}, lineage=lineage) for i in range(3)]
    fresh[0] = replace(fresh[0], state=SlotState.FAILED, members=(), score=None)
    return snapshots.snapshot(spec, search, tuple(fresh[: confirmed + 1]))


@pytest.mark.parametrize(
    ("wanted", "name", "protocol"),
    [
        ({}, "trial 1, fresh seed 2 of 10", Protocol.CONFIRM),
        ({"trial": 1, "fresh_seed": 3}, "trial 1, fresh seed 3 of 10", Protocol.CONFIRM),
        ({"member": 2}, "trial 1, member 2", Protocol.VALIDATION),
        ({"trial": 2}, "trial 2, member 0", Protocol.VALIDATION),
    ],
)
def test_the_first_fresh_seed_of_the_best_trial_is_chosen_or_what_is_asked_for(
    wanted: dict[str, int], name: str, protocol: Protocol
) -> None:
    choice = network.choose(study(), **wanted)
    assert (choice.name, choice.protocol) == (name, protocol)
    epochs = 60 if protocol == Protocol.CONFIRM else snapshots.EPOCHS
    others = {"noise": 0.02, "sleep_s": 0.0, "fail": "no", "memory_gib": 0.0}
    assert choice.params.model_dump() == {**PARAMS, **others, "epochs": epochs}


def test_without_a_confirmation_member_0_is_chosen() -> None:
    assert network.choose(study(confirmed=-1)).name == "trial 1, member 0"


@pytest.mark.parametrize(
    ("result", "wanted", "message"),
    [
        (
            study(),
            {"trial": 9},
            "toy-study: a trial with a trained network must hold for --trial, but got trial=9, "
            "none of that number. See those that are there: hpo trials toy-study.",
        ),
        (
            study(),
            {"trial": 0},
            "toy-study: a trial with a trained network must hold for --trial, but got trial=0, "
            "one that is pruned without any. See those that are there: hpo trials toy-study.",
        ),
        (
            study(),
            {"member": 3},
            "toy-study, trial 1: a trained network must hold for --member, but got 3. "
            "Valid: 0, 1, 2.",
        ),
        (
            study(),
            {"fresh_seed": 1},
            "toy-study, trial 1: a trained network must hold for --fresh-seed, but got 1. "
            "Valid: 2, 3.",
        ),
        (
            study(),
            {"trial": 2, "fresh_seed": 1},
            "toy-study, trial 2: a trained network must hold for --fresh-seed, but got 1. "
            "It has none; leave the option out.",
        ),
        (
            snapshots.snapshot(snapshots.spec(**NETWORK)),
            {},
            "toy-study: a complete trial must exist, but got 0 of 60 trials settled. Choose one "
            "with --trial, or run the study further.",
        ),
        (
            study(protocol="confirm", sampler={"name": "random"}, pruner=None, confirm=None),
            {},
            "toy-study: a trial must be named, but got none: every point was measured, and no best "
            "one selected. Choose one with --trial.",
        ),
    ],
)
def test_what_is_not_there_is_refused(result: Result, wanted: dict[str, int], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        network.choose(result, **wanted)
    assert str(caught.value) == message


def stored(**changes: Any) -> network.Choice:
    """Member 0 of trial 1, and what the ledger says of it: what its training gives, but changed."""
    choice = network.choose(study(), member=0)
    seeded = replace(choice.stored, seed=seeds.derive(7, "member", 0))
    gave = network.load(replace(choice, stored=seeded)).trained
    lineage = {**choice.slot.lineage, **changes.pop("lineage", {})}
    slot = replace(choice.slot, lineage=lineage)
    return replace(choice, stored=replace(gave, **changes), slot=slot)


def test_the_same_network_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    found = network.load(stored())
    assert found.identical
    assert found.check == "trial 1, member 0: trained again, bit for bit the stored network"
    assert "training trial 1, member 0 again: " in (said := capsys.readouterr().err)
    assert f"{found.check} (" in said


@pytest.mark.parametrize(
    ("lineage", "reason"),
    [
        ({"cpu": "Z80"}, "What differs where they were trained: cpu Z80 then, "),
        ({"numerics": "0"}, "What differs where they were trained: numerics 0 then, "),
        ({}, "What differs where they were trained: nothing that is recorded: please report this."),
    ],
)
def test_another_score_is_told_with_its_difference_and_the_likely_reason(
    lineage: dict[str, Any], reason: str
) -> None:
    found = network.load(stored(score=0.5, lineage=lineage))
    assert not found.identical
    points = 100 * (found.trained.score - 0.5)
    assert f"where 50.0 % is stored: a difference of {points:+.3g} points. {reason}" in found.check


def test_losses_tell_networks_of_one_score_apart() -> None:
    other = network.load(stored(loss_curve=(0.1,) * snapshots.EPOCHS))
    assert not other.identical
    assert "it has the same score, but other losses than the stored ones." in other.check
    nan = (float("nan"),)
    both = replace(other.choice.stored, loss_curve=nan), replace(other.trained, loss_curve=nan)
    same = replace(other, choice=replace(other.choice, stored=both[0]), trained=both[1])
    assert same.identical, "though a NaN is no number"


def kept() -> Found:
    """The first fresh seed of trial 1, as its confirmation kept it."""
    choice = network.choose(study(), fresh_seed=2)
    return network.load(replace(choice, kept=network.build(choice).packed()))


def test_a_kept_network_is_not_trained_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("toy_network.ToyMember.train", pytest.fail)
    found = kept()
    assert found.trained == found.choice.stored
    assert capsys.readouterr().err == f"{found.check}\n"
    assert found.check == "trial 1, fresh seed 2 of 10: the very network that was confirmed"
    about = network.about(found)
    assert about["scores"]["identical_to_stored"] is True
    lineage = about["lineage"]
    assert lineage["trained_by"]["cpu"] == lineage["stored_by"]["cpu"]


def test_what_cannot_be_built_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = network.choose(study())
    own = replace(choice, result=snapshots.snapshot(snapshots.spec()))
    with pytest.raises(StudyError) as caught:
        network.build(own)
    assert str(caught.value) == (
        "toy-study: a network that can be shown, or trained again, must be what its objective "
        "trains, but got objective='toy_objective:ToyObjective'. Derive it from "
        "objectives.inspection.NetworkObjective."
    )

    def gone(*_: object, **__: object) -> None:
        raise ValueError("data.npz: it must be there.")

    monkeypatch.setattr(type(choice.result.spec.objective_impl), "member", gone)
    with pytest.raises(StudyError, match=r"^toy-study: data.npz: it must be there\.$"):
        network.build(choice)


def test_about_a_network_is_strict_json_with_units_scores_and_lineage() -> None:
    found = network.about(network.load(stored()))
    json.dumps(found, allow_nan=False)
    assert found["parameter_units"]["rate_per_ns"] == "1/ns"
    assert found["parameter_units"]["x"] == "1"
    assert "colour" not in found["parameter_units"]
    assert found["scores"]["identical_to_stored"] is True
    assert found["scores"]["scored_on"] == "validation data of the training part"
    assert found["scores"]["trial_confirmed_scores"] == [0.7, 0.7]
    assert found["lineage"]["trial"] == 1
    assert (found["lineage"]["member"], found["lineage"]["fresh_seed"]) == (0, None)
    assert found["lineage"]["stored_by"]["cpu"] == found["lineage"]["trained_by"]["cpu"]
