"""``hpo launch``, also ``python -m hpo.launch``: run or resume a study.

This module only declares the command line, so that ``--help`` is fast;
``hpo.launch.run`` does the work.
"""

from __future__ import annotations

import argparse
import sys

from hpo.console import (
    JSON_LINES,
    REPORT,
    STORAGE,
    argument,
    at_least,
    command,
    group,
    script_arguments,
    seconds,
    study_of,
    working_directory_last,
)
from hpo.settings import LEASE_S

_SLURM = {
    "workers-per-job": (
        "N",
        "workers of a job, each with its own GPU if any (default: 1)",
    ),
    "slurm-partition": ("NAME", "partition (default: that of the cluster)"),
    "slurm-time": (
        "H:MM:SS",
        "time limit of a job; shortly before it, the job queues again",
    ),
    "slurm-account": ("NAME", "account to charge"),
    "slurm-qos": ("NAME", "quality of service"),
    "slurm-constraint": ("FEATURE", "feature that a node must have"),
    "slurm-mem": ("SIZE", "memory of a job, as in 8G"),
    "slurm-gpus": ("N", "GPUs of a job"),
}
"""Option -> placeholder of its value, and help."""


@command(
    group(
        "what to run",
        study_of(
            "a study file by name (`hpo status --files` lists them) or by path, or a"
            " function of a script: train.py:objective"
        ),
        argument(
            "--trials", type=at_least(1), metavar="N", help="override budget.trials"
        ),
        argument("--seed", type=at_least(0), metavar="N", help="override seed"),
        argument(
            "--set",
            action="append",
            default=[],
            dest="overrides",
            metavar="KEY=VALUE",
            help=(
                "override any value of the file, as in space.tau_ns.high=40; may be"
                " repeated"
            ),
        ),
        argument("--name", metavar="NEW", help="another name for the study"),
        argument(
            "--quick",
            action="store_true",
            help=(
                "a first look in a minute: a separate study NAME-quick with at most 8"
                " trials of 60 epochs and one network (or one per fold), and 2 fresh"
                " seeds; it begins at the reported optimum, else at the best trial of"
                " an earlier study"
            ),
        ),
        argument(
            "--begin-from",
            metavar="STUDY",
            help=(
                "learn from the trials of an earlier study of the database, and write"
                " its name into the study file, as [transfer]; a sampler other than"
                " kriging-believer begins at its best points: [warm_start]"
            ),
        ),
        argument(
            "--repeat",
            type=at_least(2, 1000),
            metavar="N",
            help=(
                "run N searches, with `seed` and the next ones, as studies NAME-seed0"
                " …, and show how their results scatter"
            ),
        ),
        argument(
            "--no-confirm", action="store_true", help="stop before the confirmation"
        ),
    ),
    group(
        "of a function",
        argument(
            "--direction",
            dest="directions",
            action="append",
            choices=["minimize", "maximize"],
            help=(
                "of the value (default: that of the script's create_study, else"
                " maximize for an accuracy, minimize for others); repeated, of each"
                " value"
            ),
        ),
        argument(
            "--metric",
            dest="metrics",
            action="append",
            metavar="NAME",
            help=(
                "name of the value, as in accuracy, which is shown in per cent"
                " (default: value); repeated, of each value"
            ),
        ),
        argument(
            "--sampler",
            metavar="NAME",
            help=(
                "tpe (default), kriging-believer, random, gp, cmaes or nsga2; of study"
                " files, too"
            ),
        ),
        argument(
            "--pruner",
            metavar="NAME",
            help=(
                "none (default), median, percentile or successive-halving; of study"
                " files, too"
            ),
        ),
        argument(
            "--seeds",
            type=at_least(1),
            metavar="N",
            help="calls of a trial, each with its own seed (default: 1)",
        ),
    ),
    script_arguments,
    group(
        "how to run it",
        argument(
            "--executor",
            choices=["local", "slurm", "dask"],
            help=(
                "start workers on this machine (default), as SLURM jobs, or as tasks of"
                " a Dask cluster"
            ),
        ),
        argument(
            "--scheduler",
            dest="dask_scheduler",
            metavar="ADDRESS",
            help=(
                "with --executor dask: address of the scheduler, as in tcp://HOST:8786"
            ),
        ),
        argument(
            "--workers",
            type=at_least(0),
            metavar="N",
            help=(
                "worker processes on this machine (default: one per core, or none if"
                " workers serve the study already); 0 only submits the study and"
                " follows it"
            ),
        ),
        argument(
            "--threads",
            type=at_least(1),
            metavar="N",
            help="of each worker (default: 1)",
        ),
        argument(
            "--lease",
            type=seconds,
            metavar="SECONDS",
            help=(
                "silence after which another worker resumes the trial of a worker "
                f"(default: {LEASE_S:g}; for workers of this launch)"
            ),
        ),
        argument(
            "--timeout",
            type=seconds,
            metavar="SECONDS",
            help="stop after this time, and jobs too unless --on-cancel leave",
        ),
        argument(
            "--dry-run",
            action="store_true",
            help="check and show the study, write nothing",
        ),
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
            help=(
                "submit at once, without a job that first tests if a node reaches the"
                " database"
            ),
        ),
        argument(
            "--on-cancel",
            choices=["ask", "leave", "cancel"],
            help=(
                "what happens to jobs after Ctrl-C (default: ask at a terminal, else"
                " leave)"
            ),
        ),
        about="each is also a key of hpo.toml and a variable HPO_SLURM_...",
    ),
    group(
        "what to write",
        JSON_LINES,
        REPORT,
    ),
)
def launch(arguments: argparse.Namespace) -> int:
    """Run a study: search, confirm, report.

    Run it again to resume the study. `hpo resume NAME` opens a stopped or failed one
    (--retry: train failed trials again; --accept-code: take a changed source); a
    changed study file needs --name NEW. Ctrl-C stops the workers without loss. Results
    do not depend on the number of workers, nor on stops. At most budget.window workers
    have work at a time (docs/explanation/pure-function.md).

    Exit status: 0 done, 1 failed or timed out, 5 done without a complete trial, 130
    after Ctrl-C.

    Examples:
        hpo launch seqdigits
            run the study on all cores of this machine
        hpo launch train.py:objective --trials 200
            run a function of Optuna as it is; arguments of the script follow --:
            hpo launch train.py:objective -- --data x.csv
        hpo launch seqdigits --quick
            take a first look in a minute, as a separate study seqdigits-quick
        hpo launch seqdigits --trials 800 --workers 4
            enlarge the budget of the study; finished trials are kept
        hpo launch seqdigits --name wide --set fixed.width=64 --set stop.target=0.9
            run a study of another name with other values
        hpo launch seqdigits --repeat 10 --set confirm.splits=5
            run ten searches, seqdigits-seed0 to seqdigits-seed9, each confirmed on five
            splits of the data; the report has their median and quartiles
        hpo launch wide.toml --begin-from seqdigits
            begin with the best trials of an earlier study: docs/how-to/warm-start.md
        HPO_STORAGE=postgresql://me@server/hpo hpo launch my.toml --workers 0
            submit to a shared database, and follow the workers there
        hpo launch seqdigits --executor slurm --workers 64 --workers-per-job 8
            submit 8 SLURM jobs with 8 workers each; hpo.toml keeps the defaults of a
            site, such as --slurm-time 4:00:00
        hpo launch seqdigits --executor dask --scheduler tcp://head:8786 --workers 16
            submit 16 tasks to a running Dask cluster, as of dask-jobqueue: PBS, LSF,
            HTCondor
        hpo launch seqdigits --dry-run
            check the file and show what would run, with --executor slurm also the job
            script
    """
    if arguments.repeat is not None:
        from hpo.launch import replicating

        return replicating.run(arguments)
    from hpo.launch import run

    return run.run(arguments)


if __name__ == "__main__":
    working_directory_last()
    sys.exit(launch(sys.argv[1:]))
