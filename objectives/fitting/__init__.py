"""Parameters of a device, from what was measured of it.

``recordings``
    A file of measurements: power against current, or time traces.
``response``
    What a device would show, by the rate of its equation.
``quantities``
    The numbers that are estimated, and where they are searched.
``model``
    Response, scale, offset and noise together: residuals of a set of numbers.
``estimation``
    Least squares from several starts, and intervals by profile likelihood.
``population``
    Mean and spread of several devices, without the error of their estimates.
``fit``
    All of it: from files to a ``Fit``.
``result``
    The result, for readers. Light to import.
"""
