"""Physics of devices: what a real one has, and an ideal one lacks.

``physics``
    Design rules, numbers of neurons and synapses, and energy.
``thermal``
    Thermal power of a spintronic oscillator, from its geometry or a measured line.
``variability``
    The table ``[variability]``: spread, noise and rounded weights of simulated chips.
``measured``
    A CSV file of measured devices, from which chips are drawn.
``imperfections``
    Imperfections that are tried on a trained network, and what hardware has.

Light to import.
"""
