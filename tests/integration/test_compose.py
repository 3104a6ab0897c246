"""The lab server, for real: docker-compose.yml with three workers, kills, a stop and a
start.

Needs a Docker engine with Compose, 20 GB of disk and, the first time, five minutes to
build the image. Skipped without; HPO_TESTS_REQUIRE=docker turns that into a failure.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from stack import IMAGE, ROOT, SERVICES, Stack, require_engine
from users import User
from workers import ledger_at, table, wait_until

from hpo.errors import StorageError
from hpo.postgres.connect import open_storage
from hpo.postgres.retry import is_passing
from hpo.study.trials import StudyState

N_WORKERS = 3
N_TRIALS = 40
STUDY = [
    *("--study", "seqdigits", "--name", "digits", "--trials", str(N_TRIALS)),
    *(
        "--set",
        "budget.epochs=30",
        "--set",
        "confirm.epochs=20",
        "--set",
        "confirm.seeds=4",
        "--set",
        "confirm.tolerances=false",
    ),
]
_BACKUP = (r"pg_dump\b", r"pg_restore\b")
SUBMIT = ["launch", *STUDY, "--no-report", "--json"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and the workers, up and healthy."""
    require_engine()
    stack = Stack(tmp_path_factory.mktemp("stack"), N_WORKERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "HPO_STORAGE_PASSWORD_FILE", str(stack.directory / "secrets/worker")
        )
        try:
            stack.build()
            stack.up("workers")
            yield stack
        finally:
            stack.remove()


@pytest.fixture(scope="module")
def running(stack: Stack) -> list[dict[str, Any]]:
    """What Docker tells of every container, once all services are up."""
    stack.up()
    return [stack.inspect(c) for service in SERVICES for c in stack.containers(service)]


def test_up_workers_brings_what_they_need(stack: Stack) -> None:
    counts = {service: len(stack.containers(service)) for service in SERVICES}
    assert counts == {
        "postgres": 1,
        "migrate": 1,
        "role": 1,
        "workers": N_WORKERS,
        "dashboard": 0,
    }
    assert set(stack.restarts().values()) == {0}
    with ledger_at(stack.url) as ledger:
        workers = [worker for worker in ledger.workers() if worker.alive]
        assert len(workers) == N_WORKERS
        found = {
            (os.uname().nodename, f"container {c[:12]}")
            for c in stack.containers("workers")
        }
        assert {(worker.host, worker.job) for worker in workers} == found


def test_containers_have_no_more_rights_than_they_need(
    stack: Stack, running: list[dict[str, Any]]
) -> None:
    assert len(running) == N_WORKERS + 4
    for container in running:
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
        assert any(
            option.startswith("no-new-privileges") for option in host["SecurityOpt"]
        )
        assert host["Init"]
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        assert host["PidsLimit"] == (2048 if service == "postgres" else 256)
        assert 2**30 <= host["Memory"] <= 2**31
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
        published = [p for ports in host["PortBindings"].values() for p in ports]
        assert {port["HostIp"] for port in published} <= {"127.0.0.1"}
        if container["State"]["Running"]:
            _, *found = stack.docker(
                "top", container["Id"], "-eo", "pid,uid"
            ).splitlines()
            assert found
            assert "0" not in {line.split()[1] for line in found}


def test_no_volume_is_left_behind(stack: Stack, running: list[dict[str, Any]]) -> None:
    """Of the images' own, which `down --volumes` would keep."""
    volumes = {
        mount["Name"]
        for container in running
        for mount in container["Mounts"]
        if mount["Type"] == "volume"
    }
    assert volumes == {f"{stack.project}_postgres"}


def test_passwords_are_in_files_alone(
    stack: Stack, running: list[dict[str, Any]]
) -> None:
    told = [
        str(running),
        stack.compose("logs"),
        stack.docker("history", "--no-trunc", IMAGE),
    ]
    for container in running:
        if container["State"]["Running"]:
            told.append(stack.docker("top", container["Id"], "-eo", "pid,args"))
            told.append(stack.docker("exec", container["Id"], "env"))
    for password in stack.secrets.values():
        assert len(password) == 32
        assert not any(password in text for text in told)
    found = (
        "ls /run/secrets; find / -name .env -o -name .git -o -name owner 2>/dev/null ||"
        " true"
    )
    assert stack.shell_in("workers", found).split() == ["worker"]


def test_a_study_survives_kills_a_stop_and_a_start(
    stack: Stack, database_url: str, tmp_path: Path
) -> None:
    alone = User(tmp_path, database_url)
    alone.end(alone.start(*SUBMIT, "--workers", "2"), timeout_s=1500)
    user = User(tmp_path, stack.url)
    submitted = user.start(*SUBMIT)
    try:
        _wait_for(stack, 4)
        killed = [stack.containers("workers")[0], *stack.containers("postgres")]
        stack.kill(killed[0])
        _wait_for(stack, 10)
        stack.kill(killed[1])
        _wait_for(stack, 20)
        restarts = stack.restarts()
        assert restarts == {
            container: int(container in killed) for container in restarts
        }
        assert _finished(stack) < N_TRIALS, "it was over before the stop: no test"
        began_s = time.monotonic()
        stack.compose("down")
        assert time.monotonic() - began_s < 15
        stack.up()
        out, said = user.end(submitted, timeout_s=1500)
    finally:
        user.leave()
    assert f"workers serve this study already ({N_WORKERS}): starting none here" in said
    assert out.splitlines()[-1].startswith('{"event": "result", "outcome": "done", ')
    snapshot = user.snapshot("digits")
    assert (snapshot.state, len(snapshot.search)) == (StudyState.DONE, N_TRIALS)
    assert table(snapshot) == table(alone.snapshot("digits"))
    assert sum(slot.losses for slot in snapshot.search) <= 2
    ours = {
        **stack.source,
        "host": os.uname().nodename,
    }  # what the image was built from
    assert all(slot.lineage.items() >= ours.items() for slot in snapshot.search)


def test_the_dashboard_shows_the_study_to_who_has_the_password(stack: Stack) -> None:
    assert stack.ask("/healthz", password=None)[0] == 200
    assert stack.ask("/api/studies", password=None)[0] == 401
    assert stack.ask("/api/studies", password="wrong password")[0] == 401
    assert stack.ask("/api/studies", method="DELETE")[0] == 403
    status, body = stack.ask("/api/studies")
    (study,) = json.loads(body)["study_summaries"]
    assert (status, study["study_name"]) == (200, "digits")
    one = f"/api/studies/{study['study_id']}"
    wait_until(lambda: b"arXiv:2408.02835" in stack.ask(one)[1], 60)
    (dashboard,) = stack.containers("dashboard")
    assert stack.inspect(dashboard)["HostConfig"]["Memory"] == 2**31


def test_a_worker_that_was_stopped_is_killed_and_started_again(stack: Stack) -> None:
    worker, *_ = stack.containers("workers")
    before = stack.restarts()[worker]
    paused = (
        "kill -STOP $(cat /proc/1/task/1/children); touch -d '2 hours ago'"
        " /tmp/heartbeat"
    )
    stack.shell_in("workers", paused)
    wait_until(lambda: stack.restarts()[worker] == before + 1, 60)


def test_workers_reach_the_database_alone_and_compile_no_kernel(stack: Stack) -> None:
    code = "python -c 'import socket; socket.create_connection((\"{}\", {}), 3)'"
    stack.shell_in("workers", code.format("postgres", 5432))
    with pytest.raises(AssertionError, match=r"unreachable|timed out"):
        stack.shell_in("workers", code.format("192.0.2.1", 80))
    stack.shell_in("workers", "diff -rq /opt/project/kernels /tmp/kernels")


def test_the_owner_is_no_superuser(stack: Stack) -> None:
    query = (
        "SELECT rolname, rolsuper, rolpassword IS NULL FROM pg_authid WHERE rolcanlogin"
    )
    said = stack.shell_in("postgres", f"psql -AtU postgres -c '{query} ORDER BY 1'")
    roles = ["hpo|f|f", "hpo_reader|f|f", "hpo_worker|f|f", "postgres|t|t"]
    assert said.split() == roles
    refused = pytest.raises(ProgrammingError, match="lo_create")
    with (
        open_storage(stack.url) as storage,
        storage.engine.connect() as connection,
        refused,
    ):
        connection.execute(text("SELECT lo_create(0)"))


def test_all_is_restored_from_a_backup_of_the_database(stack: Stack) -> None:
    """As docs/how-to/lab-server.md has it, on a volume that is made anew."""
    how = (ROOT / "docs/how-to/lab-server.md").read_text(encoding="utf-8")
    dump, restore = (
        re.search(rf"docker compose exec .*{p}[^#\n]*", how) for p in _BACKUP
    )
    assert dump
    assert restore
    before = _table(stack)
    stack.shell(dump[0])
    stack.compose("down", "--volumes")
    stack.up("postgres")
    stack.shell(restore[0])
    stack.up()
    assert _table(stack) == before


def _table(stack: Stack) -> list[Any]:
    with ledger_at(stack.url) as ledger:
        return table(ledger.snapshot("digits", curves=True))


def _finished(stack: Stack) -> int:
    """How many trials are finished, as far as the database is there."""
    try:
        with ledger_at(stack.url) as ledger:
            known = {study.name: study.finished for study in ledger.studies()}
    except (StorageError, SQLAlchemyError) as error:
        if not is_passing(error):
            raise
        return 0
    return known.get("digits", 0)


def _wait_for(stack: Stack, trials: int) -> None:
    wait_until(lambda: _finished(stack) >= trials, timeout_s=900)
