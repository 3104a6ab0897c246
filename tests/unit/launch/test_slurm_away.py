"""A scheduler that is silent, slow or full of bad nodes: the launch, and the jobs that work, go on.

SLURM's programs are scripts here, which answer as its own do; ``tests/integration/test_slurm.py``
has the real ones.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import script
from workers import wait_until

from hpo.config import SlurmDefaults
from hpo.launch.executors import slurm, slurm_commands
from hpo.launch.executors.local import WorkerError
from hpo.launch.executors.slurm import SlurmExecutor

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Writes a program of SLURM; those that a test does not write answer with nothing."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()

    def write(name: str, body: str) -> None:
        script(bin_ / name, body)

    for name in slurm_commands.PROGRAMS:
        write(name, "")
    write("sinfo", "echo 'debug*'")
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "ASK_S", (0.0, 0.0))
    monkeypatch.setattr(slurm, "PAUSE_S", (0.0, 0.0))
    monkeypatch.setattr(slurm_commands, "TIMEOUT_S", 2.0)
    monkeypatch.setattr(slurm_commands, "LOOK_S", 1.0)
    return write


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def executor(tmp_path: Path, said: list[str]) -> SlurmExecutor:
    return SlurmExecutor(
        "toy",
        site=SlurmDefaults(probe=False),
        storage_url="postgresql://me@db/hpo",
        place="a database",
        logs=tmp_path / "logs",
        useful=lambda: 2,
        say=said.append,
    )


def queue(*rows: str) -> str:
    return "cat <<'END'\n" + "\n".join(rows) + "\nEND"


def test_a_silent_scancel_spoils_no_result(
    program: Program, executor: SlurmExecutor, said: list[str]
) -> None:
    program("sbatch", "echo Submitted batch job 7")
    executor.start(2)
    assert executor.poll()[0] == "submitted 2 jobs to SLURM: 7_[0-1]"
    program("squeue", queue("7_0|RUNNING|None|n1|1:00", "7_1|RUNNING|None|n1|1:00"))
    program("scancel", "echo 'Unable to contact slurm controller' >&2; exit 1")
    executor.stop(0.1)
    (words,) = said
    assert words == (
        "slurm: scancel must answer, but got: Unable to contact slurm controller. Look at "
        "`scontrol ping`, or ask the cluster's administrator. 2 jobs may go on; cancel them later: "
        f"scancel --name={executor.name}"
    )
    assert executor.alive == 2, "forgotten only once they are cancelled"
    executor.stop(0.1)
    assert len(said) == 1, "it is said once"
    program("scancel", "")
    executor.stop(0.1)
    assert executor.alive == 0


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("echo sbatch: error: no such partition >&2; exit 1", "sbatch: error: no such partition"),
        ("echo a warning >&2; echo as you wish", "no number of a job in 'as you wish'"),
    ],
)
def test_what_sbatch_says_in_place_of_a_number_is_told(
    program: Program, executor: SlurmExecutor, does: str, told: str
) -> None:
    program("sbatch", does)
    with pytest.raises(slurm_commands.SlurmError) as caught:
        executor.start(2)
    assert str(caught.value) == (
        f"sbatch: the jobs must be accepted, but got: {told}. Correct the options (--slurm-…, "
        "hpo.toml); --dry-run shows the script."
    )


def test_a_silent_sbatch_is_not_waited_for_for_ever(
    program: Program, executor: SlurmExecutor
) -> None:
    program("sbatch", "exec sleep 60")
    with pytest.raises(slurm_commands.SlurmError) as caught:
        executor.start(1)
    assert str(caught.value) == (
        "slurm: sbatch must answer, but got nothing in 2 s. Look at `scontrol ping`, or ask the "
        "cluster's administrator."
    )


# subprocess.run leaves its process behind when it is interrupted; collected before the next test
INTERRUPTED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@INTERRUPTED
def test_jobs_that_were_submitted_while_the_launch_was_interrupted_are_cancelled_too(
    program: Program, executor: SlurmExecutor, tmp_path: Path
) -> None:
    cancelled = tmp_path / "cancelled"
    program("sbatch", "kill -INT $PPID; sleep 1; echo Submitted batch job 9")
    with pytest.raises(KeyboardInterrupt):
        executor.start(2)
    gc.collect()
    program("squeue", queue("9_0|RUNNING|None|n1|0:01", "9_1|PENDING|Priority||0:00"))
    program("scancel", f'echo "$@" >> {cancelled}')
    executor.stop(0.0)
    assert cancelled.read_text() == "--quiet 9_0 9_1\n"


@INTERRUPTED
def test_what_is_left_is_told_though_no_job_is_known(
    program: Program, executor: SlurmExecutor
) -> None:
    program("sbatch", "kill -INT $PPID; sleep 1")
    with pytest.raises(KeyboardInterrupt):
        executor.start(1)
    gc.collect()
    assert executor.leave() == (
        "jobs of this study, if any are queued, are left to SLURM; cancel with: scancel "
        f"--name={executor.name}"
    )


def test_a_slow_squeue_holds_up_looks_alone(program: Program, executor: SlurmExecutor) -> None:
    program("sbatch", "echo Submitted batch job 7")
    executor.start(2)
    executor.poll()
    program("squeue", "exec sleep 60")
    began_s = time.monotonic()
    assert executor.alive == 2
    assert time.monotonic() - began_s < 0.5
    (words,) = executor.poll()
    assert words.startswith("slurm: squeue must answer, but got: ")
    assert words.endswith("Trying on.")
    assert executor.poll() == [], "it is said once"
    assert time.monotonic() - began_s < 10.0
    assert executor.alive == 2


def test_a_bad_node_ends_neither_the_launch_nor_the_jobs_on_others(
    program: Program, executor: SlurmExecutor
) -> None:
    program("sbatch", "echo Submitted batch job 7")
    executor.start(2)
    executor.poll()
    healthy = "7_0|RUNNING|None|good|0:05"
    told: list[str] = []
    for number in range(8, 13):
        program("squeue", queue(healthy, f"{number - 1}_1|FAILED|None|bad|0:01"))
        if number > 8:
            program("squeue", queue(healthy, f"{number - 1}_0|FAILED|None|bad|0:01"))
        program("sbatch", f"echo Submitted batch job {number}")
        events = executor.poll()
        assert any(" on bad (FAILED)" in event for event in events), events
        told += events
    assert executor.alive == 2
    avoid = "jobs end at once on bad; avoid it: --slurm-option exclude=bad"
    assert told.count(avoid) == 1
    program("squeue", queue("7_0|FAILED|None|bad|0:01", "12_0|FAILED|None|bad|0:01"))
    with pytest.raises(WorkerError) as caught:
        executor.poll()
    assert str(caught.value).startswith("slurm: jobs must live, but 7 in a row ended at once ")
    assert "(FAILED), and none runs. The last one said:\n" in str(caught.value)


def test_jobs_that_ended_in_order_are_no_fault(program: Program, executor: SlurmExecutor) -> None:
    program("sbatch", "echo Submitted batch job 7")
    executor.start(2)
    executor.poll()
    for number in range(8, 14):
        rows = [f"{number - 1}_{k}|COMPLETED|None|n1|0:01" for k in (0, 1)]
        program("squeue", queue(*rows))
        program("sbatch", f"echo Submitted batch job {number}")
        executor.poll()
    assert executor.alive == 2


def test_a_crew_that_is_cancelled_near_its_limit_does_not_queue_again(tmp_path: Path) -> None:
    requeued = tmp_path / "requeued"
    script(tmp_path / "scontrol", f'echo "$@" >> {requeued}')
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HPO_STORAGE": "postgresql://me@127.0.0.1:1/hpo",  # its workers wait for it
        "SLURM_JOB_ID": "7",
    }
    command = [
        sys.executable,
        "-m",
        "hpo.launch.executors.crew",
        "--study=toy",
        f"--logs={tmp_path}",
    ]
    for signals, queues in (((signal.SIGUSR2,), True), ((signal.SIGUSR2, signal.SIGTERM), False)):
        requeued.unlink(missing_ok=True)
        for log in tmp_path.glob("*.log"):
            log.unlink()
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=environment, stdout=pipe, text=True) as crew:
            assert crew.stdout.readline()
            wait_until(lambda: any(log.stat().st_size for log in tmp_path.glob("*.log")))
            for signum in signals:
                crew.send_signal(signum)
            crew.communicate(timeout=60)
            assert crew.returncode == 0
        assert requeued.exists() == queues
