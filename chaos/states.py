"""Earlier states of a database: base backups and dumps, and the way back to them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from hpo.postgres import server
from hpo.postgres.layout import ServerLayout
from hpo.postgres.programs import find_shipped

_CLEAN = ("--clean", "--if-exists", "--exit-on-error")
_BACK_S = 60.0


def back_up(url: str, layout: ServerLayout, copy: Path) -> None:
    """Make a base backup of a running server, as its documentation says."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute("SELECT pg_backup_start('earlier', true)")
        # files that vanish meanwhile belong to no state
        subprocess.run(
            ["cp", "-a", layout.data, copy], check=False, stderr=subprocess.DEVNULL
        )
        row = connection.execute("SELECT labelfile FROM pg_backup_stop(false)")
        (label,) = row.fetchone() or ("",)
    subprocess.run(["cp", "-a", layout.data / "pg_wal", copy], check=True)
    (copy / "postmaster.pid").rename(copy / "backup_label")  # its owner stays
    (copy / "backup_label").write_text(label)


def start_in_place(layout: ServerLayout, copy: Path) -> None:
    """Kill the server; a base backup starts in its place, and its data are gone."""
    process = server.postmaster(layout)
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    lost = layout.home / "lost"
    os.rename(layout.data, lost)
    os.rename(copy, layout.data)
    os.kill(process.pid, signal.SIGKILL)
    until = time.monotonic() + _BACK_S
    while server.postmaster(layout) is None and time.monotonic() < until:
        time.sleep(0.05)
    shutil.rmtree(lost, ignore_errors=True)  # its last processes may still write


def dump(url: str, file: Path) -> None:
    """Write all tables of a database into a file."""
    _run("pg_dump", "--format=custom", f"--file={file}", plain(url))


def restore(url: str, file: Path, options: Sequence[str] = ()) -> int:
    """Replace all tables by those of a dump, while others use them; return how often
    that was tried.

    Raises:
        RuntimeError: no try succeeded.
    """
    said = ""
    for tries in range(1, 21):
        try:
            _run("pg_restore", *_CLEAN, *options, file, "--dbname", plain(url))
        except subprocess.CalledProcessError as error:  # a deadlock
            said = error.stderr
            continue
        return tries
    raise RuntimeError(f"the dump was not restored: {said}")


def restore_part(url: str, file: Path, section: str) -> None:
    """Restore a part of a dump, as a slow ``pg_restore`` does: "pre-data", "data",
    then "post-data"."""
    line = (f"--section={section}", "--exit-on-error", file, "--dbname", plain(url))
    _run("pg_restore", *line)


def plain(url: str) -> str:
    """Return the URL for programs of PostgreSQL."""
    return url.replace("+psycopg", "")


def _run(name: str, *line: str | Path) -> None:
    program = find_shipped(Path()) / "bin" / name
    subprocess.run([program, *line], check=True, capture_output=True, text=True)
