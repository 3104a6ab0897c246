"""A study file over a user's own data: where paths begin, what is pinned, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpo.errors import SpecError
from hpo.study import file
from hpo.study.rules import check

STUDY = """
objective = "spintronic"
[budget]
trials = 2
[task]
name = "arrays"
path = "data/toy.npz"
[space]
tau_ns = { low = 1.0, high = 100.0, log = true }
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data" / "toy.npz", x=rng.normal(size=(40, 6)), y=np.arange(40) % 2)
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    return path


def test_the_path_begins_at_the_study_file_and_the_content_is_pinned(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    spec = file.load("./mine.toml")
    assert spec.task["path"] == str(study.parent / "data" / "toy.npz")
    assert len(spec.task["sha256"]) == 64
    assert set(spec.task) == {"name", "path", "sha256"}, "defaults stay unwritten"
    monkeypatch.chdir("/")
    assert file.load(str(study)) == spec
    assert check.restore(spec.stored()) == spec


def test_a_study_written_back_is_the_same_study_wherever_it_lies(
    study: Path, tmp_path: Path
) -> None:
    spec = file.load(str(study))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.toml").write_text(file.dumps(spec))
    assert file.load(str(elsewhere / "mine.toml")) == spec


def test_the_content_is_part_of_the_hash(study: Path) -> None:
    before = file.load(str(study))
    np.savez(study.parent / "data" / "toy.npz", x=np.ones((40, 6)), y=np.arange(40) % 2)
    after = file.load(str(study))
    assert before.differences(after) == ["task.sha256"]
    assert before.hash != after.hash


def test_studies_without_data_of_ones_own_keep_their_spec() -> None:
    spec = file.load("seqdigits")
    assert spec.task == {"name": "sequential-digits", "split_seed": 0}


def refused(study: Path, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        file.load(str(study), overrides=overrides)
    return str(caught.value)


def test_broken_data_is_refused_with_study_file_data_and_rule(study: Path) -> None:
    data = study.parent / "data" / "toy.npz"
    np.savez(data, x=np.ones((40, 6)), y=np.arange(39))
    assert refused(study) == (
        f"{study}: task: {data}: one label per series, `y.shape == (40,)`, must hold, but got "
        "y.shape=(39,). Give as many labels as series."
    )
    data.unlink()
    assert refused(study).startswith(
        f"{study}: task: {data}: a readable .npz file must hold, but got No such file"
    )


def test_a_task_table_without_its_path_or_with_a_wrong_option_is_refused(study: Path) -> None:
    assert refused(study, "task.normalise=max") == (
        f"{study} with task.normalise='max': task.normalise: 'none', 'minmax' or 'standard' must "
        "hold, but got normalise='max'. Change it."
    )
    study.write_text(STUDY.replace("path =", "pat ="))
    assert refused(study) == f"{study}: task.path: this key must be given. Add it."
