"""The fused CPU path: numba kernels, forward and adjoint, of networks with sparse synapses.

A whole network is one sparse matrix: *rows* are the neurons, layer after layer, then the input
channels; neuron i is driven by its *sources*,

    I_i = bias_i + sum_k weight_k v[source_k]

where v holds the mean y over the step of every neuron (see ``integrators``) and u of every channel,
whose part is computed once per input point. The batch is the vector dimension: a *block*
is ``LANES`` sequences side by side, and all that belongs to one row at one step is ``LANES``
consecutive float32. Blocks do not interact; each is taken through the whole of time on its own.

``spintronic``, ``ctrnn``
    The kernels of the two networks: their neuron steps, ``forward`` and ``backward``.
``steps``
    A step of an oscillator, and a jump of noise.
``chips``
    How the neurons of a simulated chip differ from the ideal.
``sparse``
    What they share: drives, and the transposed pass of the adjoint.
``dense``
    The same by products of tiles, for wide networks in which most neurons are connected.
``learning``
    The rest of a weight update: readout, loss, clipping and Adam.
``elementary``, ``simd``
    exp, log, sin, tanh, ... on lanes; lanes.
``work``
    Arrays to work in, and threads that share the blocks of a batch.
``compiling``
    numba's options, C functions that kernels call, and a cache that notices a change in any of
    these files.

The order of summation is fixed, for every number of threads: same input, same bits.
There is no fast-math: a network that diverges says so with NaN or inf, and where a product is not
rounded, ``simd.fma`` says so. So the bits are the same with vectors of 256 and of 512 bits and any
C library; tests/contract/test_objectives.py compares both. In passes through time, subnormal
numbers are 0 (``simd.flush_subnormals``), which processors other than x86 keep.
"""
