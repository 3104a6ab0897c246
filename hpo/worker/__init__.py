"""A worker process: claims trials, trains their networks, settles them, keeps the best
network."""

__all__ = [
    "crew",
    "heartbeat",
    "loop",
    "network",
    "notifier",
    "provenance",
    "suggestions",
]
