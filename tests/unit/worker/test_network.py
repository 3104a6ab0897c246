"""A network of a study: which one, kept or trained again, and what is said of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import snapshots

from hpo.contract import Protocol
from hpo.errors import StudyError
from hpo.study.result import Result
from hpo.study.spec import derived_seed
from hpo.study.trials import SlotState
from hpo.worker import network, provenance
from hpo.worker.network import StudyNetwork

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
    fresh = [
        snapshots.confirmation(1, i, 0.7, params={}, lineage=lineage) for i in range(3)
    ]
    fresh[0] = replace(fresh[0], state=SlotState.FAILED, members=(), score=None)
    return snapshots.snapshot(spec, search, tuple(fresh[: confirmed + 1]))


@pytest.mark.parametrize(
    ("confirmed", "wanted", "name", "protocol"),
    [
        (2, {}, "trial 1, fresh seed 2 of 10", Protocol.CONFIRM),
        (
            2,
            {"trial": 1, "fresh_seed": 3},
            "trial 1, fresh seed 3 of 10",
            Protocol.CONFIRM,
        ),
        (2, {"member": 2}, "trial 1, member 2", Protocol.VALIDATION),
        (2, {"trial": 2}, "trial 2, member 0", Protocol.VALIDATION),
        (-1, {}, "trial 1, member 0", Protocol.VALIDATION),
    ],
)
def test_the_first_fresh_seed_of_the_best_trial_is_chosen_or_what_is_asked_for(
    confirmed: int, wanted: dict[str, int], name: str, protocol: Protocol
) -> None:
    choice = network.choose(study(confirmed=confirmed), **wanted)
    assert (choice.name, choice.protocol) == (name, protocol)
    epochs = 60 if protocol == Protocol.CONFIRM else snapshots.EPOCHS
    others = {
        "noise": 0.02,
        "sleep_s": 0.0,
        "fail": "no",
        "memory_gib": 0.0,
        "score_every": 1,
    }
    assert choice.params.model_dump() == {**PARAMS, **others, "epochs": epochs}


@pytest.mark.parametrize(
    ("result", "wanted", "message"),
    [
        (study(), {"trial": 9}, "trial 9 does not exist. List the trials: hpo trials "),
        (study(), {"trial": 0}, "trial 0 is pruned and has no trained network. List"),
        (study(), {"member": 3}, "no trained network for --member 3. Valid: 0, 1, 2."),
        (
            study(),
            {"fresh_seed": 1},
            "no trained network for --fresh-seed 1. Valid: 2, 3.",
        ),
        (
            study(),
            {"trial": 2, "fresh_seed": 1},
            "1. There is none; leave the option out.",
        ),
        (
            snapshots.snapshot(snapshots.spec(**NETWORK)),
            {},
            "there is no best trial: 0 of 60 trials settled. Choose one with --trial.",
        ),
        (
            study(
                protocol="confirm",
                sampler={"name": "random"},
                pruner=None,
                confirm=None,
            ),
            {},
            (
                "there is no best trial: the study measures every point. Choose one"
                " with --trial."
            ),
        ),
    ],
)
def test_a_missing_network_is_refused(
    result: Result, wanted: dict[str, int], message: str
) -> None:
    with pytest.raises(StudyError, match=re.escape(message)):
        network.choose(result, **wanted)


def again(*, lineage: dict[str, Any] | None = None, **changes: Any) -> StudyNetwork:
    """Member 0 of trial 1, trained again; what its training gives is stored, but
    changed."""
    chosen = network.choose(study(), member=0)
    chosen = replace(
        chosen, stored=replace(chosen.stored, seed=derived_seed(7, "member", 0))
    )
    loaded = network.load(chosen)
    assert loaded.trained is not None
    slot = replace(chosen.slot, lineage={**chosen.slot.lineage, **(lineage or {})})
    return replace(loaded, stored=replace(loaded.trained, **changes), slot=slot)


def test_the_same_network_says_so_and_what_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = again()
    assert same.identical
    assert same.check.startswith(
        "trial 1, member 0: trained again, bit-for-bit identical to the "
    )
    assert "training trial 1, member 0 again: " in capsys.readouterr().err
    about = network.about(same)
    json.dumps(about, allow_nan=False)
    assert {"rate_per_ns": "1/ns", "x": "1"}.items() <= about["parameter_units"].items()
    assert "colour" not in about["parameter_units"]
    scores = {"identical_to_stored": True, "trial_confirmed_scores": [0.7, 0.7]}
    scores["scored_on"] = "validation data of the training part"
    assert scores.items() <= about["scores"].items()
    assert {"trial": 1, "member": 0, "fresh_seed": None}.items() <= about[
        "lineage"
    ].items()
    assert about["lineage"]["stored_by"]["cpu"] == about["lineage"]["trained_by"]["cpu"]


def test_another_score_is_told_with_the_likely_reason() -> None:
    other = again(score=0.5, lineage={"cpu": "Z80"})
    assert not other.identical
    assert other.check.endswith("stored 50.0 %. This host differs in: cpu (Z80 then)")


def test_losses_tell_networks_of_one_score_apart() -> None:
    other = again(loss_curve=(0.1,) * snapshots.EPOCHS)
    assert not other.identical
    assert other.check.endswith("This host differs in: nothing known")
    nan = (float("nan"),)
    same = replace(other, stored=replace(other.stored, loss_curve=nan))
    same = replace(same, trained=replace(other.measured, loss_curve=nan))
    assert same.identical, "though a NaN is no number"


def test_a_kept_network_is_not_trained_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("toy_network.ToyMember.train", pytest.fail)
    chosen = network.choose(study(), fresh_seed=2)
    kept = network.load(replace(chosen, data=network.build(chosen).to_bytes()))
    assert kept.measured == kept.stored
    assert capsys.readouterr().err == f"{kept.check}\n"
    assert kept.check == "trial 1, fresh seed 2 of 10: the confirmed network itself"
    with pytest.raises(
        StudyError, match=r"^toy-study, trial 1, fresh seed 2 of 10: it is another"
    ):
        network.build(replace(kept, data=b"of another"))


def test_what_cannot_be_built_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = network.choose(study())
    own = replace(chosen, result=snapshots.snapshot(snapshots.spec()))
    with pytest.raises(
        StudyError, match="objective 'toy_objective:ToyObjective' trains no"
    ):
        network.build(own)

    def gone(*_: object, **__: object) -> None:
        raise ValueError("data.npz: it must be there.")

    monkeypatch.setattr(type(chosen.result.spec.objective_impl), "member", gone)
    with pytest.raises(
        StudyError, match=r"^toy-study, .*: data.npz: it must be there\.$"
    ):
        network.build(chosen)
