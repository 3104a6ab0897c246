"""What docs/explanation/window.md says is what was measured."""

from __future__ import annotations

import pytest
from stack import ROOT

from benchmarks import window

DOCUMENT = (ROOT / "docs/explanation/window.md").read_text()
RESULTS = (ROOT / "benchmarks/RESULTS.md").read_text().partition("\n## Window\n")[2]


def test_its_tables_are_those_of_the_benchmarks() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("|")]
    assert rows
    assert set(rows) <= set(RESULTS.splitlines())


@pytest.mark.parametrize("workers", [2, 8, 16])
def test_idle_shares_can_be_simulated_again(workers: int) -> None:
    pool = window.durations()
    shares = [window.steady(pool, workers, factor * workers) for factor in window.FACTORS]
    cells = " | ".join(f"{100 * max(share, 0.0):.1f} %" for share in shares)
    assert f"| {workers} | {cells} |" in RESULTS.splitlines()


@pytest.mark.parametrize(
    ("function", "best"),
    [
        ("bowl", (0.3, 0.7, 0.5, 0.35, 0.65, 0.45, 0.6)),
        ("Hartmann", (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573, 0.5)),
    ],
)
def test_the_functions_have_their_known_optima(function: str, best: tuple[float, ...]) -> None:
    value = window.FUNCTIONS[function]
    assert value(best) == pytest.approx(0.95, abs=1e-5)
    assert all(value([*best[:k], best[k] + 0.1, *best[k + 1 :]]) < 0.95 for k in range(6))
