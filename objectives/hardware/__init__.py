"""Physics of devices: temperature, spread, measured values."""
