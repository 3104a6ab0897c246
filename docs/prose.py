"""Count words and words per sentence of the pages, and list the sentences that are too
long.

``python docs/prose.py [PAGE ...]`` prints a line per page (without arguments, for all
pages and README), and every sentence above 35 words. Sentences exclude code, tables and
headings. Words have a letter or a digit, and the total excludes records and changelog.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 35
"""Most words in a sentence."""
RECORDS = ("docs/records/", "docs/changelog.md", "docs/reproduction/")
"""Pages with details; they are not in the total of words."""
MOST = 24_700
"""Most words of all other pages."""

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
    return sum(
        bool(re.search(r"\w", one)) for one in page.read_text(encoding="utf-8").split()
    )


@cache
def total() -> int:
    """Return the words of README and documentation, without ``RECORDS``."""
    counted = (
        page
        for page in pages()
        if not page.relative_to(ROOT).as_posix().startswith(RECORDS)
    )
    return sum(map(words, counted))


def main(arguments: list[str]) -> int:
    """Print the counts; return 1 if a sentence is too long, or all pages together
    are."""
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
    print(f"{total():6} words outside records and changelog (at most {MOST})")
    print(f"{bad:6} sentences above {LONGEST}")
    return int(bad > 0 or total() > MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
