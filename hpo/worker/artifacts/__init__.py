"""What is kept of a finished study: a network trained once more, its curves and its traces."""

__all__ = ["make", "replay", "retrain", "traces"]
