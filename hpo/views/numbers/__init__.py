"""What figures show, computed once as numbers; no library draws here."""
