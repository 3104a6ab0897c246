"""What can be said of deploy/kubernetes.yaml without a cluster."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions
from stack import ROOT
from workers import wait_until

from hpo import settings
from hpo.postgres.connect import parse_url
from hpo.worker import __main__ as worker

JOB: dict[str, Any]
JOB, POLICY = yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())
POD = JOB["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
SCRIPT = CONTAINER["args"][-1]
COMMAND = r"python -m hpo\.worker ([^&]*) &"
VERSIONS = [v for v in all_versions() if tuple(map(int, v.split(".")[:2])) >= (1, 31)]
"""Those in which podFailurePolicy is stable."""


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifest_is_valid(version: str) -> None:
    for document in (JOB, POLICY):
        checked = kubernetes_validate.validate(document, version, strict=True)
        assert version.startswith(f"{checked}.")


def test_the_policy_is_of_the_jobs_pods_and_lets_them_reach_the_database() -> None:
    assert (
        POLICY["spec"]["podSelector"]["matchLabels"]
        == JOB["spec"]["template"]["metadata"]["labels"]
    )
    (url,) = [e["value"] for e in CONTAINER["env"] if e["name"] == "HPO_STORAGE"]
    ports = [port["port"] for rule in POLICY["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, parse_url(url).port or 5432]


def test_its_worker_is_one_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    [line] = re.findall(COMMAND, SCRIPT)
    arguments = worker.worker.parser().parse_args(shlex.split(line))
    assert (ROOT / f"studies/{arguments.study}.toml").exists()
    assert str(arguments.heartbeat_file) in CONTAINER["readinessProbe"]["exec"]["command"][-1]
    variables = {entry["name"]: entry["value"] for entry in CONTAINER["env"]}
    assert set(variables) == {"HPO_STORAGE", "HPO_STORAGE_PASSWORD_FILE"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.storage_url() == variables["HPO_STORAGE"]
    assert parse_url(variables["HPO_STORAGE"]).username == "hpo_worker"


def test_its_files_are_where_the_container_looks_for_them() -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert {volume["name"] for volume in POD["volumes"]} == set(mounts)
    assert all(
        f"{mounts['secret']}/{name}" in str(CONTAINER["env"]) for name in ("password", "ca.crt")
    )
    image = (ROOT / "Dockerfile").read_text()
    assert f"HPO_HOME={mounts['tmp']}/" in image
    user = f"{POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}"
    assert f"USER {user}\n" in image


@pytest.mark.parametrize(("told", "worker", "status"), [(0, 0, 0), (0, 1, 1), (1, 0, 143)])
def test_a_worker_that_was_told_to_stop_is_no_success(
    told: int, worker: int, status: int, tmp_path: Path
) -> None:
    """It stops in order all the same, and has the time for it; alone, it gives its own status."""
    ready, stopped = tmp_path / "ready", tmp_path / "stopped"
    instead = f"(trap 'sleep 0.3; touch {stopped}; exit 0' TERM; touch {ready}; "
    instead += f"while [ {told} = 1 ]; do sleep 0.1; done; exit {worker}) &"
    script, count = re.subn(COMMAND, lambda _: instead, SCRIPT)
    assert count == 1
    pod = subprocess.Popen(["sh", "-c", script])
    wait_until(ready.exists)
    if told:
        pod.send_signal(signal.SIGTERM)
    assert pod.wait(timeout=30) == status
    assert stopped.exists() == bool(told)
