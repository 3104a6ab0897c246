"""What figures show, computed once as numbers; no library draws here."""

__all__ = ["front", "importance", "scores", "study_figure"]
