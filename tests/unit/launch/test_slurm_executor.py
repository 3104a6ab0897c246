"""Jobs of SLURM: their script, and a scheduler that refuses, is silent, slow or lossy.

SLURM's programs are scripts here, which answer as its own do;
``tests/integration/test_slurm.py`` has the real ones.
"""

from __future__ import annotations

import gc
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from processes import script
from workers import wait_until

from hpo.config import SiteConfig
from hpo.console import EXIT_CANCELLED
from hpo.launch import executors
from hpo.launch.executors import CancelledError, slurm, slurm_programs
from hpo.launch.executors.slurm import SlurmError, SlurmExecutor
from hpo.launch.options import LaunchOptions
from hpo.postgres.urls import is_of_this_host

Program = Callable[[str, str], None]
URL = "postgresql://me:secret@db.lab.example/hpo"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Writes a program of SLURM; those that a test does not write answer with
    nothing."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()

    def write(name: str, body: str) -> None:
        script(bin_ / name, body)

    for name in ("squeue", "scancel", "sinfo"):
        write(name, "")
    write("sbatch", "echo '7;cluster'")
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "ASK_S", 0.0)
    monkeypatch.setattr(slurm_programs, "TIMEOUT_S", 2.0)
    monkeypatch.setattr(slurm_programs, "LOOK_S", 1.0)
    return write


Make = Callable[..., SlurmExecutor]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes executors whose home has a blank in its name."""
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "my home"))

    def one(storage: str = URL, **site: Any) -> SlurmExecutor:
        tables = {
            "launch": {"executor": "slurm", "threads": 2},
            "slurm": {"probe": False, **site},
        }
        options = LaunchOptions(
            command="",
            site=SiteConfig.model_validate(tables),
            storage=storage,
            confirm=False,
        )
        executor = executors.executor(options, "toy", storage)
        assert isinstance(executor, SlurmExecutor)
        return executor

    return one


def queue(*rows: str) -> str:
    return "cat <<'END'\n" + "\n".join(rows) + "\nEND"


def test_the_script_of_jobs(make: Make, tmp_path: Path) -> None:
    options = {
        "reservation": "our lab",
        "exclusive": True,
        "mail_type": "END",
        "nice": False,
    }
    lines = make(
        gpus=2, workers_per_job=3, setup=["module load python"], options=options
    )
    lines = lines.script(7).splitlines()
    logs = tmp_path / "my home/logs/toy/slurm"
    ours = {"array", "job-name", "nodes", "open-mode", "output", "requeue", "signal"}
    asked = {
        line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH ")
    }
    assert {line for line in asked if line.partition("=")[0] not in ours} == {
        "cpus-per-task=6",
        "exclusive",
        "gpus-per-node=2",
        "mail-type=END",
        "reservation='our lab'",
    }
    assert {f"output='{logs}/%A_%a.log'", "signal=B:USR2@90"} <= asked
    assert "module load python" in lines
    assert (
        f"{sys.executable} -P -m hpo.worker --study=toy --workers=3 --threads=2"
        f" '--logs={logs}' --usr2-grace=67.5 --lease=30 --no-confirm &" in lines
    )
    assert not any("secret" in line for line in lines)


@pytest.mark.parametrize(
    ("signals", "ends", "kills", "queues"),
    [
        ([signal.SIGUSR2], 0, 9, True),
        ([signal.SIGUSR2, signal.SIGTERM], 0, 0, False),
        ([], -signal.SIGKILL, 3, True),
        ([], -signal.SIGKILL, 4, False),
        ([], 1, 0, False),
    ],
    ids=[
        "near its limit",
        "near it, and cancelled",
        "killed",
        "killed each time",
        "failed",
    ],
)
def test_when_a_job_queues_again(
    make: Make,
    tmp_path: Path,
    program: Program,
    signals: list[signal.Signals],
    ends: int,
    kills: int,
    queues: bool,
) -> None:
    """In place of the crew something that ends in order when it is told to."""
    ready, requeued = tmp_path / "ready", tmp_path / "requeued"
    program("scontrol", f'echo "$@" > {requeued}')
    dies = f"kill {ends} $$" if ends < 0 else f"exit {ends}"
    works = (
        f"trap 'sleep 0.5; exit' USR2 TERM; touch {ready}; while :; do sleep 0.1; done"
    )
    program("crew", works if signals else dies)
    text, count = re.subn(r"\S+ -P -m hpo\.worker .*&", "crew &", make().script(1))
    assert count == 1
    killed = make().logs / "7_3.kills"
    killed.parent.mkdir(parents=True)
    killed.write_text("137\n" * kills)
    job = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", "HPO_STORAGE": "x"}
    shell = subprocess.Popen(
        ["bash", "-c", text],
        env={**os.environ, **job},
        stdout=subprocess.PIPE,
        text=True,
    )
    for signum in signals:
        wait_until(ready.exists)
        shell.send_signal(signum)
        time.sleep(0.2)
    out, _ = shell.communicate(timeout=30)
    assert requeued.exists() == queues
    assert not queues or requeued.read_text() == "requeue 7_3\n"
    assert len(killed.read_text().split()) == kills + (ends < 0), (
        "nothing else is counted"
    )
    assert ("the crew was killed 5 times, now with" in out) == (kills == 4)
    assert queues or shell.returncode == (128 - ends if ends < 0 else ends)


def test_a_job_without_the_address_of_a_database_says_so(make: Make) -> None:
    without = {
        name: value for name, value in os.environ.items() if name != "HPO_STORAGE"
    }
    line = ["bash", "-c", make().script(1)]
    done = subprocess.run(line, env=without, capture_output=True, text=True)
    assert done.returncode != 0
    assert (
        "HPO_STORAGE: set it to the address of the database, and use sbatch "
        in done.stderr
    )


def test_jobs_are_known_by_study_and_database_and_described_in_words(
    make: Make, tmp_path: Path
) -> None:
    assert make().name == make(partition="x").name
    assert make("postgresql://me@other/hpo").name != make().name
    logs = f"logs in {tmp_path}/my home/logs/toy/slurm"
    assert make().where(1) == f"1 job of SLURM with 1 worker each; {logs}"


def test_a_database_of_this_host_alone_is_refused_where_there_are_other_nodes(
    make: Make, program: Program
) -> None:
    program("sinfo", queue("compute*|node-1", "compute*|node-2"))
    with pytest.raises(SlurmError) as caught:
        make("postgresql://me@localhost/hpo", partition="compute").start(1)
    assert (
        str(caught.value)
        == "slurm: the nodes node-1,node-2 of the partition cannot reach database hpo"
        f" at localhost:5432, user me, only {platform.node().split('.')[0]} can. Set"
        " HPO_STORAGE to a PostgreSQL server that all nodes reach"
        " (docs/how-to/several-hosts.md)."
    )
    assert is_of_this_host(sa.make_url("postgresql:///hpo?host=/run/postgresql"))
    assert not is_of_this_host(sa.make_url(URL))


PING = "Try `scontrol ping`, or ask the cluster's administrator."
OPTIONS = (
    "Correct the options (--slurm-…, hpo.toml); --dry-run shows the script. If they are"
    " right, try `scontrol ping`."
)


def test_a_silent_sbatch_and_none_are_told(
    program: Program, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("sbatch", "exec sleep 60")
    silent = f"slurm: sbatch failed: no answer in 2 s. {OPTIONS}"
    with pytest.raises(SlurmError, match=f"^{re.escape(silent)}$"):
        make().start(2)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = f"slurm: squeue is not in PATH={tmp_path}. Launch on a host that submits"
    with pytest.raises(SlurmError, match=re.escape(missing)):
        make().start(2)


def test_a_silent_scancel_spoils_no_result(
    program: Program, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    executor = make()
    executor.start(2)
    program("squeue", queue("7_0|RUNNING|None|n1|1:00", "7_1|RUNNING|None|n1|1:00"))
    assert executor.poll() == [
        "submitted 2 jobs to SLURM: 7_[0-1]",
        "2 jobs of SLURM run",
    ]
    program("scancel", "echo 'Unable to contact slurm controller' >&2; exit 1")
    executor.stop(0.1)
    executor.stop(0.1)
    assert (
        capsys.readouterr().err
        == f"slurm: scancel failed: Unable to contact slurm controller. {PING} 2 jobs"
        f" may still run; cancel them later: scancel --name={executor.name}\n"
    ), "it is said once"


# subprocess.run leaves its process behind when it is interrupted; collected before the
# next test
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("leaves", [False, True])
def test_jobs_that_were_submitted_while_the_launch_was_interrupted(
    program: Program, make: Make, tmp_path: Path, leaves: bool
) -> None:
    executor, cancelled = make(), tmp_path / "cancelled"
    program("sbatch", "kill -INT $PPID; sleep 1; echo 9")
    with pytest.raises(KeyboardInterrupt):
        executor.start(2)
    gc.collect()
    program("squeue", queue("9_0|RUNNING|None|n1|0:01", "9_1|PENDING|Priority||0:00"))
    program("scancel", f'echo "$@" >> {cancelled}')
    if leaves:
        assert (
            executor.leave()
            == "jobs of this study, if any, continue in SLURM; cancel with: scancel "
            f"--name={executor.name}"
        )
    executor.stop(0.0)
    assert cancelled.exists() != leaves
    assert leaves or cancelled.read_text() == "--quiet 9_0 9_1\n"


def test_a_slow_squeue_holds_up_looks_alone(program: Program, make: Make) -> None:
    executor = make()
    executor.start(2)
    program("squeue", "exec sleep 60")
    _, words = executor.poll()
    assert words == f"slurm: squeue failed: no answer in 1 s. {PING} Retrying."
    began_s = time.monotonic()
    assert executor.alive == 2
    assert time.monotonic() - began_s < 0.5
    assert executor.poll() == [], "it is said once"
    waits = "7_1|PENDING|(ReqNodeNotAvail, UnavailableNodes:node-2)||0:00"
    program(
        "squeue", queue("7_0|RUNNING|None|n1|0:05", waits, "slurm_load_jobs: warning")
    )
    again, words = executor.poll()
    assert again == "squeue answers again"
    in_words = (
        "1 job of SLURM runs; in the queue: 1 (ReqNodeNotAvail,"
        " UnavailableNodes:node-2)"
    )
    assert words == in_words


def test_jobs_that_end_are_told_and_the_last_failure_is_an_error(
    program: Program, make: Make
) -> None:
    executor = make()
    executor.start(3)
    good = "7_0|RUNNING|None|good|0:05"
    program(
        "squeue",
        queue(good, "7_1|FAILED|None|bad|0:01", "7_2|CANCELLED|None|good|0:03"),
    )
    assert executor.poll()[1:] == [
        f"job 7_1 ended after 0:01 on bad (FAILED); log: {executor.logs}/7_1.log",
        f"job 7_2 ended after 0:03 on good (CANCELLED); log: {executor.logs}/7_2.log",
        "1 job of SLURM runs",
    ]
    assert executor.alive == 1, "SLURM starts again what it should: a launch does not"
    program("squeue", queue("7_0|COMPLETED|None|good|0:06"))
    (executor.logs / "7_1.log").write_text("error: workers must live\n")
    with pytest.raises(SlurmError) as caught:
        executor.poll()
    assert (
        str(caught.value)
        == "slurm: job 7_1 failed (FAILED on bad):\n  error: workers must "
        f"live\nFix that. Its log: {executor.logs}/7_1.log"
    )


def test_a_launch_whose_jobs_were_all_cancelled_ends_in_words(
    program: Program, make: Make
) -> None:
    executor = make()
    executor.start(2)
    gone = "7_1|CANCELLED|None||0:00"
    program("squeue", queue("7_0|PENDING|Priority||0:00", gone))
    executor.poll()
    program("squeue", queue("7_0|CANCELLED|None||0:00", gone))
    with pytest.raises(CancelledError) as caught:
        executor.poll()
    assert caught.value.exit_status == EXIT_CANCELLED
    assert (
        str(caught.value)
        == "slurm: no job of this study is left: 7_0, 7_1 were cancelled."
        " Nothing is lost. The same command submits new jobs."
    )


def test_why_the_probe_waits_is_told(program: Program, make: Make) -> None:
    executor = make(probe=True)
    executor.start(2)
    waits = [f"7_{k}|PENDING|(Dependency)||0:00" for k in range(2)]
    program("squeue", queue("7|PENDING|(Nodes required are DOWN)||0:00", *waits))
    assert executor.poll()[-1] == (
        "0 jobs of SLURM run; in the queue: 2 (Dependency); the probe job waits (Nodes"
        " required are DOWN)"
    )


def test_the_jobs_of_a_study_are_known_by_their_name(program: Program) -> None:
    program(
        "squeue",
        queue(
            "6|PENDING|(Resources)||0:00|hpo-toy-0123abcd",
            "6_0|COMPLETED|None|n1|1:00|hpo-toy-0123abcd",
            "7_0|RUNNING|None|n1|1:00|hpo-toy-0123abcd",
            "7_1|PENDING|(Resources)||0:00|hpo-toy-0123abcd",
            "8_0|PENDING|(Priority)||0:00|hpo-toy-wide-0123abcd",
            "9|RUNNING|None|n1|1:00|bash",
        ),
    )
    jobs = slurm_programs.of_study("toy")
    assert [job.id for job in jobs] == ["7_0", "7_1"]
    assert (
        slurm_programs.summary(jobs)
        == "1 job of SLURM runs; in the queue: 1 (Resources)"
    )
