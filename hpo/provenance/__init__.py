"""What a result depends on: hashes of the source, and the numerics of this host."""

__all__ = ["numerics", "source"]
