"""Run the console blocks of a page again, and write their output into the page.

``python docs/record.py docs/tutorial/first-study.md`` runs every ``console`` block that
begins with ``$ ``, one after the other, in an empty directory with the files of
``docs/examples`` and on an embedded server of its own. A line ``…`` in a block keeps
the numbers of lines before and after it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(?<=^```console\n)\$ .*?(?=^```$)", re.MULTILINE | re.DOTALL)
WIDTH = 100
ELISION = "…"


def record(page: Path) -> None:
    """Rewrite the blocks of a page."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(
            home, 0o755
        )  # PostgreSQL runs as another account where this runs as root
        work = Path(home, "work")
        copytree(DOCS / "examples", work, ignore=lambda *_: ["__pycache__"])
        text = BLOCK.sub(
            lambda block: _run(block[0], work), page.read_text(encoding="utf-8")
        )
        _answer("hpo storage stop", "", work)
    page.write_text(text, encoding="utf-8")


def _run(block: str, work: Path) -> str:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return "".join(_answer(*part.partition("\n")[::2], work) for part in parts)


def _answer(command: str, before: str, work: Path) -> str:
    print(f"$ {command}", file=sys.stderr)
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'hpo() {{ {shlex.quote(sys.executable)} -m hpo "$@"; }}; {command}',
        ],
        cwd=work,
        env=_environment(work),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = done.stdout.replace(f"{work}/home", "/home/me/.local/share/hpo")
    printed = printed.replace(str(work), "/home/me/lab").replace(
        os.uname().nodename, "labserver"
    )
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    kept = before.strip("\n").splitlines()
    if ELISION in kept:
        at = kept.index(ELISION)
        head = at
        tail = len(kept) - at - 1
        lines = [*lines[:head], ELISION, *lines[len(lines) - tail :]]
    return "\n".join([f"$ {command}", *lines]) + "\n"


def _environment(work: Path) -> dict[str, str]:
    ours = {"HPO_HOME": str(work / "home"), "COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    return {**{k: v for k, v in os.environ.items() if not k.startswith("HPO_")}, **ours}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        record(Path(name))
