"""A site's defaults: who wins, and what is said of mistakes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hpo import config
from hpo.errors import HpoError
from hpo.launch import executors
from hpo.launch.__main__ import launch
from hpo.launch.options import LaunchOptions


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without a word for us."""
    for name in list(os.environ):
        if name.startswith(("HPO_SLURM_", "HPO_CONFIG", "HPO_EXECUTOR", "HPO_LAUNCH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(*line: str) -> config.SiteConfig:
    """What holds for a launch with these options."""
    return options(*line).site


def options(*line: str) -> LaunchOptions:
    arguments = launch.parser().parse_args(["--study", "toy", *line])
    arguments.command = "again"
    return LaunchOptions.of_line(arguments)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "hpo.toml").write_text(
        '[launch]\nexecutor = "slurm"\nworkers = 64\n[slurm]\npartition = "file"\ntime'
        ' = 01:00:00\nqos = "file"\noptions = { a = "1", b = 2 }\nsetup = ["module load'
        ' c"]\n'
    )
    assert config.load().slurm.time == "01:00:00"
    assert config.load().slurm.setup == ("module load c",)
    monkeypatch.setenv("HPO_SLURM_TIME", "2:00:00")
    monkeypatch.setenv("HPO_SLURM_QOS", "variable")
    monkeypatch.setenv("HPO_SLURM_OPTIONS", "b=3\nc")
    monkeypatch.setenv("HPO_SLURM_SETUP", "module load a\nmodule load b")
    found = load("--slurm-qos", "option", "--slurm-option", "a=4", "--no-probe")
    assert (found.launch.executor, found.launch.workers, found.launch.threads) == (
        "slurm",
        64,
        1,
    )
    assert (found.slurm.partition, found.slurm.time, found.slurm.qos) == (
        "file",
        "2:00:00",
        "option",
    )
    assert found.slurm.options == {"a": "4", "b": "3", "c": True}
    assert found.slurm.setup == ("module load a", "module load b")
    assert not found.slurm.probe


CLUSTER = '[launch]\nexecutor = "slurm"\nworkers = 64\n'


@pytest.mark.parametrize(
    ("file", "variables", "line", "workers"),
    [
        (CLUSTER, {}, [], 64),
        (CLUSTER, {}, ["--executor", "local"], None),
        (CLUSTER, {"HPO_EXECUTOR": "local"}, [], None),
        (CLUSTER, {}, ["--executor", "local", "--workers", "2"], 2),
        ("[launch]\nworkers = 5\n", {}, ["--executor", "slurm"], 5),
        (
            "[launch]\nworkers = 5\n",
            {"HPO_WORKERS": "7"},
            [],
            5,
        ),  # that is Docker Compose's
    ],
)
def test_workers_of_the_clusters_are_none_for_this_machine(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    variables: dict[str, str],
    line: list[str],
    workers: int | None,
) -> None:
    (directory / "hpo.toml").write_text(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load(*line).launch.workers == workers


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("240", 14400),
        ("4:00", 240),
        ("4:00:00", 14400),
        ("1-2", 93600),
        ("1-2:03:04", 93784),
    ],
)
def test_time_limits_are_read_as_sbatch_does(time: str, seconds: int) -> None:
    assert config.SlurmDefaults(time=time).limit_s == seconds


def test_a_limit_that_leaves_no_time_to_work_is_refused(directory: Path) -> None:
    (directory / "hpo.toml").write_text("[slurm]\ntime = 2\n")
    with pytest.raises(HpoError) as refused:
        config.load()
    assert (
        str(refused.value)
        == "slurm: time must be longer than signal_s + 60 s, got time=2 (120 s) and"
        " signal_s=90. Jobs would only queue again: allow more time (4:00:00 is four"
        " hours, 4:00 four minutes), or a smaller signal_s."
    )


def test_the_file_is_here_or_named_or_among_the_users_configurations(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.find() is None
    (directory / "config" / "hpo").mkdir(parents=True)
    theirs = directory / "config" / "hpo" / "hpo.toml"
    theirs.touch()
    assert config.find() == theirs
    (directory / "named.toml").touch()
    monkeypatch.setenv("HPO_CONFIG", "named.toml")
    assert config.find() == Path("named.toml")
    (directory / "hpo.toml").touch()
    assert config.find() == Path("hpo.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[slurm]\npartiton = 1",
            "unknown key slurm.partiton. Did you mean 'partition'? Valid: ",
        ),
        (
            '[launch]\nworkers = "4"',
            "launch.workers: expected a whole number, got '4'. Change it.",
        ),
        ("[slurm", "not valid TOML: "),
        (
            'storage = "postgresql://me:secret@host/hpo"',
            "unknown key storage. Valid: dask, ",
        ),
    ],
)
def test_a_mistake_in_the_file(directory: Path, text: str, message: str) -> None:
    (directory / "hpo.toml").write_text(text)
    with pytest.raises(HpoError) as caught:
        config.load()
    assert str(caught.value).startswith(f"hpo.toml: {message}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "HPO_SLURM_SIGNAL_S",
            "soon",
            "slurm.signal_s: expected a whole number, got 'soon'. Change it.",
        ),
        (
            "HPO_SLURM_OPTIONS",
            "=3",
            "slurm.options: expected KEY=VALUE, as in reservation=lab, got '=3'. ",
        ),
        ("HPO_CONFIG", "none.toml", "the file none.toml does not exist. Correct"),
        (
            "--scheduler",
            "http://head:8787/status",
            (
                "dask.scheduler: expected an address as `dask scheduler` prints it,"
                " like tcp://HOST:8786, got 'http://head:8787/status'. Change it."
            ),
        ),
        (
            "--slurm-option",
            "array=3",
            (
                "slurm.options: every job sets the option array already: see the keys"
                " of [slurm]."
            ),
        ),
    ],
)
def test_a_mistake_in_the_environment_or_on_the_command_line(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("HPO_"):
        monkeypatch.setenv(name, value)
    with pytest.raises(HpoError) as caught:
        load(*([] if name.startswith("HPO_") else [name, value]))
    assert str(caught.value).startswith(f"{name}: {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ["--executor", "slurm"],
            (
                "slurm: the number of workers is missing. Use --workers N, or set"
                " workers in [launch] of hpo.toml."
            ),
        ),
        (
            ["--executor", "dask", "--workers", "3"],
            (
                "dask: the scheduler is missing. Use the address that it prints:"
                " --scheduler tcp://HOST:8786, or scheduler in [dask] of hpo.toml."
            ),
        ),
        (
            ["--executor", "dask", "--workers", "3", "--scheduler", "head:1"],
            (
                "dask: the package distributed is not installed. Install the same"
                " version here and where the scheduler and the Dask workers run: pip"
                " install 'hpo-dynamics[dask]'."
            ),
        ),
    ],
)
def test_what_an_executor_must_be_told(
    line: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(HpoError) as caught:
        executors.check(options(*line).site)
    assert str(caught.value) == message
    executors.check(options("--executor", "slurm", "--workers", "3").site)
