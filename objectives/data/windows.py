"""Windows of a series, which a network is trained on or shown with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # hpo checks windows without loading NumPy
    from .examples import Examples


def windows(part: Examples, *, length: int, washout: int) -> Examples:
    """Cut a part into adjacent windows of ``length`` scored points, to train on.

    Before its scored points, each window has ``washout`` points, from rest and without
    a score. Points that make no whole window, at the beginning and at the end, are left
    out.

    Args:
        part: one example from ``SeriesParams.load``.
        length: scored points of a window.
        washout: points before them.

    Raises:
        ValueError: the part is too short for one window.
    """
    import numpy as np

    from .examples import Examples

    u = part.x[0]
    target = part.label[0]
    before = len(u) - len(target)  # points without a target
    check_window(length=length, washout=washout, n_points=len(target), n_before=before)
    first = max(before, washout)
    n = (len(u) - first) // length
    starts = first + length * np.arange(n)[:, np.newaxis]
    x = u[starts + np.arange(-washout, length)]
    return Examples(x=x, label=target[starts - before + np.arange(length)])


def check_window(*, length: int, washout: int, n_points: int, n_before: int) -> None:
    """Refuse a window that is too long for ``n_points`` points with ``n_before`` before
    them.

    Raises:
        ValueError: see ``windows``.
    """
    if length > n_points:
        rule = f"window <= {n_points}"
    elif length + washout > n_before + n_points:
        rule = f"window + window_washout <= {n_before + n_points}"
    else:
        return
    raise ValueError(
        f"window: expected `{rule}`, the points to train on, "
        f"got window={length}, window_washout={washout}. Lower them."
    )
