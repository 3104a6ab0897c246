"""``python -m benchmarks [SECTION ...]``: measure, and write
``benchmarks/RESULTS.md``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ENVIRONMENT = {  # before torch and JAX load
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}
RESULTS = Path(__file__).with_name("RESULTS.md")


def main(arguments: Sequence[str]) -> int:
    """Measure and write the named sections, or all; return the exit status."""
    os.environ.update(ENVIRONMENT)
    import optuna

    from benchmarks import results
    from hpo.worker import provenance

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    measures: dict[str, Callable[[Callable[[str], None]], str]]
    pages = {
        "integrators": _integrators,
        "prediction": _prediction,
        "folds": _folds,
        "spoken": _spoken,
        "ablation": _ablation,
        "tolerant": _tolerant,
        "space": _space,
        "functions": _functions,
        "finished": _finished,
    }  # of their own; only when named
    measures = {
        "networks": _networks,
        "workers": _workers,
        "service": _service,
        "scale": _scale,
        "overviews": _overviews,
        "window": _window,
    }
    unknown = sorted(set(arguments) - set(measures) - set(pages))
    if unknown:
        print(
            f"benchmarks: expected sections of {', '.join([*measures, *pages])}, got "
            f"{unknown[0]}. Name some of these, or none for all.",
            file=sys.stderr,
        )
        return 2
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {text}", flush=True)

    for name in arguments or measures:
        began = time.monotonic()
        load = f"{os.getloadavg()[0]:.1f}"
        say(name)
        if name in pages:
            pages[name](say)
            continue
        section = results.section(
            name,
            measures[name](say),
            cpu=provenance.of_this_process()["cpu"],
            cores=os.cpu_count() or 1,
            load=load,
            seconds=time.monotonic() - began,
        )
        old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
        RESULTS.write_text(results.page(old, {name: section}), encoding="utf-8")
    say("done")
    return 0


def _networks(say: Callable[[str], None]) -> str:
    from benchmarks import results
    from benchmarks.networks import targets

    with _one_core():
        say("  with vectors of 256 bits")
        narrow = targets.narrow()
        return results.networks(targets.measure(say), narrow)


def _integrators(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import integratorpage, integrators
    from hpo.worker import provenance

    process = provenance.of_this_process()
    about = {
        "measured": time.strftime("%Y-%m-%d"),
        **{n: process[n] for n in ("cpu", "versions")},
    }
    results = integrators.measure(say, about)
    results.write()
    integratorpage.write(results)


def _folds(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import folds

    folds.run(say)


def _spoken(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import spoken

    with _one_core():
        spoken.run(say)


def _prediction(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import predictionpage

    with _one_core():
        predictionpage.measure(say)
    predictionpage.write()


def _ablation(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import ablationpage

    with _one_core():
        ablationpage.measure(say)
    ablationpage.write()


def _tolerant(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import tolerant

    tolerant.measure(say)
    tolerant.write()


def _space(say: Callable[[str], None]) -> None:
    from benchmarks.accuracy import space

    space.measure(say)
    space.write()


def _functions(say: Callable[[str], None]) -> None:
    from benchmarks.service import functionpage, functions
    from hpo.postgres.connect import open_storage
    from hpo.worker import provenance

    cpu = provenance.of_this_process()["cpu"]
    load = f"load {os.getloadavg()[0]:.0f} at the start"
    day = time.strftime("%Y-%m-%d")
    about = f"Measured on {day}: {cpu}, {os.cpu_count()} cores, {load}."
    with _temporary_home() as home, open_storage() as storage:
        repeats = list(functions.repeats(storage, say))
        costs = list(functions.costs(storage, home))
        claims = list(functions.claims(storage, say))
    functionpage.write(about, repeats, claims, costs)


def _finished(say: Callable[[str], None]) -> None:
    from benchmarks.search import finished, finishedpage
    from hpo.worker import provenance

    cpu = provenance.of_this_process()["cpu"]
    load = f"load {os.getloadavg()[0]:.0f} at the start"
    day = time.strftime("%Y-%m-%d")
    about = f"Measured on {day}: {cpu}, {os.cpu_count()} cores, {load}."
    measured = {}
    for table in finished.tables():
        measured[table.name] = (table, finished.measure(table, say))
    finishedpage.write(about, measured)


def _workers(say: Callable[[str], None]) -> str:
    from benchmarks import results
    from benchmarks.service import workers
    from hpo.postgres.connect import open_storage

    with _temporary_home(), open_storage() as storage:
        return results.workers(workers.measure(storage))


def _service(say: Callable[[str], None]) -> str:
    from benchmarks import results
    from benchmarks.service import overhead

    overheads = []
    with _temporary_home():
        for one in overhead.measure():
            say(f"  {one.service}: {one.sampler}, {one.pruner}, {one.size} trials")
            overheads.append(one)
    return results.service(overheads)


def _window(say: Callable[[str], None]) -> str:
    from benchmarks.service import window, windowpage
    from hpo.postgres.connect import open_storage

    results = windowpage.Window(
        costs=list(window.costs()), variants=list(window.variants())
    )
    say("  real workers")
    with _temporary_home(), open_storage() as storage:
        results.checks = list(window.checks(storage))
    for quality in window.qualities():
        say(f"  {quality.function}, {quality.sampler}, window {quality.window}")
        results.qualities.append(quality)
    windowpage.draw(results, RESULTS.parents[1] / "docs/explanation/window.svg")
    return windowpage.body(results)


def _scale(say: Callable[[str], None]) -> str:
    from benchmarks import results
    from benchmarks.service import scale

    with _temporary_home():
        loads = list(scale.loads(say))
        begins = [scale.begin(trials) for trials in (1_000, 10_000)]
    return results.scale(loads, begins, os.cpu_count() or 1)


def _overviews(say: Callable[[str], None]) -> str:
    from benchmarks import results
    from benchmarks.service import overviews
    from hpo.postgres.connect import open_storage

    with _temporary_home(), open_storage() as storage:
        return results.overviews(overviews.measure(storage, say))


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Run on one core, whatever threads the libraries start."""
    import torch

    torch.set_num_threads(1)
    if not hasattr(os, "sched_setaffinity"):  # not Linux
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _temporary_home() -> Iterator[Path]:
    """An embedded server of our own."""
    from hpo.postgres.embedded import stop

    home = Path(tempfile.mkdtemp(prefix="hpo-bench-"))
    home.chmod(0o711)  # the server's account must reach it
    os.environ["HPO_HOME"] = str(home)
    os.environ.pop("HPO_STORAGE", None)
    try:
        yield home
    finally:
        stop(home, force=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
