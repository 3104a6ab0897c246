"""Hyper-parameter optimisation service: studies that are pure functions of their specs."""
