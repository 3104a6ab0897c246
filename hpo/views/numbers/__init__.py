"""What figures show, computed once as numbers; no library draws here."""

__all__ = ["confusion", "front", "importance", "scores", "study_figure"]
