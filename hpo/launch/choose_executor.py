"""Which executor a launch has, and what binds it to the study's ledger."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from hpo import settings
from hpo.config import SiteConfig
from hpo.errors import HpoError
from hpo.launch import plan
from hpo.launch.executors import Executor, asked, dask
from hpo.launch.executors.dask import DaskExecutor
from hpo.launch.executors.local import LocalExecutor
from hpo.launch.executors.slurm import SlurmExecutor
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.postgres.url import is_of_this_host, parse_url, place
from hpo.study.spec import StudySpec


def check(site: SiteConfig) -> None:
    """Check what depends on the executor before anything is touched.

    Raises:
        HpoError: it must be told how many workers there are, or which cluster it is.
    """
    name = site.launch.executor
    if name != "local" and site.launch.workers is None:
        raise HpoError(
            f"{name}: the number of workers must be given, but got workers=none. Give it: "
            "--workers N, or workers in [launch] of hpo.toml."
        )
    if name == "dask" and site.dask.scheduler is None:
        raise HpoError(
            "dask: the scheduler must be given, but got scheduler=none. Give the address that it "
            "prints: --scheduler tcp://HOST:8786, or scheduler in [dask] of hpo.toml."
        )
    if name == "dask":
        dask.require()


def executor(
    arguments: Namespace, site: SiteConfig, spec: StudySpec, storage: Storage, ledger: Ledger
) -> Executor:
    """The executor that options and defaults ask for; it reaches the ledger while that answers."""

    def release(worker: str, why: str | None) -> bool | None:
        return asked(lambda: ledger.release_lost(worker, why), None)

    def release_job(job: str, why: str | None) -> bool | None:
        def release_all() -> bool:
            names = [w.name for w in ledger.workers() if w.job == f"slurm {job}"]
            return any([ledger.release_lost(name, why) for name in names])

        return asked(release_all, None)  # leases will run out all the same

    if site.launch.executor == "slurm":
        return _slurm(
            arguments,
            site,
            spec,
            storage_url=storage.url,
            useful=lambda: asked(lambda: plan.useful_workers(ledger.result(spec.name)), 0),
            probed=lambda name: name in {worker.name for worker in asked(ledger.workers, [])},
            release=release_job,
        )
    how: dict[str, Any] = {
        "storage_url": storage.url,
        "threads": site.launch.threads,
        "options": _options(arguments, site),
    }
    if site.launch.executor == "dask":
        assert site.dask.scheduler is not None
        return DaskExecutor(
            spec.name,
            scheduler=site.dask.scheduler,
            logs=_logs(spec) / "dask",
            only_here=_database(arguments)[1],
            **how,
        )
    return LocalExecutor(spec.name, logs=_logs(spec), release=release, **how)


def script(arguments: Namespace, site: SiteConfig, spec: StudySpec) -> str | None:
    """The script of jobs, without touching database or cluster; None where there are no jobs."""
    if site.launch.executor != "slurm" or not site.launch.workers:
        return None
    return _slurm(arguments, site, spec, storage_url="").script(site.launch.workers)


def _slurm(
    arguments: Namespace, site: SiteConfig, spec: StudySpec, **of_ledger: Any
) -> SlurmExecutor:
    where, only_here = _database(arguments)
    return SlurmExecutor(
        spec.name,
        site=site.slurm,
        place=where,
        logs=_logs(spec) / "slurm",
        **of_ledger,
        threads=site.launch.threads,
        options=_options(arguments, site),
        only_here=only_here,
    )


def _database(arguments: Namespace) -> tuple[str, str | None]:
    """The database in words, and again if no other host reaches it, else None."""
    url = settings.storage_url() if arguments.storage is None else arguments.storage
    where = place(parse_url(url)) if url else f"the embedded server in {settings.home()}"
    return where, where if url is None or is_of_this_host(parse_url(url)) else None


def _logs(spec: StudySpec) -> Path:
    return settings.home() / "logs" / spec.name


def _options(arguments: Namespace, site: SiteConfig) -> list[str]:
    options = ["--no-confirm"] if arguments.no_confirm else []
    return [f"--lease={site.launch.lease:g}", *options]
