"""The commands that change a study: stop, resume, enqueue, exclude, delete."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

from hpo.cli.common import next_step, opened, tell
from hpo.console import (
    EXIT_ERROR,
    JSON,
    STORAGE,
    STUDY,
    Add,
    Check,
    Command,
    Parser,
    argument,
    at_least,
    command,
    one_of,
    storage_option,
    study_of,
    values,
)
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.ledger.ledger import Ledger
    from hpo.study.result import Result


@dataclass
class ChangedStudy:
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
Change = Callable[[ChangedStudy], Answer]


def change(
    *arguments: Add,
    goes_on: bool = True,
    study_argument: Add = STUDY,
    check: Check | None = None,
) -> Callable[[Change], Command]:
    """Make a function that changes a study a command.

    Args:
        arguments: arguments besides study, storage and ``--json``.
        goes_on: whether to print the next step for the study.
        study_argument: the argument that names the study; without a name, the change is
            made to every open study.
        check: refuses arguments that do not go together.
    """

    def declare(do: Change) -> Command:
        @wraps(do)
        def run(options: argparse.Namespace) -> int:
            if options.study is None:
                return _change_every_open_one(do, options)
            with opened(options) as ledger:
                study = ChangedStudy(options.study, ledger, options)
                record, line = do(study)
                lines = [f"{study.name}: {line}"]
                if goes_on:
                    lines += next_step(options, study.result)
            return tell(options, {"study": study.name, **record}, *lines)

        return command(study_argument, *arguments, STORAGE, JSON, check=check)(run)

    return declare


def _change_every_open_one(do: Change, options: argparse.Namespace) -> int:
    """Change every open study, print what became of each, and return the exit status:
    1 if one could not be changed."""
    from hpo.study.trials import StudyState

    records = []
    lines = []
    status = 0
    with opened(options) as ledger:
        names = [one.name for one in ledger.studies() if one.state == StudyState.OPEN]
        for name in names:
            try:
                record, line = do(ChangedStudy(name, ledger, options))
            except HpoError as error:
                record = {"error": str(error)}
                line = f"error: {error}"
                status = EXIT_ERROR
            records.append({"study": name, **record})
            lines.append(f"{name}: {line}")
    tell(options, {"studies": records}, *(lines or ["no study is open"]))
    return status


RELEASE = argument(
    "--release",
    action="store_true",
    help="free its running trials, since their workers are dead",
)


@change(RELEASE, goes_on=False)
def stop(study: ChangedStudy) -> Answer:
    """Stop a study on all hosts; its workers first save a checkpoint.

    `hpo launch` and workers ignore the study until it is resumed.

    Examples:
        hpo stop seqdigits
            each worker saves a checkpoint at its next epoch and leaves the study
        hpo resume seqdigits
            resume it
        hpo stop seqdigits --release
            free the trials of workers that died with their host, without waiting for
            their leases
    """
    from hpo.ledger import interventions
    from hpo.views.sentences.formatting import plural

    held = interventions.stop(study.ledger, study.name, release=study.options.release)
    text = "stopped"
    if held:
        text += f"; workers save {plural(held, 'running trial')} at the next epoch"
    again = f"hpo resume {study.name}{storage_option(study.options.storage)}"
    return {"state": "stopped", "held": held}, f"{text}; resume with: {again}"


# --- hpo resume ---

_ALL = -1
"""``--retry`` without a trial: all failed ones."""


def _check_resume(parser: Parser, arguments: argparse.Namespace) -> None:
    retries = arguments.retry is not None
    if arguments.all and (arguments.study or retries or not arguments.accept_code):
        parser.error("argument --all: only allowed with --accept-code, without STUDY")
    others = (arguments.release, arguments.trials, arguments.priority)
    if arguments.accept_code and any(one not in (None, False) for one in others):
        parser.error("argument --accept-code: of the others only allowed with --retry")
    if not arguments.all and not arguments.study:
        parser.error("one of the arguments STUDY --study is required")


@change(
    one_of(
        RELEASE,
        argument(
            "--trials",
            type=at_least(1),
            metavar="N",
            help="raise its budget to N trials in all, as budget.trials in its file",
        ),
        argument(
            "--retry",
            type=at_least(0),
            nargs="?",
            const=_ALL,
            metavar="K",
            help="run trial K again, which failed (default: all failed trials)",
        ),
        argument(
            "--priority",
            type=int,
            metavar="N",
            help="serve it before studies of lower priority on shared workers",
        ),
    ),
    argument(
        "--accept-code",
        action="store_true",
        help=(
            "accept that its source has changed: its objective's, or hpo's; also with"
            " --retry"
        ),
    ),
    argument(
        "--all",
        action="store_true",
        help="with --accept-code: of every open study, as after an update of hpo",
    ),
    study_argument=study_of("name of the study", required=False),
    check=_check_resume,
)
def resume(study: ChangedStudy) -> Answer:
    """Resume a stopped or failed study, or change how it goes on.

    Each option makes its own change, and resumes no stopped study. Results stay
    reproducible: trials that began before a retry still see the failure; later ones
    wait for the new result and learn from it (`hpo trials --json` shows the first of
    them). No result depends on the priority, and no running trial is interrupted.
    Workers of `hpo launch` and `hpo worker STUDY` serve one study only.

    Examples:
        hpo resume seqdigits
            after `hpo stop`, or after too many failures, which stay failures
        hpo resume seqdigits --retry
            run the failed trials again instead, once the cause is fixed; a failed study
            opens again. If that has changed its source: --retry --accept-code
        hpo resume seqdigits --trials 200
            200 trials in all; old trials are kept, and confirmation considers all of
            them. `hpo launch seqdigits --trials 200` does the same and starts workers
        hpo resume mine --accept-code
            run it on a host with the new source: launches and workers with this source
            are then accepted; every view shows the first trial with it. If the change
            affects results: hpo launch mine.toml --name mine-2
        hpo resume --all --accept-code
            after an update of hpo: every open study goes on within seconds, except
            those whose own modules have changed
        hpo resume seqdigits --priority 5
            go before other studies (default: 0): a free worker serves the study of the
            highest priority with a trial to begin; studies of equal priority share
            workers
        hpo resume seqdigits --release
            let other workers resume the trials of dead workers at once, also in an open
            study
    """
    options = study.options
    if options.trials is not None:
        return _extend(study)
    if options.accept_code and options.retry is not None:
        accepted, how = _accept_code(study)
        retried, what = _retry(study)
        return {**accepted, **retried}, f"{how}; {what}"
    if options.retry is not None:
        return _retry(study)
    if options.accept_code:
        return _accept_code(study)
    if options.priority is not None:
        return _prioritise(study)
    return _reopen(study)


def _reopen(study: ChangedStudy) -> Answer:
    from hpo.ledger import interventions
    from hpo.views.sentences.formatting import plural

    was, freed = interventions.resume(
        study.ledger, study.name, release=study.options.release
    )
    text = {
        "open": "already open",
        "done": f"already done; for more trials: hpo resume {study.name} --trials N",
        "stopped": "open again",
        "failed": "open again; earlier failures no longer count",
    }[was]
    if freed:
        text += f"; {plural(freed, 'running trial')} released"
    return {"was": was, "state": study.result.state, "released": freed}, text


def _extend(study: ChangedStudy) -> Answer:
    from hpo.ledger import interventions
    from hpo.views.sentences import progress

    trials = study.options.trials
    extended = interventions.extend(study.ledger, study.name, trials) == "extended"
    text = "extended" if extended else "already has that budget"
    record = {"trials": trials, "extended": extended}
    return record, f"{text}; {progress.progress(study.result)}"


def _retry(study: ChangedStudy) -> Answer:
    from hpo.ledger import interventions

    trial = study.options.retry
    if trial == _ALL:
        trial = None
    retried = interventions.retry(study.ledger, study.name, trial)
    slots = {(slot.phase, slot.number): slot for slot in study.result.all_trials}
    names = [study.result.label(slots[key]) for key in retried]
    if names:
        text = f"will run again: {'; '.join(names)}"
    elif trial is None:
        text = "no trial has failed"
    else:
        text = f"trial {trial} is already waiting or running"
    records = [{"phase": phase, "number": number} for phase, number in retried]
    return {"state": study.result.state, "retried": records}, text


def _accept_code(study: ChangedStudy) -> Answer:
    from hpo.ledger import interventions
    from hpo.views.sentences.formatting import plural

    accepted = interventions.accept_code(
        study.ledger, study.name, only_ours=study.options.all
    )
    if accepted is None:
        unchanged: dict[str, Any] = {"since": None, "running": [], "modules": []}
        return unchanged, "the source has not changed"
    text = (
        f"accepted the source on this host, from trial {accepted.since} on:"
        f" {', '.join(accepted.modules)}; workers that refused it go on within seconds"
    )
    if accepted.running:
        trials = plural(len(accepted.running), "running trial")
        numbers = ", ".join(map(str, accepted.running))
        text += f"; {trials} ({numbers}) may end on the source before"
    return vars(accepted), text


def _prioritise(study: ChangedStudy) -> Answer:
    from hpo.ledger import interventions

    priority = study.options.priority
    was, now = interventions.prioritise(study.ledger, study.name, priority)
    text = f"priority {now}"
    if was != now:
        text += f" (was {was})"
    return {"priority": now, "was": was}, text


# --- trials ---


@change(values)
def enqueue(study: ChangedStudy) -> Answer:
    """Set the parameters of the next trial that has not begun.

    Results stay reproducible: the trial gets its number at once, and earlier trials do
    not change. It counts against the budget; to undo it: hpo exclude.

    Examples:
        hpo enqueue seqdigits tau_ns=3 lr0=0.2
            the sampler suggests the other parameters, as after Optuna's
            `enqueue_trial`, and learns from the result; a function ignores a parameter
            that it does not ask for
    """
    from hpo.ledger import interventions
    from hpo.study import file
    from hpo.views.sentences import formatting

    params = dict(
        file.parse_override(text, "tau_ns=3") for text in study.options.params
    )
    trial = interventions.enqueue(study.ledger, study.name, params)
    enqueued = study.result.search[trial].enqueued
    record = {"trial": trial, "enqueued": enqueued, "state": study.result.state}
    spec = study.result.spec
    chosen = formatting.params_text(enqueued, None if spec.is_function else spec)
    line = f"trial {trial} gets {chosen}"
    unknown = [name for name in enqueued if name not in spec.dimensions]
    if unknown:
        line += (
            f"; no trial so far has asked for {', '.join(unknown)}: if the function"
            " never does, it makes no difference"
        )
    return record, line


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
def exclude(study: ChangedStudy) -> Answer:
    """Exclude a trial from ranking and later suggestions: bad, or killing its workers.

    Results stay reproducible: trials claimed before the exclusion still see the trial,
    later ones do not. The first such trial is stored.

    Examples:
        hpo exclude seqdigits --trial 7 --reason "wrong data on host b"
            ranking, confirmation and later suggestions ignore trial 7; every view shows
            it as excluded, with the reason
        hpo exclude --study seqdigits --trial 7 --json
            print the result for a script
    """
    from hpo.ledger import interventions

    trial = study.options.trial
    since = interventions.exclude(study.ledger, study.name, trial, study.options.reason)
    record = {"trial": trial, "since": since, "state": study.result.state}
    return record, f"trial {trial} excluded; trials from {since} on do not see it"


# --- hpo delete ---


@change(
    argument("--yes", action="store_true", help="delete without confirmation"),
    goes_on=False,
)
def delete(study: ChangedStudy) -> Answer:
    """Delete a study with all its trials, also from Optuna's tables.

    Examples:
        hpo delete seqdigits
            asks for confirmation; `hpo export seqdigits --backup FILE` keeps a copy for
            hpo import
        hpo delete seqdigits --yes
            delete it without confirmation, as scripts need
        hpo stop seqdigits
            stop it first while workers serve it
    """
    from hpo.ledger import interventions

    if not study.options.yes:
        _ask_for_confirmation(study)
    interventions.delete_study(study.ledger, study.name)
    return {"deleted": True}, "deleted"


def _ask_for_confirmation(study: ChangedStudy) -> None:
    from hpo.views.sentences import progress
    from hpo.views.terminal import status

    name = study.name
    if not sys.stdin.isatty():
        raise HpoError(
            f"study {name!r}: refusing to delete it without confirmation. Use: "
            f"hpo delete {name}{storage_option(study.options.storage)} --yes."
        )
    print(*status.event_lines(study.ledger.events(5, name)), sep="\n")
    state = progress.progress(study.result)
    answer = input(f"Delete {name} ({state}) for ever? Type its name: ").strip()
    if answer != name:
        raise HpoError(f"study {name!r}: not deleted, since you typed {answer!r}.")
