"""Tasks: the data that a network learns, and how it is split."""
