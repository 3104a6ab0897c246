"""What a study's module does to its process harms that study alone."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from workers import (
    kill,
    run_workers,
    start_worker,
    table,
    toy_spec,
    undisturbed,
    wait_until,
)

from hpo.cli import doctor
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.trials import StudyState
from hpo.views.sentences import verdict

MODULE = """
import ctypes, os, signal, sys
from toy_objective import ToyObjective

if "HARM" in os.environ:
    {top}

class Mine(ToyObjective):
    def evaluate(self, *args, **options):
        if "HARM" in os.environ:
            {inside}
        return super().evaluate(*args, **options)
"""
SMALL = {"budget": {"trials": 4, "seeds": 1, "epochs": 2}, "confirm": None}
CHANGES = {
    "forks": "os.fork()",
    "handles": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "rounds": "ctypes.CDLL('libm.so.6').fesetround(0x800)",
    "recurs": "sys.setrecursionlimit(150)",
}
"""What a training may do to its process, without harm to its own study."""
EXITS = {
    "exits": ("sys.exit(0)", "called sys.exit(0)"),
    "ends": ("os._exit(0)", "called os._exit(0)"),
    "interrupts": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
}


@pytest.fixture
def submit(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Writes a module and submits its study; afterwards, its workers are harmed."""
    monkeypatch.syspath_prepend(tmp_path)
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"
    monkeypatch.setenv("PYTHONPATH", path)

    def write(name: str, *, top: str = "pass", inside: str = "pass") -> None:
        text = MODULE.format(top=top, inside=inside)
        (tmp_path / f"{name}_module.py").write_text(text)
        monkeypatch.delenv("HARM", raising=False)
        ledger.register(toy_spec(name, objective=f"{name}_module:Mine", **SMALL))
        monkeypatch.setenv("HARM", "1")

    return write


@pytest.mark.parametrize(("name", "code", "said"), [(k, *v) for k, v in EXITS.items()])
def test_an_objective_that_ends_its_process_loses_its_trial(
    submit: Callable[..., None],
    ledger: Ledger,
    database_url: str,
    name: str,
    code: str,
    said: str,
) -> None:
    submit(name, inside=code)
    worker = start_worker(database_url, name)
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 1, err
    why = (
        f"{name}_module:Mine {said} in a trial. Let it return, or raise an exception if"
        f" it fails; then: hpo resume {name} --accept-code"
    )
    assert f"error: {why}\n" in err
    snapshot = ledger.snapshot(name)
    assert snapshot.state == StudyState.FAILED
    assert str(snapshot.reason).endswith(why)
    assert snapshot.search[0].losses == 10


def test_a_standing_worker_serves_the_others(
    submit: Callable[..., None], ledger: Ledger, database_url: str
) -> None:
    alone = undisturbed(database_url, toy_spec("alone", **SMALL))
    for name, code in CHANGES.items():
        submit(name, inside=code)
    for name, (code, _) in EXITS.items():
        submit(name, inside=code)
        submit(f"top-{name}".replace("-", "_"), top=code)
    ledger.register(toy_spec("sound", **SMALL))
    worker = start_worker(database_url)
    done = [*CHANGES, "sound"]
    wait_until(
        lambda: all(ledger.snapshot(n).state == StudyState.DONE for n in done), 120
    )
    for name in {*done} - {"rounds"}:  # whose own scores are rounded
        assert table(ledger.snapshot(name, curves=True)) == alone, name
    wait_until(
        lambda: all(ledger.snapshot(n).state == StudyState.FAILED for n in EXITS), 60
    )
    wait_until(lambda: len(ledger.workers()[-1].refuses) == len(EXITS), 60)
    refused = ledger.workers()[-1].refuses
    assert "cannot be imported: it called os._exit(0)." in refused["top_ends"]
    said = kill(worker, signal.SIGTERM)
    assert worker.returncode == 0, said


def test_a_worker_that_cannot_be_put_back_ends(
    submit: Callable[..., None],
    ledger: Ledger,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its crew starts another one, which goes on."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    submit("removes", inside="gone = os.getcwd(); os.chdir('/'); os.rmdir(gone)")
    worker = start_worker(database_url)
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == os.EX_SOFTWARE
    assert f"has changed the working directory {gone} of this process, which" in err
    assert ledger.snapshot("removes").finished == 1


@pytest.mark.parametrize(
    "case",
    [
        ("package", "import nowhere_to_be_found"),
        ("library", "ctypes.CDLL('libnowhere.so')"),
        ("half", "import half_there"),
    ],
)
def test_an_import_that_fails_on_a_host_is_no_data(
    submit: Callable[..., None],
    ledger: Ledger,
    database_url: str,
    tmp_path: Path,
    hpo: Callable[..., str],
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, str],
) -> None:
    name, code = case
    (tmp_path / "half_there.py").write_text("raise RuntimeError('no device')")
    submit(name, inside=code)
    worker = start_worker(database_url)
    wait_until(lambda: any(w.refuses for w in ledger.workers()), 60)
    (finding,) = doctor._find_left_out(storage).items()
    (host, study), why = finding
    assert (host, study) == (platform.node(), name)
    assert why.startswith("an import fails here: ")
    snapshot = ledger.snapshot(name)
    assert (snapshot.state, snapshot.finished) == (StudyState.OPEN, 0)
    assert snapshot.search[0].losses == 0
    assert f"{name}: refused by 1 worker on {host}: {why}" in hpo("status", name)
    event = ledger.events(9, name)[-1].what  # cut there
    assert f"left out on {host}: {why}".startswith(event)
    kill(worker, signal.SIGTERM)
    monkeypatch.delenv("HARM")
    run_workers(database_url, name, 1)
    assert ledger.snapshot(name).state == StudyState.DONE


@pytest.mark.parametrize(
    ("name", "inside", "said"),
    [
        ("steady", "pass", None),
        ("drifts", "object.__setattr__(args[0], 'x', os.getpid() / 2**23)", "value ("),
        ("breaks", "os._exit(0)", None),
    ],
)
def test_the_verdict_says_that_a_study_does_not_repeat(
    submit: Callable[..., None],
    ledger: Ledger,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    inside: str,
    said: str | None,
) -> None:
    monkeypatch.setenv("HPO_COMPARE", "1")
    submit(name, inside=inside)
    worker = start_worker(database_url, name)
    _, err = worker.communicate(timeout=120)
    result = ledger.result(name)
    found = verdict.verdict(result)
    if said is None:
        assert "not reproducible" not in found, err
        assert result.snapshot.differences == (None if name == "breaks" else ())
        return
    start = "not reproducible: its first network, trained twice, differs in its "
    assert f"{start}{said}" in found
