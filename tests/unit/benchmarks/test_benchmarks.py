"""The benchmarks compare like with like, and their page says what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import integrators, networks, prediction, results
from benchmarks import runners as benchmarks_runners
from benchmarks.layouts import Crossing
from benchmarks.parts import Parts
from benchmarks.service import Overhead
from benchmarks.targets import Found
from benchmarks.workers import Throughput

DEFAULT = integrators.name_of(integrators.default_of("spintronic"))


def small(kind: str) -> networks.Case:
    """Little of the data, and a network of few neurons that has begun to learn it."""
    case = networks.Case.trained(kind, 8, epochs=1)
    few = np.arange(benchmarks_runners.BATCH)
    split = replace(case.split, train=case.split.train.take(few), score=case.split.score.take(few))
    return replace(case, split=split)


@pytest.mark.parametrize("kind", networks.KINDS)
def test_implementations_of_one_scheme_are_one_network(kind: str) -> None:
    case = small(kind)
    entries = networks.same_scheme(case)
    single = [entry for entry in entries.values() if not entry.scheme]
    errors = [entry.error for entry in single if entry.error is not None]
    assert len(errors) == 4
    assert errors == pytest.approx([errors[0]] * 4, rel=1e-2)
    together = entries[f"eager, {networks.MEMBERS} members"].runner.logits(case.split.score.x)
    alone = case.ours().logits(case.split.score.x)
    assert len(together) == networks.MEMBERS
    assert abs(together - alone).max() < 1e-4


def test_implementations_that_disagree_are_refused() -> None:
    case = small("ctrnn")
    runners = {"ours": case.ours(), "a map": case.ours(networks.FIRST_ORDER)}
    with pytest.raises(RuntimeError, match=r"the implementations disagree: \{'ours': 0.0, 'a map'"):
        networks._check(runners, case.split)


TIMING = networks.Timing(
    kind="spintronic",
    width=32,
    what="ours",
    density=0.5,
    scheme=DEFAULT,
    seconds=1.0,
    spread=(1.0, 1.0),
)


def test_page() -> None:
    def timing(what: str, seconds: float, error: float | None = None) -> networks.Timing:
        spread = (0.9 * seconds, 1.1 * seconds)
        return replace(TIMING, what=what, error=error, gap=error, seconds=seconds, spread=spread)

    def overhead(service: str, trial_ms: float) -> Overhead:
        cell: dict[str, Any] = {"size": 1000, "sampler": "tpe", "pruner": "none", "first_ms": 50.0}
        return Overhead(service=service, trial_ms=trial_ms, server_ms=6.0, **cell)

    timings = [timing("ours", 0.01, 0.05), timing("ours, one step", 0.005, 1.0)]
    notes = ["JAX does not run: ModuleNotFoundError: No module named 'jax'"]
    seconds = {"whole": 0.06, "neurons": (0.01, 0.01), "synapses": (0.01, 0.015)}
    inside = {"passes": 0.05, "readout": 2e-3, "weights": 1e-3, "Adam": 1e-3, "batches": 1e-3}
    peak: dict[str, Any] = {"multiply_adds": 10**9, "peak": 5e10, "inside": inside, **seconds}
    parts = Parts(kind="spintronic", density=0.5, **peak)
    crossing = Crossing(width=32, batch=20, density=0.5, dense=76e-6, sparse=91e-6)
    found = Found(timings=timings, parts=[parts], crossings=[crossing], notes=notes)
    narrow = Found(timings=[timing("ours", 0.02)])
    bodies = {
        "workers": results.workers(Throughput(one=100.0, two=195.0)),
        "service": results.service([overhead("ours", 20.0), overhead("Optuna", 100.0)]),
        "networks": results.networks(found, narrow),
    }
    page = ""
    for name, body in bodies.items():
        about: dict[str, Any] = {"cpu": "a processor", "cores": 2, "load": "0.1", "seconds": 60.0}
        page = results.page(page, {name: results.section(name, body, **about)})
    assert page.count("a processor, 2 cores, load 0.1 at the start") == 3
    places = [page.index(f"## {name}\n") for name in ("Networks", "Service", "Workers")]
    assert places == sorted(places)
    times = "10.0 (9.0 – 11.0) | 1.00 | 20.0 (18.0 – 22.0) | 1.00"
    assert f"| ours | {DEFAULT} | 0.050 | +0.1 | {times} |" in page
    assert "5.0 (4.5 – 5.5) | 0.50 | – | – |" in page
    assert "50 billion a second by AVX-512" in page
    own = "60.0 | 10.0 + 15.0 | 10.0 + 10.0 | 5.0 | 2.0 | 1.0 | 1.0 | 1.0 | 5.0 | 20.0 | 0.33"
    assert f"| spintronic, density 0.5, AVX-512 | {own} |" in page
    assert "density 0.5: 2.0 (spintronic, width 32)." in page
    assert "- JAX does not run: ModuleNotFoundError" in page
    assert "| tpe, none | 1,000 | 0 | 20 (6) | 50 | 100 (6) | 50 | 5.0 |" in page
    assert "100 with one worker, 195 with two: **1.95 x**" in page


def test_a_delay_line_remembers_what_it_holds() -> None:
    line = prediction.MODELS["delay line"]
    assert prediction.capacity(line, {"taps": 6}, 0, None) == pytest.approx(5.0, abs=0.15)
