"""The command line without a database: help, mistakes, exit statuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from hpo.cli import main
from hpo.console import Terminated, answer
from hpo.errors import HpoError

HEAVY = {"torch", "numba", "optuna", "sqlalchemy", "pydantic", "plotly", "rich", "numpy", "psycopg"}
HELPS = [
    ["-m", "hpo.launch", "--help"],
    ["-m", "hpo", "--help"],
    *(["-m", "hpo", command, "--help"] for command in main.COMMANDS),
]


@pytest.mark.parametrize("command", HELPS, ids=" ".join)
def test_help_answers_at_once_and_teaches_by_example(command: list[str]) -> None:
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True
    )
    took_s = time.monotonic() - began_s
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert imported & HEAVY == set()
    assert took_s < 2.0, "importing little takes 0.05 s; the rest is a busy machine"
    assert "examples:" in done.stdout
    assert len(re.findall(r"hpo[ .]\w+.*", done.stdout.split("examples:")[1])) >= 2


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {command} " in listed for command in main.COMMANDS)


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_has_its_function(command: str) -> None:
    assert callable(main.run_of(command))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert re.fullmatch(r"hpo \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_an_unknown_command_is_refused_with_a_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["statsu"]) == 2
    assert capsys.readouterr().err == (
        "hpo: error: unknown command 'statsu'. Did you mean 'status'? Commands: "
        f"{', '.join(main.COMMANDS)}.\nhpo --help shows what they do\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("best x --tpo 3", "unrecognized arguments: --tpo 3. Did you mean '--top'?"),
        ("status --jsn", "unrecognized arguments: --jsn. Did you mean '--json'?"),
        ("trace x --chanels 3", "unrecognized arguments: --chanels 3\n"),
        ("best x --top 0", "argument --top: must be at least 1, but got 0"),
        ("launch", "the following arguments are required: STUDY"),
        (
            "launch --study x --trails 3",
            "unrecognized arguments: --trails. Did you mean '--trials'?",
        ),
        (
            "launch --study x --trials many",
            "argument --trials: a whole number is needed, not 'many'",
        ),
        ("launch --study x --stor u", "unrecognized arguments: --stor"),
        (
            "launch --study x --timeout -1",
            "argument --timeout: must be above 0 and finite, but got -1",
        ),
        (
            "launch --study x --report r --no-report",
            "argument --no-report: not allowed with argument --report",
        ),
        ("status a\udcff", r"every argument must be UTF-8 text, but got 'a\udcff'"),
        ("retry", "the following arguments are required: STUDY"),
        ("stop x --study y", "one study must be named, but got STUDY=x and --study=y"),
        ("best --study y x", "one study must be named, but got STUDY=x and --study=y"),
        ("storage url --force", "--force goes with `hpo storage stop`"),
        ("trials x --csv --json", "argument --json: not allowed with argument --csv"),
        ("trace", "the following arguments are required: STUDY"),
        ("trace s --images 1,b", "argument --images: numbers as in 0,1,5 are needed, not '1,b'"),
        ("trace s --images=-1", "argument --images: must be at least 0, but got -1"),
        ("trace s --neurons some", "argument --neurons: numbers as in 0,1,5 are needed, not"),
        ("trace s --images 1 --classes 2", "--classes: not allowed with argument --images"),
        ("trace s --per-class 2", "argument --per-class: goes with argument --classes"),
        ("trace s --member 0 --fresh-seed 1", "--fresh-seed: not allowed with argument --member"),
        ("trace s --fresh-seed 0", "argument --fresh-seed: must be at least 1, but got 0"),
        ("trace s --quantity z", "argument --quantity: invalid choice: 'z'"),
        ("export s --trial 1", "argument --trial: goes with argument --network"),
        ("export s --member 0", "argument --member: goes with argument --network"),
        ("export s --fresh-seed 1", "argument --fresh-seed: goes with argument --network"),
        ("export s --backup b.jsonl --curves", "--curves: not allowed with argument --backup"),
        ("export s --backup b.jsonl -o t.csv", "--output: not allowed with argument --backup"),
        ("export s --backup b.jsonl --network n", "--network: not allowed with argument --backup"),
        ("export s --network n --curves", "--curves: not allowed with argument --network"),
        ("export s --network n -o t.csv", "--output: not allowed with argument --network"),
        ("export s --network n --format csv", "--format: not allowed with argument --network"),
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


def raising(error: BaseException) -> int:
    raise error


def test_an_error_that_can_be_mended_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(lambda: raising(HpoError("x: y must hold."))) == 1
    assert capsys.readouterr() == ("", "error: x: y must hold.\n")


def test_signals_have_their_own_exit_statuses() -> None:
    assert answer(lambda: raising(KeyboardInterrupt())) == 130
    assert answer(lambda: raising(Terminated())) == 143


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
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, check=False
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
