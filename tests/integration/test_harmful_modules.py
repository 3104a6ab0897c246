"""What a study's module does to its process harms that study alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from workers import kill, start_worker, table, toy_spec, undisturbed, wait_until

from hpo.ledger.ledger import Ledger
from hpo.study.trials import StudyState

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
SMALL = {"budget": {"trials": 4, "members": 1, "epochs": 2}, "confirm": None}
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
    assert ledger.snapshot("removes").settled == 1
