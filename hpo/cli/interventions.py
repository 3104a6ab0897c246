"""The commands that change a study: stop, resume, extend, enqueue, retry, and so on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

from hpo.cli.common import next_step, opened, tell
from hpo.console import (
    JSON,
    STORAGE,
    STUDY,
    Add,
    Command,
    argument,
    at_least,
    command,
    storage_option,
    values,
)
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.ledger.ledger import Ledger
    from hpo.study.result import Result


@dataclass
class Study:
    """The study to change."""

    name: str
    ledger: Ledger
    options: argparse.Namespace

    @cached_property
    def result(self) -> Result:
        """The study at the first access, which comes after the change."""
        return self.ledger.result(self.name)


Answer = tuple[dict[str, Any], str]
"""A record for programs, and a line for people without the study's name."""
Change = Callable[[Study], Answer]


def change(*arguments: Add, goes_on: bool = True) -> Callable[[Change], Command]:
    """Make a function that changes a study a command.

    Args:
        arguments: arguments besides study, storage and ``--json``.
        goes_on: whether to print the next step for the study.
    """

    def declare(do: Change) -> Command:
        @wraps(do)
        def run(options: argparse.Namespace) -> int:
            with opened(options) as ledger:
                study = Study(options.study, ledger, options)
                record, line = do(study)
                lines = next_step(options, study.result) if goes_on else []
            return tell(
                options,
                {"study": study.name, **record},
                f"{study.name}: {line}",
                *lines,
            )

        return command(STUDY, *arguments, STORAGE, JSON)(run)

    return declare


RELEASE = argument(
    "--release",
    action="store_true",
    help="free its running trials, since their workers are dead",
)


@change(RELEASE, goes_on=False)
def stop(study: Study) -> Answer:
    """Stop a study on all hosts; its workers first save a checkpoint.

    `hpo launch` and workers ignore the study until it is resumed.

    Examples:
        hpo stop seqdigits
            each worker saves a checkpoint at its next epoch and leaves the study
        hpo resume seqdigits
            resume it
        hpo stop seqdigits --release free the trials of workers that died with their
            host, without waiting for their leases
    """
    from hpo.ledger import interventions

    held = interventions.stop(study.ledger, study.name, release=study.options.release)
    saving = (
        f"; {held} running trials save a checkpoint at their next epoch" if held else ""
    )
    again = f"hpo resume {study.name}{storage_option(study.options.storage)}"
    return {"state": "stopped", "held": held}, f"stopped{saving}; resume with: {again}"


@change(RELEASE)
def resume(study: Study) -> Answer:
    """Resume a stopped or failed study.

    Examples:
        hpo resume seqdigits
            after `hpo stop`, or after too many failures, which stay failures
        hpo retry seqdigits
            run the failed trials again instead, once the cause is fixed
        hpo resume seqdigits --release let other workers resume the trials of dead
            workers at once, also in an open study
    """
    from hpo.ledger import interventions

    was, freed = interventions.resume(
        study.ledger, study.name, release=study.options.release
    )
    text = {
        "open": "already open",
        "done": "already done; for more trials: hpo extend",
        "stopped": "open again",
        "failed": "open again; earlier failures no longer count",
    }[was]
    record = {"was": was, "state": study.result.state, "released": freed}
    return record, text + f"; {freed} running trials released" * bool(freed)


@change(
    argument(
        "--trials", type=at_least(1), required=True, metavar="N", help="trials in all"
    )
)
def extend(study: Study) -> Answer:
    """Add trials to the budget of a study, as a larger budget.trials in its file does.

    Examples:
        hpo extend seqdigits --trials 200 200 trials in all; old trials are kept, and
            confirmation considers all of them
        hpo launch --study seqdigits --trials 200
            the same, and start workers
    """
    from hpo.ledger import interventions
    from hpo.views.sentences import verdict

    trials = study.options.trials
    extended = interventions.extend(study.ledger, study.name, trials) == "extended"
    head = "extended" if extended else "already has that budget"
    record = {"trials": trials, "extended": extended}
    return record, f"{head}; {verdict.progress(study.result)}"


@change(values)
def enqueue(study: Study) -> Answer:
    """Set the parameters of the next trial that has not begun.

    Results stay reproducible: the trial gets its number at once, and earlier trials do
    not change. It counts against the budget; to undo it: hpo exclude.

    Examples:
        hpo enqueue seqdigits tau_ns=3 lr0=0.2 the sampler suggests the other
            parameters, as after Optuna's `enqueue_trial`, and learns from the result
    """
    from hpo.ledger import interventions
    from hpo.study import file
    from hpo.views.terminal import text_tables

    params = dict(
        file.parse_override(text, "tau_ns=3") for text in study.options.params
    )
    trial = interventions.enqueue(study.ledger, study.name, params)
    result = study.result
    enqueued = result.search[trial].enqueued
    record = {"trial": trial, "enqueued": enqueued, "state": result.state}
    return (
        record,
        f"trial {trial} gets {text_tables.params_text(enqueued, result.spec)}",
    )


@change(
    argument(
        "--trial", type=at_least(0), metavar="K", help="default: all failed trials"
    )
)
def retry(study: Study) -> Answer:
    """Run failed trials again, with the same parameters.

    Results stay reproducible: trials claimed before the retry still see the failure;
    later ones wait for the new result and learn from it. `hpo trials --json` shows the
    first such trial.

    Examples:
        hpo retry seqdigits --trial 7 retry trial 7, and its confirmation if that
            failed; a failed study opens again
        hpo retry seqdigits
            retry all failed trials
    """
    from hpo.ledger import interventions

    trial = study.options.trial
    retried = interventions.retry(study.ledger, study.name, trial)
    slots = {(slot.phase, slot.number): slot for slot in study.result.all_trials}
    names = [study.result.label(slots[key]) for key in retried]
    text = f"will run again: {'; '.join(names)}" if names else "no trial has failed"
    if not names and trial is not None:
        text = f"trial {trial} is already waiting or running"
    records = [{"phase": phase, "number": number} for phase, number in retried]
    return {"state": study.result.state, "retried": records}, text


@change(
    argument(
        "--trial",
        type=at_least(0),
        required=True,
        metavar="K",
        help="number of the trial",
    ),
    argument(
        "--reason", default="", metavar="TEXT", help="reason, shown with the trial"
    ),
)
def exclude(study: Study) -> Answer:
    """Exclude a bad trial, or one that kills its workers, from ranking and later
    suggestions.

    Results stay reproducible: trials claimed before the exclusion still see the trial,
    later ones do not. The first such trial is stored.

    Examples:
        hpo exclude seqdigits --trial 7 --reason "wrong data on host b" ranking,
            confirmation and later suggestions ignore trial 7; every view shows it as
            excluded, with the reason
        hpo exclude --study seqdigits --trial 7 --json
            print the result for a script
    """
    from hpo.ledger import interventions

    trial = study.options.trial
    since = interventions.exclude(study.ledger, study.name, trial, study.options.reason)
    record = {"trial": trial, "since": since, "state": study.result.state}
    return record, f"trial {trial} excluded; trials from {since} on do not see it"


@change(
    argument("number", nargs="?", type=int, metavar="NUMBER", help="default: show it"),
    goes_on=False,
)
def priority(study: Study) -> Answer:
    """Show or set the priority of a study on shared workers.

    Running trials are never interrupted, and no result depends on the priority. Workers
    of `hpo launch` and `hpo worker STUDY` serve one study only.

    Examples:
        hpo priority seqdigits
            show it
        hpo priority seqdigits 5 go before other studies (default: 0): a free worker
            serves the study of the highest priority with a trial to begin; studies of
            equal priority share workers
        hpo priority seqdigits -1
            use only workers that other studies leave idle
    """
    from hpo.ledger import interventions

    was, now = interventions.prioritise(study.ledger, study.name, study.options.number)
    return {"priority": now, "was": was}, f"priority {now}" + f" (was {was})" * (
        was != now
    )


@change()
def accept_code(study: Study) -> Answer:
    """Accept that the source of a study's objective has changed.

    Examples:
        hpo accept-code mine run it on a host with the new source: launches and workers
            with this source are then accepted; every view shows the first trial with it
        hpo launch --study mine.toml --name mine-2
            start a new study instead if the change affects results
    """
    from hpo.ledger import interventions

    since = interventions.accept_code(study.ledger, study.name)
    text = f"accepted the source on this host, from trial {since} on"
    return {"since": since}, "the source has not changed" if since is None else text


@change(
    argument("--yes", action="store_true", help="delete without confirmation"),
    goes_on=False,
)
def delete(study: Study) -> Answer:
    """Delete a study with all its trials, also from Optuna's tables.

    Examples:
        hpo delete seqdigits asks for confirmation; `hpo export seqdigits --backup FILE`
            keeps a copy for hpo import
        hpo delete seqdigits --yes
            delete it without confirmation, as scripts need
        hpo stop seqdigits
            stop it first while workers serve it
    """
    from hpo.ledger import interventions

    if not study.options.yes:
        _ask(study)
    interventions.delete_study(study.ledger, study.name)
    return {"deleted": True}, "deleted"


def _ask(study: Study) -> None:
    from hpo.views.sentences import verdict
    from hpo.views.terminal import status

    name = study.name
    if not sys.stdin.isatty():
        raise HpoError(
            f"study {name!r}: refusing to delete it without confirmation. Use: "
            f"hpo delete {name}{storage_option(study.options.storage)} --yes."
        )
    print(*status.event_lines(study.ledger.events(5, name)), sep="\n")
    progress = verdict.progress(study.result)
    answer = input(f"Delete {name} ({progress}) for ever? Type its name: ").strip()
    if answer != name:
        raise HpoError(f"study {name!r}: not deleted, since you typed {answer!r}.")
