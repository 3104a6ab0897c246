"""Count words and words per sentence of the pages, and list the sentences that are too
long.

``python docs/prose.py [PAGE ...]`` prints a line per page (without arguments, for all
pages and README), and every sentence above 35 words. Sentences exclude code, tables and
headings. Words have a letter or a digit; records and reference are counted apart. A
block that repeats a file of ``docs/examples`` is not counted.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 35
"""Most words in a sentence."""
FOLDERS = {"docs/records/": "records", "docs/reference/": "reference"}
"""What is counted apart from README and the other pages."""
MOST = {"pages": 16_000, "records": 10_000}
"""Most words of each; the reference has as many as there are keys and commands."""

_CODE = re.compile(r"^(```|~~~|:::).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_NOT_PROSE = re.compile(r"^(\s*\||#|<!--|!\[|    |\(.*\)=$|:\w+:)")
_ITEM = re.compile(r"^\s*([-*]|\d+\.)\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_INLINE = re.compile(r"(``?)(.+?)\1")
_END = re.compile(r"(?<=[.!?:])[)*\"”]*\s+(?=[\W\d]*[A-ZÄÖÜ*\"“(`]|x )")


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs and list items of a Markdown page, as plain text."""
    texts: list[str] = []
    going = False
    for line in _CODE.sub("", text).splitlines():
        if not line.strip() or (
            _NOT_PROSE.match(line) and not (going and line.startswith("  "))
        ):
            going = False
            continue
        if _ITEM.match(line) or not going:
            texts.append("")
        texts[-1] += " " + _ITEM.sub("", line)
        going = True
    return [
        _INLINE.sub("x", _LINK.sub(r"\1", one)).replace("**", "").strip()
        for one in texts
    ]


def sentences(text: str) -> list[str]:
    """Return the sentences of a Markdown page."""
    return [
        one
        for paragraph in paragraphs(text)
        for one in _END.split(paragraph)
        if one.strip()
    ]


def length(sentence: str) -> int:
    """Return the words of a sentence; a number or a piece of code is one."""
    return len(re.findall(r"\w[\w.,'’%±×/-]*", sentence))


def too_long(text: str) -> list[str]:
    """Return the sentences of a page above ``LONGEST`` words."""
    return [one for one in sentences(text) if length(one) > LONGEST]


def pages() -> list[Path]:
    """Return README and all pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def words(page: Path) -> int:
    """Return the words of a page, those of tables and code included."""
    text = page.read_text(encoding="utf-8")
    for example in _examples():
        text = text.replace(example, "")
    return sum(bool(re.search(r"\w", one)) for one in text.split())


@cache
def _examples() -> list[str]:
    files = (ROOT / "docs/examples").rglob("*.*")
    return [f.read_text("utf-8") for f in files if f.suffix in (".py", ".sh", ".toml")]


def kind(page: Path) -> str:
    """Return where a page is counted: ``pages``, ``records`` or ``reference``."""
    name = page.relative_to(ROOT).as_posix()
    found = (kind for folder, kind in FOLDERS.items() if name.startswith(folder))
    return next(found, "pages")


@cache
def totals() -> dict[str, int]:
    """Return the words of pages (README included), records and reference."""
    counted = dict.fromkeys(("pages", "records", "reference"), 0)
    for page in pages():
        counted[kind(page)] += words(page)
    return counted


def too_many() -> list[str]:
    """Return the kinds of pages that have more words than they may."""
    return [kind for kind, most in MOST.items() if totals()[kind] > most]


def main(arguments: list[str]) -> int:
    """Print the counts; return 1 if a sentence is too long, or there are too many
    words."""
    bad = 0
    for page in [Path(one).resolve() for one in arguments] or pages():
        text = page.read_text(encoding="utf-8")
        lengths = [length(one) for one in sentences(text)] or [0]
        mean = sum(lengths) / len(lengths)
        name = page.relative_to(ROOT).as_posix()
        print(f"{words(page):6} words {mean:5.1f} a sentence  {name}")
        for one in too_long(text):
            bad += 1
            print(f"       {length(one):3}: {one}")
    for name, count in totals().items():
        limit = f" (at most {MOST[name]})" if name in MOST else ""
        print(f"{count:6} words of {name}{limit}")
    print(f"{bad:6} sentences above {LONGEST}")
    return int(bad > 0 or bool(too_many()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
