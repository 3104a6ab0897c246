"""Devices that people build, besides ``spintronic`` and ``ctrnn``: an equation per file.

Each is what an ``hpo.objectives.device.Device`` needs; docs/explanation/devices.md compares them.
"""
