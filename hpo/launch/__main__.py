"""``python -m hpo.launch``: run a study from its file to its result, or go on with it.

This module holds the command line alone, so that ``--help`` answers at once; ``hpo.launch.run``
does the work.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hpo.console import Parser, answer, at_least, seconds, without_password, working_directory_last
from hpo.settings import LEASE_S

_EXAMPLES = """\
hpo launch seqdigits
    run the study on all cores of this machine; run it again to go on after a stop (--study
    seqdigits is the same, for all commands)
hpo launch seqdigits --quick
    a first look in a minute, as a study of its own: seqdigits-quick
hpo launch seqdigits --trials 800 --workers 4
    the same study with a larger budget: what is there already is kept
hpo launch seqdigits --name wide --set fixed.width=64 --set seed=1
    a study of another name, with values of the file replaced
HPO_STORAGE=postgresql://me@server/hpo hpo launch my.toml --workers 0
    submit to a shared database, and follow the work of the workers there
hpo launch seqdigits --executor slurm --workers 64 --workers-per-job 8 \\
        --slurm-partition compute --slurm-time 4:00:00
    8 jobs of SLURM with 8 workers each; hpo.toml or HPO_SLURM_PARTITION keep what a site needs
hpo launch seqdigits --executor dask --scheduler tcp://head:8786 --workers 16
    16 tasks of a Dask cluster that is there already, as by dask-jobqueue: PBS, LSF, HTCondor
hpo launch seqdigits --name short --set stop.target=0.9 --set stop.patience=50
    a search that ends when it has found enough; likewise [racing], [warm_start], [variability] and
    [cost]: `hpo guide` ends with them, docs/reference/study-file.md explains them
hpo launch seqdigits --dry-run
    check the file and show what would run, with --executor slurm also the script of the jobs

Ctrl-C stops the workers in order and loses nothing. Results do not depend on how many workers
there were, nor on stops; how many find work at a time is budget.window
(docs/explanation/window.md).
Exit status: 0 done, 1 failed or timed out, 130 after Ctrl-C."""


def parser() -> Parser:
    """The command line of a launch."""
    p = Parser("hpo launch", "Run a study: search, confirm, report.", _EXAMPLES)
    study = p.add_argument_group("what to run")
    p.add_study("a study file by name (`hpo studies` lists them) or by path", to=study)
    study.add_argument("--trials", type=at_least(1), metavar="N", help="replaces budget.trials")
    study.add_argument("--seed", type=at_least(0), metavar="N", help="replaces seed")
    study.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="replaces any value of the file, as in space.tau_ns.high=40; may be repeated",
    )
    study.add_argument("--name", metavar="NEW", help="another name for the study")
    study.add_argument(
        "--quick",
        action="store_true",
        help="a first look in a minute: NAME-quick, a study of its own with 8 trials, 15 epochs "
        "and a network each at most, and 2 fresh seeds",
    )
    study.add_argument("--no-confirm", action="store_true", help="stop when the search is settled")
    how = p.add_argument_group("how to run it")
    how.add_argument(
        "--executor",
        choices=["local", "slurm", "dask"],
        help="where workers start: on this machine (default), as jobs of SLURM, or as tasks of a "
        "Dask cluster",
    )
    how.add_argument(
        "--scheduler",
        dest="dask_scheduler",
        metavar="ADDRESS",
        help="with --executor dask: that of the cluster, as in tcp://HOST:8786",
    )
    how.add_argument(
        "--workers",
        type=at_least(0),
        metavar="N",
        help="worker processes on this machine (default: one per core, or none where "
        "workers serve the study already); 0 submits and follows",
    )
    how.add_argument(
        "--threads", type=at_least(1), metavar="N", help="of every worker (default: 1)"
    )
    how.add_argument(
        "--lease",
        type=seconds,
        metavar="SECONDS",
        help="silence after which a worker's trial goes on elsewhere "
        f"(default: {LEASE_S:g}; of the workers started here)",
    )
    how.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="stop after this time, jobs too unless --on-cancel leave",
    )
    how.add_argument("--dry-run", action="store_true", help="check and show, write nothing")
    p.add_storage()
    _add_slurm(p)
    out = p.add_argument_group("what to write")
    out.add_argument(
        "--json",
        action="store_true",
        help="JSON lines on stdout: one per settled trial, then the result",
    )
    report = out.add_mutually_exclusive_group()
    report.add_argument(
        "--report", type=Path, metavar="FILE", help="HTML report (default: ./NAME-report.html)"
    )
    report.add_argument("--no-report", action="store_true", help="write no report")
    return p


def _add_slurm(p: Parser) -> None:
    slurm = p.add_argument_group(
        "with --executor slurm", "each also a key of hpo.toml, and a variable HPO_SLURM_..."
    )
    for name, metavar, what in (
        (
            "workers-per-job",
            "N",
            "workers of a job, each with its own GPU if it has some (default: 1)",
        ),
        ("slurm-partition", "NAME", "partition (default: the cluster's own)"),
        ("slurm-time", "H:MM:SS", "time limit of a job; shortly before it, the job queues again"),
        ("slurm-account", "NAME", "who pays"),
        ("slurm-qos", "NAME", "quality of service"),
        ("slurm-constraint", "FEATURE", "what a node must have"),
        ("slurm-mem", "SIZE", "memory of a job, as in 8G"),
        ("slurm-gpus", "N", "GPUs of a job"),
    ):
        dest = f"slurm_{name.removeprefix('slurm-')}".replace("-", "_")
        kind = at_least(1) if metavar == "N" else str
        slurm.add_argument(f"--{name}", dest=dest, type=kind, metavar=metavar, help=what)
    slurm.add_argument(
        "--slurm-option",
        dest="slurm_options",
        action="append",
        metavar="KEY=VALUE",
        help="any other option of sbatch, as in reservation=lab; may be repeated",
    )
    slurm.add_argument(
        "--no-probe",
        dest="slurm_probe",
        action="store_false",
        default=None,
        help="submit at once, without a job that tries first to reach the database from a node",
    )
    slurm.add_argument(
        "--on-cancel",
        choices=["ask", "leave", "cancel"],
        help="what becomes of the jobs after Ctrl-C (default: ask at a terminal, else leave)",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and return the exit status."""
    working_directory_last()
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(given)

    def run() -> int:
        from hpo.launch import run as launch_run

        return launch_run.run(arguments, without_password(f"hpo launch {shlex.join(given)}"))

    return answer(run)


if __name__ == "__main__":
    sys.exit(main())
