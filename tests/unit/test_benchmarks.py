"""The benchmarks compare like with like, and their page says what was measured."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import torch

from benchmarks import __main__, loops, networks, parts, results, scale, window, windowpage
from benchmarks.delay import delayed
from benchmarks.service import Overhead
from benchmarks.workers import Throughput


@pytest.mark.parametrize("kind", networks.KINDS)
def test_the_loops_are_the_networks(kind: str) -> None:
    u = torch.rand(4, 16, 1, generator=torch.Generator().manual_seed(0))
    physics, case = networks._physics(kind), networks._case(kind, 8, 0.5)
    wanted = networks._network(kind, 8, 0.5)(u)[0]
    for build in (loops.layer_by_layer, loops.stacked):
        torch.testing.assert_close(build(kind, physics)(u, *case), wanted, rtol=0, atol=1e-5)
    many = networks._case(kind, 8, 0.5, members=3)
    together = loops.stacked(kind, physics)(u, *many)
    torch.testing.assert_close(together, networks._network(kind, 8, 0.5, 3)(u), rtol=0, atol=1e-5)


def test_implementations_that_disagree_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"the implementations disagree: \{'a': 2.3, 'b'"):
        networks._check_losses({"a": 2.3, "b": 2.4})


def test_page() -> None:
    def timing(what: str, density: float | None, seconds: float) -> networks.Timing:
        return networks.Timing(
            kind="spintronic", width=32, what=what, density=density, seconds=seconds
        )

    def overhead(service: str, trial_ms: float) -> Overhead:
        return Overhead(
            size=1000,
            sampler="tpe",
            pruner="none",
            service=service,
            first_ms=50.0,
            trial_ms=trial_ms,
            server_ms=6.0,
        )

    apart = parts.Parts(
        kind="ctrnn",
        density=0.5,
        whole=0.008,
        neurons=(0.001, 0.0005),
        synapses=(0.002, 0.003),
        multiply_adds=444_000_000,
        peak=111e9,
    )
    timings = [timing("ours", 0.1, 0.01), timing("ours", 1.0, 0.02), timing("eager", None, 0.5)]
    notes = ["JAX does not run: ModuleNotFoundError: No module named 'jax'"]
    bodies = {
        "service": results.service([overhead("ours", 20.0), overhead("Optuna", 100.0)]),
        "networks": results.networks(timings, [apart], notes),
        "workers": results.workers(Throughput(one=100.0, two=195.0)),
    }
    page = ""
    for name, body in bodies.items():
        about: dict[str, Any] = {"cpu": "a processor", "cores": 2, "load": "0.1", "seconds": 60.0}
        page = results.page(page, {name: results.section(name, body, **about)})
    assert page.count("a processor, 2 cores, load 0.1 at the start") == 3
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Networks",
        "## Service",
        "## Workers",
    ]
    assert "| ours, density 0.1 | 10.0 | 1.00 | 0.50 |" in page
    assert "| eager | 500.0 | 50.0 | 25.0 |" in page
    assert "- JAX does not run: ModuleNotFoundError" in page
    assert "| tpe, none | 1,000 | 20 (6) | 50 | 100 (6) | 50 | 5.0 |" in page
    assert "100 with one worker, 195 with two: **1.95 x**" in page
    assert "| ctrnn, density 0.5 | 8.0 | 2.0 + 3.0 | 1.0 + 0.5 | 1.5 | 4.0 | 0.50 |" in page


def test_the_section_of_scale() -> None:
    def load(shares: tuple[float, ...]) -> scale.Load:
        return scale.Load(
            workers=64,
            trials=1000,
            sampler="random",
            claims_per_s=153.4,
            claim_median_ms=99.4,
            claim_p99_ms=229.1,
            idle_median_ms=104.2,
            idle_p99_ms=240.3,
            connections=64,
            server_ms=3.4,
            worker_ms=8.9,
            statements=4.2,
            shares=shares,
        )

    begin = scale.Begin(trials=10_000, cold_s=2.34, warm_ms=120.4)
    body = results.scale([load((1.0,)), load((0.34, 0.33, 0.33))], [begin], 2)
    assert "same 2 cores, over a network with a round trip of 1 ms" in body
    assert "| 64 | 1,000 | random | 153 | 99 / 229 | 104 / 240 | 64 | 9 + 3 | 4 |" in body
    assert "| 64 | 3 × 1,000 | random |" in body
    assert "Of 3 studies side by side, claims went 34.0 : 33.0 : 33.0 %." in body
    assert "| 10,000 | 120 ms | 2.3 s |" in body


def test_a_network_delays_every_byte(database_url: str) -> None:
    url = sa.make_url(database_url)
    password = Path(str(url.query["passfile"])).read_text().strip().rsplit(":", 1)[-1]
    with delayed(f"{url.query['host']}/.s.PGSQL.5432", 0.05) as port:
        there = f"postgresql://{url.username}:{password}@127.0.0.1:{port}/{url.database}"
        with psycopg.connect(there, autocommit=True) as connection:
            began_s = time.monotonic()
            for _ in range(3):
                connection.execute("SELECT 1")
            assert 0.3 <= time.monotonic() - began_s < 3.0


def test_the_section_of_the_window() -> None:
    """Everything that is measured is in it, where it belongs."""
    columns = [(function, trials) for function in window.FUNCTIONS for trials in window.LENGTHS]
    kinds = [*(("tpe", size) for size in window.WINDOWS), ("random", 1)]
    found = windowpage.Window(
        costs=[
            window.Cost(workers=n, window=factor * n, steady=n / 1000, whole={200: 0.2, 1000: 0.1})
            for n in window.WORKERS
            for factor in window.FACTORS
            if factor * n <= window.LARGEST
        ],
        variants=[
            window.Variant(
                window=8,
                as_they_were=0.4,
                all_complete=0.2,
                two_speeds=0.5,
                polling=(0.45, 0.41),
                lost_s=29.4,
            )
        ],
        checks=[window.Check(window=8, measured=0.41, simulated=0.4)],
        qualities=[
            window.Quality(
                function=function,
                sampler=sampler,
                window=size,
                trials=trials,
                quartiles=(0, 0.5, 1),
            )
            for function, trials in columns
            for sampler, size in kinds
        ],
    )
    lines = windowpage.body(found).splitlines()
    assert "| 4 | 0.4 % | 0.4 % | 0.4 % | 0.4 % |" in lines
    assert "| 256 | 25.6 % | 25.6 % | 25.6 % | – |" in lines
    assert "| 8 | 20.0 % | 20.0 % | 20.0 % | 10.0 % | 10.0 % | 10.0 % |" in lines
    assert "| 8 | 40.0 % | 20.0 % | 50.0 % | 45.0 % | 41.0 % | 29 s |" in lines
    assert "| 8 | 41.0 % | 40.0 % |" in lines
    cells = " | ".join(["0.500 (0.000 – 1.000)"] * 4)
    assert all(f"| {size} | {cells} |" in lines for size in (1, 128, "random"))


def test_parts_add_up_to_what_was_measured() -> None:
    """Of a network with synapses, and of nothing but ours at the width that is taken apart."""

    def timing(what: str, width: int) -> networks.Timing:
        return networks.Timing(kind="ctrnn", width=width, what=what, density=0.5, seconds=1.0)

    [found] = parts.measure([timing("ours", 32), timing("ours", 64), timing("eager", 32)])
    assert sum(found.neurons) + sum(found.synapses) + found.rest == pytest.approx(1.0)
    assert found.multiply_adds == 3 * 898 * 64 * 2576
    assert all(seconds > 0 for seconds in (*found.neurons, *found.synapses))
    assert 0 < found.bound < 1


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["netwroks"]) == 2
    assert capsys.readouterr().err == (
        "benchmarks: sections of networks, workers, service, scale, window must be named, but got "
        "netwroks. Name some, or none for all.\n"
    )
