"""Dynamical networks: readable references in PyTorch, and the CPU kernels behind them.

``layered``, ``pointwise``
    The network: members, readout, and the choice between reference and kernels.
``dynamics``
    Its equations, by the methods of a device; ``oscillator`` and ``highpass`` are those
    of the spintronic neuron.
``integrators``
    Steps of the reference, and weights of past outputs for both.
``drawing``, ``sparsity``
    Architecture, masks and first weights.
``readout``, ``per_layer``
    Features of the readout, and values that differ between layers. Light to import.
``simulated_chips``
    Chips with devices that differ, noise and rounded weights.
``network_file``
    A trained network as bytes or as a file.
``kernels``
    The fused CPU path.
"""
