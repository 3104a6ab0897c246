"""Devices that people build, besides ``spintronic`` and ``ctrnn``: an equation per
file.

Each derives from ``hpo.objectives.device.Device``. Their equations are those of
docs/explanation/equations.md, "Other neurons"; docs/explanation/devices.md compares the
devices.
"""
