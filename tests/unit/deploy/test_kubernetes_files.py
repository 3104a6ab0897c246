"""What can be said of deploy/kubernetes without a cluster."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions
from required import program
from stack import ROOT
from workers import wait_until

from hpo.cli.main import parser_of
from hpo.postgres.programs import find_shipped
from hpo.postgres.urls import parse_url
from hpo.worker import __main__ as worker

KUBERNETES = ROOT / "deploy/kubernetes"
SECRETS = ROOT / "docker/secrets.sh"
SCRIPT = yaml.safe_load((KUBERNETES / "study/workers.yaml").read_text())["spec"][
    "template"
]["spec"]["containers"][0]["args"][-1]
COMMAND = r"python -m hpo\.worker ([^&]*) &"
VERSIONS = [v for v in all_versions() if tuple(map(int, v.split(".")[:2])) >= (1, 31)]
"""Those in which podFailurePolicy is stable."""


Documents = dict[tuple[str, str], dict[str, Any]]


def build(*folders: Path) -> Documents:
    """All that folders make, by kind and name."""
    found = {}
    for folder in folders:
        line = [program("kustomize"), "build", folder]
        for document in yaml.safe_load_all(subprocess.check_output(line)):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


@cache
def built() -> Documents:
    """All that both examples make."""
    return build(KUBERNETES / "lab", KUBERNETES / "seqdigits")


def pods(documents: Documents | None = None) -> dict[str, Mapping[str, Any]]:
    """The template of the pods of every Job, CronJob and Deployment, by its name."""
    found = {}
    for (kind, name), document in (documents or built()).items():
        if kind == "CronJob":
            document = document["spec"]["jobTemplate"]
        if kind in ("Job", "CronJob", "Deployment"):
            found[name] = document["spec"]["template"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_all_is_valid(version: str) -> None:
    for document in built().values():
        checked = kubernetes_validate.validate(document, version, strict=True)
        assert version.startswith(f"{checked}.")


def test_pods_find_what_they_name_and_may_do_no_more_than_they_must() -> None:
    addresses = built()["ConfigMap", "hpo"]["data"]
    users = [
        parse_url(addresses[who]).username for who in ("owner", "worker", "reader")
    ]
    assert users == ["hpo", "hpo_worker", "hpo_reader"]
    for template in pods().values():
        pod = template["spec"]
        assert pod["imagePullSecrets"] == [{"name": "hpo-registry"}]
        assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "hpo", (
            "the policy's"
        )
        user = "USER {runAsUser}:{runAsGroup}\n".format_map(pod["securityContext"])
        assert user in (ROOT / "Dockerfile").read_text()
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"])
            assert (
                container["resources"]["requests"] == container["resources"]["limits"]
            )
            assert container["securityContext"]["readOnlyRootFilesystem"]
            mounts = {
                mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]
            }
            assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
            paths = re.findall(r"/(?:run/secrets|role)/[\w/.-]+", str(container))
            assert all(path.startswith(tuple(mounts.values())) for path in paths)


def test_pods_ask_the_clusters_name_server_alone() -> None:
    rules = built()["NetworkPolicy", "hpo"]["spec"]["egress"]
    assert all(rule["to"] for rule in rules), (
        "a rule without `to` permits every address"
    )
    [names] = [rule["to"] for rule in rules if rule["ports"][0]["port"] == 53]
    assert names == [
        {
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
            },
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ]


def test_a_budget_counts_the_standing_workers() -> None:
    budget = built()["PodDisruptionBudget", "hpo-workers"]["spec"]
    labels = pods()["hpo-workers"]["metadata"]["labels"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_all_workers_get_files_of_ones_own(tmp_path: Path) -> None:
    for name in ("lab", "seqdigits"):
        folder = tmp_path / name
        folder.mkdir()
        places = {
            key: os.path.relpath(KUBERNETES / key, folder.resolve())
            for key in (name, "own-files")
        }
        (folder / "kustomization.yaml").write_text(
            f"resources: ['{places[name]}']\ncomponents: ['{places['own-files']}']\n"
        )
    documents = build(tmp_path / "lab", tmp_path / "seqdigits")
    with_files = {
        name
        for name, template in pods(documents).items()
        if "/files" in str(template["spec"]["containers"])
    }
    assert with_files == {"hpo-workers", "hpo-seqdigits"}
    for document in documents.values():
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_one_version_of_postgresql_is_everywhere() -> None:
    """That of the embedded server."""
    version = find_shipped(Path("nowhere")).name.removeprefix("pginstall")
    [cluster] = build(KUBERNETES / "database").values()
    assert cluster["spec"]["imageCatalogRef"]["major"] == int(version)
    compose = (ROOT / "docker-compose.yml").read_text()
    [image] = re.findall(r":-postgres:(\S+)}", compose)
    assert image.startswith(f"{version}@")
    dump = pods()["hpo-backup"]["spec"]["containers"][0]["image"]
    assert dump.partition("@")[2] == image.partition("@")[2]
    assert f"POSTGRES_IMAGE=postgres:{version};" in SECRETS.read_text()


def test_commands_are_ours() -> None:
    [line] = re.findall(COMMAND, SCRIPT)
    study = pods()["hpo-seqdigits"]["metadata"]["labels"]["hpo-study"]
    standing = pods()["hpo-workers"]["spec"]["containers"][0]
    for words in (shlex.split(line.replace("$STUDY", study)), standing["args"][3:]):
        arguments = worker.worker.parser().parse_args(words)
        assert arguments.study in (None, study)
        assert all(
            str(arguments.heartbeat_file) in standing[probe]["exec"]["command"][-1]
            for probe in ("readinessProbe", "livenessProbe")
        )
    assert (ROOT / f"studies/{study}.toml").exists()
    [dashboard] = pods()["hpo-dashboard"]["spec"]["containers"]
    assert parser_of("dashboard").parse_args(dashboard["args"][2:]).port == 8080


@pytest.mark.parametrize(
    ("told", "worker", "status"), [(0, 0, 0), (0, 1, 1), (1, 0, 143)]
)
def test_a_worker_that_was_told_to_stop_is_no_success(
    told: int, worker: int, status: int, tmp_path: Path
) -> None:
    """It stops in order all the same, and has the time for it; alone, it gives its own
    status."""
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
