"""``hpo doctor``: whether this machine is ready to run studies, and what to do if it is not."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hpo.cli.common import JSON, STORAGE, command
from hpo.console import EXIT_ERROR

# In a fresh process, everything that a worker loads before it trains.
_AS_A_WORKER = "import hpo.worker.loop; from objectives.machine import main; main()"

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_SLOW_START_S = 10.0
_LITTLE_BYTES = 1e9
_ROUNDING = 1e-4
_SINFO_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line."""

    what: str
    found: str
    verdict: Literal["ok", "warning", "error"] = "ok"
    """With a warning, studies run, but not as well as they could; with an error they do not run, or
    compute something else."""
    remedy: str = ""


@command(
    "Say whether this machine is ready to run studies.",
    """\
hpo doctor
    processor, threads, kernels, the solved equation, storage, versions, free space: each with OK
    or what to do
hpo doctor --storage postgresql://me@server/hpo
    the same, with that database instead of the embedded server
hpo doctor --json | jq '.findings[] | select(.verdict != "ok")'
    what is not OK, for a program""",
    STORAGE,
    JSON,
)
def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything; a line is shown as soon as it is known."""
    findings = []
    for finding in examine(arguments.storage):
        findings.append(finding)
        if not arguments.json:
            print(line(finding), flush=True)
    healthy = all(finding.verdict != "error" for finding in findings)
    if arguments.json:
        from hpo.views import json_records

        print(json_records.dumps({"healthy": healthy, "findings": findings}))
    elif healthy:
        print("\nready: hpo launch seqdigits")
    return 0 if healthy else EXIT_ERROR


def line(finding: Finding) -> str:
    """A finding for people."""
    text = f"{finding.what:<16}  {finding.verdict.upper():<7}  {finding.found}"
    return f"{text}\n{'':27}{finding.remedy}" if finding.remedy else text


def examine(storage: str | None) -> Iterator[Finding]:
    """All findings, the quick ones first."""
    yield _versions()
    yield _cores()
    yield from _processor()
    yield from of_storage(storage)
    yield _space()
    yield from of_site()


def _checked(what: str, found: str, ok: bool, remedy: str) -> Finding:
    """A warning that says what to do, unless all is well."""
    if ok:
        return Finding(what=what, found=found)
    return Finding(what=what, found=found, verdict="warning", remedy=remedy)


def _versions() -> Finding:
    from hpo.worker import provenance

    facts = provenance.of_this_process()
    named = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return Finding(what="versions", found=named)


def _cores() -> Finding:
    from hpo.launch import plan

    found = f"{plan.cores()} usable of {os.cpu_count()}: as many workers by default, load "
    return Finding(what="cores", found=f"{found}{os.getloadavg()[0]:.1f} now")


def _processor() -> Iterator[Finding]:
    """What a fresh process says of the processor, the kernels and itself."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _AS_A_WORKER],
        env={**os.environ, **_ONE_THREAD},
        capture_output=True,
        text=True,
    )
    took_s = time.monotonic() - began
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["(nothing)"])[-1]
        remedy = "Install the project anew: make clean setup, or pip install --force-reinstall."
        yield Finding(what="kernels", found=last, verdict="error", remedy=remedy)
        return
    about = json.loads(done.stdout.splitlines()[-1])
    yield from judge(about, took_s)


def judge(about: dict[str, Any], took_s: float) -> Iterator[Finding]:
    """What the facts of ``objectives.machine`` mean, found by a process that took ``took_s``."""
    simd = ", ".join(about["simd"])
    found = f"{about['cpu']}, {simd or 'no vector instructions that we know'}"
    remedy = "Networks train several times slower here; use another machine."
    yield _checked("processor", found, bool(simd), remedy)
    threads = about["torch_threads"]
    remedy = "Workers get into each other's way: OMP_NUM_THREADS=1."
    yield _checked("threads", f"{threads} per worker", threads == 1, remedy)
    yield _kernels(about)
    yield _equation(about["equation"], about["kernel_cache"])
    took_s -= about["equation"]["seconds"]
    slow = took_s > _SLOW_START_S and about["kernels_cached"]
    remedy = "The disk is slow or the machine busy; put .venv on a local disk."
    yield _checked("worker start", f"{took_s:.1f} s until it can train", not slow, remedy)
    gpus = ", ".join(about["gpus"]) or "none; networks train on the CPU, which is the default"
    yield Finding(what="CUDA devices", found=gpus)


def _kernels(about: dict[str, Any]) -> Finding:
    seconds, cache = f"{about['kernels_s']:.1f} s", about["kernel_cache"]
    if about["complaints"]:
        found = f"compiled in {seconds}, by every process anew: no cache can be written"
        return _checked("kernels", found, False, "Set NUMBA_CACHE_DIR to a writable directory.")
    if about["kernels_cached"]:
        return Finding(what="kernels", found=f"compiled; loaded in {seconds} from {cache}")
    return Finding(what="kernels", found=f"compiled just now in {seconds}, kept in {cache}")


def _equation(about: dict[str, Any], cache: str) -> Finding:
    """Whether the kernels compute the equation, and how far the default step is from it."""
    error = about["kernel_error"]
    step = f"{about['integrator']} with steps of {about['step_ns']:g} ns"
    if error <= _ROUNDING:  # which a NaN is not
        found = f"kernel and reference agree to {error:.0e}; the default, {step}, is off by "
        return Finding(what="solved equation", found=f"{found}{100 * about['step_error']:.1g} %")
    return Finding(
        what="solved equation",
        found=f"kernel and reference differ by {error:.0e} of a network's output, where rounding "
        f"makes less than {_ROUNDING:.0e}",
        verdict="error",
        remedy=f"Train nothing here. Delete {cache} and look again; if it stays, report this CPU.",
    )


def of_storage(url: str | None) -> Iterator[Finding]:
    """What there is to say of the database at ``url``, else of the one that commands use."""
    from hpo.errors import StorageError
    from hpo.ledger.tables import SCHEMA_VERSION, schema
    from hpo.postgres.connect import open_storage

    try:
        with open_storage(url) as storage:
            yield Finding(what="storage", found=storage.describe())
            if (encryption := storage.encryption()) is not None:
                yield _encryption(*encryption)
            with storage.engine.connect() as connection:
                current = schema.is_current(connection)
        made = f"version {SCHEMA_VERSION}" if current else "not there; the first launch makes it"
        yield Finding(what="schema", found=made)
    except StorageError as error:
        yield Finding(what="storage", found=str(error), verdict="error")


def _encryption(encrypted: bool, verified: bool) -> Finding:
    """How safe the way over the network to the database is."""
    found = "TLS; the server is the one that the URL names"
    if not verified:
        found = "TLS, but whose server it is was not verified"
    remedy = (
        "Add ?sslmode=verify-full&sslrootcert=CA.crt to the URL; see docs/how-to/several-hosts.md."
    )
    return _checked("encryption", found if encrypted else "none", encrypted and verified, remedy)


def of_site() -> Iterator[Finding]:
    """The file of defaults, and the partitions of a SLURM if there is one."""
    from hpo import config
    from hpo.errors import HpoError
    from hpo.launch.executors import slurm_commands

    executor = "local"
    try:
        file, executor = config.find(), config.load().launch.executor
        chosen = f"{file}: executor {executor}" if file else "no hpo.toml; every default is ours"
        yield Finding(what="site", found=chosen)
    except HpoError as error:
        yield Finding(what="site", found=str(error), verdict="error")
    try:
        slurm_commands.require()
        names = slurm_commands.partitions(timeout_s=_SINFO_S)
        listed = ", ".join(f"{name} (default)" if own else name for name, own in names.items())
        yield Finding(what="SLURM", found=f"partitions {listed or '(none)'}")
    except HpoError as error:
        if executor == "slurm":  # else its programs are installed, and nobody means to use them
            yield Finding(what="SLURM", found=str(error), verdict="error")


def _space() -> Finding:
    from hpo import settings

    home = settings.home()
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{home}, {free / 1e9:.0f} GB free" + ("" if home.exists() else " (not there)")
    remedy = "Make room, or set HPO_HOME to another disk."
    return _checked("data directory", found, free > _LITTLE_BYTES, remedy)
