"""The console script ``hpo`` and its commands; ``main.main`` runs one command line."""

__all__ = ["main"]
