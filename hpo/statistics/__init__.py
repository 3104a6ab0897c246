"""Standard errors, comparisons and scales of scores."""
