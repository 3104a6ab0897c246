"""What the reproduction says of the claims, of studies with a known outcome; its data
and pages."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snapshots
import torch

from hpo import objectives
from hpo.contract import Solved
from hpo.errors import HpoError
from hpo.objectives.data.examples import Examples
from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.networks.kernels.updates import TorchUpdates
from hpo.objectives.training.train import choose_updates
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, StudyState, Trial
from reproduction import (
    architecture,
    checking,
    claims,
    data,
    drives,
    evidence,
    jobs,
    layers,
    measures,
    page,
    readings,
    runs,
    sensitivity,
)
from reproduction.__main__ import main
from reproduction.claims import Kind
from reproduction.measures import Verdict
from reproduction.objective import OtherNetworks, OtherSpintronic

Accuracy = Callable[[dict[str, float]], float]


def study(name: str, accuracy: Accuracy, **info: Accuracy) -> StudySnapshot:
    """Return a study of the reproduction with scores around ``accuracy`` of the
    parameters."""
    spec = next(job for job in jobs.JOBS if job.name == name).spec()
    draw = random.Random(0)

    def one(number: int) -> Trial:
        params = spec.point(number) if spec.sweep else sampled(spec, draw)
        values = {
            k: v
            for k, v in {**spec.fixed, **params}.items()
            if isinstance(v, int | float)
        }
        facts = {"n_synapses": 2896} | {key: f(values) for key, f in info.items()}
        n = spec.budget.seeds
        scores = [accuracy(values) + draw.uniform(-0.005, 0.005) for _ in range(n)]
        networks = [
            snapshots.member(i, (), score=score) for i, score in enumerate(scores)
        ]
        members = tuple(replace(network, info=facts) for network in networks)
        score = sum(scores) / n
        return snapshots.slot(
            number, SlotState.COMPLETE, params=params, members=members, score=score
        )

    points = tuple(one(number) for number in range(spec.budget.trials))
    return snapshots.snapshot(spec, points, state=StudyState.DONE).snapshot


def sampled(spec: StudySpec, draw: random.Random) -> dict[str, float]:
    """Return a random point of the space of Fig. 3(c), logarithmic in all
    parameters."""
    bounds = {
        name: (float(d.low or 0), float(d.high or 0)) for name, d in spec.space.items()
    }
    return {
        name: low * (high / low) ** draw.random()
        for name, (low, high) in bounds.items()
    }


def bell(
    optimum_ns: Callable[[dict[str, float]], float], height: float = 0.9
) -> Accuracy:
    """``height`` up to a factor of three from the optimal time scale, and 0.3
    beyond."""

    def accuracy(p: dict[str, float]) -> float:
        ratio = p.get("point_ns", 1.0) / optimum_ns(p)
        return height if 1 / 3 < ratio < 3 else 0.3

    return accuracy


def everything_agrees(p: dict[str, float]) -> float:
    """All of the paper: its window, both shifts, the drive, densities, and Δt < τ."""
    optimum = (p["tau_ns"] / 14.12 * 0.149 / p["lr0"]) ** 0.25
    height = 0.9 - 0.01 * (p.get("point_ns", 1.0) != 1.0)
    if p["density_intra"] == 0.0:
        height = 0.8
    if p["density_inter"] == p["density_intra"] > 0.75:
        height = 0.85
    return (
        bell(lambda _: optimum, height)(p)
        if p["tau_ns"] > p.get("point_ns", 1.0)
        else 0.3
    )


def verdicts(*studies: StudySnapshot, layers: Any = None) -> dict[str, Verdict]:
    evidences = evidence.gather({s.spec.name: s for s in studies}, layers or {})
    return {
        answer.claim.short: answer.plain.finding.verdict
        for answer in claims.answer_all(evidences, 2)
        if answer.plain
    }


def test_what_agrees_holds_and_what_was_not_run_is_not_judged() -> None:
    def weights(p: dict[str, float]) -> float:
        return p["lr0"] / math.sqrt(p.get("point_ns", 1.0))  # at one rate

    measured = {"mean_weight_per_ns": weights}
    found = verdicts(
        *(
            study(name, everything_agrees, **measured)
            for name in ("fig2b", "fig3a", "fig3b")
        ),
        study("fig2b-split1", everything_agrees, **measured),
    )
    assert found == dict.fromkeys(
        [
            *(
                "89.83 ± 2.91 %",
                "maximum at 1 ns",
                "window 0.4 – 2.5 ns",
                "loss at both ends",
            ),
            *("shift with τ", "shift with lr0", "bells", "fast: large weights"),
            *("lr0: large weights", "windows of Fig. 3"),
        ],
        Verdict.YES,
    )
    unfinished = study("fig2b", everything_agrees)
    assert verdicts(replace(unfinished, search=unfinished.search[:-1])) == {}


def test_what_disagrees_fails() -> None:
    measured: dict[str, Accuracy] = {
        "mean_weight_per_ns": lambda p: p.get("point_ns", 1.0)
    }
    found = verdicts(
        study("fig2b", bell(lambda p: 10.0), **measured),
        study("fig3a", bell(lambda p: 14.12 / p["tau_ns"])),
        study("fig3b", lambda p: 0.5, mean_weight_per_ns=lambda p: 1 / p["lr0"]),
    )
    partly = {name for name, verdict in found.items() if verdict is Verdict.PARTLY}
    assert partly == {
        "loss at both ends",
        "windows of Fig. 3",
    }  # at the fast end; flat curves
    assert {found[name] for name in found.keys() - partly} == {Verdict.NO}
    assert len(found) == 10


def camel(p: dict[str, float]) -> float:
    return {0.1: 0.8, 0.4: 0.6, 1.0: 0.9}.get(p["point_ns"], 0.3)


def flat_but_by(loss: float) -> Accuracy:
    return lambda p: 0.9 if p["density_inter"] == 0.5 else 0.9 - loss


def sparse_loses(loss: float) -> Accuracy:
    return lambda p: (
        0.9 if p["density_intra"] == p["density_inter"] == 1.0 else 0.9 - loss
    )


@pytest.mark.parametrize(
    ("names", "accuracy", "claim", "verdict"),
    [
        (("fig2b", "fig3a", "fig3b"), camel, "bells", Verdict.NO),
        (("fig4",), flat_but_by(0.01), "optimum near 50 %", Verdict.PARTLY),
        (("fig4",), flat_but_by(0.1), "optimum near 50 %", Verdict.YES),
        (("fig4",), sparse_loses(0.0), "intra 10 %", Verdict.YES),
        (("fig4",), sparse_loses(0.0185), "intra 10 %", Verdict.PARTLY),
        (("fig4",), sparse_loses(0.1), "intra 10 %", Verdict.NO),
    ],
)
def test_a_claim_is_a_matter_of_form_and_of_intervals(
    names: tuple[str, ...], accuracy: Accuracy, claim: str, verdict: Verdict
) -> None:
    assert verdicts(*(study(name, accuracy) for name in names))[claim] == verdict


def test_a_reading_is_judged_in_the_terms_of_the_paper(tmp_path: Path) -> None:
    """Where τ is half the paper's, and S twice, the optimum is the same."""
    own = [job.name for job in jobs.JOBS if job.reading == "literal"]

    def accuracy(p: dict[str, float]) -> float:
        return everything_agrees({**p, "tau_ns": 2 * p["tau_ns"]})

    info: dict[str, Accuracy] = {
        "cumulative_drive": lambda p: 2.8,
        "mean_weight_per_ns": lambda p: 1.0,
    }
    made = {name: study(name, accuracy, **info) for name in own}
    made["fig2b"] = study("fig2b", bell(lambda p: 3.0))
    evidences = evidence.gather(made, {})
    answers = {a.claim.short: a for a in claims.answer_all(evidences, 2)}
    for short in (*claims.TOGETHER, "shift with lr0", "Δt < τ", "drive about 1"):
        assert answers[short].cells["literal"].finding.verdict == Verdict.YES, short
    assert claims.together(list(answers.values())) == {"literal": (True, 1.0)}
    assert answers["maximum at 1 ns"].kind == Kind.FEW
    assert answers["fast: large weights"].kind == Kind.UNKNOWN
    assert (
        page.verdict_text(answers["maximum at 1 ns"])
        == "judged under too few readings: holds under 1 of 2; turned by Eq. (1) with"
        " its factor 2"
    )
    drive = answers["drive about 1"]
    assert set(drive.judged) == {"literal", claims.over_all("literal")}
    by_mean = {key: cell.finding.text[:4] for key, cell in drive.judged.items()}
    assert by_mean == {"literal": "1.4 ", claims.over_all("literal"): "0.7 "}
    written = sensitivity.write(list(answers.values()), evidences, made, tmp_path)
    for path in written:
        assert path.stat().st_size > 100
    text = (tmp_path / "records/sensitivity.md").read_text(encoding="utf-8")
    assert (
        "\n- in at least 90 % of the resamples: Eq. (1) with its factor 2 (100%).\n"
        in text
    )


def test_layers_are_those_of_the_optimum_trained_again(tmp_path: Path) -> None:
    """Not those of another τ; nothing is trained twice."""
    reading = next(reading for reading in readings.OTHERS if reading.name == "start")
    for end in ("-shifts", ""):
        job = next(job for job in jobs.JOBS if job.name == f"reading-start{end}")
        spec = job.spec(("budget.epochs=1", "budget.seeds=1", "fixed.width=8"))
        slots = tuple(
            snapshots.slot(
                k,
                SlotState.COMPLETE,
                params=spec.point(k),
                members=(replace(snapshots.member(0, (), score=0.5), seed=3),),
                score=0.5,
            )
            for k in range(spec.budget.trials)
        )
        done = snapshots.snapshot(spec, slots, state=StudyState.DONE).snapshot
        layers.record(done, reading, tmp_path)
        found = layers.read(tmp_path)["start"]
        assert set(found) == ({0.2, 0.5, 1.0} if end == "" else set())
    (row,) = found[0.5]
    assert row["seed"] == 3
    assert len(row["mean"]) == len(row["saturated"]) == len(row["frequency"]) == 3
    assert row["input_frequency"] == pytest.approx(0.17, abs=0.01)
    before = (tmp_path / "layers.json").stat().st_mtime_ns
    layers.record(done, reading, tmp_path)
    assert (tmp_path / "layers.json").stat().st_mtime_ns == before


def test_drives_are_in_units_of_the_threshold(tmp_path: Path) -> None:
    """A network that learns nothing has the fixed bias, twice the threshold."""
    job = next(job for job in jobs.JOBS if job.name == "fig2b")
    spec = job.spec(("budget.epochs=1", "budget.seeds=1", "fixed.s=0.0"))
    one_ns = next(k for k, t in enumerate(spec.curves[0].values) if t == 1.0)
    network = replace(snapshots.member(0, (), score=0.5), seed=3)
    slot = snapshots.slot(
        one_ns,
        SlotState.COMPLETE,
        params=spec.point(one_ns),
        members=(network,),
        score=0.5,
    )
    done = snapshots.snapshot(spec, (slot,), state=StudyState.DONE).snapshot
    drives.record(done, tmp_path)
    (row,) = drives.read(tmp_path)["networks"]
    assert row["drive"] == [[2.0] * len(drives.QUANTILES)] * 3
    assert (row["above_3"], row["above_5"], row["below_0"]) == ([0.0] * 3,) * 3
    before = (tmp_path / drives.NAME).stat().st_mtime_ns
    drives.record(done, tmp_path)
    assert (tmp_path / drives.NAME).stat().st_mtime_ns == before


EIGHT = dict.fromkeys(
    [r.name for r in readings.OTHERS if r.name not in ("map", "start")][:8],
    ("holds", 100),
)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"plain": ("holds", 100), "map": ("holds", 60)}, Kind.YES),
        ({"plain": ("partly", 0), "map": ("fails", 30)}, Kind.PARTLY),
        ({"plain": ("fails", 0), "map": ("fails", 30)}, Kind.NO),
        ({"plain": ("holds", 95), "map": ("fails", 5)}, Kind.DEPENDS),
        ({"plain": ("holds", 75), "map": ("fails", 0)}, Kind.OPEN),
        ({"plain": ("holds", 75), "map": ("holds", 75)}, Kind.OPEN),
        ({"plain": ("partly", 50), "map": ("holds", 100)}, Kind.OPEN),
        ({"plain": ("partly", 3), **EIGHT, "map": ("holds", 90)}, Kind.MOST),
        ({"map": ("holds", 100)}, Kind.UNKNOWN),
    ],
)
def test_readings_agree_or_settle_a_verdict(
    cells: dict[str, tuple[str, int]], kind: Kind
) -> None:
    def cell(verdict: str, n: int) -> claims.Cell:
        holds = (True,) * n + (False,) * (100 - n)
        return claims.Cell(measures.Finding("", Verdict(verdict)), holds)

    own = {name: cell(*value) for name, value in cells.items()}
    if kind is not Kind.UNKNOWN:
        few = claims.Answer(claims.CLAIMS[0], {"plain": own["plain"]})
        assert few.kind is Kind.FEW
    own |= {name: own["map"] for name in ("start", "epochs", "literal")}
    assert claims.Answer(claims.CLAIMS[0], own).kind is kind


def test_main_effects_are_those_of_eight_readings() -> None:
    """One choice decides alone; two of them at once do not count as either."""

    def cell(holds: bool) -> claims.Cell:
        return claims.Cell(
            measures.Finding("", Verdict.YES if holds else Verdict.NO), (holds,) * 10
        )

    design = [r for r in readings.ALL if len(r.chosen) in (1, 3)]
    assert len(design) == 8
    for choice in readings.CROSSED:
        assert sum(choice in r.chosen for r in design) == 4
    cells = {r.name: cell(readings.MAP in r.chosen) for r in design}
    answer = claims.Answer(claims.CLAIMS[0], cells)
    expected = dict.fromkeys(readings.CROSSED, 0.0) | {readings.MAP: 1.0}
    assert answer.effects() == expected
    del cells["loop"]
    assert claims.Answer(claims.CLAIMS[0], cells).effects() == {}


def test_weights_are_those_of_the_best_learning_rate() -> None:
    """Fast inputs learn best at the highest rate, whose weights are larger."""

    def accuracy(p: dict[str, float]) -> float:
        best = 0.149 * 5.0 ** (1 if p["point_ns"] < 0.5 else -1)
        return 0.9 if math.isclose(p["lr0"], best) else 0.5

    weights: dict[str, Accuracy] = {"mean_weight_per_ns": lambda p: p["lr0"]}
    found = verdicts(
        study("fig2b", accuracy, **weights), study("fig3b", accuracy, **weights)
    )
    assert found["fast: large weights"] is Verdict.YES


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ([0.6, 0.5, 0.9], Verdict.YES),
        ([0.6, 0.1, 0.9], Verdict.PARTLY),
        ([0.6, 0.05, 0.9], Verdict.NO),
    ],
)
def test_neurons_around_half_are_counted(shares: list[float], verdict: Verdict) -> None:
    row = {"balanced": shares, "mean": [0.5] * 3, "frequency": [0.1] * 3}
    row |= {"saturated": [0.1] * 3}
    rows = {"plain": {0.5: [{**row, "input_frequency": 0.2}]}}
    found = verdicts(study("fig4", lambda p: 0.9), layers=rows)
    assert found["x around 1/2"] is verdict


def test_the_best_of_few_densities_is_not_judged() -> None:
    """Other readings have 20, 50 and 100 % unless ``-densities`` was measured."""
    made = {
        name: study(name, flat_but_by(0.1))
        for name in ("reading-map", "reading-map-densities")
    }
    with_all = evidence.gather(made, {})["map"]
    del made["reading-map-densities"]
    with_few = evidence.gather(made, {})["map"]
    assert architecture.global_optimum(with_few) is None
    finding = architecture.global_optimum(with_all)
    assert finding is not None
    assert finding.verdict is Verdict.YES


# --- networks of other readings ---


def test_other_networks_are_what_they_say() -> None:
    """Input and readout are amplified, in training too; all seeds share their masks."""
    objective = OtherNetworks()
    sizes: Any = {"channels": 1, "outputs": 10}
    plain = {"thermal_power": 0.0, "drive_limit": "none", "width": 8}
    alike = objective.network(OtherSpintronic(mask_seed=3, **plain), [1, 2], **sizes)
    assert torch.equal(alike.mask_intra[0], alike.mask_intra[1])
    assert not torch.equal(alike.w_out[0], alike.w_out[1])
    gains = {"input_gain": 4.0, "readout_gain": 0.5}
    params: Any = OtherSpintronic(**gains, **plain)
    network = objective.network(params, [1], **sizes)
    reference = objective.network(OtherSpintronic(**plain), [1], **sizes)
    u = torch.rand(5, 6, 1)
    assert torch.allclose(network(u), 0.5 * reference(4.0 * u))
    built_in: Any = objectives.load("spintronic")
    same = built_in.network(Spintronic(**plain), [1], **sizes)
    assert type(reference) is type(same)
    assert torch.equal(reference(u), same(u))
    optimizer = torch.optim.Adam(network.parameters())
    examples = Examples(x=u.numpy(), label=np.zeros(5, np.int64))
    updates = choose_updates(network, optimizer, examples)
    assert isinstance(updates, TorchUpdates)


# --- data, pages and commands ---


def test_data_are_checked_by_training_some_networks_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal to the bit on the machine that wrote them, else within noise or not."""
    job = next(job for job in jobs.JOBS if job.name == "reading-map-split1")
    folder = tmp_path / runs.FOLDER
    spec = job.spec(("budget.epochs=1", "budget.seeds=3", "fixed.width=8"))
    params = spec.params(spec.point(0), epochs=1)
    members = []
    for number in range(3):
        how: Any = {"protocol": spec.protocol, "member_seed": number}
        outcome = spec.objective_impl.evaluate(
            params, task=spec.task_params, on_epoch=lambda progress: None, **how
        )
        assert outcome.solved is not None
        info = {**outcome.info, **snapshots.solved_info(outcome.solved)}
        member = snapshots.member(number, (), score=outcome.score)
        members.append(replace(member, seed=number, info=info))
    slot = snapshots.slot(
        0,
        SlotState.COMPLETE,
        params=spec.point(0),
        members=tuple(members),
        score=0.5,
    )
    done = snapshots.snapshot(spec, (slot,), state=StudyState.DONE).snapshot

    def check(snapshot: StudySnapshot) -> tuple[bool, str]:
        data.write(snapshot, folder / f"{job.name}.json")
        before = sorted(tmp_path.rglob("*"))
        same = checking.check_jobs([tried], 1, folder)
        assert sorted(tmp_path.rglob("*")) == before
        return same, capsys.readouterr().out

    tried = replace(job, overrides=(*job.overrides, *TRIED))
    same, text = check(done)
    assert same
    assert "now: equal to the bit\n" in text
    assert text.endswith("1 equal to the bit, 0 within noise, 0 outside the noise\n")
    first = members[0]

    def scored(member: Member, score: float) -> Member:
        assert member.solved is not None
        info = snapshots.solved_info(member.solved.replace(score=score))
        return replace(member, info={**member.info, **info})

    far = zip(members, (0.98, 0.981, 0.982), strict=True)
    for own, word, agrees in (
        ((scored(first, first.claimed + 0.001), *members[1:]), "within noise", True),
        (tuple(scored(*pair) for pair in far), "outside the noise", False),
    ):
        changed = replace(done, search=(replace(slot, members=own),))
        same, text = check(changed)
        assert same is agrees
        assert f"now: {word} (99 % of networks: " in text
    assert "; numerics unknown, here " in text


TRIED = ("budget.epochs=1", "budget.seeds=3", "fixed.width=8")


def test_a_check_needs_data_and_takes_no_other_parameters(tmp_path: Path) -> None:
    with pytest.raises(HpoError) as caught:
        checking.check("fig4", 3, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/reproduction: no data of fig4 to check. Searches are not checked."
        " Measure first: make reproduce"
    )
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--check", "--set", "budget.epochs=2", "--docs", str(tmp_path)])
    assert stopped.value.code == 2


def test_data_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = study("fig2b", bell(lambda p: 1.0), cumulative_drive=lambda p: 1.2345678)
    data.write(written, tmp_path / "fig2b.json")
    read = data.read(tmp_path / "fig2b.json")
    assert (read.spec, read.state) == (written.spec, written.state)
    assert read.search[3].params == written.search[3].params
    first, same = written.search[3].members[2], read.search[3].members[2]
    assert (same.score, same.seed, same.seconds) == (
        first.score,
        first.seed,
        first.seconds,
    )
    assert same.info["cumulative_drive"] == 1.2346
    assert same.solved is None


def test_what_is_judged_is_the_solved_equation(tmp_path: Path) -> None:
    at_the_step = study("fig2b", lambda p: 0.95)
    checks = [
        Solved(
            score=0.125, converged=i != 3, steps_per_point=8, trained_steps_per_point=2
        )
        for i in range(10)
    ]
    slots = tuple(
        replace(
            slot,
            members=tuple(
                replace(member, info={**member.info, **snapshots.solved_info(check)})
                for member, check in zip(slot.members, checks, strict=True)
            ),
        )
        for slot in at_the_step.search
    )
    data.write(replace(at_the_step, search=slots), tmp_path / "fig2b.json")
    read = data.read(tmp_path / "fig2b.json")
    assert [member.solved for member in read.search[0].members] == checks
    optimum = evidence.gather({"fig2b": read}, {})["plain"].at_optimum()
    assert optimum is not None
    assert [network.accuracy for network in optimum.networks] == [12.5] * 10


def test_a_page_of_a_trial_run_says_so(tmp_path: Path) -> None:
    """Its words tell of ten seeds and sixty epochs."""
    other = study("fig4", lambda p: 0.9)
    budget = other.spec.budget.model_copy(update={"epochs": 2})
    tried = replace(other, spec=other.spec.model_copy(update={"budget": budget}))
    data.write(tried, tmp_path / runs.FOLDER / "fig4.json")
    runs.draw(tmp_path)
    text = (tmp_path / "records/reproduction.md").read_text(encoding="utf-8")
    assert (
        "these data differ from the study files.\n\n- `fig4`: budget.epochs\n" in text
    )


def test_committed_data_give_the_committed_document(tmp_path: Path) -> None:
    """Without a database, and without training."""
    docs = Path(__file__).parents[3] / "docs"
    kept = shutil.ignore_patterns("tables")
    shutil.copytree(docs / runs.FOLDER, tmp_path / runs.FOLDER, ignore=kept)
    command = [sys.executable, "-m", "reproduction", "draw", "--docs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = ["reproduction.md", "records/reproduction.md", "records/sensitivity.md"]
    tables = sorted((docs / "reproduction/tables").glob("*.csv"))
    assert len(tables) > 10
    for name in [*pages, *(table.relative_to(docs) for table in tables)]:
        written, committed = tmp_path / name, docs / name
        assert written.read_text("utf-8") == committed.read_text("utf-8")


def test_the_equation_is_the_papers_unless_a_reading_says_another() -> None:
    """Whatever the defaults of the device are."""
    changes = {reading.name: reading.changes for reading in readings.ALL}
    for job in jobs.JOBS:
        spec = job.declared
        ours = (readings.PAPERS, readings.OTHER_NETWORKS)
        if spec.objective in ours and job.figure != "search":
            values = spec.params({}, epochs=1).model_dump()
            for name, papers in (("drive_limit", "none"), ("thermal_power", 0.0)):
                assert values[name] == changes[job.reading].get(name, papers), job.name


def test_what_is_missing_is_known() -> None:
    job = next(job for job in jobs.JOBS if job.name == "fig4")
    made = study("fig4", lambda p: 0.9)
    assert runs.is_measured(job, made)
    assert not runs.is_measured(job, None)
    assert not runs.is_measured(job, replace(made, search=made.search[:-1]))
    other = made.spec.model_copy(update={"seed": 1})
    assert not runs.is_measured(job, replace(made, spec=other))


def test_unknown_figure_and_missing_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HpoError) as caught:
        jobs.chosen("fig5")
    assert (
        str(caught.value) == "FIG=fig5: expected a figure of the reproduction"
        f" ({', '.join(jobs.FIGURES)}), got 'fig5'. Leave FIG out to run all."
    )
    with pytest.raises(HpoError) as caught:
        runs.draw(tmp_path)
    assert str(caught.value) == f"{tmp_path}/reproduction: no data. Run: make reproduce"


def test_trial_runs_leave_the_committed_data_alone() -> None:
    command = [sys.executable, "-m", "reproduction", "run", "--set", "budget.epochs=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        "--set: needs --docs, so that the committed data stay as they are"
        in done.stderr
    )
