"""``hpo launch``, also ``python -m hpo.launch``: run a study, or go on with it.

This module holds the command line alone, so that ``--help`` answers at once; ``hpo.launch.run``
does the work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hpo.console import (
    STORAGE,
    argument,
    at_least,
    command,
    group,
    one_of,
    seconds,
    study_of,
    working_directory_last,
)
from hpo.settings import LEASE_S

_SLURM = {
    "workers-per-job": ("N", "workers of a job, each with its own GPU if it has some (default: 1)"),
    "slurm-partition": ("NAME", "partition (default: the cluster's own)"),
    "slurm-time": ("H:MM:SS", "time limit of a job; shortly before it, the job queues again"),
    "slurm-account": ("NAME", "who pays"),
    "slurm-qos": ("NAME", "quality of service"),
    "slurm-constraint": ("FEATURE", "what a node must have"),
    "slurm-mem": ("SIZE", "memory of a job, as in 8G"),
    "slurm-gpus": ("N", "GPUs of a job"),
}
"""Option -> its value, and what it is."""


@command(
    group(
        "what to run",
        study_of("a study file by name (`hpo studies` lists them) or by path"),
        argument("--trials", type=at_least(1), metavar="N", help="replaces budget.trials"),
        argument("--seed", type=at_least(0), metavar="N", help="replaces seed"),
        argument(
            "--set",
            action="append",
            default=[],
            dest="overrides",
            metavar="KEY=VALUE",
            help="replaces any value of the file, as in space.tau_ns.high=40; may be repeated",
        ),
        argument("--name", metavar="NEW", help="another name for the study"),
        argument(
            "--quick",
            action="store_true",
            help="a first look in a minute: NAME-quick, a study of its own with 8 trials, 60 "
            "epochs and a network each at most, and 2 fresh seeds; it begins at the reported point",
        ),
        argument(
            "--begin-from",
            metavar="STUDY",
            help="the first trials get the best points of an earlier study of the database, which "
            "are written into the study file as [warm_start]",
        ),
        argument("--no-confirm", action="store_true", help="stop when the search is settled"),
    ),
    group(
        "how to run it",
        argument(
            "--executor",
            choices=["local", "slurm", "dask"],
            help="where workers start: on this machine (default), as jobs of SLURM, or as tasks of "
            "a Dask cluster",
        ),
        argument(
            "--scheduler",
            dest="dask_scheduler",
            metavar="ADDRESS",
            help="with --executor dask: that of the cluster, as in tcp://HOST:8786",
        ),
        argument(
            "--workers",
            type=at_least(0),
            metavar="N",
            help="worker processes on this machine (default: one per core, or none where "
            "workers serve the study already); 0 submits and follows",
        ),
        argument("--threads", type=at_least(1), metavar="N", help="of every worker (default: 1)"),
        argument(
            "--lease",
            type=seconds,
            metavar="SECONDS",
            help="silence after which a worker's trial goes on elsewhere "
            f"(default: {LEASE_S:g}; of the workers started here)",
        ),
        argument(
            "--timeout",
            type=seconds,
            metavar="SECONDS",
            help="stop after this time, jobs too unless --on-cancel leave",
        ),
        argument("--dry-run", action="store_true", help="check and show, write nothing"),
    ),
    STORAGE,
    group(
        "with --executor slurm",
        *(
            argument(
                f"--{name}",
                dest=f"slurm_{name.removeprefix('slurm-')}".replace("-", "_"),
                type=at_least(1) if value == "N" else str,
                metavar=value,
                help=what,
            )
            for name, (value, what) in _SLURM.items()
        ),
        argument(
            "--slurm-option",
            dest="slurm_options",
            action="append",
            metavar="KEY=VALUE",
            help="any other option of sbatch, as in reservation=lab; may be repeated",
        ),
        argument(
            "--no-probe",
            dest="slurm_probe",
            action="store_false",
            default=None,
            help="submit at once, without a job that tries first to reach the database from a node",
        ),
        argument(
            "--on-cancel",
            choices=["ask", "leave", "cancel"],
            help="what becomes of the jobs after Ctrl-C (default: ask at a terminal, else leave)",
        ),
        about="each also a key of hpo.toml, and a variable HPO_SLURM_...",
    ),
    group(
        "what to write",
        argument(
            "--json",
            action="store_true",
            help="JSON lines on stdout: one per settled trial, then the result",
        ),
        one_of(
            argument(
                "--report",
                type=Path,
                metavar="FILE",
                help="HTML report (default: ./NAME-report.html)",
            ),
            argument("--no-report", action="store_true", help="write no report"),
        ),
    ),
)
def launch(arguments: argparse.Namespace) -> int:
    """Run a study: search, confirm, report.

    Run it again to go on after a stop. Ctrl-C stops the workers in order and loses nothing. Results
    do not depend on how many workers there were, nor on stops; how many find work at a time is
    budget.window (docs/explanation/window.md).

    Exit status: 0 done, 1 failed or timed out, 130 after Ctrl-C.

    Examples:
        hpo launch seqdigits
            run the study on all cores of this machine
        hpo launch seqdigits --quick
            a first look in a minute, as a study of its own: seqdigits-quick
        hpo launch seqdigits --trials 800 --workers 4
            the same study with a larger budget: what is there already is kept
        hpo launch seqdigits --name wide --set fixed.width=64 --set stop.target=0.9
            a study of another name, with values of the file replaced
        hpo launch wide.toml --begin-from seqdigits
            a new study whose first trials are the best of an earlier one: docs/how-to/warm-start.md
        HPO_STORAGE=postgresql://me@server/hpo hpo launch my.toml --workers 0
            submit to a shared database, and follow the work of the workers there
        hpo launch seqdigits --executor slurm --workers 64 --workers-per-job 8 --slurm-time 4:00:00
            8 jobs of SLURM with 8 workers each; hpo.toml keeps what a site needs
        hpo launch seqdigits --executor dask --scheduler tcp://head:8786 --workers 16
            16 tasks of a Dask cluster that is there already, as by dask-jobqueue: PBS, LSF,
            HTCondor
        hpo launch seqdigits --dry-run
            check the file and show what would run, with --executor slurm also the script of the
            jobs
    """
    from hpo.launch import run

    return run.run(arguments, arguments.command)


if __name__ == "__main__":
    working_directory_last()
    sys.exit(launch(sys.argv[1:]))
