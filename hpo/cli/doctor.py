"""``hpo doctor``: check this machine."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hpo.cli.findings import Finding, line
from hpo.console import EXIT_ERROR, JSON, STORAGE, command

if TYPE_CHECKING:
    from hpo.postgres.connect import Storage

# A fresh process, which loads everything that a worker loads before training.
_AS_A_WORKER = "import hpo.worker.loop; from hpo.objectives.machine import main; main()"

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_MIN_FREE_BYTES = 1e9
_MIN_REPORT_BYTES = 2**20
_ROUNDING = 1e-4
_FULL_BYTES = 2**24
"""A disk with less is full: a checkpoint may not fit."""


@command(STORAGE, JSON)
def doctor(arguments: argparse.Namespace) -> int:
    """Check this machine and suggest fixes.

    Examples:
        hpo doctor --storage postgresql://me@server/hpo
            check versions, processor, kernels, the solved equation, storage (without
            the option the embedded server), free space and the site's defaults
        hpo doctor --json | jq '.findings[] | select(.verdict != "ok")'
            list the problems for a program
    """
    findings = []
    for finding in examine(arguments.storage):
        findings.append(finding)
        if not arguments.json:
            print(line(finding), flush=True)
    healthy = all(finding.verdict != "error" for finding in findings)
    if arguments.json:
        from hpo.views.records import json_records

        print(json_records.dumps({"healthy": healthy, "findings": findings}))
    elif healthy:
        print("\nready: hpo launch seqdigits")
    return 0 if healthy else EXIT_ERROR


def examine(storage: str | None) -> Iterator[Finding]:
    """Yield all findings, the quick ones first."""
    from hpo.worker import provenance

    versions = provenance.of_this_process()["versions"]
    words = [f"{name} {number}" for name, number in versions.items()]
    yield Finding("versions", ", ".join(words))
    yield from _processor()
    yield from of_storage(storage)
    yield _space()
    yield from of_working_directory()
    yield of_site()


def _checked(what: str, found: str, ok: bool, remedy: str) -> Finding:
    """Return a warning with its remedy, unless all is well."""
    if ok:
        return Finding(what, found)
    return Finding(what, found, "warning", remedy)


def _processor() -> Iterator[Finding]:
    """Examine the processor and the kernels in a fresh process."""
    line = [sys.executable, "-P", "-c", _AS_A_WORKER]
    done = subprocess.run(
        line, env={**os.environ, **_ONE_THREAD}, capture_output=True, text=True
    )
    if done.returncode == 0:
        yield from judge(json.loads(done.stdout.splitlines()[-1]))
        return
    *_, last = ["(nothing)", *done.stderr.strip().splitlines()]
    remedy = (
        "Reinstall the project: make clean setup, or pip install --force-reinstall."
    )
    yield Finding("kernels", last, "error", remedy)


def judge(about: dict[str, Any]) -> Iterator[Finding]:
    """Yield the findings that follow from the facts of ``hpo.objectives.machine``."""
    simd = ", ".join(about["simd"])
    text = f"{about['cpu']}, {simd or 'no supported vector instructions'}"
    remedy = "Networks train several times slower here; use another machine."
    yield _checked("processor", text, bool(simd), remedy)
    yield _kernels(about)
    yield _equation(about["equation"], about["kernel_cache"])
    gpus = ", ".join(about["gpus"])
    default = "none; networks train on the CPU, which is the default"
    yield Finding("CUDA devices", gpus or default)


def _kernels(about: dict[str, Any]) -> Finding:
    cache = about["kernel_cache"]
    seconds = f"{about['kernels_s']:.1f} s"
    if about["complaints"]:
        text = f"compiled in {seconds}, again in every process: no cache can be written"
        remedy = "Set NUMBA_CACHE_DIR to a writable directory."
        return Finding("kernels", text, "warning", remedy)
    if about["kernels_cached"]:
        return Finding("kernels", f"compiled; loaded in {seconds} from {cache}")
    return Finding("kernels", f"compiled just now in {seconds}, kept in {cache}")


def _equation(about: dict[str, Any], cache: str) -> Finding:
    """Compare the kernels with the reference, and the default step with the solved
    equation."""
    error = about["kernel_error"]
    if error <= _ROUNDING:  # which a NaN is not
        step = f"{about['integrator']} with steps of {about['step_ns']:g} ns"
        off = f"the default, {step}, is off by {100 * about['step_error']:.1g} %"
        return Finding(
            "solved equation", f"kernel and reference agree to {error:.0e}; {off}"
        )
    text = (
        f"kernel and reference differ by {error:.0e} of a network's output; rounding"
        f" explains less than {_ROUNDING:.0e}"
    )
    remedy = (
        f"Train nothing here. Delete {cache} and check again; if it stays, report this"
        " CPU."
    )
    return Finding("solved equation", text, "error", remedy)


def of_storage(url: str | None) -> Iterator[Finding]:
    """Examine the database at ``url``, by default the one that commands use."""
    from hpo.errors import NothingYetError, StorageError
    from hpo.ledger.schema import schema
    from hpo.postgres.connect import has_tables, open_storage

    try:
        with open_storage(url, creates=False) as storage:
            found = storage.describe()
            if not has_tables(storage, schema):  # another release's are refused
                found += "; the first launch makes its tables"
            yield _room(storage) or Finding("storage", found)
            for (host, study), why in _find_left_out(storage).items():
                yield _leaves_out(host, study, why)
            if (encryption := storage.encryption()) is not None:
                yield _encryption(*encryption)
    except NothingYetError:
        yield Finding("storage", "none yet; the first launch makes an embedded server")
    except StorageError as error:
        yield Finding("storage", str(error), "error")


def _room(storage: Storage) -> Finding | None:
    """Return an error if the database's disk is full: reading works then."""
    text = storage.explain_full_disk()
    if not text:
        return None
    return Finding("storage", text, "error", "Free some space on the server's disk.")


def _find_left_out(storage: Storage) -> dict[tuple[str, str], str]:
    """Return why hosts leave out studies: those that their workers refuse."""
    from hpo.ledger.schema import schema
    from hpo.ledger.workers import read_workers
    from hpo.postgres.connect import has_tables

    if not has_tables(storage, schema):
        return {}
    with storage.engine.connect() as connection:
        workers = read_workers(connection)
    found = {}
    for worker in workers:
        for study, why in worker.refuses.items():
            if worker.alive:
                found[worker.host, study] = why
    return found


def _leaves_out(host: str, study: str, why: str) -> Finding:
    remedy = "Mend the host; its workers try again every five minutes."
    return Finding("workers", f"{host} leaves out {study}: {why}", "warning", remedy)


def _encryption(encrypted: bool, verified: bool) -> Finding:
    """Judge the encryption of the connection to the database."""
    if encrypted and verified:
        return Finding("encryption", "TLS; the server is verified")
    text = "none"
    if encrypted:
        text = "TLS, but the server is not verified"
    remedy = (
        "Add ?sslmode=verify-full&sslrootcert=CA.crt to the URL; see"
        " docs/how-to/several-hosts.md."
    )
    return Finding("encryption", text, "warning", remedy)


def of_site() -> Finding:
    """Examine the defaults, and whether the cluster that they name answers."""
    from hpo import config
    from hpo.errors import HpoError
    from hpo.launch import executors

    try:
        file = config.find()
        site = config.load()
        executors.reach(site)
    except HpoError as error:
        return Finding("site", str(error), "error")
    if file is None:
        return Finding("site", f"no hpo.toml; executor {site.launch.executor}")
    return Finding("site", f"{file}: executor {site.launch.executor}")


def of_working_directory() -> Iterator[Finding]:
    """Yield an error if reports cannot be written here."""
    what = "working directory"
    remedy = "Free some space, or run hpo in another directory."
    here = os.getcwd()
    try:
        with tempfile.TemporaryFile(dir=here) as file:
            file.write(bytes(_MIN_REPORT_BYTES))
    except OSError as error:
        text = f"cannot write to {here}: {error.strerror}"
        yield Finding(what, text, "error", remedy)


def _space() -> Finding:
    from hpo import settings

    home = settings.home()
    directory = home
    while not directory.exists():
        directory = directory.parent
    remedy = "Free some space, or set HPO_HOME to another disk."
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        text = f"{home}: cannot write to {directory}: {error.strerror}"
        remedy = "Set HPO_HOME to a directory of yours: logs and studies go there."
        return Finding("data directory", text, "error", remedy)
    free = shutil.disk_usage(directory).free
    if free < _FULL_BYTES:
        return Finding("data directory", f"{home}: its disk is full", "error", remedy)
    text = f"{home}, {free / 1e9:.0f} GB free"
    return _checked("data directory", text, free > _MIN_FREE_BYTES, remedy)
