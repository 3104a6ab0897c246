"""``hpo guide``: design rules, with the numbers of a device and its series."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpo.cli import main
from hpo.objectives.hardware import thermal
from hpo.study import file

Said = Callable[..., str]


def test_what_works_stands_before_the_rules_of_the_paper(said: Said) -> None:
    page = said("guide", "--point-ns", "0.5")
    works = page[: page.index("B. What the paper advises")]
    paper = page[len(works) :]
    for text in (
        "1. Drive: from 0 to 3 γ\n",
        "I = 1.5 γ + 1.5 γ tanh((D - 1.5 γ) / 1.5 γ),",
        "τ = 2 × 0.5 = 1 ns, from 0.5 to 7 ns",
        "lr0 = 0.0165 / (0.5 × 0.5) = 0.066\n",
        "f_cut = 0.01 / 0.5 = 0.02 per ns",
        (
            "E = 2 Ms V B = 2 × 800 kA/m × 50,000 nm³ × 1.45 GHz / (28 GHz/T) ="
            " 4.143e-18 J"
        ),
        "x_th = kT / E = 1.381e-23 × 300 / 4.143e-18 = 0.001\n",
        "√(2 × 0.001 / 1) = 0.04472 per √ns at the recommended τ",
        "96 neurons × 100 fJ + 2896 synapses × 10 fJ = 38.56 pJ in 100 ns",
        "64 points × 0.5 ns = 32 ns per series: 12.34 pJ",
    ):
        assert text in works
    for text in (
        "τ = 14.12 × 0.5 = 7.06 ns\n",
        "no\n   reading has it. Accuracy stays within 2 points over a factor of 1",
        "Measured: fails under every reading. The best have 20 to 120 times as much",
        "N = 0.5 × 32 + 0.5 × 32 = 32",
        "(Eq. 11, Eq. 9)",
        "(Eq. 10)",
        "1 / (0.5 × 0.5 × √32) = 0.7071 per ns",
        "I × Δt = 0.5 × 0.7071 × √32 × 0.5 = 1\n",
        "1.5 γ × Δt = 1.5 × 0.5 / 1 = 0.75, below the paper's 1",
        "The drive saturates at <|W|> = 0.75 × 0.7071 = 0.5303 per ns.",
        "1.5 / 14.12 = 0.11: Eq. (11) asks for 14.12 γ there.",
        "lr = 0.7071 / 100 = 0.007071",
        "thermal_power = 0.001\n",
        'drive_limit = "smooth"\ndrive_low = 0.0\ndrive_high = 3.0\n',
    ):
        assert text in paper
    assert max(map(len, page.splitlines())) <= 100


def test_the_advice_follows_relaxation_time_and_drives(said: Said) -> None:
    page = said("guide", "--tau-ns", "20", "--drive-low=-1", "--drive-high", "2.5")
    for text in (
        "1. Drive: from -1 to 2.5 γ\n",
        "I = 0.75 γ + 1.75 γ tanh((D - 0.75 γ) / 1.75 γ),",
        "your τ = 20 ns is 20 Δt: outside 1 to 14 ns",
        "Present the points 10 ns apart: --point-ns 10",
        "per √ns at the device's τ",
        "1.75 γ × Δt = 1.75 × 1 / 20 = 0.0875, below the paper's 1",
        "= 0.0875 × 0.3536 = 0.03094 per ns",
        "tau_ns = 20.0\n",
        "drive_low = -1.0\ndrive_high = 2.5\n",
    ):
        assert text in page


def test_the_drives_of_a_known_device_are_currents(said: Said) -> None:
    page = said("guide", "--device", "vortex-mtj", "--point-ns", "15")
    for text in (
        "from memory: oscillates above about 3 mA",
        "3 mA: from 0 to 6.9 mA, bias 6 mA.",
        "your τ = 26.5 ns is 1.77 Δt: within 15 to 210 ns",
        "tau_ns = 26.5\n",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["--temperature-k", "77"], "1.381e-23 × 77 / 4.143e-18 = 0.000257\n"),
        (
            ["--device", "vortex-mtj"],
            "E = Ms V B = 1300 kA/m × 662,700 nm³ × 0.3 GHz / (28",
        ),
        (
            ["--device", "vortex-mtj"],
            "√(2 × 0.000449 / 26.5) = 0.005819 per √ns at the device's τ",
        ),
        (
            ["--device", "double-vortex", "--power", "0.6"],
            "= 4π × 8 × 0.6 × 0.04 / 1000 / (1 + 0²) = 0.00241\n",
        ),
        (
            ["--device", "double-vortex", "--temperature-k", "150"],
            "/ 1000 / (1 + 0²) × 150 / 300 = 0.000603\n",
        ),
    ],
)
def test_the_thermal_power_of_a_device_is_derived(
    line: list[str], text: str, said: Said
) -> None:
    assert text in said("guide", *line)


DEVICES = """
mine = { thermal_power = 0.002, source = "our lab" }
hot = { volume_nm3 = 1.0, ms_ka_per_m = 1.0 }
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(DEVICES)
    return path


def test_a_device_may_be_of_a_file_of_ones_own(mine: Path, said: Said) -> None:
    page = said("guide", "--device", f"{mine}:mine")
    assert "     our lab\n     x_th = 0.002\n" in page
    assert "thermal_power = 0.002\n" in page
    found = json.loads(said("guide", "--device", f"{mine}:mine", "--json"))
    assert found["thermal_power"] == 0.002


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--device {mine}:hot", "{mine}:hot: frequency_ghz is missing. Add it."),
        ("--device {mine}:other", "unknown device '{mine}:other'. Valid: hot, mine."),
        ("--device {mine}.no:x", "{mine}.no: not a readable TOML file"),
        (
            "--device vortex",
            "unknown device 'vortex'. Did you mean 'vortex-mtj'? Valid: double-vo",
        ),
        (
            "--drive-low 4",
            (
                "nano-oscillator: drive_low: expected a number below drive_high, got"
                " drive_low=4.0, drive_high=3.0. Change one of them."
            ),
        ),
        ("--linewidth-mhz 1", "tau_ns is missing. Add it."),
        (
            "--temperature-k -4",
            (
                "nano-oscillator: temperature_k: expected a number above 0, got -4.0."
                " Change it."
            ),
        ),
        (
            "--point-ns 0",
            "relaxation time: expected `point_ns > 0`, got point_ns=0.0. Use another",
        ),
        (
            "--drive-high 1.4",
            "drive_limit: at the bias, less than a tenth of a change of the drive",
        ),
        ("--point-ns 5000", "point_ns: expected at most 1000, got 5000.0."),
        (f"--width {'9' * 400}", "int too large to convert to float"),
    ],
)
def test_what_cannot_be_is_refused(
    line: str, text: str, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["guide", *line.format(mine=mine).split()]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: hpo guide: {text.format(mine=mine)}")


@pytest.mark.parametrize("device", [n for n in thermal.read_tables()])
def test_every_known_device_can_be_the_neuron_of_a_study(
    device: str, said: Said
) -> None:
    page = said("guide", "--device", device)
    study = tomllib.loads(page[page.index('objective = "spintronic"') :])
    named = {"name": "guided", "budget": {"trials": 1}}
    spec = file.validate({**named, **study}, where="guide")
    table = thermal.read_tables()[device]
    assert spec.fixed["drive_high"] == table["drive_high"]
    assert spec.fixed.get("tau_ns") == table.get("tau_ns")


def test_what_is_left_of_a_bias_beyond_the_drives_is_told(said: Said) -> None:
    page = said("guide", "--device", "spin-hall-mtj")
    assert "0.3 mA: from 0 to 0.51 mA, bias 0.6 mA.\n" in page
    assert "The bias lies outside: without input, 1.59 γ of it act." in page


@pytest.mark.parametrize("point_ns", ["0.0001", "1", "1000"])
def test_it_ends_with_a_study_that_validates(point_ns: str, said: Said) -> None:
    page = said(
        "guide", "--point-ns", point_ns, "--width", "16", "--density-intra", "0"
    )
    study: dict[str, Any] = tomllib.loads(
        page[page.index('objective = "spintronic"') :]
    )
    spec = file.validate(
        {"name": "guided", "budget": {"trials": 1}, **study}, where="guide"
    )
    assert spec.fixed["point_ns"] == float(point_ns)
    assert set(spec.space) == {"tau_ns", "lr0", "f_cut_per_ns", "lr_decay"}


TABLES = ["stop", "warm_start", "variability", "cost", "constraints"]


@pytest.mark.parametrize("table", TABLES)
def test_every_further_table_that_it_shows_can_be_taken(table: str, said: Said) -> None:
    page = said("guide")
    text = page[page.index('objective = "spintronic"') :]
    shown = re.findall(r"^# \[(\w+)\]", text, re.MULTILINE)
    assert shown == TABLES
    block = next(b for b in text.split("\n\n") if b.startswith(f"# [{table}]"))
    study = tomllib.loads(
        text.replace(block, re.sub("^# ", "", block, flags=re.MULTILINE))
    )
    budget = {"trials": 200, "seeds": 4}
    spec = file.validate({"name": "guided", "budget": budget, **study}, where="guide")
    assert getattr(spec, table)


def test_json_has_names_with_units(said: Said) -> None:
    found = json.loads(said("guide", "--json", "--channels", "2", "--classes", "3"))
    assert found["tau_ns"] == 2.0
    assert found["paper"]["tau_ns"] == 14.12
    assert found["n_synapses"] == 2896 + 16 - 7 * 32
    assert found["presentation_ns"] == 64.0
    assert found["energy_pj"] == pytest.approx(
        0.64 * (96 * 0.1 + found["n_synapses"] * 0.01)
    )
