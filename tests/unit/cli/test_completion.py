"""Completion in a real shell, aliases, and commands that work where they are printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpo.cli import main
from hpo.console import ALIASES, COMMANDS, as_started

BIN = Path(sys.executable).parent


def offered(line: str, directory: Path) -> list[str]:
    """What bash offers at the end of a line."""
    words = line.split(" ")
    script = (
        f'eval "$(hpo completion bash)"; COMP_WORDS=({" ".join(map(repr, words))}); '
        f'COMP_CWORD={len(words) - 1}; _hpo hpo; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    environment = {**os.environ, "HPO_HOME": str(directory / "home")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=directory, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hpo la", ["launch"]),
        ("hpo l", ["launch", "list", "logs"]),
        ("hpo best --t", ["--top"]),
        ("hpo run --no-r", ["--no-report"]),
        ("hpo launch --executor ", ["dask", "local", "slurm"]),
        ("hpo storage u", ["url"]),
        ("hpo storage url ", []),
        ("hpo best my-", ["my-old", "my-own"]),
        ("hpo status --study my-ow", ["my-own"]),
        ("hpo report --output ", []),
    ],
)
def test_bash_completes(line: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "my-own.toml").touch()
    (tmp_path / "home" / "logs" / "my-old").mkdir(parents=True)
    assert offered(line, tmp_path) == words


@pytest.mark.parametrize("alias", ALIASES)
def test_other_words_are_taken(alias: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.main([alias, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: hpo {ALIASES[alias]} ")


def test_every_command_that_is_of_a_study_takes_it_in_both_ways() -> None:
    for command in COMMANDS:
        taken = {action.dest: action for action in main.parser_of(command)._actions}
        assert ("study" in taken) == ("study_option" in taken), command
    for line in (["x"], ["--study", "x"], ["x", "--study", "x"], ["--workers", "1", "x"]):
        assert main.parser_of("launch").parse_args(line).study == "x"


def test_commands_are_printed_as_they_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "go on with `hpo launch x` (user hpo at hpo launches), see hpo --help"
    assert as_started(text) == text, "hpo is on the PATH"
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path)
    assert f"`{BIN}/hpo launch x` (user hpo at hpo launches), see {BIN}/hpo --help" in (
        as_started(text)
    )
    assert as_started(as_started(text)) == as_started(text)
    monkeypatch.chdir(BIN.parent)
    assert "`bin/hpo launch x`" in as_started(text)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my python"))
    assert f"`'{tmp_path}/my python' -m hpo launch x`" in as_started(text)


def test_logs_shows_what_the_last_launch_wrote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPO_HOME", str(tmp_path))
    assert main.main(["logs", "toy"]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/logs: workers of study 'toy' must have been started on this machine, "
        "but it holds no log of theirs. `hpo status` says where they work.\n"
    )
    logs = tmp_path / "logs" / "toy"
    logs.mkdir(parents=True)
    for age_s, name in enumerate(("20261127-0930-7-2", "20261127-0930-7-1", "20261126-1200-9-1")):
        (logs / f"{name}.log").write_text("".join(f"line {k}\n" for k in range(9)))
        os.utime(logs / f"{name}.log", (1e9 - age_s, 1e9 - age_s))
    for line in (["logs"], ["logs", "--study", "toy"]):
        assert main.main([*line, "--lines", "2"]) == 0
        assert capsys.readouterr().out == (
            f"== {logs}/20261127-0930-7-1.log\nline 7\nline 8\n"
            f"== {logs}/20261127-0930-7-2.log\nline 7\nline 8\n"
        )
    (logs / "20261127-0931-8-1.log").touch()
    assert main.main(["logs"]) == 0
    assert capsys.readouterr().out == f"== {logs}/20261127-0931-8-1.log\n(nothing yet)\n"
