"""The fused CPU path: numba kernels, forward and adjoint, of layered networks of any device.

``driver``
    A block of series through time and back, whatever the device and the layout.
``products``
    Products with the weights, dense and sparse.
``layout``
    Where neurons and weights are in memory: series in rows, or neurons in rows.
``generating``, ``spintronic``
    The compiled steps of a device, made of its methods; those of the oscillator, by hand.
``steps``
    A step of an oscillator on lanes, and a jump of noise.
``kernel``, ``autograd``, ``updates``
    What a member computes with; as a function of PyTorch; and for a weight update.
``chips``
    How the neurons of a simulated chip differ from the ideal.
``learning``
    The rest of a weight update: readout, loss, clipping and Adam.
``elementary``, ``simd``
    exp, log, sin, tanh, ... on lanes; lanes.
``work``
    Arrays to work in, and threads that share the blocks of a batch.
``compiling``
    numba's options, C functions that kernels call, and a cache that notices a change in any of
    these files.

The order of summation is fixed, for every number of threads: same input, same bits. Blocks do not
interact.
There is no fast-math: a network that diverges says so with NaN or inf, and where a product is not
rounded, ``simd.fma`` says so. So the bits are the same with vectors of 256 and of 512 bits and any
C library; tests/contract/test_objectives.py compares both. In passes through time, subnormal
numbers are 0 (``simd.flush_subnormals``), which processors other than x86 keep.
"""
