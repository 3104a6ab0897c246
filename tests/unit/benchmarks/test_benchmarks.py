"""The benchmarks compare like with like, and their page says what was measured."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from benchmarks import __main__, integrators, networks, parts, results
from benchmarks import runners as benchmarks_runners
from benchmarks.delay import delayed
from benchmarks.service import Overhead
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


def test_solvers_take_as_many_steps_as_they_need() -> None:
    case = small("ctrnn")
    limit, _ = case.error(case.ours())

    def build(n: int) -> benchmarks_runners.Runner:
        return case.ours(("exponential-ab2", n))

    found = networks.least(case, limit, "exponential-ab2", build, lambda n, u: build(n).logits(u))
    assert found.error <= limit
    _, steps, _ = found.scheme.split()
    coarser, _ = case.error(case.ours(("exponential-ab2", int(steps) - 1)))
    assert coarser > limit


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("jax", "diffrax", "torchdiffeq"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("jax_scan", "jax_solvers", "torch_solvers"):
        monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    said: list[str] = []
    assert networks._others(small("ctrnn"), said.append) == {}
    assert [text.split(" does not run: ")[0].strip() for text in said] == [
        "JAX scan + jit",
        "torchdiffeq",
        "diffrax",
    ]


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
    bodies = {
        "workers": results.workers(Throughput(one=100.0, two=195.0)),
        "service": results.service([overhead("ours", 20.0), overhead("Optuna", 100.0)]),
        "networks": results.networks(timings, [], notes),
    }
    page = ""
    for name, body in bodies.items():
        about: dict[str, Any] = {"cpu": "a processor", "cores": 2, "load": "0.1", "seconds": 60.0}
        page = results.page(page, {name: results.section(name, body, **about)})
    assert page.count("a processor, 2 cores, load 0.1 at the start") == 3
    places = [page.index(f"## {name}\n") for name in ("Networks", "Service", "Workers")]
    assert places == sorted(places)
    assert f"| ours | {DEFAULT} | 0.050 | +0.1 | 10.0 (9.0 – 11.0) | 1.00 |" in page
    assert "density 0.5: 2.0 (spintronic, width 32)." in page
    assert "- JAX does not run: ModuleNotFoundError" in page
    assert "| tpe, none | 1,000 | 20 (6) | 50 | 100 (6) | 50 | 5.0 |" in page
    assert "100 with one worker, 195 with two: **1.95 x**" in page


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


def test_parts_add_up_to_what_was_measured() -> None:
    """Of a network with synapses, and of nothing but ours at the width that is taken apart."""
    default = integrators.default_of("ctrnn")
    name = integrators.name_of(default)

    def timing(what: str, width: int, scheme: str = name) -> networks.Timing:
        return replace(TIMING, kind="ctrnn", what=what, width=width, scheme=scheme)

    others = timing("ours", 64), timing("eager", 32), timing("ours, one step", 32, "euler, 1 step")
    [found] = parts.measure([timing("ours", 32), *others])
    assert sum(found.neurons) + sum(found.synapses) + found.rest == pytest.approx(1.0)
    assert found.multiply_adds == 3 * 898 * 64 * (default[1] * 2560 + 16)
    assert all(seconds > 0 for seconds in (*found.neurons, *found.synapses))
    assert 0 < found.bound < 1


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["netwroks"]) == 2
    assert capsys.readouterr().err == (
        "benchmarks: sections of networks, workers, service, scale, window, integrators must be "
        "named, but got netwroks. Name some, or none for all.\n"
    )
