"""Plain text and tables as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "√": r"$\surd$",
    "²": r"$^2$",
    "µ": r"$\mu$",
    "γ": r"$\gamma$",
    "τ": r"$\tau$",
    "Ω": r"$\Omega$",
    "–": "--",
    "…": r"\ldots{}",
}
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
"""A hyphen that stands for a minus."""
_TABLE = r"""\begin{table}
\centering\scriptsize\setlength{\tabcolsep}{4pt}
\caption{%(caption)s}
\label{%(label)s}
\begin{tabular}{%(columns)s}
\toprule
%(head)s \\
\midrule
%(rows)s
\bottomrule
\end{tabular}
\end{table}
"""


def escape(text: str) -> str:
    """Escape text, so that LaTeX prints it.

    Examples:
        >>> print(escape("94.9 ± 0.7 % of tau_ns"))
        94.9 $\\pm$ 0.7 \\% of tau\\_ns
    """
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return _MINUS.sub("$-$", escaped)


def table(rows: Sequence[Mapping[str, str]], caption: str, label: str) -> str:
    """Return a table of booktabs; the first column is left, the others right.

    Args:
        rows: cells by the heads of their columns, in plain text; not empty.
        caption: plain text.
        label: without special characters.
    """
    heads = list(rows[0])
    lines = [_line(row.values()) + r" \\" for row in rows]
    return _TABLE % {
        "caption": escape(caption),
        "label": label,
        "columns": "l" + "r" * (len(heads) - 1),
        "head": _line(heads),
        "rows": "\n".join(lines),
    }


def _line(cells: Iterable[str]) -> str:
    return " & ".join(map(escape, cells))
