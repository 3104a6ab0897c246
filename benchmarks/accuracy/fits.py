"""How often the intervals of ``hpo fit`` hold the truth: simulated, noisy data.

Each data set has an oscillator of its own, drawn about ``TRUTH``, and white noise of a
share of the range of the values; ``slow`` noise has a correlation of 0.8 between
neighbours. ``population`` has ten oscillators whose thresholds have a spread, and asks
for its interval. ``rest-thermal`` and ``power-thermal`` have the thermal noise of the
oscillator itself, whose mean obeys the equation of the fit only about: the exact mean
at rest, and the mean of 100 traces. Every data set is a line of JSON, so a run may stop
and go on.

    python -m benchmarks.accuracy.fits --out fits.jsonl --sets 100
    python -m benchmarks.accuracy.fits --table fits.jsonl
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpo import objectives
from hpo.objectives.fitting import fit, population, quantities, response
from hpo.objectives.fitting.recordings import Recording

TRUTH = {
    "tau_ns": 8.0,
    "f_cut_per_ns": 0.02,
    "thermal_power": 1e-3,
    "threshold_ma": 3.0,
}
SCATTER = 0.3
"""Of the logarithm of each parameter, between data sets."""
SPREAD = 0.1
"""Of the oscillators of a population, relative."""
KINDS = ("rest", "power", "output", "population", "rest-thermal", "power-thermal")
LEVELS = (0.003, 0.01, 0.03)
POINTS_AT_REST = 40
DEVICES = 10
SHOTS = 100
THERMAL_STEP_NS = 0.02
SUBSTEPS = 16
"""Of the simulated data: more than a fit takes."""


def measure(kind: str, level: float, correlation: float, seed: int) -> dict[str, Any]:
    """Fit one data set, and return truth and intervals.

    Args:
        kind: ``rest``, ``power`` or ``output`` (of traces), or ``population``.
        level: standard deviation of the noise, over the range of the values.
        correlation: of the noise of neighbours.
        seed: of oscillator and noise.
    """
    began = time.process_time()
    case = [KINDS.index(kind), round(1000 * level), round(10 * correlation)]
    random = np.random.default_rng([seed, *case])
    truth = {
        name: value * math.exp(SCATTER * random.standard_normal())
        for name, value in TRUTH.items()
    }
    if kind == "population":
        estimates = _spread(level, random)
        truth = {"spread": SPREAD}
    else:
        device: Any = objectives.load("spintronic").Params()
        recording = simulate(kind, truth, level, correlation, random)
        found = fit.fit_one("d", device, [recording], {})
        truth[fit.DRIVE] = 1.0 / (truth["tau_ns"] * truth["threshold_ma"])
        estimates = dict(found.estimates)
    intervals = {}
    for name, one in estimates.items():
        value = one.value if math.isfinite(one.value) else None
        intervals[name] = [truth[name], one.low, one.high, one.is_determined, value]
    return {
        "kind": kind,
        "level": level,
        "correlation": correlation,
        "seed": seed,
        "intervals": intervals,
        "cpu_s": round(time.process_time() - began, 2),
    }


def simulate(
    kind: str, truth: dict[str, float], level: float, correlation: float, random: Any
) -> Recording:
    """Return noisy values of one oscillator, in arbitrary units on a background."""
    time_ns = None
    quantity = kind.partition("-")[0]
    if quantity == "rest":
        quantity = "power"
        current = np.linspace(0.2, 8.0, POINTS_AT_REST)[:, None]
    else:
        time_ns = np.tile(2.0 * np.arange(50.0), (2, 1))
        current = np.zeros((2, 50))
        current[:, 4:24] = np.array([[4.0], [8.0]])
        current[:, 36:] = np.array([[6.0], [5.0]])
    plain = Recording(
        file=Path("simulated"),
        quantity=quantity,
        time_ns=time_ns,
        current_ma=current,
        value=np.zeros_like(current),
    )
    device: Any = objectives.load("spintronic").Params()
    values = {name: np.full((1, 1), value) for name, value in truth.items()}
    threshold = values.pop(quantities.THRESHOLD)
    device = device.with_values(**values)
    per_ma = quantities.drive_per_ma(device, threshold)
    x = response.respond(device, plain, per_ma, SUBSTEPS)[0]
    if kind == "rest-thermal":
        x = mean_at_rest(current, truth)
    elif kind == "power-thermal":
        x = mean_of_shots(current, truth, random)
    noise = random.standard_normal(x.shape)
    for point in range(1, x.shape[1]):
        kept = correlation * noise[:, point - 1]
        noise[:, point] = kept + math.sqrt(1.0 - correlation**2) * noise[:, point]
    return replace(plain, value=250.0 * (x + level * np.ptp(x) * noise) + 10.0)


def mean_at_rest(current: Any, truth: dict[str, float]) -> Any:
    """Return the mean power of oscillators with thermal noise, (currents, 1).

    Its distribution is exp(((r - 1) x - r x²/2) / x_th), with the current r over the
    threshold: that of the Fokker-Planck equation of the complex amplitude.
    """
    x = np.linspace(1e-6, 1.2, 24_001)
    ratio = current / truth["threshold_ma"]
    exponent = ((ratio - 1.0) * x - ratio * x**2 / 2.0) / truth["thermal_power"]
    weights = np.exp(exponent - exponent.max(1, keepdims=True))
    return (weights * x).sum(1, keepdims=True) / weights.sum(1, keepdims=True)


def mean_of_shots(current: Any, truth: dict[str, float], random: Any) -> Any:
    """Return the mean power of simulated traces with thermal noise, (traces, points):
    Euler-Maruyama steps of the complex amplitude, of ``hardware.thermal``."""
    tau_ns = truth["tau_ns"]
    shape = (len(current), SHOTS)
    x_th = truth["thermal_power"]

    def draw(variance: float) -> Any:
        parts = random.standard_normal((2, *shape)) * math.sqrt(variance / 2.0)
        return parts[0] + 1j * parts[1]

    c = draw(x_th)
    shown = []
    for drive in (current / (truth["threshold_ma"] * tau_ns)).T:
        shown.append((np.abs(c) ** 2).mean(1))
        for _ in range(round(2.0 / THERMAL_STEP_NS)):
            rate = -c / tau_ns + drive[:, None] * (1.0 - np.abs(c) ** 2) * c
            c = c + THERMAL_STEP_NS * rate / 2.0 + draw(THERMAL_STEP_NS * x_th / tau_ns)
    return np.stack(shown, axis=1)


def _spread(level: float, random: Any) -> dict[str, Any]:
    """Return the interval of the spread of the threshold, of oscillators at rest that
    are fitted one by one."""
    device: Any = objectives.load("spintronic").Params()
    sigma = math.sqrt(math.log1p(SPREAD**2))
    name = quantities.THRESHOLD
    found = []
    for _ in range(DEVICES):
        truth = dict(TRUTH)
        truth[name] *= math.exp(sigma * random.standard_normal())
        recording = simulate("rest", truth, level, 0.0, random)
        found.append(fit.fit_one("d", device, [recording], {}).estimates[name])
    return {"spread": population.summarise(name, found).spread}


def jobs(sets: int) -> Iterator[tuple[str, float, float, int]]:
    """Yield the data sets: ``sets`` at each level, and of devices at rest, which take
    less time, three times as many."""
    for seed, level in itertools.product(range(sets), LEVELS):
        yield "power", level, 0.0, seed
        yield "output", level, 0.0, seed
    for seed, level in itertools.product(range(3 * sets), LEVELS):
        yield "rest", level, 0.0, seed
    for seed in range(sets):
        yield "power", 0.01, 0.8, seed
    for seed in range(3 * sets):
        yield "rest-thermal", 0.003, 0.0, seed
        yield "rest-thermal", 0.03, 0.0, seed
    for seed in range(sets):
        yield "power-thermal", 0.003, 0.0, seed
    for seed, level in itertools.product(range(sets), LEVELS):
        yield "population", level, 0.0, seed


def run(out: Path, sets: int) -> None:
    """Measure what is not in the file yet, and append it."""
    done = set()
    if out.exists():
        for line in out.read_text("utf-8").splitlines():
            one = json.loads(line)
            done.add((one["kind"], one["level"], one["correlation"], one["seed"]))
    for job in jobs(sets):
        if job not in done:
            with out.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(measure(*job))}\n")


def table(out: Path) -> list[str]:
    """Return the lines of a Markdown table: coverage with its 95 % interval."""
    lines = [
        "| data | parameter | noise | sets | bounded | truth within | 95 % interval |"
        " determined | median / truth |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    cases: dict[tuple[str, str, str], list[Any]] = {}
    for line in out.read_text("utf-8").splitlines():
        one = json.loads(line)
        noises = [f"{100 * one['level']:g} %, slow"]
        if not one["correlation"]:
            noises = [f"{100 * one['level']:g} %", "all"]
        for name, found in one["intervals"].items():
            for noise in noises:
                cases.setdefault((one["kind"], name, noise), []).append(found)
    for (kind, name, noise), found in sorted(cases.items()):
        bounded = [one for one in found if one[1] is not None or one[2] is not None]
        held = [
            (low is None or low <= truth) and (high is None or truth <= high)
            for truth, low, high, *_ in bounded
        ]
        share = interval = "–"
        if bounded:
            low, high = wilson(sum(held), len(held))
            share = f"{100 * sum(held) / len(held):.1f} %"
            interval = f"{100 * low:.1f} to {100 * high:.1f} %"
        determined = sum(one[3] for one in found)
        ratios = [one[4] / one[0] for one in found if one[3] and one[4]]
        median = f"{statistics.median(ratios):.3f}" if ratios else "–"
        lines.append(
            f"| {kind} | `{name}` | {noise} | {len(found)} | {len(bounded)} |"
            f" {share} | {interval} | {determined} | {median} |"
        )
    return lines


def wilson(held: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    z = 1.959964
    centre = (held / n + z**2 / (2 * n)) / (1 + z**2 / n)
    share = held / n
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def main() -> None:
    """Run, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sets", type=int, default=34)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    if arguments.out is not None:
        run(arguments.out, arguments.sets)
    if arguments.table is not None:
        print("\n".join(table(arguments.table)))


if __name__ == "__main__":
    main()
