"""The command line without a database: help, mistakes, exit statuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hpo
from hpo.cli import main
from hpo.console import COMMANDS, answer

HEAVY = {
    "torch",
    "numba",
    "optuna",
    "sqlalchemy",
    "pydantic",
    "plotly",
    "rich",
    "numpy",
    "psycopg",
}
EVERY_PARSER = """
import sys
from hpo.cli.main import COMMANDS, parser_of
for command in COMMANDS:
    parser_of(command).format_help()
print(*sys.modules)
"""


def test_help_imports_nothing_heavy_so_it_answers_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_PARSER], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & HEAVY == set()


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {command} " in listed for command in COMMANDS)
    for command in COMMANDS:
        first, *_ = str(main.run_of(command).run.__doc__).splitlines()
        assert first.endswith("."), "one line is the whole sentence"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_shown_by_example_and_takes_its_study_in_both_ways(
    command: str,
) -> None:
    assert callable(main.run_of(command))
    parser = main.parser_of(command)
    examples = parser.format_help().split("examples:")[1]
    assert re.search(r"hpo[ .]\w+.*", examples)
    studies = [action for action in parser._actions if action.dest == "study"]
    assert len(studies) in (0, 1 if command == "tell" else 2)


def test_an_unknown_command_is_refused_with_a_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["statsu"]) == 2
    assert (
        capsys.readouterr().err
        == "hpo: error: unknown command 'statsu'. Did you mean 'status'? Commands: "
        f"{', '.join(COMMANDS)}.\nhpo --help shows what they do\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("best x --top 0", "argument --top: expected a whole number from 1, got '0'"),
        ("launch", "one of the arguments STUDY --study is required"),
        (
            "launch x --trails 3",
            "unrecognized arguments: --trails. Did you mean '--trials'?",
        ),
        (
            "launch x.py:f --data x.csv",
            "unrecognized arguments: --data. Arguments of the script follow --, as in:"
            " -- --data x.csv",
        ),
        (
            "launch x --trials many",
            "argument --trials: expected a whole number from 1, got 'many'",
        ),
        (
            "worker --lease nan",
            "argument --lease: expected a finite number of seconds above 0, got 'nan'",
        ),
        (
            "launch x --timeout -1",
            "argument --timeout: expected a finite number of seconds above 0, got '-1'",
        ),
        ("status a\udcff", r"error: expected UTF-8 text, got 'a\udcff'"),
        ("stop x --study y", "argument --study: not allowed with argument STUDY"),
        (
            "trace s --images 1,b",
            "argument --images: expected a whole number from 0, got 'b'",
        ),
        ("export s --trial 1", "argument --trial: only allowed with --network or --c"),
        ("export s --bits 6", "argument --bits: only allowed with --chip"),
        ("export s --device d", "argument --device: only allowed with --chip"),
        (
            "export s --chip c --bits 1",
            "argument --bits: expected a whole number from 2 to 16, got '1'",
        ),
        (
            "export s --backup b --curves",
            "argument --curves: only allowed with a table",
        ),
        ("export s --format f", "argument --format: needs -o FILE"),
        (
            "report s --trial 1 --paper p",
            "argument --trial: not allowed with OTHER, --picture or --paper",
        ),
        ("report s t --paper p", "argument --paper: not allowed with OTHER"),
        ("status s --watch", "argument --watch: stdout is not a terminal"),
        ("status s --all", "argument STUDY: not allowed with --all, --tag or --files"),
        ("status --logs --json", "argument --json: not allowed with --watch or --logs"),
        ("status --logs s", "argument --logs: expected a whole number from 1, got 's'"),
        ("resume s --retry --trials 9", "argument --trials: not allowed with argument"),
        (
            "resume s --accept-code --trials 9",
            "argument --accept-code: of the others only allowed with --retry",
        ),
        ("storage log --hold", "argument --hold: only allowed with `hpo storage url`"),
    ],
)
def test_a_mistyped_line_is_refused_in_words(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = line.split()[0]
    with pytest.raises(SystemExit, match="2"):
        main.main(line.split())
    said = capsys.readouterr().err
    assert f"hpo {command}: error: " in said
    assert message in said
    assert f"hpo {command} --help shows every option, with examples" in said


def test_usage_names_the_arguments_of_a_script_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.main(["check", "--help"])
    assert " [-- ARGUMENTS] " in capsys.readouterr().out


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        answer(lambda: 1 // 0)


def test_a_closed_pipe_is_silent() -> None:
    program = (
        "import sys; from hpo.console import answer;"
        "sys.exit(answer(lambda: print('x\\n' * 1_000_000) or 0))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_without_unicode_is_no_error() -> None:
    program = "from hpo.console import answer; answer(lambda: print('1 ± 2') or 0)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"1 ? 2\n"


def test_logs_shows_what_the_last_launch_wrote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPO_HOME", str(tmp_path))
    assert main.main(["status", "toy", "--logs"]) == 1
    assert (
        capsys.readouterr().err
        == f"error: {tmp_path}/logs: no log of a worker of study 'toy': none was"
        " started on this machine. `hpo status` shows where workers run.\n"
    )
    logs = tmp_path / "logs" / "toy"
    logs.mkdir(parents=True)
    for age_s, name in enumerate(
        ("20261127-0930-7-2", "20261127-0930-7-1", "20261126-1200-9-1")
    ):
        (logs / f"{name}.log").write_text("".join(f"line {k}\n" for k in range(9)))
        os.utime(logs / f"{name}.log", (1e9 - age_s, 1e9 - age_s))
    for line in ([], ["--study", "toy"]):
        assert main.main(["status", *line, "--logs", "2"]) == 0
        assert (
            capsys.readouterr().out
            == f"== {logs}/20261127-0930-7-1.log\nline 7\nline 8\n"
            f"== {logs}/20261127-0930-7-2.log\nline 7\nline 8\n"
        )
    (logs / "20261127-0931-8-1.log").touch()
    assert main.main(["status", "--logs"]) == 0
    assert (
        capsys.readouterr().out == f"== {logs}/20261127-0931-8-1.log\n(nothing yet)\n"
    )


def test_a_deleted_working_directory_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD" && exec "$0" -P -m hpo status', sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(hpo.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: the working directory was deleted. Go to another one: cd PATH\n"
    )
