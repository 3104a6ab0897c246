from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import snapshots

from hpo.errors import HpoError
from hpo.study.confirmation import solved_info
from hpo.study.snapshot import StudySnapshot, StudyState
from hpo.study.trials import Slot, SlotState
from objectives.contract import Solved
from reproduction import __main__, claims, conditions, data, jobs, judges, runs
from reproduction.judges import Verdict

Accuracy = Callable[[dict[str, float]], float]


def study(name: str, accuracy: Accuracy, drive: Accuracy = lambda p: 1.0) -> StudySnapshot:
    """A study of the reproduction whose networks score around ``accuracy`` of their parameters."""
    spec = next(job for job in jobs.JOBS if job.name == name).spec()
    draw = random.Random(0)

    def one(number: int) -> Slot:
        params = spec.point(number)
        values = {k: v for k, v in {**spec.fixed, **params}.items() if isinstance(v, int | float)}
        info = {"n_synapses": 2896, "cumulative_drive": drive(values)}
        scores = [accuracy(values) + draw.uniform(-0.01, 0.01) for _ in range(10)]
        networks = [snapshots.member(i, (), score=score) for i, score in enumerate(scores)]
        members = tuple(replace(network, info=info) for network in networks)
        score = sum(scores) / 10
        return snapshots.slot(
            number, SlotState.COMPLETE, params=params, members=members, score=score
        )

    points = tuple(one(number) for number in range(spec.budget.trials))
    return snapshots.snapshot(spec, points, state=StudyState.DONE)


def bell(optimum_ns: Callable[[dict[str, float]], float]) -> Accuracy:
    """0.9 up to a factor of three from the optimal time scale, and 0.3 beyond."""

    def accuracy(p: dict[str, float]) -> float:
        ratio = p["dt_ns"] / optimum_ns(p)
        return 0.9 if 1 / 3 < ratio < 3 else 0.3

    return accuracy


def on_all_splits(name: str, accuracy: Accuracy) -> list[StudySnapshot]:
    return [study(jobs.split_of(name, split), accuracy) for split in (0, *jobs.SPLITS)]


def verdicts(*studies: StudySnapshot) -> dict[str, Verdict]:
    found = claims.judge_all({s.spec.name: s for s in studies})
    return {claim.text: claim.verdict for claim in found}


def test_what_agrees_is_reproduced_and_what_was_not_run_is_not_judged() -> None:
    found = verdicts(
        *on_all_splits("fig2b", bell(lambda p: 1.0)),
        *on_all_splits("fig2b-ctrnn", bell(lambda p: 1.0)),
        study("fig3a", bell(lambda p: p["tau_ns"] / 14.12)),
        study("fig3b", bell(lambda p: 0.149 / p["lr0"])),
    )
    assert found["spintronic network: 89.83 ± 2.91 %"] == Verdict.YES
    assert found["kept from 0.4 to 2.5 ns, about 5-fold"] == Verdict.YES
    assert found["the spintronic network is as good as the CTRNN"] == Verdict.YES
    assert found["always bell-shaped"] == Verdict.YES
    assert found["significantly degraded well below and well above"] == Verdict.YES
    assert found["the optimal time scale grows with τ"] == Verdict.YES
    assert found["faster inputs require higher learning rates"] == Verdict.YES
    assert found["global optimum near 50 %"] == Verdict.UNKNOWN
    unfinished = study("fig2b", bell(lambda p: 1.0))
    found = verdicts(replace(unfinished, search=unfinished.search[:-1]))
    assert found["maximum at 1 ns"] == Verdict.UNKNOWN


def test_what_disagrees_is_not_reproduced() -> None:
    found = verdicts(
        *on_all_splits("fig2b", bell(lambda p: 10.0)),
        *on_all_splits("fig2b-ctrnn", lambda p: 0.95),
        study("fig3a", bell(lambda p: 14.12 / p["tau_ns"])),
        study("fig3b", lambda p: 0.5),
    )
    assert found["spintronic network: 89.83 ± 2.91 %"] == Verdict.NO
    assert found["CTRNN: 89.00 ± 3.48 %"] == Verdict.NO
    assert found["the spintronic network is as good as the CTRNN"] == Verdict.NO
    assert found["so it is at other time scales"] == Verdict.NO
    assert found["maximum at 1 ns"] == Verdict.NO
    assert found["kept from 0.4 to 2.5 ns, about 5-fold"] == Verdict.NO
    assert found["the optimal time scale grows with τ"] == Verdict.NO
    assert found["always bell-shaped"] == Verdict.NO


def test_a_curve_with_two_peaks_is_no_bell() -> None:
    def camel(p: dict[str, float]) -> float:
        return {0.1: 0.8, 0.4: 0.6, 1.0: 0.9}.get(p["dt_ns"], 0.3)

    found = verdicts(study("fig3a", camel), study("fig3b", camel))
    assert found["always bell-shaped"] == Verdict.NO


def test_a_flat_curve_has_no_optimal_density() -> None:
    found = verdicts(study("fig4", lambda p: 0.9 if p["density_inter"] == 0.5 else 0.89))
    assert found["global optimum near 50 %"] == Verdict.PARTLY
    found = verdicts(study("fig4", lambda p: 0.9 if p["density_inter"] == 0.5 else 0.8))
    assert found["global optimum near 50 %"] == Verdict.YES


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (lambda p: 0.9, {"intra": Verdict.YES, "inter": Verdict.YES}),
        (
            lambda p: 0.9 * min(p["density_intra"], p["density_inter"]),
            {"intra": Verdict.NO, "inter": Verdict.NO},
        ),
    ],
)
def test_densities(accuracy: Accuracy, expected: dict[str, Verdict]) -> None:
    found = verdicts(study("fig4", accuracy))
    assert found["intra-layer connections down to 10 % without loss"] == expected["intra"]
    assert found["inter-layer connections down to 20 % without loss"] == expected["inter"]


def test_plateau_is_the_unbroken_run_around_the_best() -> None:
    (curve,) = judges.curves(study("fig2b", bell(lambda p: 1.0)))
    xs = [p.x for p in judges.plateau(curve)]
    assert set(xs) <= {0.4, 0.63, 1.0, 1.6, 2.5}
    assert 0.4 <= judges.centre(curve) <= 2.5


def test_data_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = study("fig2b", bell(lambda p: 1.0), drive=lambda p: 1.2345678)
    data.write(written, tmp_path / "fig2b.json")
    read = data.read(tmp_path / "fig2b.json")
    assert (read.spec, read.state) == (written.spec, written.state)
    assert read.search[3].params == written.search[3].params
    first, same = written.search[3].members[2], read.search[3].members[2]
    assert (same.score, same.seed, same.seconds) == (first.score, first.seed, first.seconds)
    assert same.info["cumulative_drive"] == 1.2346
    assert same.solved is None


def test_what_is_judged_is_the_solved_equation(tmp_path: Path) -> None:
    at_the_step = study("fig2b", lambda p: 0.95)
    checks = [
        Solved(score=0.125, converged=i != 3, steps_per_point=8, trained_steps_per_point=2)
        for i in range(10)
    ]
    slots = tuple(
        replace(
            slot,
            members=tuple(
                replace(member, info={**member.info, **solved_info(check)})
                for member, check in zip(slot.members, checks, strict=True)
            ),
        )
        for slot in at_the_step.search
    )
    data.write(replace(at_the_step, search=slots), tmp_path / "fig2b.json")
    read = data.read(tmp_path / "fig2b.json")
    assert [member.solved for member in read.search[0].members] == checks
    assert judges.scores_at_1_ns(read) == [12.5] * 10
    assert judges.curves(read)[0].points[0].median == 12.5
    (first, *_) = conditions.conditions({"fig2b": read})
    assert first.median == 12.5


def test_data_of_a_map_are_called_so(tmp_path: Path) -> None:
    made = study("fig4", lambda p: 0.9)
    fixed = {**made.spec.fixed, "integrator": "exponential", "max_step_ns": 1e4}
    for spec, said in ((made.spec, False), (made.spec.model_copy(update={"fixed": fixed}), True)):
        data.write(replace(made, spec=spec), tmp_path / runs.FOLDER / "fig4.json")
        runs.draw(tmp_path)
        text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
        assert ("**These data are those of a map" in text) is said
        assert ("- `fig4`: fixed.integrator, fixed.max_step_ns\n" in text) is said


def test_everything_is_redrawn_from_data_alone(tmp_path: Path) -> None:
    """Without a database, without training, and twice the same."""
    folder = tmp_path / runs.FOLDER
    for name in ("fig2b", "fig2b-ctrnn"):
        data.write(study(name, bell(lambda p: 1.0)), folder / f"{name}.json")
    command = [sys.executable, "-m", "reproduction", "draw", "--docs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert "| spintronic network: 89.83 ± 2.91 % | III |" in text
    assert "![Figure 2: time scale of the input](reproduction/fig2b.svg)" in text
    assert "| time between input points Δt (ns) | spintronic | CTRNN |" in text
    assert "Not what is said here" not in text
    before = {path.name: path.read_bytes() for path in folder.glob("*.svg")}
    assert set(before) == {"fig2b.svg"}
    runs.draw(tmp_path)
    assert {path.name: path.read_bytes() for path in folder.glob("*.svg")} == before
    assert (tmp_path / "reproduction.md").read_text(encoding="utf-8") == text


def test_a_page_of_a_trial_run_says_so(tmp_path: Path) -> None:
    """Its words tell of ten seeds and sixty epochs."""
    other = study("fig4", lambda p: 0.9)
    budget = other.spec.budget.model_copy(update={"epochs": 2})
    tried = replace(other, spec=other.spec.model_copy(update={"budget": budget}))
    data.write(tried, tmp_path / runs.FOLDER / "fig4.json")
    runs.draw(tmp_path)
    text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert "these data differ from the study files.\n\n- `fig4`: budget.epochs\n" in text


def test_committed_data_give_the_committed_document(tmp_path: Path) -> None:
    docs = Path(__file__).parents[3] / "docs"
    if not (docs / runs.FOLDER).is_dir():
        pytest.skip("nothing is committed yet")
    shutil.copytree(docs / runs.FOLDER, tmp_path / runs.FOLDER)
    runs.draw(tmp_path)
    written = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert written == (docs / "reproduction.md").read_text(encoding="utf-8")


def test_unknown_figure_and_missing_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HpoError) as caught:
        jobs.chosen("fig5")
    assert str(caught.value) == (
        "FIG=fig5: a figure of the reproduction must hold, but got 'fig5'. Valid: fig2b, fig3a, "
        "fig3b, fig3c, fig4, table, search. Without FIG, everything is run."
    )
    with pytest.raises(HpoError) as caught:
        runs.draw(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/reproduction: data must be there, but there are none. Run: make reproduce"
    )


def test_help_teaches_by_examples() -> None:
    command = [sys.executable, "-m", "reproduction", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python -m reproduction run --fig fig4" in done.stdout


def test_draw_takes_no_options_of_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["draw", "--fig", "fig4"])
    assert (
        "draw takes --docs alone: it draws all that there are data for" in capsys.readouterr().err
    )


def test_trial_runs_leave_the_committed_data_alone() -> None:
    command = [sys.executable, "-m", "reproduction", "run", "--set", "budget.epochs=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--set: needs --docs, so that the committed data stay as they are" in done.stderr


def test_estimate_counts_what_is_left() -> None:
    done = study("fig2b", lambda p: 0.9)
    steps = [1, 1, 1, 1, 1, 2, 2, 4, 5, 8, 13, 20, 40]  # per point, two of them at 1 ns
    assert jobs.epochs_of(done.spec, None) == pytest.approx(sum(steps) / 2 * 10 * 60)
    half = replace(done, search=done.search[:6])
    assert jobs.epochs_of(done.spec, half) == pytest.approx(sum(steps[6:]) / 2 * 10 * 60)


def test_an_epoch_costs_as_many_steps_as_the_study_takes() -> None:
    job = next(job for job in jobs.JOBS if job.name == "fig2b-split1")  # 1 ns alone
    for overrides, factor in {
        (): 1.0,
        ("fixed.max_step_ns=0.25",): 2.0,
        ("fixed.steps_per_point=6",): 3.0,
        ("fixed.max_step_ns=1e4",): 0.5,
        ("fixed.density_inter=1.0", "fixed.density_intra=1.0"): 0.4 + 0.6 * 5472 / 2896,
    }.items():
        found = jobs.epochs_of(job.spec(overrides), None)
        assert found == pytest.approx(factor * 10 * 60), overrides
