"""Trained networks of a real study, through the command line: exported, loaded,
traced."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pages import shown
from safetensors.torch import load_file
from servers import connect, database
from users import User
from workers import ledger_at, run_workers

import hpo
from hpo.cli import main
from hpo.contract import Protocol
from hpo.objectives.data import load
from hpo.objectives.networks.network_file import read_description
from hpo.objectives.training.artifacts import load_network
from hpo.study.file import validate
from hpo.study.result import Result
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec

SPEC: dict[str, Any] = {
    "budget": {"trials": 3, "window": 3, "seeds": 2, "epochs": 2},
    "fixed": {"width": 6, "batch_size": 100},
    "space": {"lr0": {"low": 0.05, "high": 0.2}},
    "sampler": {"name": "random"},
    "confirm": {"top": 1, "seeds": 2, "epochs": 3},
}
UNLIMITED = {"drive_limit": "none", "thermal_power": 0.0}
"""Oscillators that learn something within three epochs."""


MISTAKES = [
    ("trace small --images 899", "--images 899: not in the test part"),
    ("trace small -o t.png", "t.png: expected the ending .html or .csv, got .png."),
    ("trace small -o /proc/t.html", "/proc/t.html: cannot be written: "),
    (
        "export small --network best",
        "best: expected the ending .safetensors, got none.",
    ),
    ("export small --chip w", "w: expected the ending .csv, got none."),
    (
        "export small --chip w.csv --device nano-oscillator",
        "device 'nano-oscillator' has no `threshold_ma`, the current at which it",
    ),
    (
        "export small --network /proc/b.safetensors",
        "/proc/b.safetensors: cannot be written: ",
    ),
]


class Owner(User):
    """Somebody with a finished study called ``small``."""

    def __init__(
        self, directory: Path, url: str, objective: str = "spintronic"
    ) -> None:
        super().__init__(directory, url)
        fixed = SPEC["fixed"]
        if objective == "spintronic":
            fixed = {**fixed, **UNLIMITED}
        tree = {**SPEC, "name": "small", "objective": objective, "fixed": fixed}
        self.spec = validate(tree, where="test")
        with ledger_at(url) as ledger:
            ledger.register(self.spec)
            run_workers(url, "small", 1)
            self.result: Result = ledger.result("small", curves=True)
        losses = [own.loss_curve[-1] for own in self.result.confirmations[0].members]
        self.kept = losses.index(min(losses))
        """Which fresh seed of the best trial has the network that is kept."""


def accuracy(spec: StudySpec, file: Path) -> float:
    """How much of the test part a network in a file reads rightly."""
    network = load_network(file)
    test = load(spec.task_params, protocol=Protocol.CONFIRM, member_seed=0).score
    with torch.no_grad():
        read = network(torch.from_numpy(test.x))[0].argmax(dim=1).numpy()
    return float((read == test.label).mean())


def test_the_confirmed_network_is_exported_and_has_the_score_of_its_confirmation(
    tmp_path: Path, database_url: str
) -> None:
    user = Owner(tmp_path, database_url)
    best = user.result.confirmations[0]
    name = f"trial {best.source}, fresh seed {user.kept + 1} of 2"
    out, err = user.run("export", "small", "--network", "kept/best.safetensors")
    seed = best.members[user.kept].seed
    assert out.splitlines() == [
        "kept/best.safetensors",
        "kept/best.json",
        f"{name}, random seed {seed}: of least training loss; 2 of 2 fresh seeds"
        " complete",
    ]
    assert err == ""
    assert (
        accuracy(user.spec, tmp_path / "kept" / "best.safetensors")
        == best.step_scores[user.kept]
    )

    about = json.loads((tmp_path / "kept" / "best.json").read_text(encoding="utf-8"))
    scores = about["scores"]
    assert scores["score"] == best.step_scores[user.kept]
    assert (
        scores["solved_score"]
        == scores["trial_confirmed_scores"][user.kept]
        == best.scores[user.kept]
    )
    assert scores["trial_confirmed_step_scores"] == [*best.step_scores]
    assert scores["trial_confirmed_on"] == "on the solved equation"
    assert about["parameters"]["lr0"] == best.params["lr0"]
    assert about["parameters"]["epochs"] == 3
    assert about["parameter_units"]["tau_ns"] == "ns"
    assert about["lineage"]["spec_hash"] == user.spec.hash
    assert about["lineage"]["network"] == name
    assert about["lineage"]["fresh_seed"] == user.kept + 1
    trained = about["lineage"]["seed"]
    assert trained == best.members[user.kept].seed
    assert trained == derive_seed(user.spec.seed, "confirm", user.kept)
    written = (tmp_path / "kept" / "best.safetensors").read_bytes()
    assert read_description(written)["member_seed"] == trained
    assert about["member_seed"] == trained

    with connect(user.url) as connection:
        connection.execute("DELETE FROM hpo_ledger.networks")
    _, err = user.run("export", "small", "--network", "best.safetensors", status=1)
    assert f"trial {best.source}: no network is stored: 2 of 2 fresh seeds c" in err
    assert not (tmp_path / "best.safetensors").exists()


def test_its_weights_are_written_for_a_chip_with_the_score_that_few_bits_leave(
    tmp_path: Path, database_url: str
) -> None:
    user = Owner(tmp_path, database_url)
    score = user.result.confirmations[0].scores[user.kept]
    out, err = user.run(
        "export", "small", "--chip", "w.csv", "--bits=3", "--device", "spin-hall-mtj"
    )
    assert err == ""
    file, origin, sizes, largest, exact, left, levels, *asked = out.splitlines()
    assert file == "w.csv"
    best = user.result.confirmations[0]
    assert origin == (
        f"trial {best.source}, fresh seed {user.kept + 1} of 2, random seed"
        f" {best.members[user.kept].seed}: of least training loss; 2 of 2 fresh seeds"
        " complete"
    )
    assert sizes == "93 connections, 18 biases and 60 weights of the readout"
    assert re.fullmatch(
        r"largest drives, in γ: bias [\d.]+ besides the fixed 2, [\d.]+ per unit of"
        r" input, [\d.]+ per unit of y; 1 γ is 0\.3 mA",
        largest,
    )
    end = "on the test part by the solved equation without noise"
    assert exact == f"accuracy {100 * score:.1f} % as trained, {end}"
    assert re.fullmatch(rf"accuracy [\d.]+ % with 3 bits, {end}", left)
    step = r"[\d.]+"
    assert re.fullmatch(
        rf"one level is: bias {step} γ, input {step} γ per unit, below {step} γ per"
        rf" unit of y, within {step} γ per unit of y, readout {step}",
        levels,
    )
    drives, current, times = asked
    assert re.fullmatch(
        r"one input or y of 1 drives with [\d.]+ γ, above 1\.7 γ: sum these currents"
        r" before the oscillator, where the source can limit them",
        current,
    )
    assert drives == (
        "spin-hall-mtj was driven with 0 to 1.7 γ; the drive of this network has no"
        " limit. Train one within them: hpo guide --device spin-hall-mtj"
    )
    assert times == (
        "spin-hall-mtj has τ = 1.81 ns, the network 14.12 ns: present the points"
        " 0.1282 ns apart, and divide frequencies by 0.1282; values in γ stay"
    )
    with (tmp_path / "w.csv").open(encoding="utf-8", newline="") as stream:
        rows = [*csv.DictReader(stream)]
    assert {row["level"] for row in rows} == {"", *map(str, range(-3, 4))}
    (seed,) = [row["value"] for row in rows if row["kind"] == "network"]
    assert int(seed) == best.members[user.kept].seed


def test_a_network_without_a_threshold_has_no_currents(
    tmp_path: Path, database_url: str
) -> None:
    user = Owner(tmp_path, database_url, "ctrnn")
    asked = ("export", "small", "--chip", "w.csv")
    out, _ = user.run(*asked)
    assert "mA" not in out
    _, err = user.run(*asked, "--device", "vortex-mtj", status=1)
    assert err == (
        "error: small: only networks of oscillators have currents in mA, got objective"
        " 'ctrnn'. Leave out --device.\n"
    )


def test_a_network_that_cannot_be_shown_is_kept_and_exported(
    tmp_path: Path, database_url: str
) -> None:
    user = Owner(tmp_path, database_url, "hpo.objectives.baselines.gru:GruObjective")
    user.run("export", "small", "--network", "gru.safetensors")
    tensors = load_file(tmp_path / "gru.safetensors")
    gru = torch.nn.GRU(1, 6, batch_first=True)
    gru.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("gru.")})
    with pytest.raises(ValueError, match="For another objective, read the tensors"):
        load_network(tmp_path / "gru.safetensors")
    _, err = user.run("trace", "small", status=1)
    assert re.match(r"error: .* trains no network that can be shown", err)


@pytest.fixture(scope="module")
def finished(
    server_url: str, with_tables: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owner]:
    """Somebody with a study that no test changes."""
    with database(server_url, with_tables) as url:
        yield Owner(tmp_path_factory.mktemp("owner"), url)


@pytest.fixture
def user(finished: Owner, tmp_path: Path) -> Owner:
    finished.directory = tmp_path
    return finished


def test_a_study_in_python_gives_the_network_as_a_module(
    user: Owner,
) -> None:
    study, best = hpo.load("small", user.url), user.result.confirmations[0]
    network = study.network(path=user.directory / "best.safetensors")
    assert isinstance(network, torch.nn.Module)
    assert (
        accuracy(user.spec, user.directory / "best.safetensors")
        == best.step_scores[user.kept]
    )
    kept = load_network(user.directory / "best.safetensors").state_dict()
    assert all(
        torch.equal(value, kept[name]) for name, value in network.state_dict().items()
    )


def test_traces_are_drawn_and_written_as_numbers(user: Owner) -> None:
    out, _ = user.run("trace", "--study", "small", "--classes", "0,1,5")
    assert out == "small-trace.html\n"
    page = (user.directory / "small-trace.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "hpo trace --study small --classes 0,1,5" in page
    assert "layer 2, neuron" in shown(page)

    user.run("trace", "small", "--images", "0,7", "-o", "t.csv")
    with (user.directory / "t.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * (64 + 3 * 6 * 65)
    assert {row["image"] for row in rows} == {"0", "7"}
    assert not list(user.directory.glob(".*")), "no drafts are left behind"


def test_mistakes_are_found_before_anything_is_written(
    user: Owner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPO_STORAGE", user.url)
    for line, message in MISTAKES:
        assert main.main(line.split()) == 1, line
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert message in err
