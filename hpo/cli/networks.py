"""Trained networks: ``hpo artifacts``, ``hpo export --network``, and what trains one again."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.cli.common import (
    JSON,
    STORAGE,
    STUDY,
    argument,
    command,
    one_of,
    opened,
    opened_storage,
    tell,
)
from hpo.console import at_least, storage_option
from hpo.errors import HpoError

if TYPE_CHECKING:
    from hpo.ledger.artifacts import ArtifactStore, Listed
    from hpo.ledger.ledger import Ledger
    from hpo.study.snapshot import StudyState
    from hpo.worker.artifacts.retrain import Choice


WHICH_NETWORK = (
    argument("--trial", type=at_least(0), metavar="K", help="its search trial (default: the best)"),
    one_of(
        argument("--member", type=at_least(0), metavar="M", help="network M of the trial, from 0"),
        argument(
            "--fresh-seed",
            type=at_least(1),
            metavar="F",
            help="network F of its confirmation, from 1 (default: the first one if the trial was "
            "confirmed, else member 0; never the luckiest)",
        ),
    ),
)


def choose(arguments: argparse.Namespace) -> Choice:
    """The network that the options name.

    Raises:
        HpoError: there is no such study or network.
    """
    with opened(arguments) as ledger:
        snapshot = ledger.result(arguments.study, curves=True)
    from hpo.worker.artifacts import retrain

    which = {name: getattr(arguments, name) for name in ("trial", "member", "fresh_seed")}
    return retrain.choose(snapshot, **which)


def export(arguments: argparse.Namespace) -> int:
    """``hpo export STUDY --network FILE``: train the network again and write it.

    Raises:
        HpoError: there is no such network, or the file cannot be written.
    """
    target: Path = arguments.network
    if target.suffix != ".safetensors":
        raise HpoError(
            f"--network {target}: the ending must be .safetensors, but got "
            f"{target.suffix or 'none'}. The description goes beside it, as .json."
        )
    choice = choose(arguments)
    prepare(target)
    from hpo.worker.artifacts import retrain

    network = retrain.build(choice)
    retrained = retrain.train_shown(choice, network)
    with writing(target):
        network.save(target, retrain.about(retrained))
    print(target)
    print(target.with_suffix(".json"))
    return 0


def prepare(target: Path) -> None:
    """Make sure, before the training, that a file can be written.

    Raises:
        HpoError: it cannot.
    """
    with writing(target):
        if target.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        target.parent.mkdir(parents=True, exist_ok=True)
        probe = target.with_name(f".{target.name}.probe")
        probe.touch()
        probe.unlink()


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Whatever goes wrong with a file while it is written becomes a message about it.

    Raises:
        HpoError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise HpoError(f"{target}: cannot be written: {error.strerror or error}.") from error


@command(
    "List what is kept of a finished study: its best network, learning curve and traces.",
    """\
hpo artifacts seqdigits
    the files that are kept of it in the database, as the dashboard shows them
hpo artifacts seqdigits -o kept
    writes them into the directory kept: the network for objectives.artifacts.load_network, its
    learning curve and the traces of its neurons as pictures and as CSV
hpo artifacts old --make
    makes them now, as workers do when a study is finished: for one that was imported, finished by
    an earlier release, or has failed

Made again, they take the place of those before.""",
    STUDY,
    argument("--make", action="store_true", help="make them now, in place of those before"),
    argument("-o", "--output", type=Path, metavar="DIR", help="write them into a directory"),
    STORAGE,
    JSON,
)
def artifacts(arguments: argparse.Namespace) -> int:
    """Make, write and list them.

    Raises:
        HpoError: there is no such study, it is not finished, or a file cannot be written.
    """
    from hpo.ledger.artifacts import ArtifactStore
    from hpo.ledger.ledger import Ledger
    from hpo.views.terminal import tables

    with opened_storage(arguments) as storage:
        ledger = Ledger(storage)
        store = ArtifactStore(storage.engine)
        if arguments.make:
            _make(ledger, store, arguments.study)
        found = store.listed(arguments.study)
        if arguments.output is not None:
            _write(store, found, arguments.output)
        nobody_at_it = not store.held(arguments.study)
        error = store.error(arguments.study) if nobody_at_it else None
        state = store.edition(arguments.study).state
    if not found and not arguments.json:
        hint = _hint(arguments, state, nobody_at_it=nobody_at_it, error=error)
        print(f"{arguments.study}: nothing is kept of it{hint}", file=sys.stderr)
    folder = arguments.output
    names = _targets(folder, found) if folder else [item.filename for item in found]
    sizes = [(str(name), item.size) for name, item in zip(names, found, strict=True)]
    files = [{"file": name, "bytes": size} for name, size in sizes]
    record = {"study": arguments.study, "artifacts": files, "error": error}
    rows = [[name, _size(size)] for name, size in sizes]
    return tell(arguments, record, *(tables.columns(rows, right=[1]) if rows else []))


def _hint(
    arguments: argparse.Namespace, state: StudyState, *, nobody_at_it: bool, error: str | None
) -> str:
    """Why nothing is kept of a study, and what to do about it."""
    from hpo.study.snapshot import StudyState

    if state == StudyState.OPEN:
        return ": workers make it when it is finished"
    if not nobody_at_it:
        return " yet: a worker is at it"
    if arguments.make:
        return ": it has nothing to keep, such as a complete trial"
    why = f" ({error.strip().splitlines()[-1]})" if error else ""
    option = storage_option(arguments.storage)
    return f"{why}; make it: hpo artifacts {arguments.study}{option} --make"


def _make(ledger: Ledger, store: ArtifactStore, study: str) -> None:
    from hpo.study.snapshot import StudyState
    from hpo.worker.artifacts import make, retrain

    edition = store.edition(study)
    if edition.state == StudyState.OPEN:
        raise HpoError(
            f"study {study!r}: it must be over to make its artifacts, but it is {edition.state}. "
            f"Workers make them when it is finished; now: hpo export {study} --network FILE."
        )
    snapshot = ledger.result(study, curves=True)
    temporary = Path(tempfile.gettempdir())
    with retrain.progress() as say, writing(temporary):
        made = make.make(snapshot, ledger.overlays(snapshot.spec), say)
    if not store.replace(edition, made):
        raise HpoError(
            f"study {study!r}: it must stay as it is while its artifacts are made, but it went on. "
            f"Its workers make them when it is finished."
        )


def _write(store: ArtifactStore, found: Sequence[Listed], folder: Path) -> None:
    for target, item in zip(_targets(folder, found), found, strict=True):
        with writing(target):
            folder.mkdir(parents=True, exist_ok=True)
            target.write_bytes(store.open_reader(item.artifact_id).read())


def _targets(folder: Path, found: Sequence[Listed]) -> list[Path]:
    """A file for each; uploaded ones may be called anything, and several alike."""
    names = [Path(item.filename).name for item in found]
    paths = []
    for name, item in zip(names, found, strict=True):
        path = folder / (item.artifact_id if name in ("", "..") else name)
        alike = names.count(name) > 1
        paths.append(path.with_stem(f"{path.stem}-{item.artifact_id}") if alike else path)
    return paths


def _size(count: int) -> str:
    return f"{count / 1000:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
