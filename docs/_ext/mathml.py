"""Formulas as MathML: browsers draw them without a script and without the network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(
        f'<div class="formula">{convert(_split(node), display="block")}</div>'
    )
    raise nodes.SkipNode


def _split(node: nodes.math_block) -> str:
    """Return the formula; several lines are aligned at their ``&``."""
    text = node.astext().strip().replace("{aligned}", "{split}")
    if "\\\\" in text and not text.startswith("\\begin"):
        return f"\\begin{{split}}{text}\\end{{split}}"
    return text


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
