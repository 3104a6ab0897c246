"""A worker process: claims trials, trains their networks, settles them, and keeps the best network."""
