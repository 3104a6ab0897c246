"""How much memory a worker takes that trains a network: told before it is started.

No objective imports this: what is said of memory is no part of what a study is computed with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from objectives.contents import Contents, SeriesContents
from objectives.contract import TaskParams
from objectives.ctrnn import CtrnnObjective
from objectives.layered import LayeredParams
from objectives.networks.kernels import sizes
from objectives.networks.kernels.sizes import LANES, SHIFTS
from objectives.physics import n_steps, n_synapses
from objectives.prediction import PredictionParams
from objectives.spintronic import SpintronicObjective
from objectives.tasks.recorded import RecordedParams

Found = Contents | SeriesContents

PROCESS = 830_000_000
"""Bytes of a worker beside its network: libraries, kernels and sampler, 690 MB while it trains, and
this where it has compiled the kernels, or drawn at the end of a study."""
_FLOAT = 4
_PER_WEIGHT, _PER_PAIR, _PER_SYNAPSE = 32, 6, 50
"""Bytes of a weight (parameter, moments, gradient, average), a pair of neurons, a connection."""
_SCORED = 512
"""Series that are read at a time where a network is scored."""

_EXPONENTIAL = ("exponential", "exponential-ab2", "exponential-ab3")
_REFERENCE = {
    "spintronic": dict.fromkeys(_EXPONENTIAL, 33) | {"euler": 8, "heun": 17, "rk4": 36},
    "ctrnn": dict.fromkeys(_EXPONENTIAL, 5) | {"euler": 3, "heun": 6, "rk4": 10},
}
"""Floats of a neuron, a series and a step by which a process grows that trains with PyTorch.

Between what autograd saves and, of large batches, what was measured; memory comes back in pieces.
"""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What training a network takes, in bytes."""

    worker: int
    """Of the process, without what is shared."""
    trajectory: int
    """Of these, what is kept for the way back."""
    shared: int
    """Data that all workers of a host map."""
    gpu: int
    """What is kept for the way back where a GPU trains."""


def of_training(
    objective: object, params: Any, task: TaskParams, found: Found | None
) -> Memory | None:
    """What one network takes; None of objectives and tasks that are not of this project.

    Args:
        objective: what trains it.
        params: its validated hyper-parameters.
        task: what it learns.
        found: ``contents`` of the task.
    """
    is_ours = type(objective).__module__.startswith("objectives.")
    known = is_ours and isinstance(objective, SpintronicObjective | CtrnnObjective)
    if not (known and isinstance(params, LayeredParams) and found):
        return None
    kind = "ctrnn" if isinstance(objective, CtrnnObjective) else "spintronic"
    points, kept = _trajectory(kind, params, found)
    on_gpu = params.device == "cuda"
    data = _data(found)
    is_shared = isinstance(task, RecordedParams) and _are_mapped(task)
    own = _network(params, found) + _reading(params, found) + _noise(kind, params, points)
    own += 0 if on_gpu else kept
    own += 0 if is_shared else 2 * data  # as it was read, and as networks get it
    return Memory(
        worker=PROCESS + own,
        trajectory=0 if on_gpu else kept,
        shared=data if is_shared else 0,
        gpu=kept if on_gpu else 0,
    )


def by_kernel(params: LayeredParams) -> bool:
    """Whether the CPU kernels train it: see ``LayeredNetwork.beyond_kernel``."""
    ideal = getattr(params, "q", 0.0) == 0.0 and getattr(params, "sigma", 1.0) == 1.0
    return params.device == "cpu" and params.integrator in _EXPONENTIAL and ideal


def _trajectory(kind: str, params: LayeredParams, found: Found) -> tuple[int, int]:
    """Points that a network is trained through at a time, and bytes that are kept of them."""
    points, n_series = found.points, found.train + found.validation
    if isinstance(params, PredictionParams):
        points, n_series = params.window + params.window_washout, n_series // params.window
        if params.trained == "readout":
            return points, 0
    steps, widths = _steps(params), _widths(params)
    batch = min(params.batch_size, n_series)
    if not by_kernel(params):
        floats = _REFERENCE[kind][params.integrator]
        return points, _FLOAT * floats * batch * max(widths) * len(widths) * steps * points
    rows, jumps = (sizes.SPINTRONIC_ROWS if kind == "spintronic" else sizes.CTRNN_ROWS), 0
    if kind == "spintronic" and _sees_noise(params):
        jumps = sizes.JUMP_ROWS  # one in a point; segments are made for one in a step
    neurons = sum(widths) * LANES
    n_points = sizes.segment_points(points, (rows + jumps) * steps * neurons)
    parts = min(params.threads, -(-batch // LANES))
    return points, _FLOAT * parts * (rows * steps + jumps) * neurons * n_points


def _network(params: LayeredParams, found: Found) -> int:
    """Weights, what the training holds beside each, and where the synapses are."""
    widths, n = _widths(params), sum(_widths(params))
    weights = max(widths) * found.channels + (2 * len(widths) - 1) * max(widths) ** 2
    names = ("layers", "width", "density_inter", "density_intra")
    synapses = n_synapses(
        channels=found.channels, **{name: getattr(params, name) for name in names}
    )
    return _PER_WEIGHT * weights + _PER_SYNAPSE * synapses + _PER_PAIR * n * (n + found.channels)


def _reading(params: LayeredParams, found: Found) -> int:
    """What scoring holds: a batch of series, or what is read after each point of one."""
    if isinstance(found, SeriesContents):
        points = max(found.train + found.validation, found.test)
        return (2 * LANES * _FLOAT + 40) * points * _widths(params)[-1]
    return 3 * _FLOAT * min(_SCORED, found.series) * found.points * found.channels


def _sees_noise(params: LayeredParams) -> bool:
    """Whether training sees noise of the neurons: see ``classifier``."""
    seen = params.variability is not None and params.variability.in_training
    warm = getattr(params, "thermal_power", 0.0) > 0
    return seen or (warm and getattr(params, "thermal_training", "mean") == "noise")


def _noise(kind: str, params: LayeredParams, points: int) -> int:
    """Jumps of the neurons of simulated chips; those of the thermal check come and go."""
    random = params.variability is not None and params.variability.is_random
    if not random and not _sees_noise(params):
        return 0
    parts, n = (2 if kind == "spintronic" else 1), sum(_widths(params))
    point = points * parts * n * LANES
    chip = min(point * _steps(params), sizes.MAX_CHIP_NOISE)
    kept = chip * params.variability.draws if random and params.variability else 0
    training = min(point, sizes.MAX_CHIP_NOISE) + SHIFTS if _sees_noise(params) else 0
    return _FLOAT * (chip + min(kept, sizes.MAX_KEPT_NOISE) + training)


def _data(found: Found) -> int:
    n = found.series if isinstance(found, Contents) else 1
    return _FLOAT * n * found.points * found.channels


def _are_mapped(task: RecordedParams) -> bool:
    from objectives.tasks import shared

    return task.pinned and shared.are_large(task.files)


def _steps(params: LayeredParams) -> int:
    names = ("dt_ns", "steps_per_point", "max_step_ns")
    return n_steps(**{name: getattr(params, name) for name in names})


def _widths(params: LayeredParams) -> tuple[int, ...]:
    width = params.width
    return width if isinstance(width, tuple) else (width,) * params.layers
