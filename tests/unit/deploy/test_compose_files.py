"""What can be said of Dockerfile and docker-compose.yml without a Docker engine."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from stack import ROOT, require_client

from hpo.config import NotifyDefaults

SECRETS = ROOT / "docker/secrets.sh"


def compose(*line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    require_client()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("HPO_")
    }
    return subprocess.run(
        ["docker", "compose", "--env-file", os.devnull, *line],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def make_secrets(directory: Path) -> str:
    done = subprocess.run(
        [SECRETS], cwd=directory, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_compose_file_is_valid(tmp_path: Path) -> None:
    done = compose("config", "--quiet", HPO_SECRETS=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_workers_alone_get_whom_to_tell_and_a_way_out_if_the_page_is_followed(
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs/how-to/lab-server.md").read_text(encoding="utf-8")
    section = page.partition("## Be told when a study is done")[2]
    (tmp_path / "way-out.yml").write_text(
        section.partition("```yaml")[2].partition("```")[0]
    )
    files = ["--file=docker-compose.yml", f"--file={tmp_path / 'way-out.yml'}"]
    told = {f"HPO_NOTIFY_{key}".upper(): "7" for key in NotifyDefaults.model_fields}
    done = compose(*files, "config", "--format=json", HPO_SECRETS=str(tmp_path), **told)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert told.items() <= services["workers"]["environment"].items()
    assert not told.keys() & services["dashboard"]["environment"].keys()
    assert {*services["workers"]["networks"]} == {"database", "published"}
    alone = compose("config", "--format=json", HPO_SECRETS=str(tmp_path))
    workers = json.loads(alone.stdout)["services"]["workers"]
    assert {*workers["networks"]} == {"database"}
    assert {workers["environment"][name] for name in told} == {""}, (
        "as if it were not there"
    )


def test_one_service_builds_the_image_of_all(tmp_path: Path) -> None:
    """Else `up --build` makes it several times, and leaves the others untagged."""
    done = compose("config", "--format=json", HPO_SECRETS=str(tmp_path))
    services = json.loads(done.stdout)["services"]
    ours = [name for name in services if services[name]["image"] == "hpo-dynamics"]
    assert sorted(ours) == ["dashboard", "migrate", "workers"]
    assert [name for name in ours if "build" in services[name]] == ["migrate"]


def test_without_secrets_it_says_how_to_make_them() -> None:
    done = compose("up", "workers")
    assert done.returncode != 0
    assert "HPO_SECRETS" in done.stderr
    assert "run `make secrets` first: there are no default passwords" in done.stderr


def test_secrets_are_made_once(tmp_path: Path) -> None:
    assert make_secrets(tmp_path).startswith(
        "made: secrets/owner secrets/worker secrets/reader secrets/dashboard .env"
    )
    files = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(files) == {"owner", "worker", "reader", "dashboard"}
    assert len(set(files.values())) == 4
    assert all(len(text) == 32 and text.isalnum() for text in files.values())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    settings = (tmp_path / ".env").read_text()
    assert f"HPO_WORKERS={os.sysconf('SC_NPROCESSORS_ONLN')}\n" in settings
    (tmp_path / "secrets/worker").unlink()
    (tmp_path / "secrets").chmod(0o755)
    said = make_secrets(tmp_path)
    assert said.startswith("made: secrets/worker\n")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700, (
        "however it was"
    )
    assert not any(text in said for text in files.values())
    assert (tmp_path / "secrets/owner").read_text() == files["owner"]
    assert (tmp_path / ".env").read_text() == settings
    assert make_secrets(tmp_path).startswith("made: nothing, it is all there\n")


def test_an_image_taken_by_its_tag_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho '[]'\n")
    docker.chmod(0o755)
    make_secrets(tmp_path)
    settings = tmp_path / ".env"
    settings.write_text(settings.read_text().split("PYTHON_IMAGE=")[0])
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    said = make_secrets(tmp_path)
    assert said.startswith("made: PYTHON_IMAGE POSTGRES_IMAGE\n")
    assert make_secrets(tmp_path).startswith("made: nothing, it is all there\n")


def test_settings_of_an_older_server_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_IMAGE=postgres:17\n")
    done = subprocess.run([SECRETS], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: .env names POSTGRES_IMAGE=postgres:17, but docker-compose.yml needs"
        ' PostgreSQL 18: docs/records/operations.md, "PostgreSQL 17 to 18"\n'
    )


def test_secrets_and_settings_are_kept_out_of_git_and_images() -> None:
    names = ["secrets/worker", ".env", "docker-compose.override.yml"]
    ignored = subprocess.run(
        ["git", "check-ignore", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ignored.stdout.split() == names
    assert {"secrets", ".env", "docker-compose.override.yml"} <= set(
        (ROOT / ".dockerignore").read_text().splitlines()
    )
