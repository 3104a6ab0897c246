"""A worker process: claims trials, trains their networks, settles them, keeps the best network."""

__all__ = ["artifacts", "heartbeat", "loop", "notifier", "provenance"]
