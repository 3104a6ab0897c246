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
)
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.ledger.ledger import Ledger
    from hpo.study.result import Result


@dataclass
class Study:
    """The study that is to be changed."""

    name: str
    ledger: Ledger
    given: argparse.Namespace

    @cached_property
    def result(self) -> Result:
        """The study as it is when this is asked for: after the change."""
        return self.ledger.result(self.name)


Said = tuple[dict[str, Any], str]
"""What is told of a change: the record for programs, and a line for people, without the name."""


def change(*arguments: Add, goes_on: bool = True) -> Callable[[Callable[[Study], Said]], Command]:
    """Make a function that changes a study a command.

    Args:
        arguments: besides study, storage and ``--json``.
        goes_on: whether the study is there afterwards, and what to do with it is told.
    """

    def declare(do: Callable[[Study], Said]) -> Command:
        @wraps(do)
        def run(given: argparse.Namespace) -> int:
            with opened(given) as ledger:
                study = Study(given.study, ledger, given)
                record, line = do(study)
                lines = next_step(given, study.result) if goes_on else []
            return tell(given, {"study": study.name, **record}, f"{study.name}: {line}", *lines)

        return command(STUDY, *arguments, STORAGE, JSON)(run)

    return declare


RELEASE = argument(
    "--release", action="store_true", help="free its running trials: their workers are dead"
)


@change(RELEASE, goes_on=False)
def stop(study: Study) -> Said:
    """Stop a study everywhere: its workers keep their training safe and leave it.

    Until it is resumed, `hpo launch` and workers leave it alone.

    Examples:
        hpo stop seqdigits
            from any host: trials at work are saved at their next epoch and given up
        hpo resume seqdigits
            the other way round
        hpo stop seqdigits --release
            its workers were lost with their host; their leases of days need not run out
    """
    from hpo.ledger import interventions

    held = interventions.stop(study.ledger, study.name, release=study.given.release)
    saving = f"; {held} trials at work are saved at their next epoch and given up" if held else ""
    again = f"hpo resume {study.name}{storage_option(study.given.storage)}"
    return {"state": "stopped", "held": held}, f"stopped{saving}; go on with: {again}"


@change(RELEASE)
def resume(study: Study) -> Said:
    """Let workers go on with a study that was stopped, or that failed.

    Examples:
        hpo resume seqdigits
            after `hpo stop`, or after too many failures, which are accepted as such
        hpo retry seqdigits
            instead, if the cause of the failures is mended: runs the failed trials again
        hpo resume seqdigits --release
            open or not: others go on at once with the trials of workers that are dead
    """
    from hpo.ledger import interventions

    was, freed = interventions.resume(study.ledger, study.name, release=study.given.release)
    done = {
        "open": "is open as it is",
        "done": "is done; for more trials: hpo extend",
        "stopped": "open again",
        "failed": "open again; the failures so far count no longer against it",
    }[was]
    record = {"was": was, "state": study.result.state, "released": freed}
    return record, done + f"; {freed} running trials are free" * bool(freed)


@change(argument("--trials", type=at_least(1), required=True, metavar="N", help="trials in all"))
def extend(study: Study) -> Said:
    """Enlarge the budget of a study, as a larger budget.trials in its file does.

    Examples:
        hpo extend seqdigits --trials 200
            200 in all; trials are kept, and what is confirmed is chosen from all of them
        hpo launch --study seqdigits --trials 200
            the same, with workers that run them at once
    """
    from hpo.ledger import interventions
    from hpo.views import verdict

    trials = study.given.trials
    extended = interventions.extend(study.ledger, study.name, trials) == "extended"
    head = "extended" if extended else "has that budget already"
    record = {"trials": trials, "extended": extended}
    return record, f"{head}; {verdict.progress(study.result)}"


@change(argument("params", nargs="+", metavar="NAME=VALUE", help="parameters of the search"))
def enqueue(study: Study) -> Said:
    """Give the next trial that nobody has begun parameters of your own.

    Results stay reproducible: the trial gets its number at once, and keeps it whoever runs it;
    trials before it do not change. It is one of the budget's; to take it back: hpo exclude.

    Examples:
        hpo enqueue seqdigits tau_ns=3 lr0=0.2
            the sampler suggests the others, as with Optuna's `enqueue_trial`, and learns from the
            result
    """
    from hpo.ledger import interventions
    from hpo.study import file
    from hpo.views.terminal import text_tables

    params = dict(file.parse_override(text, "tau_ns=3") for text in study.given.params)
    trial = interventions.enqueue(study.ledger, study.name, params)
    result = study.result
    told = result.search[trial].enqueued
    record = {"trial": trial, "enqueued": told, "state": result.state}
    return record, f"trial {trial} gets {text_tables.params_text(told, result.spec)}"


@change(argument("--trial", type=at_least(0), metavar="K", help="default: all that failed"))
def retry(study: Study) -> Said:
    """Run failed trials again, with the parameters they had.

    Results stay reproducible: a trial that was claimed before the retry goes on seeing the
    failure; those after it wait for the new result and learn from it. `hpo trials --json` shows
    from which trial on.

    Examples:
        hpo retry seqdigits --trial 7
            trial 7, and its confirmation if that failed; a study that failed is open again
        hpo retry seqdigits
            all that failed
    """
    from hpo.ledger import interventions

    own = study.given.trial
    retried = interventions.retry(study.ledger, study.name, own)
    slots = {(slot.phase, slot.number): slot for slot in study.result.every}
    names = [study.result.called(slots[key]) for key in retried]
    text = f"to be run again: {'; '.join(names)}" if names else "nothing has failed"
    if not names and own is not None:
        text = f"trial {own} is to be run, or running, already"
    found = [{"phase": phase, "number": number} for phase, number in retried]
    return {"state": study.result.state, "retried": found}, text


@change(
    argument("--trial", type=at_least(0), required=True, metavar="K", help="its number"),
    argument("--reason", default="", metavar="TEXT", help="shown with it, for ever"),
)
def exclude(study: Study) -> Said:
    """Take a bad trial, or one that kills its workers, out of ranking and later suggestions.

    Results stay reproducible: a trial that was claimed before goes on seeing it, those after it do
    not. From which trial on is stored with it.

    Examples:
        hpo exclude seqdigits --trial 7 --reason "wrong data on host b"
            it leaves ranking, confirmation, and the history that later suggestions see; every view
            shows it as excluded, with the reason
        hpo exclude --study seqdigits --trial 7 --json
            what happened, for scripts
    """
    from hpo.ledger import interventions

    trial = study.given.trial
    since = interventions.exclude(study.ledger, study.name, trial, study.given.reason)
    record = {"trial": trial, "since": since, "state": study.result.state}
    return record, f"trial {trial} is excluded; trials from {since} on do not see it"


@change(
    argument("number", nargs="?", type=int, metavar="NUMBER", help="default: show it"),
    goes_on=False,
)
def priority(study: Study) -> Said:
    """Show the priority of a study, or set it: whom workers that serve all studies serve first.

    Running trials are never interrupted, and no result depends on it. Workers of `hpo launch` and
    `hpo worker STUDY` serve their own study alone.

    Examples:
        hpo priority seqdigits
            what it is
        hpo priority seqdigits 5
            above studies without one (0): whenever a worker is free, the study of the highest
            priority that has a trial to begin gets it; studies of the same priority share
        hpo priority seqdigits -1
            below them: it gets what the others leave
    """
    from hpo.ledger import interventions

    was, now = interventions.prioritise(study.ledger, study.name, study.given.number)
    return {"priority": now, "was": was}, f"priority {now}" + (
        f" (was {was})" if was != now else ""
    )


@change()
def accept_code(study: Study) -> Said:
    """Go on with a study although the source of its objective has changed.

    Examples:
        hpo accept-code mine
            on a host with the new source: launches and workers that have it are no longer refused;
            every view says from which trial on
        hpo launch --study mine.toml --name mine-2
            instead, where results depend on what was changed: nothing is mixed
    """
    from hpo.ledger import interventions

    since = interventions.accept_code(study.ledger, study.name)
    text = f"is computed with the source as it is here, from trial {since} on"
    return {"since": since}, "its source has not changed" if since is None else text


@change(argument("--yes", action="store_true", help="do not ask"), goes_on=False)
def delete(study: Study) -> Said:
    """Delete a study with all its trials, in Optuna's tables, too.

    Examples:
        hpo delete seqdigits
            asks first; `hpo export seqdigits --backup FILE` keeps what can be imported again
        hpo delete seqdigits --yes
            without asking, as scripts need
        hpo stop seqdigits
            first, while workers are at work on it
    """
    from hpo.ledger import interventions

    if not study.given.yes:
        _ask(study)
    interventions.delete_study(study.ledger, study.name)
    return {"deleted": True}, "deleted"


def _ask(study: Study) -> None:
    from hpo.views import verdict
    from hpo.views.terminal import status

    name = study.name
    if not sys.stdin.isatty():
        raise HpoError(
            f"study {name!r}: to delete it must be confirmed, but there is no terminal to ask on. "
            f"Say so with: hpo delete {name}{storage_option(study.given.storage)} --yes."
        )
    print(*status.event_lines(study.ledger.events(5, name)), sep="\n")
    has = verdict.progress(study.result)
    said = input(f"Delete {name} ({has}) for ever? Type its name: ").strip()
    if said != name:
        raise HpoError(f"study {name!r}: kept, since you typed {said!r}.")
