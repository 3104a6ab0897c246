"""`hpo tolerances` on a real study, and the same in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from servers import database
from users import User
from workers import ledger_at, run_workers

import hpo
from hpo.study.file import validate

SPEC: dict[str, Any] = {
    "objective": "spintronic",
    "budget": {"trials": 1, "window": 1, "seeds": 1, "epochs": 1},
    "fixed": {"layers": 2, "width": 12, "batch_size": 30, "thermal_power": 1e-3},
    "space": {"s": {"low": 0.19, "high": 0.21}},
    "sampler": {"name": "random"},
    "confirm": {"top": 1, "seeds": 2, "epochs": 6},
}


@pytest.fixture(scope="module")
def user(
    server_url: str, with_tables: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[User]:
    """Somebody with a study that was measured, and one that was not."""
    with database(server_url, with_tables) as url, ledger_at(url) as ledger:
        without = {**SPEC["confirm"], "epochs": 1, "tolerances": False}
        for name, confirm in (("measured", SPEC["confirm"]), ("not", without)):
            raw = {"name": name, **SPEC, "confirm": confirm}
            ledger.register(validate(raw, where="test"))
            run_workers(url, name, 1)
        yield User(tmp_path_factory.mktemp("user"), url)


def test_the_command_prints_tolerances_and_ranges(user: User) -> None:
    out, err = user.run("tolerances", "measured", "--device", "spin-hall-mtj")
    assert err == ""
    assert out.startswith("Medians over 2 networks on the solved equation")
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert "0.5 to 2 %" in lines["common gain"]
    assert " γ " in lines["drive that acts"]
    assert out.count(" mA ") == 6

    out, _ = user.run("tolerances", "measured", "--json")
    record = json.loads(out)
    assert (record["study"], record["trial"], record["n"]) == ("measured", 0, 2)
    assert record["limits"]["weight_bits"]["unit"] == "bits"


def test_python_has_the_same_as_a_table_and_a_figure(user: User) -> None:
    study = hpo.load("measured", user.url)
    table = study.tolerances
    assert table.loc["gain_error", "usual"] == 0.02
    assert set(table["found"]) <= {"at", "kept", "lost"}
    assert len(study.plot_tolerances().data) >= 2
    assert hpo.load("not", user.url).tolerances.empty


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not", "the study file has `tolerances = false` in [confirm]"),
        ("measured --trial 7", "trial 7 is not confirmed, and only confirmed networks"),
        ("measured --device nano-oscillator", "has no `threshold_ma`, the current at"),
        ("measured --device nano", "unknown device 'nano'"),
    ],
)
def test_without_tolerances_it_says_what_to_do(
    user: User, line: str, said: str
) -> None:
    _, err = user.run("tolerances", *line.split(), status=1)
    assert said in err
