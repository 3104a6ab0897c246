"""``python -m benchmarks``: measure everything, and write ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENT = {  # before torch and JAX load
    "OMP_NUM_THREADS": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Measure and write; returns the exit status."""
    os.environ.update(ENVIRONMENT)
    import optuna

    from benchmarks import networks, parts, results, service, workers
    from hpo import provenance
    from hpo.storage import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    began = time.monotonic()
    load, notes = f"{os.getloadavg()[0]:.1f}", []

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)
        if "does not run" in text:
            notes.append(text.strip())

    with _one_core():
        timings = list(networks.measure(say))
        say("parts")
        taken_apart = list(parts.measure(timings))
    with _temporary_home():
        say("workers")
        with open_storage() as storage:
            throughput = workers.measure(storage)
        overheads = []
        for overhead in service.measure():
            say(
                f"{overhead.service}: {overhead.sampler}, {overhead.pruner}, {overhead.size} trials"
            )
            overheads.append(overhead)
    page = results.report(
        timings=timings,
        parts=taken_apart,
        overheads=overheads,
        throughput=throughput,
        notes=notes,
        cpu=provenance.of_this_process()["cpu"],
        cores=os.cpu_count() or 1,
        load=load,
        seconds=time.monotonic() - began,
    )
    RESULTS.write_text(page, encoding="utf-8")
    say(f"wrote {RESULTS}")
    return 0


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
def _temporary_home() -> Iterator[None]:
    """An embedded server of our own."""
    from hpo.embedded import stop

    home = Path(tempfile.mkdtemp(prefix="hpo-bench-"))
    home.chmod(0o711)  # the server's account must reach it
    os.environ["HPO_HOME"] = str(home)
    os.environ.pop("HPO_STORAGE", None)
    try:
        yield
    finally:
        stop(home, force=True)
        shutil.rmtree(home)


if __name__ == "__main__":
    sys.exit(main())
