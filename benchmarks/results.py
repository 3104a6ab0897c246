"""Write the measurements as ``RESULTS.md``."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby

from benchmarks.marks import row
from benchmarks.networks.implementations import EPOCHS as TRAINED_FOR
from benchmarks.networks.implementations import (
    FINE_STEPS,
    MEMBERS,
    TURN_S,
    WIDEST_SOLVED,
    Timing,
)
from benchmarks.networks.layouts import BATCHES, Crossing
from benchmarks.networks.parts import EPOCHS as EPOCHS_APART
from benchmarks.networks.parts import WIDTH
from benchmarks.networks.targets import Found
from benchmarks.service.overhead import EPOCHS, REPORTS, Overhead
from benchmarks.service.overhead import MEMBERS as TRAINED
from benchmarks.service.overviews import Cost, Overviews
from benchmarks.service.population import BEAT_S, LARGE_TRIALS, WORKERS
from benchmarks.service.scale import ROUND_TRIP_S, Begin, Load
from benchmarks.service.workers import Throughput
from hpo.objectives.networks.kernels.sizes import least_dense_share

_PACKAGES = (
    "torch",
    "torchdiffeq",
    "numba",
    "numpy",
    "jax",
    "diffrax",
    "optuna",
    "psycopg",
)
_HEAD = """\
# Benchmarks

`python -m benchmarks` (`make bench`) wrote this file. `python -m benchmarks networks`
measures that section anew and leaves the others as they are; so do `service`,
`workers`, `scale`, `overviews` and `window`.

All networks on this page have thermal power 0 (cold oscillators,
`docs/how-to/thermal.md`). Their accuracies and errors compare solvers, and claim
nothing of hardware. Training with thermal noise takes about 1.4 times as long. A load
above the number of cores means that other work slowed the measurement; compare ratios
and CPU times then.
"""
_SECTION = """\

## {title}

Measured on {date} in {minutes:.0f} minutes: {cpu}, {cores} cores, load {load} at the
start. {versions}.

"""
TITLES = {
    "networks": "Networks",
    "service": "Service",
    "workers": "Workers",
    "scale": "Scale",
    "overviews": "Overviews",
    "window": "Window",
}
"""Sections of the page, in their order."""
_SUMMARY = """\
**How many times as long as ours an epoch takes, width {width}, density 0.5:**

{peers}

"""
_PEERS = ("eager", "JAX scan + jit", "torchdiffeq", "diffrax", "ours, an own device")
_NETWORKS = """\
One epoch of training: sequential digits, 898 series of 64 points in batches of 120,
forward, backward, clipping and Adam, float32; three layers; milliseconds per member,
median (least – most) of 5, 3 and 2 rounds (width 32, 64, 128). All begin from the same
weights, of networks trained for {epochs} epochs with our default, and integrate the
same equations **at equal exactness**: in the fewest equal steps per input point for an
error of the logits no larger than ours. "error" is its norm divided by that of the
logits, on the test half, against {fine} steps. "gap" is the accuracy minus that on the
solved equation, in points; **ratio** is the time divided by ours. Density is 0.5 unless
a row gives it. Only ours is faster for it: the other programs compute masked weights,
too.

The programs alternated, at least {turn_s} s each, in one process on one core; times are
the process's CPU time. Other work on the machine still acts through caches and clock:
repeat before you believe a few per cent.

"one step" is one first-order step per point, with its discretisation error. "an own
device" is a leaky node with cubic damping, dx/dt = [tanh(tau I) - x - a x^3] / tau,
with as many neurons and steps; it defines its `rate` alone (`cubic.py`), and its logits
equal those of its PyTorch reference within 1e-5. "eager" is the loop of the equations
by our own scheme, layer by layer, as a user would write it. "layers stacked" has one
batched product for all layers; "{members} members" trains as many networks at once.
torchdiffeq and diffrax solve the same equations, with the input constant over each
point, by the fastest of their explicit solvers and gradient methods
(`torch_solvers.py`, `jax_solvers.py`). They were not timed on networks wider than
{widest}.

**AVX2**: the same, with numba, PyTorch and XLA compiled for vectors of 256 bits, as on
a processor without AVX-512. The networks are the same, to the last bit.
"""
_PRICE = """\

**What exactness costs.** Time of an epoch with our default scheme, divided by that with
one first-order step per point, density 0.5: {ratios}. What the input adds to the drives
is computed once per point; all else, forward and back, once per step.
"""
_PARTS = """\

### Where our time goes, width {width}

Milliseconds of CPU time of the quickest of {epochs} epochs of one process, batches of
120. "neurons" is what the kernels take for the same network without a synapse,
"synapses" what synapses add to that; each is forward + adjoint on one block, the best
of many repetitions. The extra time within an epoch is "caches". "weights": sorting them
for the kernels, and their gradients back; "batches": sorting the series of a block;
"readout" with its loss and adjoint; "Python": the rest. "bound": the multiply-adds on
the non-zeros of an epoch, three per synapse, series and step, at the peak of this core,
which was measured too: {peaks}.
"""
_LAYOUTS = """\

### Dense or sparse

Microseconds per series, forward and back, of a spintronic network in the dense layout /
in the sparse one, alone, the best of many. From a share of {shares} of the possible
weights on, a network that is trained with such batches is laid out densely: that must
follow from masks and batch size, not from the host, since last bits depend on it.
(Sparse blocks have 32 series: of a batch of 20, 12 are empty.) `layouts.py` measures
this with the rest of this section.
"""
_SERVICE = """\
CPU milliseconds of the worker's process per trial, training aside, once the study holds
that many trials; PostgreSQL's in brackets. A trial of ours stores {members} members
with learning curves of {epochs} epochs each; one of plain Optuna reports {reports}
values and tests for pruning. "first": until the first trial of a fresh process begins
to train.

Every second trial of the study was pruned. "suggesting": the sampler's part of
"ours". The rows without a pruner and with random sampling show the service alone.
"""

_SCALE = """\
Real workers and their real loop on one PostgreSQL, each a process, all of them and the
server on the same {cores} cores, over a network with a round trip of
{round_trip_ms:.0f} ms. Trials train nothing: the database is as busy as possible. Every
trial is claimed, suggested, trained, pruned and finished, in the ledger and in Optuna's
tables. A study of 10,000 trials holds most of them already. The window is twice the
workers. Workers, server and other work share the cores, which lowers claims per second.

"claim": milliseconds that a successful claim takes, network and other workers included,
median / 99 %. "between": from a finished trial to the next claim, failed claims and
pauses included. "CPU": milliseconds per trial, of the worker + of PostgreSQL.
"messages": statements per trial; with TPE, most of them ask if the suggestions of
earlier trials are there, on which its own depends.
"""
_BEGIN = """\

A lone worker, TPE: from asking for a trial to its parameters being in the database,
median of further trials; and for the first one of a fresh process, from the start of
that process on.
"""
_OVERVIEWS = """\
What people wait for in a large database: {studies} studies with {trials:,} trials on an
embedded PostgreSQL, one of them (`large`) with {large:,}; shipped study files with
made-up outcomes. {n} workers go on with {open} of the studies meanwhile, on
{connections} connections (of 200 that the server accepts), under leases of three days:
they beat every {beat_s:.0f} s, and settle {pace:.1f} trials a second. Wall seconds,
median (least – most) of n; "CPU" is that of the process, "peak" the most memory that it
had (VmHWM). Server, workers and what is measured share the cores: with other work on
the machine (see its load), the wall times are longer than on a quiet one, and CPU
seconds say what a quiet core takes, but for the database's share.
"""


def overviews(results: Overviews) -> str:
    """The body of the section."""
    about = _OVERVIEWS.format(
        studies=results.studies,
        trials=results.trials,
        large=LARGE_TRIALS,
        n=WORKERS,
        open=results.open,
        connections=results.connections,
        beat_s=BEAT_S,
        pace=results.finished_per_s,
    )
    lines = [about, *_costs("command", results.commands), ""]
    lines += [*_costs("page of `hpo dashboard`", results.pages), ""]
    lines += ["Peak memory of the dashboard's process after", ""]
    lines += [row(["", "peak"]), row(["---", "---:"])]
    lines += [row([what, f"{peak_mb:.0f} MB"]) for what, peak_mb in results.memory_mb]
    lines += ["", "Other programs, on Optuna's own tables of the same database:", ""]
    return "\n".join([*lines, *_costs("peer", results.peers), "", results.released])


def _costs(title: str, costs: Sequence[Cost]) -> list[str]:
    lines = [row([title, "wall", "CPU", "peak", "n"]), row(["---", *["---:"] * 4])]
    for cost in costs:
        median_s, least_s, most_s = cost.wall_s
        wall = f"{median_s:.2f}" + (
            f" ({least_s:.2f} – {most_s:.2f})" if cost.n > 1 else ""
        )
        cpu = _or_dash(cost.cpu_s, ".2f")
        peak = "–" if cost.peak_mb is None else f"{cost.peak_mb:.0f} MB"
        what = f"{cost.what}; {cost.note}" if cost.note else cost.what
        lines.append(row([what, wall, cpu, peak, str(cost.n)]))
    return lines


def networks(results: Found, narrow: Found | None = None) -> str:
    """Return the body of the section; ``narrow``: results with vectors of 256 bits."""
    about = {
        "members": MEMBERS,
        "turn_s": TURN_S,
        "epochs": TRAINED_FOR,
        "fine": FINE_STEPS,
    }
    about["widest"] = WIDEST_SOLVED
    price = _PRICE.format(ratios=_price(results.timings))
    apart = narrow or Found()
    targets = {"": results} if narrow is None else {"AVX-512": results, "AVX2": narrow}
    head = _summary(targets) + _NETWORKS.format(**about) + price
    lines = [head, *_networks(results.timings, apart.timings)]
    lines += [f"- {note}" for note in results.notes]
    return "\n".join([*lines, *_parts(targets), *_layouts(targets)])


def service(overheads: Sequence[Overhead]) -> str:
    """The body of the section."""
    about = _SERVICE.format(members=TRAINED, epochs=EPOCHS, reports=REPORTS)
    return "\n".join([about, *_service(overheads)])


def workers(throughput: Throughput) -> str:
    """The body of the section."""
    one = throughput.one
    two = throughput.two
    return (
        f"Trials per minute of a small spintronic study: {one:.0f} with one worker, "
        f"{two:.0f} with two: **{two / one:.2f} x** (best of three runs each). "
        "Two workers gain nothing if other work fills the cores."
    )


def scale(loads: Sequence[Load], begins: Sequence[Begin], cores: int) -> str:
    """The body of the section."""
    titles = [
        "workers",
        "trials",
        "sampler",
        "claims/s",
        "claim",
        "between",
        "connections",
    ]
    lines = [_SCALE.format(cores=cores, round_trip_ms=1e3 * ROUND_TRIP_S)]
    lines.append(row([*titles, "CPU", "messages"]))
    lines.append(row(["---:", "---:", "---", *["---:"] * 6]))
    fair = [load for load in loads if len(load.shares) > 1]
    for load in loads:
        studies = f"{len(load.shares)} × " if load in fair else ""
        cells = [str(load.workers), f"{studies}{load.trials:,}", load.sampler]
        cells += [f"{load.claims_per_s:.0f}"]
        cells += [f"{load.claim_median_ms:.0f} / {load.claim_p99_ms:.0f}"]
        cells += [
            f"{load.idle_median_ms:.0f} / {load.idle_p99_ms:.0f}",
            str(load.connections),
        ]
        cells += [
            f"{load.worker_ms:.0f} + {load.server_ms:.0f}",
            f"{load.statements:.0f}",
        ]
        lines.append(row(cells))
    for load in fair:
        shares = " : ".join(f"{100 * share:.1f}" for share in load.shares)
        lines += [
            "",
            f"Of {len(load.shares)} studies side by side, claims went {shares} %.",
        ]
    lines += [_BEGIN, row(["trials", "further trials", "first one"]), row(["---:"] * 3)]
    for begin in begins:
        lines.append(
            row(
                [
                    f"{begin.trials:,}",
                    f"{begin.warm_ms:.0f} ms",
                    f"{begin.cold_s:.1f} s",
                ]
            )
        )
    return "\n".join(lines)


def section(
    name: str, body: str, *, cpu: str, cores: int, load: str, seconds: float
) -> str:
    """A whole section: title, circumstances, body."""
    head = _SECTION.format(
        title=TITLES[name],
        date=time.strftime("%Y-%m-%d"),
        minutes=seconds / 60,
        cpu=cpu,
        cores=cores,
        load=load,
        versions=_versions(),
    )
    return f"{head}{body}\n"


def page(old: str, new: Mapping[str, str]) -> str:
    """The page with the sections ``new``, by name, and what ``old`` has of the
    others."""
    sections = [_HEAD]
    for name, title in TITLES.items():
        match = re.search(rf"\n## {title}\n.*?(?=\n## |\Z)", old, re.DOTALL)
        sections.append(new.get(name, match[0].rstrip() + "\n" if match else ""))
    return "".join(sections)


def _versions() -> str:
    names = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            names.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            names.append(f"{package} not installed")
    return ", ".join(names)


def _networks(timings: Sequence[Timing], narrow: Sequence[Timing]) -> list[str]:
    lines: list[str] = []
    also = {(t.kind, t.width, t.what): t for t in narrow}
    for (kind, width), group in groupby(timings, key=lambda t: (t.kind, t.width)):
        alike = list(group)
        of_both = (kind, width, "ours") in also
        titles = ["", "integrator, per point", "error", "gap", "ms", "ratio"]
        titles += ["AVX2: ms", "ratio"] if of_both else []
        lines += ["", f"### {kind}, width {width}", "", row(titles)]
        lines.append(row(["---", "---", *["---:"] * (len(titles) - 2)]))
        for t in alike:
            cells = [
                t.what,
                t.scheme,
                _or_dash(t.error, ".3f"),
                _or_dash(t.gap, "+.1f"),
            ]
            cells += _times(t, alike[0])
            own = also.get((kind, width, t.what))
            if of_both:
                cells += _times(own, also[kind, width, "ours"]) if own else ["–", "–"]
            lines.append(row(cells))
    return [*lines, ""]


def _times(t: Timing, ours: Timing) -> list[str]:
    low, high = (1e3 * seconds for seconds in t.spread)
    ratio = t.seconds / ours.seconds
    return [
        f"{1e3 * t.seconds:.1f} ({low:.1f} – {high:.1f})",
        f"{ratio:.{1 if ratio > 1 else 2}f}",
    ]


def _summary(targets: Mapping[str, Found]) -> str:
    """A line for each kind and target: the ratios at width 32."""
    lines = []
    for name, of in targets.items():
        for kind, group in groupby(
            of.timings, key=lambda t: t.kind if t.width == WIDTH else ""
        ):
            seconds = {t.what: t.seconds for t in group}
            ratios = {
                what: seconds[what] / seconds["ours"]
                for what in _PEERS
                if what in seconds
            }
            peers = (f"{what} {r:.{1 if r < 10 else 0}f}" for what, r in ratios.items())
            if kind and ratios:
                lines.append(f"- {kind}{name and f', {name}'}: {', '.join(peers)}")
    return _SUMMARY.format(width=WIDTH, peers="\n".join(lines)) if lines else ""


def _price(timings: Sequence[Timing]) -> str:
    """Ours by one step, of every network."""
    seconds = {(t.kind, t.width, t.what): t.seconds for t in timings}
    return ", ".join(
        f"{whole / seconds[kind, width, 'ours, one step']:.1f} ({kind}, width {width})"
        for (kind, width, what), whole in seconds.items()
        if what == "ours"
    )


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _parts(targets: Mapping[str, Found]) -> list[str]:
    pairs = [(name, part) for name, of in targets.items() for part in of.parts]
    if not pairs:
        return []
    peaks = {name: part.peak for name, part in pairs}
    text = ", ".join(
        f"{peak / 1e9:.0f} billion a second {name and f'by {name}'}".strip()
        for name, peak in peaks.items()
    )
    inside = ["readout", "weights", "Adam", "batches"]
    titles = ["", "ours", "synapses", "neurons", "caches", *inside, "Python", "bound"]
    lines = [_PARTS.format(width=WIDTH, epochs=EPOCHS_APART, peaks=text)]
    lines += [row([*titles, "bound / ours"]), row(["---", *["---:"] * len(titles)])]
    for name, part in pairs:
        what = f"{part.kind}, density {part.density}{name and f', {name}'}"
        cells = [what, f"{1e3 * part.whole:.1f}"]
        for there, back in (part.synapses, part.neurons):
            cells.append(f"{1e3 * there:.1f} + {1e3 * back:.1f}")
        for own in (
            part.caches,
            *(part.inside[n] for n in inside),
            part.python,
            part.bound,
        ):
            cells.append(f"{1e3 * own:.1f}")
        lines.append(row([*cells, f"{part.bound / part.whole:.2f}"]))
    return lines


def _layouts(targets: Mapping[str, Found]) -> list[str]:
    crossings = {
        (c.width, c.density, name, c.batch): c
        for name, of in targets.items()
        for c in of.crossings
    }
    if not crossings:
        return []
    columns = [(name, batch) for name in targets for batch in BATCHES]
    titles = [f"{name and f'{name}, '}batch {batch}" for name, batch in columns]
    shares = ", ".join(f"{least_dense_share(batch):.2f}" for batch in BATCHES)
    lines = [_LAYOUTS.format(shares=shares), row(["width", "density", *titles])]
    lines.append(row(["---:"] * (2 + len(columns))))
    for width, density in dict.fromkeys(key[:2] for key in crossings):
        own = [crossings.get((width, density, *column)) for column in columns]
        lines.append(row([str(width), str(density), *map(_both, own)]))
    return lines


def _both(c: Crossing | None) -> str:
    return f"{1e6 * c.dense:.0f} / {1e6 * c.sparse:.0f}" if c else "–"


def _service(overheads: Sequence[Overhead]) -> list[str]:
    titles = [
        "sampler, pruner",
        "trials",
        "suggesting",
        "ours",
        "first",
        "plain Optuna",
        "first",
    ]
    lines = [row([*titles, "ratio"]), row(["---", *["---:"] * 7])]
    theirs = {
        (o.sampler, o.pruner, o.size): o for o in overheads if o.service == "Optuna"
    }
    for mine in (o for o in overheads if o.service == "ours"):
        other = theirs.get((mine.sampler, mine.pruner, mine.size))
        cells = [
            f"{mine.sampler}, {mine.pruner}",
            f"{mine.size:,}",
            f"{mine.suggest_ms:.0f}",
        ]
        for o in (mine, other):
            cells += (
                [f"{o.trial_ms:.0f} ({o.server_ms:.0f})", f"{o.first_ms:.0f}"]
                if o
                else ["", ""]
            )
        lines.append(
            row([*cells, f"{other.trial_ms / mine.trial_ms:.1f}" if other else ""])
        )
    return lines
