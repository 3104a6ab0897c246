"""The fused CPU path: numba kernels, forward and adjoint, of layered networks of any
device.

``driver``
    The pass of a block of series through time and back, for any device and layout.
``products``
    Products with the weights, dense and sparse.
``layout``
    Places of neurons and weights in memory: series in rows, or neurons in rows.
``generating``, ``tracing``, ``writing``
    The compiled steps of a device, generated from its methods.
``spintronic``
    Those of the oscillator, written by hand.
``steps``
    A step of an oscillator, and a jump of noise, on lanes.
``kernel``, ``autograd``, ``updates``
    The kernel of a member; as a function of PyTorch; and in a weight update.
``chips``
    Deviations of the neurons of a simulated chip from the ideal.
``learning``
    The rest of a weight update: readout, loss, clipping and Adam.
``elementary``, ``simd``
    exp, log, sin, tanh, ... on lanes; lanes themselves.
``pass_memory``, ``sizes``
    Memory of a pass, threads that share the blocks of a batch, and sizes of both.
``compiling``
    numba's options, C functions for kernels, and a cache that notices changes in all
    these files.

docs/explanation/equations.md has the equations that they solve.

The order of summation is fixed for every number of threads: same input, same bits.
Blocks do not interact. There is no fast-math: a network that diverges gives NaN or inf,
and a product without rounding is an explicit ``simd.fma``. So the bits are the same
with vectors of 256 and of 512 bits and any C library; tests/contract/test_objectives.py
compares both. In passes through time, subnormal numbers are 0 on x86
(``simd.flush_subnormals``); other processors keep them.
"""
