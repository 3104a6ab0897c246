"""The converters of docs/how-to/tasks.md, on small files of their formats; and its examples."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
import wave
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from stack import ROOT

from objectives.contract import Protocol
from objectives.tasks import TASKS, load
from objectives.tasks.arrays import ArraysParams

PAGE = (ROOT / "docs/how-to/tasks.md").read_text("utf-8")


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs/examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["convert", *map(str, arguments)])
    module.main()


def test_spikes_are_counted_per_bin_and_group() -> None:
    shd = example("convert_shd")
    found = shd.counts([0.001, 0.019, 0.021, 0.055], [0, 19, 19, 699], bin_s=0.02, per_group=20)
    assert found.shape == (3, 35)
    assert (found[0, 0], found[1, 0], found[2, 34], found.sum()) == (2, 1, 1, 4)
    assert shd.counts([], [], bin_s=0.02, per_group=50).shape == (1, 14)


def test_heidelberg_digits_become_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py: Any = pytest.importorskip("h5py")
    for name, n in (("train", 40), ("test", 20)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            for key, kind, last in (("times", "f2", 1), ("units", "u2", 699)):
                rows = file.create_dataset(f"spikes/{key}", n, h5py.vlen_dtype(np.dtype(kind)))
                for k in range(n):
                    rows[k] = np.linspace(0, last, 30 + k).astype(kind)
            file["labels"] = np.arange(n, dtype="u2") % 2
    out = tmp_path / "shd.npz"
    run(example("convert_shd"), monkeypatch, tmp_path / "train.h5", tmp_path / "test.h5", out)
    split = load(
        ArraysParams(path=str(out), pad="before"), protocol=Protocol.CONFIRM, member_seed=0
    )
    assert (len(split.train), len(split.score), split.n_channels) == (40, 20, 35)
    assert split.train.x.sum() == sum(30 + k for k in range(40))


def test_a_tone_is_loudest_in_its_band() -> None:
    rate, commands = 16_000, example("convert_speech_commands")
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    log_mel = commands.features(tone, rate, n_mfcc=0)
    assert log_mel.shape == (98, 40)
    middle = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42) / 2595) - 1)[1:-1]
    assert log_mel[50].argmax() == np.abs(middle - 1000).argmin()
    mfcc = commands.features(tone, rate)
    assert mfcc.shape == (98, 13)
    assert np.allclose(mfcc[:, 0], log_mel.sum(axis=1))
    assert commands.features(tone[:10], rate).shape == (1, 13)


def test_speech_commands_become_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, tested = np.random.default_rng(0), []
    for word in ("yes", "no", "other"):
        (tmp_path / word).mkdir()
        for k in range(12):
            with wave.open(str(tmp_path / word / f"{k}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(chance.integers(-999, 999, 4000 + 160 * k, "<i2").tobytes())
            tested += [f"{word}/{k}.wav"] if k % 3 == 0 else []
    (tmp_path / "testing_list.txt").write_text("\n".join(tested))
    out = tmp_path / "commands.npz"
    run(example("convert_speech_commands"), monkeypatch, tmp_path, out, "--words", "yes", "no")
    task = ArraysParams(path=str(out), pad="before", normalise="standard")
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    assert split.classes == ("no", "yes")
    assert (len(split.train), len(split.score), split.n_channels) == (16, 8, 13)


def test_every_task_has_its_example_on_the_page() -> None:
    blocks = PAGE.split("```toml\n")[1:]
    shown = [tomllib.loads(block.split("```")[0])["task"] for block in blocks]
    assert {task["name"] for task in shown} == set(TASKS) - {"sequential-digits"}
    for task in shown:
        TASKS[task["name"]](**task)
