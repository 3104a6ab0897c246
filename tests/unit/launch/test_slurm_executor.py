"""The script of jobs, what squeue says, and a machine without SLURM."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from processes import script
from workers import SUPPORT, wait_until

from hpo import settings
from hpo.config import SlurmDefaults
from hpo.errors import HpoError
from hpo.launch.executors import crew, slurm_commands
from hpo.launch.executors.local import LocalExecutor
from hpo.launch.executors.slurm import SlurmExecutor
from hpo.launch.executors.slurm_commands import Job
from hpo.postgres.url import is_of_this_host

URL = "postgresql://me:secret@db.lab.example/hpo"


def executor(**options: object) -> SlurmExecutor:
    return SlurmExecutor(
        "toy",
        site=SlurmDefaults.model_validate(options),
        storage_url=URL,
        place="a database",
        logs=Path("/shared/my logs"),
        threads=2,
        options=["--lease=30"],
    )


def test_the_script_can_be_read_and_submitted_by_hand() -> None:
    text = executor(
        partition="compute",
        time="4:00:00",
        account="lab",
        mem="8G",
        gpus=2,
        workers_per_job=3,
        setup=["module load python"],
        options={"reservation": "our lab", "exclusive": True, "mail_type": "END", "nice": False},
    ).script(7)
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert [line for line in lines if line.startswith("#SBATCH ")] == [
        "#SBATCH --account=lab",
        "#SBATCH --array=0-2%3",
        "#SBATCH --cpus-per-task=6",
        "#SBATCH --exclusive",
        "#SBATCH --gpus-per-node=2",
        f"#SBATCH --job-name={executor().name}",
        "#SBATCH --mail-type=END",
        "#SBATCH --mem=8G",
        "#SBATCH --nodes=1",
        "#SBATCH --open-mode=append",
        "#SBATCH --output='/shared/my logs/%A_%a.log'",
        "#SBATCH --partition=compute",
        "#SBATCH --requeue",
        "#SBATCH --reservation='our lab'",
        "#SBATCH --signal=B:USR2@90",
        "#SBATCH --time=4:00:00",
    ]
    assert "module load python" in lines
    assert "trap '' USR2  # until the crew listens" in lines
    assert lines[-1].startswith(
        f"exec {sys.executable} -P -m hpo.launch.executors.crew --study=toy --workers=3 "
    )
    assert lines[-1].endswith(" --usr2-grace=67.5 --lease=30")
    assert "secret" not in text


def test_jobs_are_known_by_study_and_database() -> None:
    assert executor().name.startswith("hpo-toy-")
    assert executor().name == executor(partition="x").name
    other = SlurmExecutor(
        "toy", site=SlurmDefaults(), storage_url=URL, place="another", logs=Path("logs")
    )
    assert other.name != executor().name


def test_where_jobs_are_in_words() -> None:
    said = executor(partition="compute", workers_per_job=8).where(60)
    assert (
        said
        == "8 jobs of SLURM with 8 workers each (64 rather than 60) in partition compute; logs in "
        + ("/shared/my logs")
    )
    assert executor().where(1).startswith("1 job of SLURM with 1 worker each; ")


def test_what_squeue_says() -> None:
    text = (
        "4711_0|RUNNING|None|node-1|2:03\n"
        "4711_1|PENDING|(ReqNodeNotAvail, UnavailableNodes:node-2)||0:00\n"
        "4711_2|CANCELLED|None|node-1|INVALID\n"
        "slurm_load_jobs: warning\n"
    )
    running, pending, cancelled = slurm_commands.parsed(text)
    assert running == Job(id="4711_0", state="RUNNING", reason="None", node="node-1", ran_s=123)
    assert (pending.waits, pending.gone) == (True, False)
    assert pending.reason == "ReqNodeNotAvail, UnavailableNodes:node-2"
    assert (cancelled.waits, cancelled.gone) == (False, True)


def test_without_slurm_a_launch_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HpoError) as caught:
        executor().start(1)
    assert str(caught.value) == (
        f"slurm: sbatch must be found in PATH, but got PATH={tmp_path}. Launch on a host that "
        "submits to the cluster (a login node), load its module, or take --executor local."
    )


def test_a_slurm_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "sinfo", "echo 'slurm_load_partitions: Unable to contact' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HpoError) as caught:
        slurm_commands.check_partition("compute")
    assert str(caught.value) == (
        "slurm: sinfo must answer, but got: slurm_load_partitions: Unable to contact. Look at "
        "`scontrol ping`, or ask the cluster's administrator."
    )


def test_a_database_of_this_host_alone_is_refused_where_there_are_other_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "sinfo", "printf 'node-1\\nnode-2\\n'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HpoError) as caught:
        slurm_commands.check_only_here("compute", "the embedded server in /home/me/hpo")
    assert str(caught.value).startswith(
        "slurm: the database must be reachable from every node of the partition, but got the "
        "embedded server in /home/me/hpo, which only "
    )
    assert "nodes=node-1,node-2. Give a PostgreSQL server that they reach: set " in str(
        caught.value
    )


def test_addresses_that_no_other_host_reaches() -> None:
    for text in ("postgresql:///hpo?host=/run/postgresql", "postgresql://localhost/hpo"):
        assert is_of_this_host(sa.make_url(text))
    assert not is_of_this_host(sa.make_url(URL))


def test_a_process_knows_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    assert settings.job() is None
    monkeypatch.setenv("SLURM_JOB_ID", "4715")
    assert settings.job() == "slurm 4715"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert settings.job() == "slurm 4711_3"


def test_a_crew_needs_the_address_of_its_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    assert crew.main(["--study", "toy"]) == 1
    assert capsys.readouterr().err == (
        "error: HPO_STORAGE: the database must be named, but got nothing. A job gets it from the "
        "environment of sbatch: set it there, and give sbatch --export=ALL.\n"
    )


def test_a_crew_is_small() -> None:
    code = "import sys, hpo.launch.executors.crew; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numba", "optuna", "sqlalchemy", "pydantic", "numpy"}
    assert not heavy & set(done.stdout.split())


def test_workers_get_one_gpu_each_and_their_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    local = LocalExecutor("toy", storage_url="sqlite:///x.db", logs=tmp_path, threads=3)
    local.start(3)
    seen = []
    for pid in local.pids:
        environ = Path(f"/proc/{pid}/environ")
        wait_until(lambda at=environ: at.read_bytes() != b"", 10)  # empty while it is made anew
        lines = environ.read_bytes().decode().split("\0")
        given = dict(line.partition("=")[::2] for line in lines)
        seen.append((given["CUDA_VISIBLE_DEVICES"], given["OMP_NUM_THREADS"]))
    local.stop(grace_s=0)
    assert seen == [("4", "3"), ("7", "3"), ("4", "3")]
