"""Simple models and networks to compare with."""
