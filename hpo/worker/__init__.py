"""A worker process: claims trials, trains their networks, settles them, keeps the best network."""

__all__ = ["heartbeat", "loop", "network", "notifier", "provenance", "replay", "trace_page"]
