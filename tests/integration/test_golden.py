"""What every view says of six finished studies, compared with what is kept in
``tests/golden``.

A wanted change is accepted by ``HPO_ACCEPT=1 pytest tests/integration/test_golden.py``;
the diff that git then shows belongs into the commit.
"""

from __future__ import annotations

import contextlib
import difflib
import html
import io
import json
import os
import re
from pathlib import Path

import pytest
from golden_studies import STUDIES

from hpo.cli import main

GOLDEN = Path(__file__).parents[1] / "golden"
ACCEPT = "HPO_ACCEPT"
DIGITS = 10
"""So many of every number are compared: processors may round the last ones
otherwise."""
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.+-]*"
BLOCKS = (
    "p|div|section|header|footer|nav|tr|table|h[1-6]|li|ul|ol|dl|dt|dd|figure|details"
    "|summary"
)


def _text(page: str) -> str:
    """What a reader sees of a page, without its figures."""
    page = re.sub(r"<(script|style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    page = re.sub(r"\s+", " ", page)
    page = re.sub(r"</t[dh]>", " | ", page)
    page = re.sub(rf"</?({BLOCKS})\b[^>]*>", "\n", page)
    lines = (
        " ".join(line.split())
        for line in html.unescape(re.sub("<[^>]*>", "", page)).split("\n")
    )
    return "\n".join(filter(None, lines)) + "\n"


def _finished(text: str) -> str:
    """Without points in time, nor digits that depend on the processor."""
    text = re.sub(
        r"\d+\.\d{9,}(e-?\d+)?", lambda found: f"{float(found[0]):.{DIGITS}g}", text
    )
    return re.sub(TIME, "TIME", text)


def _pretty(printed: str) -> str:
    """JSON with a line for each value; of a list of trials, one for each trial."""
    if not printed.startswith("{"):
        return printed
    record = json.loads(printed)
    if isinstance(record["trials"], list):
        rows = [json.dumps(row, sort_keys=True) for row in record["trials"]]
        return "\n".join([record["study"], *rows]) + "\n"
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


VIEWS = {
    "trials.jsonl": ("trials", "STUDY", "--json"),
    "trials.txt": ("trials", "STUDY"),
    "export.csv": ("export", "STUDY"),
    "status.json": ("status", "STUDY", "--json"),
    "status.txt": ("status", "STUDY"),
    "best.json": ("best", "STUDY", "--json"),
    "best.txt": ("best", "STUDY"),
    "report.txt": ("report", "STUDY"),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", STUDIES)
def test_views_say_what_they_said(
    golden_url: str,
    kind: str,
    view: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HPO_STORAGE", golden_url)
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        main.main([word.replace("STUDY", kind) for word in VIEWS[view]])
    said = _pretty(out.getvalue())
    if view == "report.txt":
        said = _text(Path(f"{kind}-report.html").read_text(encoding="utf-8"))
    said = _finished(said)
    kept = GOLDEN / kind / view
    if os.environ.get(ACCEPT):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(said, encoding="utf-8")
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    diff = list(
        difflib.unified_diff(
            lines, said.splitlines(), str(kept), "now", lineterm="", n=1
        )
    )
    assert not diff, "\n".join(
        [*diff, f"Accept it: {ACCEPT}=1 pytest {Path(__file__).name}"]
    )
