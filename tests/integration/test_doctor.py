"""``hpo doctor`` on this machine, and what it says of others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hpo.cli import doctor
from hpo.cli.doctor import judge
from hpo.cli.findings import Finding, line

WHATS = [
    "versions",
    "processor",
    "kernels",
    "solved equation",
    "CUDA devices",
    "storage",
    "data directory",
    "site",
]
GOOD: dict[str, Any] = {
    "cpu": "znver4",
    "simd": ["avx512f", "fma"],
    "kernels_s": 0.3,
    "kernels_cached": True,
    "kernel_cache": "/somewhere",
    "complaints": [],
    "gpus": ["NVIDIA H100"],
    "equation": {
        "integrator": "exponential-ab3",
        "step_ns": 0.5,
        "solving_steps": 8,
        "kernel_error": 2e-6,
        "step_error": 0.0042,
    },
}


@pytest.fixture(scope="module")
def processor() -> list[Finding]:
    """What a worker finds on this machine, which takes seconds."""
    return list(doctor._processor())


@pytest.fixture(autouse=True)
def _found_once(
    processor: list[Finding],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if request.function is not test_a_worker_that_cannot_start_is_an_error:
        monkeypatch.setattr(doctor, "_processor", lambda: iter(processor))


def test_a_machine_that_is_ready(
    hpo_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.doctor(["--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["healthy"] is True
    assert [finding["what"] for finding in said["findings"]] == WHATS
    assert {finding["verdict"] for finding in said["findings"]} == {"ok"}
    found = {finding["what"]: finding["found"] for finding in said["findings"]}
    solved = (
        r"kernel and reference agree to \de-0[5-7]; the default, exponential-ab3 with"
        r" steps of 0.5 "
    )
    assert re.fullmatch(solved + r"ns, is off by 0\.\d+ %", found["solved equation"]), (
        found
    )
    assert str(hpo_home) in found["storage"]
    assert doctor.doctor([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [row[:16].strip() for row in lines[: len(WHATS)]] == WHATS
    assert lines[-1] == "ready: hpo launch seqdigits"


def test_a_database_out_of_reach_is_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert doctor.doctor(["--storage", "postgresql://me:secret@127.0.0.1:1/hpo"]) == 1
    said = capsys.readouterr().out
    [row] = [row for row in said.splitlines() if row.startswith("storage")]
    assert "ERROR" in row
    assert "127.0.0.1:1" in row
    assert "secret" not in said
    assert "ready" not in said.splitlines()[-1]


def test_a_worker_that_cannot_start_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        doctor, "_AS_A_WORKER", "raise ImportError('no module named torch')"
    )
    [finding] = doctor._processor()
    assert finding.verdict == "error"
    assert finding.found == "ImportError: no module named torch"
    assert finding.remedy.startswith("Reinstall the project")


@pytest.mark.parametrize(
    ("facts", "what", "verdict", "text"),
    [
        ({}, "processor", "ok", "znver4, avx512f, fma"),
        ({"simd": []}, "processor", "warning", "several times slower here"),
        ({}, "kernels", "ok", "compiled; loaded in 0.3 s from /somewhere"),
        ({"kernels_cached": False}, "kernels", "ok", "compiled just now in 0.3 s"),
        ({"complaints": ["no cache"]}, "kernels", "warning", "Set NUMBA_CACHE_DIR"),
        (
            {"equation": GOOD["equation"] | {"kernel_error": 0.0312}},
            "solved equation",
            "error",
            (
                "kernel and reference differ by 3e-02 of a network's output; rounding"
                " explains less than 1e-04"
            ),
        ),
        (
            {"equation": GOOD["equation"] | {"kernel_error": float("nan")}},
            "solved equation",
            "error",
            (
                "Train nothing here. Delete /somewhere and check again; if it stays,"
                " report this CPU."
            ),
        ),
        ({}, "CUDA devices", "ok", "NVIDIA H100"),
        ({"gpus": []}, "CUDA devices", "ok", "none; networks train on the CPU"),
    ],
)
def test_what_facts_mean(
    facts: dict[str, Any], what: str, verdict: str, text: str
) -> None:
    [finding] = [f for f in judge(GOOD | facts) if f.what == what]
    assert finding.verdict == verdict
    assert text in line(finding)


def test_a_new_home_and_a_database_without_tables_are_left_as_they_are(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    assert [*doctor.of_storage(None)] == [
        Finding("storage", "none yet; the first launch makes an embedded server")
    ]
    assert not (tmp_path / "home").exists()
    [finding] = doctor.of_storage(empty_database_url)
    assert finding.found.endswith("; the first launch makes its tables")


def test_a_directory_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HPO_HOME", "/proc/hpo")  # not even root may
    finding = doctor._space()
    assert finding.verdict == "error"
    assert finding.found.startswith("/proc/hpo: cannot write to /proc: ")
    assert "Set HPO_HOME to a directory of yours" in finding.remedy


def test_a_working_directory_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(doctor.of_working_directory()) == []
    monkeypatch.chdir("/proc")
    (finding,) = doctor.of_working_directory()
    assert finding.verdict == "error"
    assert finding.found.startswith("cannot write to /proc: ")
    assert finding.remedy == "Free some space, or run hpo in another directory."


def test_a_full_disk_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPO_HOME", str(tmp_path / "not there yet"))
    monkeypatch.setattr(doctor, "_MIN_FREE_BYTES", 1e30)
    finding = doctor._space()
    assert finding.verdict == "warning"
    assert str(tmp_path) in finding.found


def test_the_defaults_of_a_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor.of_site() == Finding("site", "no hpo.toml; executor local")
    (tmp_path / "hpo.toml").write_text("[launch]\nworkers = 3\n")
    assert doctor.of_site() == Finding("site", "hpo.toml: executor local")
    (tmp_path / "hpo.toml").write_text("[launch]\nworkres = 3\n")
    wrong = doctor.of_site()
    assert wrong.found.startswith(
        "hpo.toml: unknown key launch.workres. Did you mean 'workers'?"
    )
    assert wrong.verdict == "error"


def test_a_cluster_that_does_not_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "hpo.toml").write_text('[launch]\nexecutor = "slurm"\n')
    found = doctor.of_site()
    assert found.verdict == "error"
    assert found.found.startswith("slurm: sbatch is not in PATH=")
    (tmp_path / "hpo.toml").write_text('[launch]\nexecutor = "dask"\n')
    assert doctor.of_site().found.startswith("dask: the scheduler is missing.")
