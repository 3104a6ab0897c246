"""Scripts: what is refused before a study begins, and what counts as their source."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpo.errors import SpecError
from hpo.script import Script, Source
from hpo.script.script import _load

GOOD = "def objective(trial):\n    return trial.suggest_float('x', 0, 1)\n"


@pytest.fixture(autouse=True)
def _clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    _load.cache_clear()


def script(folder: Path, text: str, name: str = "train.py:objective") -> Script:
    (folder / "train.py").write_text(text)
    return Script.named(name, folder)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("def objective(trial: return 1", "", "train.py:1: not valid Python"),
        (
            "from statistics import mean\ndef score(trial): ...",
            "",
            "train.py has no function 'objective'. Its functions: score. Name one",
        ),
        ("import nowhere_to_be_found\n" + GOOD, "", "train.py:1 cannot be imported"),
        ("objective = 3", "", "train.py:objective is not a function: 3. Name one"),
        ("def objective(): ...", "", "train.py:objective() must take one argument"),
        ("def objective(trial, data): ...", "", "must take one argument, the trial."),
        (
            "import sys\nsys.exit(2)\n" + GOOD,
            "",
            "train.py called sys.exit(2) as it was imported. If ",
        ),
        (
            "import optuna\n"
            + GOOD
            + "optuna.create_study().optimize(objective, n_trials=1)",
            "",
            "train.py optimises as it is imported. Put that under `if __name__",
        ),
    ],
)
def test_a_script_that_cannot_be_used_is_refused_in_words(
    tmp_path: Path, text: str, name: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        script(tmp_path, text).load()
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"train\.py: no such script .*Check the path"):
        Script.named("train.py", tmp_path).load()


def test_a_script_sees_its_folder_and_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "train.py").write_text(
        "import sys, beside\ndef objective(trial): return beside.VALUE, sys.argv[1:]\n"
    )
    own = Script.named("train.py:objective", tmp_path, ["--data", "x.csv"])
    with own.as_called(0):
        assert own.load()(None) == (7, ["--data", "x.csv"])


def test_scripts_of_two_folders_may_have_modules_of_the_same_names(
    tmp_path: Path,
) -> None:
    values = []
    for value in (1, 2):
        folder = tmp_path / str(value)
        folder.mkdir()
        (folder / "beside.py").write_text(f"VALUE = {value}\n")
        text = "import beside\ndef objective(trial): return beside.VALUE\n"
        values.append(script(folder, text).load()(None))
    assert values == [1, 2]


def test_the_source_is_that_of_the_script_and_of_what_it_imports_from_its_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "other.py").write_text("VALUE = 8\n")
    text = "import beside, json\n" + GOOD
    own = script(tmp_path, text)
    before = own.hashes()
    assert sorted(before) == ["beside", "train"]
    script(tmp_path, "# a comment\n" + text)
    assert own.hashes() == before
    (tmp_path / "beside.py").write_text("VALUE = 9\n")
    after = own.hashes()
    assert after["train"] == before["train"]
    assert after["beside"] != before["beside"]


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("optuna.create_study(direction='maximize')", ["maximize"]),
        ("create_study(directions=['maximize', 'minimize'])", ["maximize", "minimize"]),
        ("optuna.create_study()", None),
        ("create_study(direction=None)", None),
        ("create_study(direction=StudyDirection.MAXIMIZE)", ["maximize"]),
        (
            "create_study(directions=(study.StudyDirection.MINIMIZE, 'maximize'))",
            ["minimize", "maximize"],
        ),
        ("WAY = 'maximize'\ncreate_study(direction=WAY)", ["maximize"]),
        (
            "if main:\n    d: str = 'maximize'\n    create_study(direction=d)",
            ["maximize"],
        ),
        ("CFG = {'direction': 'maximize'}\ncreate_study(**CFG)", ["maximize"]),
        ("CFG = {'sampler': TPESampler()}\ncreate_study(**CFG)", None),
        (
            "from optuna import create_study as new\nnew(direction='maximize')",
            ["maximize"],
        ),
    ],
)
def test_the_directions_of_create_study_are_read(
    tmp_path: Path, text: str, directions: list[str] | None
) -> None:
    path = tmp_path / "d3.py"
    path.write_text(text)
    assert Source(path).read_directions() == directions


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("create_study(direction=way)", "a direction that cannot be read (line 1)"),
        ("\ncreate_study(**load())", "a direction that cannot be read (line 2)"),
        (
            "create_study(direction='maximize' if up else 'minimize')",
            "a direction that cannot be read (line 1)",
        ),
        (
            "WAY = 'maximize'\ndef main(WAY):\n    create_study(direction=WAY)",
            "a direction that cannot be read (line 3)",
        ),
        (
            "CFG = {'direction': 'maximize'}\nCFG.update(args)\ncreate_study(**CFG)",
            "a direction that cannot be read (line 3)",
        ),
        (
            "create_study(direction='maximize')\ncreate_study()",
            "different directions (lines 1, 2)",
        ),
    ],
)
def test_directions_that_cannot_be_read_are_refused(
    tmp_path: Path, text: str, what: str
) -> None:
    path = tmp_path / "d3.py"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        Source(path).read_directions()
    assert str(caught.value) == (
        f"d3.py gives create_study {what}: add --direction maximize or minimize."
    )


def test_an_import_leaves_stdout_and_the_handlers_of_signals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('hi')\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    script(tmp_path, lines + GOOD).load()
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr() == ("", "hi\n")
