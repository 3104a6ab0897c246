"""A result as files for a paper: figures, tables, a paragraph on methods,
references."""

from hpo.views.paper.folder import write

__all__ = ["write"]
