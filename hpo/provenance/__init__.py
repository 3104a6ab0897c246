"""Hashes of the source and of the numerics that a result depends on."""
