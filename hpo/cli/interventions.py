"""The commands that change a study: stop, resume, extend, enqueue, retry, and so on."""

from __future__ import annotations

import argparse
import sys

from hpo.cli.common import (
    JSON,
    STORAGE,
    STUDY,
    argument,
    command,
    next_step,
    opened,
    tell,
)
from hpo.console import at_least, storage_option
from hpo.errors import HpoError


@command(
    "Stop a study everywhere: its workers keep their training safe and leave it.",
    """\
hpo stop seqdigits
    from any host: trials at work are saved at their next epoch and given up, nothing is lost
hpo resume seqdigits
    the other way round; until then `hpo launch` and workers leave the study alone""",
    STUDY,
    STORAGE,
    JSON,
)
def stop(arguments: argparse.Namespace) -> int:
    """No worker goes on with the study until it is resumed."""
    from hpo.ledger import interventions

    with opened(arguments) as ledger:
        held = interventions.stop(ledger, arguments.study)
    name, storage = arguments.study, storage_option(arguments.storage)
    saving = f"; {held} trials at work are saved at their next epoch and given up" if held else ""
    record = {"study": name, "state": "stopped", "held": held}
    return tell(
        arguments, record, f"{name}: stopped{saving}", f"go on with: hpo resume {name}{storage}"
    )


@command(
    "Let workers go on with a study that was stopped, or that failed.",
    """\
hpo resume seqdigits
    after `hpo stop`, or after too many trials failed: the failures so far are accepted as such
hpo retry seqdigits
    instead, if the cause of the failures is mended: runs the failed trials again""",
    STUDY,
    STORAGE,
    JSON,
)
def resume(arguments: argparse.Namespace) -> int:
    """Open a study again."""
    from hpo.ledger import interventions

    name = arguments.study
    with opened(arguments) as ledger:
        was = interventions.resume(ledger, name)
        result = ledger.result(name)
    done = {
        "open": "is open as it is",
        "done": "is done; for more trials: hpo extend",
        "stopped": "open again",
        "failed": "open again; the failures so far count no longer against it",
    }[was]
    record = {"study": name, "was": was, "state": result.state}
    return tell(arguments, record, f"{name}: {done}", *next_step(arguments, result))


@command(
    "Enlarge the budget of a study, as a larger budget.trials in its file does.",
    """\
hpo extend seqdigits --trials 200
    200 trials in all; what is there is kept, and what is confirmed is chosen from all of them
hpo launch --study seqdigits --trials 200
    the same, with workers that run them at once""",
    STUDY,
    argument("--trials", type=at_least(1), required=True, metavar="N", help="trials in all"),
    STORAGE,
    JSON,
)
def extend(arguments: argparse.Namespace) -> int:
    """Give a study more trials."""
    from hpo.ledger import interventions
    from hpo.views import verdict

    name, trials = arguments.study, arguments.trials
    with opened(arguments) as ledger:
        extended = interventions.extend(ledger, name, trials) == "extended"
        result = ledger.result(name)
    record = {"study": name, "trials": trials, "extended": extended}
    head = "extended" if extended else "has that budget already"
    line = f"{name}: {head}; {verdict.progress(result)}"
    return tell(arguments, record, line, *next_step(arguments, result))


@command(
    "Give the next trial that nobody has begun parameters of your own.",
    """\
hpo enqueue seqdigits --set tau_ns=3 --set lr0=0.2
    the sampler suggests the others, as with Optuna's `enqueue_trial`, and learns from the result

Results stay reproducible: the trial gets its number at once, and keeps it whoever runs it; trials
before it do not change. It is one of the budget's; to take it back: hpo exclude.""",
    STUDY,
    argument(
        "--set",
        action="append",
        required=True,
        dest="params",
        metavar="NAME=VALUE",
        help="a parameter of the search; may be repeated",
    ),
    STORAGE,
    JSON,
)
def enqueue(arguments: argparse.Namespace) -> int:
    """Give the next trial parameters."""
    from hpo.ledger import interventions
    from hpo.study import file
    from hpo.views.terminal import tables

    name = arguments.study
    params = dict(file.parse_override(text, "tau_ns=3") for text in arguments.params)
    with opened(arguments) as ledger:
        trial = interventions.enqueue(ledger, name, params)
        result = ledger.result(name)
    told = result.search[trial].enqueued
    record = {"study": name, "trial": trial, "enqueued": told, "state": result.state}
    line = f"{name}: trial {trial} gets {tables.params_text(told, result.spec)}"
    return tell(arguments, record, line, *next_step(arguments, result))


@command(
    "Run failed trials again, with the parameters they had.",
    """\
hpo retry seqdigits --trial 7
    trial 7, and its confirmation if that failed; a study that failed is open again
hpo retry seqdigits
    all that failed

Results stay reproducible: a trial that was claimed before the retry goes on seeing the failure;
those after it wait for the new result and learn from it. `hpo trials --json` shows from which
trial on.""",
    STUDY,
    argument("--trial", type=at_least(0), metavar="K", help="default: all that failed"),
    STORAGE,
    JSON,
)
def retry(arguments: argparse.Namespace) -> int:
    """Open failed trials again."""
    from hpo.ledger import interventions
    from hpo.views.terminal import tables

    name = arguments.study
    with opened(arguments) as ledger:
        retried = interventions.retry(ledger, name, arguments.trial)
        result = ledger.result(name)
    slots = {(slot.phase, slot.number): slot for slot in result.every}
    names = [tables.slot_name(result, slots[key]) for key in retried]
    record = {
        "study": name,
        "state": result.state,
        "retried": [{"phase": phase, "number": number} for phase, number in retried],
    }
    text = f"to be run again: {'; '.join(names)}" if names else "nothing has failed"
    if not names and arguments.trial is not None:
        text = f"trial {arguments.trial} is to be run, or running, already"
    return tell(arguments, record, f"{name}: {text}", *next_step(arguments, result))


@command(
    "Take a bad trial, or one that kills its workers, out of ranking and later suggestions.",
    """\
hpo exclude seqdigits --trial 7 --reason "wrong data on host b"
    it leaves the ranking, the confirmation, and the history that later suggestions see; every
    view shows it as excluded, with the reason
hpo exclude --study seqdigits --trial 7 --json
    what happened, for scripts

Results stay reproducible: a trial that was claimed before goes on seeing it, those after it do not.
From which trial on is stored with it.""",
    STUDY,
    argument("--trial", type=at_least(0), required=True, metavar="K", help="its number"),
    argument("--reason", default="", metavar="TEXT", help="shown with it, for ever"),
    STORAGE,
    JSON,
)
def exclude(arguments: argparse.Namespace) -> int:
    """Take a trial out of the search."""
    from hpo.ledger import interventions

    name, trial = arguments.study, arguments.trial
    with opened(arguments) as ledger:
        since = interventions.exclude(ledger, name, trial, arguments.reason)
        result = ledger.result(name)
    record = {"study": name, "trial": trial, "since": since, "state": result.state}
    line = f"{name}: trial {trial} is excluded; trials from {since} on do not see it"
    return tell(arguments, record, line, *next_step(arguments, result))


@command(
    "Show the priority of a study, or set it: whom workers that serve all studies serve first.",
    """\
hpo priority seqdigits
    what it is
hpo priority seqdigits 5
    above studies without one (0): from now on, whenever a worker is free, the study with the
    highest priority that has a trial to begin gets it; studies of the same priority share
hpo priority seqdigits -1
    below them: it gets what the others leave

Running trials are never interrupted, and no result depends on it: it decides only which study is
served first. Workers of `hpo launch` and `hpo worker STUDY` serve their own study alone.""",
    STUDY,
    argument("number", nargs="?", type=int, metavar="NUMBER", help="default: show it"),
    STORAGE,
    JSON,
)
def priority(arguments: argparse.Namespace) -> int:
    """Show a priority, or set it."""
    from hpo.ledger import interventions

    name = arguments.study
    with opened(arguments) as ledger:
        was, now = interventions.prioritise(ledger, name, arguments.number)
    line = f"{name}: priority {now}" + (f" (was {was})" if was != now else "")
    return tell(arguments, {"study": name, "priority": now, "was": was}, line)


@command(
    "Go on with a study although the source of its objective has changed.",
    """\
hpo accept-code mine
    on a host with the new source: launches and workers that have it are no longer refused; every
    view says from which trial on
hpo launch --study mine.toml --name mine-2
    instead, where results depend on what was changed: nothing is mixed""",
    STUDY,
    STORAGE,
    JSON,
)
def accept_code(arguments: argparse.Namespace) -> int:
    """Pin the source as it is here."""
    from hpo.ledger import interventions

    name = arguments.study
    with opened(arguments) as ledger:
        since = interventions.accept_code(ledger, name)
        result = ledger.result(name)
    text = f"is computed with the source as it is here, from trial {since} on"
    line = f"{name}: {text if since is not None else 'its source has not changed'}"
    return tell(arguments, {"study": name, "since": since}, line, *next_step(arguments, result))


@command(
    "Delete a study with all its trials, in Optuna's tables, too.",
    """\
hpo delete seqdigits
    asks first; what `hpo export seqdigits --backup seqdigits.jsonl.gz` kept can be imported again
hpo delete seqdigits --yes
    without asking, as scripts need
hpo stop seqdigits
    first, while workers are at work on it""",
    STUDY,
    argument("--yes", action="store_true", help="do not ask"),
    STORAGE,
    JSON,
)
def delete(arguments: argparse.Namespace) -> int:
    """Ask, and delete a study.

    Raises:
        HpoError: nobody can be asked.
    """
    from hpo.ledger import interventions
    from hpo.views import verdict
    from hpo.views.terminal import status

    name = arguments.study
    with opened(arguments) as ledger:
        if not arguments.yes:
            if not sys.stdin.isatty():
                option = storage_option(arguments.storage)
                raise HpoError(
                    f"study {name!r}: to delete it must be confirmed, but there is no terminal to "
                    f"ask on. Say so with: hpo delete {name}{option} --yes."
                )
            has = verdict.progress(ledger.result(name))
            print(*status.event_lines(ledger.events(5, name)), sep="\n")
            said = input(f"Delete {name} ({has}) for ever? Type its name: ")
            if said.strip() != name:
                raise HpoError(f"study {name!r}: kept, since you typed {said.strip()!r}.")
        interventions.delete_study(ledger, name)
    return tell(arguments, {"study": name, "deleted": True}, f"{name}: deleted")
