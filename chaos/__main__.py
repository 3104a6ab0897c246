"""``python -m chaos``: disturb studies in many ways, and show that nothing was lost."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from chaos.crew import FILES
from hpo.console import Parser, answer, at_least, seconds

_EXAMPLES = """\
make chaos
    ten minutes, on an embedded server of its own
make chaos CHAOS="--seconds 60 --seed 7"
    one minute, with the same decisions as another run with seed 7
python -m chaos --storage postgresql://me@server/postgres
    on an existing server, in databases that it creates and drops; without restarts
python -m chaos --seconds 3600 --workers 8
    an hour with twice the workers
python -m chaos --returns
    base backups and dumps are restored meanwhile, and standbys promoted; what they
    lack is trained again

In each round, one worker runs each of three studies of small spintronic networks
undisturbed: a successive halving with a confirmation by posterior mean; replicated
networks under a median pruner; a conditional and constrained space per layer. Then
several workers run these studies again in a storm, and a fourth study that is amended
by hand meanwhile. The storm kills, terminates and pauses workers and launchers beyond
their leases, stops, crashes and restarts the database, which has unusual settings, cuts
connections, and starts and ends more launchers. Afterwards the tables are compared bit
for bit, and the trials of the fourth study with its amendments and history. No budget
may be exceeded, nothing may still run, and nothing may be trained again after it was
stored.
Exit status: 0 if all checks pass, else 1 (the evidence is kept)."""


def parser() -> Parser:
    """The command line of a chaos run."""
    p = Parser(
        "python -m chaos", "Disturb studies, and show that nothing was lost.", _EXAMPLES
    )
    p.add_argument(
        "--seed",
        type=at_least(0),
        metavar="N",
        help="seed of all decisions (default: new)",
    )
    p.add_argument(
        "--seconds", type=seconds, default=600.0, help="total time (default: 600)"
    )
    p.add_argument(
        "--workers",
        type=at_least(1),
        default=4,
        metavar="N",
        help="workers (default: 4)",
    )
    p.add_argument(
        "--studies",
        nargs="+",
        choices=FILES,
        default=[*FILES],
        metavar="STUDY",
        help=f"of {', '.join(FILES)} (default: all)",
    )
    p.add_argument(
        "--trials",
        type=at_least(1),
        metavar="N",
        help="trials of each study (default: 8 to 40, by the time)",
    )
    p.add_argument(
        "--lease",
        type=seconds,
        default=3.0,
        help="lease of every worker, in seconds (default: 3)",
    )
    p.add_argument(
        "--pace",
        type=seconds,
        default=0.7,
        help="seconds from one disturbance to the next, on average (default: 0.7)",
    )
    p.add_argument(
        "--returns",
        action="store_true",
        help="let the database come back in earlier states, too: a base backup starts"
        " in its place, a standby is promoted, a dump is restored in place",
    )
    p.add_argument(
        "--storage",
        metavar="URL",
        help="PostgreSQL server; its user may create databases (default: embedded)",
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run rounds, and return the exit status."""
    arguments = parser().parse_args(argv)
    return answer(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Run rounds until the time is over, and return the exit status."""
    import optuna

    from chaos.rounds import Round, summary
    from chaos.server import Given, Own

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = (
        arguments.seed
        if arguments.seed is not None
        else random.SystemRandom().randrange(10**6)
    )
    folder = Path(tempfile.mkdtemp(prefix=f"hpo-chaos-{seed}-"))
    folder.chmod(0o711)  # an embedded server under root runs as somebody else
    print(
        f"chaos: seed {seed}, {arguments.seconds:g} s, evidence in {folder}", flush=True
    )
    began = time.monotonic()
    server = Given(arguments.storage) if arguments.storage else Own(folder / "home")
    rounds: list[Round] = []
    try:
        while True:
            left_s = arguments.seconds - (time.monotonic() - began)
            this = Round(
                arguments,
                server,
                folder / f"round-{len(rounds) + 1}",
                seed + len(rounds),
            )
            rounds.append(this)
            this.run(left_s)
            left_s = arguments.seconds - (time.monotonic() - began)
            if this.failures or left_s < 1.2 * max(r.seconds for r in rounds):
                break
        if not any(r.failures for r in rounds):
            server.drop()
    finally:
        server.close()
    print(summary(rounds))
    if any(r.failures for r in rounds):
        print(
            f"chaos: FAILED with seed {seed}; the evidence is in {folder}", flush=True
        )
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
