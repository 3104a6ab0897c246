"""What figures show, computed once as numbers; no library draws here."""

__all__ = ["front", "scores", "study_figure"]
