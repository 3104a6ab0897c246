"""What figures show, computed once as numbers; no library draws here."""

__all__ = ["declared", "front", "scores"]
