"""What ``hpo status`` says of SLURM."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hpo.cli import status
from hpo.study.trials import WorkerInfo


def worker(job: str | None) -> WorkerInfo:
    return WorkerInfo(
        name="w",
        host="h",
        pid=1,
        alive=True,
        seconds_silent=0.0,
        doing="",
        started_at=datetime.now(UTC),
        job=job,
    )


def test_a_client_without_a_cluster_concerns_only_studies_with_jobs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'squeue: error: Unknown host' >&2\nexit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert status._queue_lines("a", [worker(None)]) == []
    first, *_ = status._queue_lines("a", [worker(None), worker("slurm 4711_3")])
    assert first.startswith("slurm: squeue failed: squeue: error: Unknown host")
