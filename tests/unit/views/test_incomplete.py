"""What views say of trainings that failed, of the winner's costs, and of a study that
has ended without a complete trial."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import snapshots

from hpo.errors import for_python
from hpo.study import file
from hpo.study.result import Result
from hpo.study.trials import SlotState, StudyState, Trial
from hpo.views.pages import report as page
from hpo.views.records import json_records
from hpo.views.sentences import incomplete, verdict
from hpo.views.sentences.formatting import capital
from hpo.views.terminal import status

FAILED = (
    "2 of 4 trainings failed (training loss at least 0.52, of the others at most"
    " 0.11); the two others 92.0 ± 5.7 %"
)


def fresh_seed(index: int, score: float, loss: float) -> Trial:
    own = snapshots.confirmation(1, index, score)
    (network,) = own.members
    info = {"n_synapses": 4192, "energy_pj": 24.7}
    return replace(own, members=(replace(network, loss_curve=(1.1, loss), info=info),))


def confirmed() -> Result:
    best = snapshots.slot(1, SlotState.COMPLETE, members=(snapshots.member(0, (0.9,)),))
    networks = ((0.96, 0.001), (0.34, 1.13), (0.88, 0.11), (0.5, 0.52))
    fresh = [fresh_seed(k, *network) for k, network in enumerate(networks)]
    spec = snapshots.spec(confirm={"seeds": 4}, reported=None)
    return snapshots.snapshot(spec, (best,), tuple(fresh), state=StudyState.DONE)


def test_trainings_that_failed_are_counted_in_every_view() -> None:
    result = confirmed()
    assert FAILED in verdict.clauses(result)
    assert FAILED in unescape(page.html(result))
    assert f"  {FAILED}" in status.of_launch(result, report=None, storage="", width=80)
    record = json_records.study(result)["confirmations"][0]["failed_trainings"]
    assert (record["failed"], record["least_loss"]) == ((1, 3), 0.52)


def test_the_costs_of_the_winner_stand_beside_it_in_every_view() -> None:
    result = confirmed()
    lines = [line.split() for line in status.best(result, 1)]
    assert ["energy", "(pJ)", "24.7"] in lines
    assert ["synapses", "4,192"] in lines
    assert "energy (pJ)" in page.html(result)
    record = json_records.study(result)["confirmations"][0]
    assert record["costs"] == {"energy_pj": 24.7, "n_synapses": 4192}


def ended(*states: SlotState) -> Result:
    trials = [snapshots.slot(n, state) for n, state in enumerate(states)]
    return snapshots.snapshot(
        snapshots.spec(reported=None), tuple(trials), state=StudyState.DONE
    )


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (
            ended(SlotState.PRUNED, SlotState.PRUNED),
            "no trial got past pruning: add trials (`hpo resume toy-study --trials"
            ' 120`), or launch it under another name with [pruner] name = "none"',
        ),
        (
            ended(SlotState.FAILED, SlotState.EXCLUDED),
            "correct what failed (`hpo trials toy-study --state failed`), then retry:"
            " `hpo resume toy-study --retry`",
        ),
        (
            ended(SlotState.EXCLUDED),
            "all trials are excluded: launch the study under another name",
        ),
    ],
)
def test_a_study_that_ends_without_a_complete_trial_says_what_to_do(
    result: Result, what: str
) -> None:
    first, second, *_ = verdict.clauses(result)
    assert first.startswith("no trial is complete: ")
    assert second == what
    assert capital(what) in unescape(page.html(result))
    assert what in json_records.study(result)["verdict"]


@pytest.mark.parametrize("state", [StudyState.FAILED, StudyState.DONE])
@pytest.mark.parametrize(
    ("own", "n_values", "what", "python"),
    [
        (
            {},
            2,
            "a retry fails again: the function returns 2 values, and the study has 1"
            " direction. Start another study with the direction of each value: `hpo"
            " launch train.py:objective --name NEW --direction minimize --direction"
            " minimize`",
            "`hpo.launch('train.py:objective', name='other', directions=['minimize',"
            " 'minimize'])`",
        ),
        (
            {"directions": ["maximize", "minimize"], "arguments": ["a b"]},
            1,
            "a retry fails again: the function returns 1 value, and the study has 2"
            " directions. Start another study with the direction of each value: `hpo"
            " launch train.py:objective --name NEW --direction maximize -- 'a b'`",
            "`hpo.launch('train.py:objective', name='other', directions=['maximize'])`",
        ),
    ],
)
def test_a_study_with_too_few_directions_advises_another_one(
    tmp_path: Path,
    state: StudyState,
    own: dict[str, Any],
    n_values: int,
    what: str,
    python: str,
) -> None:
    (tmp_path / "train.py").write_text("def objective(trial): return 1, 2\n")
    tree = {"name": "f", "objective": "train.py:objective", "budget": {"trials": 2}}
    spec = file.read({**tree, **own}, base=tmp_path, where="train.py")
    lineage = {"returned_values": n_values}
    failed = [
        replace(snapshots.slot(n, SlotState.FAILED), lineage=lineage) for n in range(2)
    ]
    result = snapshots.snapshot(spec, tuple(failed), state=state)
    assert status.failures(result)[-1] == f"  {what}"
    with for_python():
        assert status.failures(result)[-1].endswith(python)
    if state == StudyState.FAILED:
        assert status.next_step(result) == what
    else:
        assert what in json_records.study(result)["verdict"]
        assert capital(what) in unescape(page.html(result))
    other = snapshots.slot(2, SlotState.FAILED)
    mixed = snapshots.changed(result, search=(*failed, other))
    assert "after fixing the cause: hpo resume f --retry" in status.failures(mixed)[-1]


def test_to_retry_a_corrected_function_is_to_accept_its_source(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("def objective(trial): return lost\n")
    tree = {"name": "f", "objective": "train.py:objective", "budget": {"trials": 9}}
    spec = file.read(tree, base=tmp_path, where="train.py")
    lost = tuple(snapshots.slot(n, SlotState.FAILED) for n in range(2))
    failed = snapshots.snapshot(spec, lost, state=StudyState.FAILED, reason="3 failed")
    retry = "hpo resume f --retry --accept-code"
    assert f"retry these trials with `{retry}`" in status.next_step(failed)
    assert status.failures(failed)[-1] == f"  after fixing the cause: {retry}"
    one = snapshots.changed(failed, search=lost[:1])
    assert status.failures(one)[-1].endswith("hpo resume f --retry 0 --accept-code")
    with for_python():
        assert incomplete.retry_command(failed) == (
            "hpo.load('f').accept_code(); hpo.load('f').retry()"
        )
