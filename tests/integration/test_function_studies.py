"""Studies of functions of scripts from their launch to their backup: checkpoints,
changes by hand, changed and missing scripts, and what functions do to their workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import forkserver
import pytest
from users import User
from workers import kill, run_workers, start_worker, table, wait_until

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudyState

HEAD = "import hpo, optuna, os, random, sys, time\n"
FEW = {"budget": {"trials": 6, "window": 2}, "confirm": False}


def write(folder: Path, body: str) -> Path:
    """Write a script whose function has this body."""
    folder.mkdir(exist_ok=True)
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    script = folder / "train.py"
    script.write_text(f"{HEAD}def objective(trial):\n{lines}\n")
    return script


def study(folder: Path, body: str, **tables: Any) -> StudySpec:
    """Return the study of a function with this body."""
    write(folder, body)
    tree = {"name": folder.name, "objective": "train.py:objective", **FEW, **tables}
    return file.read(tree, base=folder, where="test")


LONG = """x = trial.suggest_float('x', 0, 1)
point = hpo.checkpoint(trial)
first = int(point.load() or 0)
for step in range(first, 30):
    with open(sys.argv[1], 'a') as log:
        print(trial.number, step, file=log)
    time.sleep(0.05)
    trial.report(x + step, step)
    point.save(str(step + 1).encode())
return x + random.random()"""


def test_a_killed_function_goes_on_from_its_checkpoint(
    ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    budget = {"trials": 2, "window": 1}
    logs = [str(tmp_path / name) for name in ("killed.log", "calm.log")]
    killed = study(tmp_path / "a", LONG, budget=budget, arguments=logs[:1])
    calm = study(tmp_path / "b", LONG, budget=budget, arguments=logs[1:])
    for spec in (killed, calm):
        ledger.register(spec)
    Path(logs[0]).touch()
    worker = start_worker(storage.url, "a", "--lease=1")
    wait_until(lambda: "0 25\n" in Path(logs[0]).read_text(), 60)
    kill(worker)
    run_workers(storage.url, "a", 1, "--lease=1")
    run_workers(storage.url, "b", 1)
    tables = [table(ledger.snapshot(name, curves=True)) for name in "ab"]
    assert tables[0] == tables[1]
    again = Path(logs[0]).read_text().splitlines()
    assert again.count("0 0") == 1, "it did not begin anew"
    assert len(again) < 60 + 30


def test_a_syntax_error_or_a_missing_folder_refuses_the_host_and_fails_no_trial(
    ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    body = "return trial.suggest_float('x', 0, 1)"
    ledger.register(study(tmp_path / "a", body))
    (tmp_path / "a/train.py").write_text("def objective(trial:\n")
    worker = start_worker(storage.url, "a")
    _, said = worker.communicate(timeout=60)
    print(said)
    assert worker.returncode == 1
    assert "train.py:1: not valid Python" in said
    assert "Traceback" not in said
    shutil.rmtree(tmp_path / "a")
    worker = start_worker(storage.url, "a")
    _, said = worker.communicate(timeout=60)
    print(said)
    assert worker.returncode == 1
    assert "train.py: no such script" in said
    assert "Traceback" not in said
    snapshot = ledger.snapshot("a")
    assert snapshot.state == StudyState.OPEN
    assert not snapshot.finished


def test_a_host_that_lacks_what_a_script_imports_refuses_it(
    ledger: Ledger, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = study(tmp_path / "a", "return trial.suggest_float('x', 0, 1)")
    script = tmp_path / "a/train.py"
    lacking = "if 'LACKS' in os.environ:\n    import nowhere_to_be_found\n"
    script.write_text(script.read_text().replace("def obj", f"{lacking}def obj"))
    ledger.register(spec)
    monkeypatch.setenv("LACKS", "1")
    worker = start_worker(storage.url, "a")
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "train.py:3 cannot be imported: ModuleNotFoundError" in said
    assert "Traceback" not in said
    monkeypatch.delenv("LACKS")
    run_workers(storage.url, "a", 1)
    snapshot = ledger.snapshot("a")
    assert snapshot.state == StudyState.DONE


ODD = {
    "exits": "if trial.suggest_int('x', 0, 5) % 2:\n    sys.exit(3)\nreturn 1",
    "forks": (
        "import multiprocessing, subprocess\n"
        "subprocess.run(['echo', 'a child'], check=True)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    return sum(pool.map(abs, [trial.suggest_float('x', 0, 1), -1]))"
    ),
    "prints": "print('y' * 100_000)\nreturn trial.suggest_float('x', 0, 1)",
    "forked-exit": (
        "pid = os.fork()\n"
        "if not pid:\n    sys.exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "return trial.suggest_float('x', 0, 1)"
    ),
}


def test_a_standing_worker_survives_what_functions_do(
    ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    """It also serves scripts of the same name, with modules of the same name, from
    several folders."""
    states: dict[str, set[SlotState]] = {}
    for name, body in ODD.items():
        ledger.register(study(tmp_path / name, body))
        states[name] = {SlotState.COMPLETE}
    states["exits"] |= {SlotState.FAILED}
    for name, value in {"one": 1, "two": 2}.items():
        body = "import beside\nreturn beside.VALUE + trial.suggest_float('x', 0, 1)"
        folder = tmp_path / name
        folder.mkdir()
        (folder / "beside.py").write_text(f"VALUE = {value}\n")
        ledger.register(study(folder, body))
        states[name] = {SlotState.COMPLETE}
    worker = start_worker(storage.url)
    wait_until(lambda: {s.state for s in ledger.studies()} == {StudyState.DONE}, 120)
    said = kill(worker)
    for name, expected in states.items():
        search = ledger.snapshot(name).search
        assert {slot.state for slot in search} == expected, (name, said)
        assert {slot.attempts for slot in search} == {1}, (name, said)
    for name, value in {"one": 1, "two": 2}.items():
        for slot in ledger.snapshot(name).search:
            assert slot.score == value + slot.params["x"]
    messages = [slot.message for slot in ledger.snapshot("exits").search]
    assert "SystemExit: 3" in "".join(filter(None, messages))


def launch(user: User, *options: str, status: int = 0) -> Any:
    """Launch the user's script with one worker."""
    line = ("launch", "train.py:objective", "--workers", "1", "--no-report")
    return user.run(*line, *options, status=status)


def test_a_study_that_somebody_changes_by_hand(user: User) -> None:
    """From enqueued parameters over a corrected script to a backup."""
    body = (
        "x = trial.suggest_float('x', 0, 1)\n"
        "if x == 0.5:\n    raise ValueError('bad luck')\n"
        "return x + random.random() / 100"
    )
    write(user.directory, body)
    launch(user, "--trials", "4", "--seeds", "3", "--no-confirm")
    user.run("resume", "train", "--trials", "7")
    out, _ = user.run("enqueue", "train", "x=0.5", "z=1")
    assert "trial 4 gets x=0.5 z=1; no trial so far has asked for z: if the" in out
    user.run("enqueue", "train", "x=7")
    _, err = user.run("enqueue", "train", "x=[1, 2]", status=1)
    assert "enqueued.x: expected a number, a text, true or false, got [1, 2]." in err
    user.run("exclude", "train", "--trial", "1")
    more = ("--trials", "7", "--seeds", "3")
    launch(user, *more, "--no-confirm")
    search = user.snapshot("train").search
    assert [len(slot.members) for slot in search] == [3, 3, 3, 3, 0, 0, 3]
    assert search[1].state == SlotState.EXCLUDED
    assert "ValueError: bad luck" in str(search[4].message)
    assert "enqueued x=7.0 is outside of the range that the" in str(search[5].message)

    write(user.directory, body.replace("x == 0.5", "x == 0.6"))
    _, err = launch(user, *more, status=1)
    assert "train" in err
    assert "hpo resume train --accept-code" in err
    said, _ = user.run("resume", "train", "--retry", "4", "--accept-code")
    assert "accepted the source on this host, from trial 7 on: train; workers" in said
    assert "go on within seconds; will run again: trial 4" in said
    out, _ = launch(user, *more)
    assert "train: confirmed value " in out
    snapshot = user.snapshot("train")
    assert snapshot.search[4].state == SlotState.COMPLETE
    assert snapshot.search[4].params == {"x": 0.5}

    before = table(snapshot)
    user.run("export", "train", "-o", "trials.csv")
    user.run("export", "train", "--backup", "train.jsonl")
    user.run("delete", "train", "--yes")
    user.run("import", "train.jsonl")
    assert table(user.snapshot("train")) == before
    header = (user.directory / "trials.csv").read_text().splitlines()[0]
    assert ",x," in f",{header},"


def test_an_accuracy_in_per_cent_fails_with_advice(user: User) -> None:
    write(user.directory, "return 100 * trial.suggest_float('x', 0.5, 1)")
    options = ("--metric", "accuracy", "--direction", "maximize", "--trials", "2")
    launch(user, *options, status=5)
    (slot, *_) = user.snapshot("train").search
    assert slot.state == SlotState.FAILED
    assert "an accuracy must be a fraction from 0 to 1" in str(slot.message)


def test_a_worker_started_by_hand_gives_texts_the_hashes_of_all(
    ledger: Ledger, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.register(study(tmp_path / "a", "return hash('text') % 1000"))
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    with forkserver.genuine():
        run_workers(storage.url, "a", 1)
        line = [sys.executable, "-c", "print(hash('text') % 1000)"]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        own = subprocess.run(line, env=environment, capture_output=True, check=True)
    scores = {slot.score for slot in ledger.snapshot("a").search}
    assert scores == {float(own.stdout)}


def test_a_study_whose_trials_are_all_pruned_ends_with_a_status_of_its_own(
    user: User,
) -> None:
    write(user.directory, "trial.suggest_float('x', 0, 1)\nraise optuna.TrialPruned")
    out, _ = launch(user, "--trials", "3", status=5)
    assert "no trial is complete: 3 pruned" in out
    assert (
        "no trial got past pruning: add trials (`hpo resume train --trials 6`)" in out
    )


def test_searches_without_a_complete_trial_have_that_status_again(user: User) -> None:
    write(user.directory, "trial.suggest_float('x', 0, 1)\nraise optuna.TrialPruned")
    options = ("--trials", "2", "--repeat", "2")
    launch(user, *options, status=5)
    launch(user, *options, status=5)  # finished already


def test_a_test_score_that_ignores_the_seed_is_shown(user: User) -> None:
    body = "x = trial.suggest_float('x', 0, 1)\nreturn 0.5 + hpo.confirming(trial) / 4"
    write(user.directory, body)
    options = ("--metric", "accuracy", "--direction", "maximize", "--trials", "2")
    out, _ = launch(user, *options)
    assert "train: confirmed 75.0 % on 10 fresh seeds, the same for all\n" in out
    assert "nothing to confirm" not in out
