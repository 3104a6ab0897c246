"""Devices that people build, an equation per file.

Each derives from :class:`Device`, and is an expression by ``functions``; ``checking``
checks a user's own. ``objective`` and ``prediction`` train networks of them. Their
equations are those of docs/explanation/equations.md; docs/explanation/devices.md
compares the devices.
"""

from .device import Device, Parameter, parameter
from .functions import (
    cos,
    exp,
    log,
    maximum,
    minimum,
    sigmoid,
    sin,
    sqrt,
    tanh,
    where,
)

__all__ = [
    "Device",
    "Parameter",
    "cos",
    "exp",
    "log",
    "maximum",
    "minimum",
    "parameter",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
    "where",
]
