"""Seconds per epoch and member of every implementation: same weights, same data, one core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import objectives
from benchmarks import loops
from objectives.contract import Protocol
from objectives.tasks import TASKS, load
from objectives.tasks.data import Examples
from objectives.training import Recipe, train_epoch, updates_of

KINDS = ("spintronic", "ctrnn")
WIDTHS = (32, 64, 128)
DENSITIES = (0.1, 0.5, 1.0)
MEMBERS = 10
BATCH, LR = 120, 1e-3
ROUNDS = {32: 5, 64: 3, 128: 3}
TURN_S = 0.1

Epoch = Callable[[], float]
"""Trains for one epoch and gives its mean loss."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One implementation of one network."""

    kind: str
    width: int
    what: str
    density: float | None
    """None: dense, so that the density does not matter."""
    seconds: float
    """CPU time per epoch and member; median over the rounds."""


def measure(say: Callable[[str], None]) -> Iterator[Timing]:
    """All implementations, in turn, round by round."""
    for kind in KINDS:
        for width in WIDTHS:
            say(f"{kind}, width {width}")
            yield from _measure_one(kind, width, say)


def _measure_one(kind: str, width: int, say: Callable[[str], None]) -> Iterator[Timing]:
    entries: dict[tuple[str, float | None], tuple[Epoch, int]] = {
        ("ours", density): (_ours(kind, width, density, "fused"), 1) for density in DENSITIES
    }
    entries["our PyTorch reference", None] = _ours(kind, width, 0.5, "reference"), 1
    physics = _physics(kind)
    case = _case(kind, width, 0.5)
    entries["eager", None] = _torch(loops.layer_by_layer(kind, physics), *case), 1
    entries["eager, layers stacked", None] = _torch(loops.stacked(kind, physics), *case), 1
    many = _case(kind, width, 0.5, members=MEMBERS)
    entries[f"eager, {MEMBERS} members", None] = (
        _torch(loops.stacked(kind, physics), *many),
        MEMBERS,
    )
    optional: dict[str, Callable[[], Epoch]] = {"JAX scan + jit": lambda: _jax(kind, width)}
    if width == WIDTHS[0]:
        compiled = "eager, torch.compile"
        optional[compiled] = lambda: _torch(loops.compiled(kind, physics), *case)
    for name, build in optional.items():
        try:
            epoch = build()
            epoch()
        except Exception as error:
            say(f"  {name} does not run: {type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            entries[name, None] = epoch, 1
    _check_losses({name: epoch() for name, (epoch, n) in _twins(entries).items() if n == 1})
    times: dict[tuple[str, float | None], list[float]] = {key: [] for key in entries}
    for _ in range(ROUNDS[width]):
        for key, (epoch, members) in entries.items():
            times[key].append(_turn(epoch) / members)
    for (what, density), seconds in times.items():
        median = statistics.median(seconds)
        yield Timing(kind=kind, width=width, what=what, density=density, seconds=median)


def _turn(epoch: Epoch) -> float:
    """CPU seconds per epoch, over TURN_S: one short epoch would measure others' caches."""
    began, n = time.process_time(), 0
    while n == 0 or time.process_time() - began < TURN_S:
        epoch()
        n += 1
    return (time.process_time() - began) / n


def _twins(entries: dict[tuple[str, float | None], Any]) -> dict[str, Any]:
    """Those that train the same network."""
    return {what: entry for (what, density), entry in entries.items() if density in (None, 0.5)}


def _check_losses(losses: dict[str, float]) -> None:
    """All must have begun from the same loss, or they are not the same network.

    Raises:
        RuntimeError: they are not.
    """
    if max(losses.values()) - min(losses.values()) > 1e-3:
        raise RuntimeError(f"the implementations disagree: {losses}")


def _physics(kind: str) -> loops.Physics:
    params = _params(kind, 32, 0.5)
    f_cut = getattr(params, "f_cut_per_ns", 0.0)
    return loops.Physics(gamma_per_ns=1 / params.tau_ns, s=params.s, f_cut_per_ns=f_cut)


def _params(kind: str, width: int, density: float) -> Any:
    changes: dict[str, Any] = {"density_inter": density, "density_intra": density, "width": width}
    return objectives.load(kind).Params(**changes)


def _examples() -> Examples:
    """The 898 series of the training half."""
    task = TASKS["sequential-digits"](name="sequential-digits")
    return load(task, protocol=Protocol.PAPER, member_seed=0).train


def _data() -> tuple[Tensor, Tensor]:
    examples = _examples()
    return torch.from_numpy(examples.x), torch.from_numpy(examples.label)


def _network(kind: str, width: int, density: float, members: int = 1) -> Any:
    objective: Any = objectives.load(kind)
    params = _params(kind, width, density)
    return objective.network(params, list(range(members)), channels=1, outputs=10)


def _case(
    kind: str, width: int, density: float, members: int = 1
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and masks by name; without a dimension of members if there is one."""
    network = _network(kind, width, density, members)

    def taken(tensor: Tensor) -> Tensor:
        return tensor.detach().clone() if members > 1 else tensor.detach()[0].clone()

    parameters = {n: taken(p).requires_grad_() for n, p in network.named_parameters()}
    masks = {n.replace("mask", "w"): taken(b).float() for n, b in network.named_buffers()}
    return parameters, masks


def _torch(
    logits: Callable[..., Tensor], parameters: dict[str, Tensor], masks: dict[str, Tensor]
) -> Epoch:
    optimizer = torch.optim.Adam(parameters.values(), lr=LR)
    return _epoch(lambda u: logits(u, parameters, masks), list(parameters.values()), optimizer)


def _ours(kind: str, width: int, density: float, backend: str) -> Epoch:
    """An epoch of the training loop that studies run, without scoring."""
    network = _network(kind, width, density)
    network.backend = backend
    start = [p.detach().clone() for p in network.parameters()]
    examples = _examples()
    recipe = Recipe(epochs=1, batch_size=BATCH, lr0=LR, lr_decay=1.0)

    def epoch() -> float:
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), start, strict=True):
                parameter.copy_(value)
        optimizer = torch.optim.Adam(network.parameters(), lr=LR, fused=True)
        updates = updates_of(network, optimizer, examples)
        return train_epoch(network, updates, examples, recipe=recipe, epoch=0)[0]

    return epoch


def _epoch(
    logits: Callable[[Tensor], Tensor], parameters: list[Tensor], optimizer: torch.optim.Adam
) -> Epoch:
    x, label = _data()
    batches = list(zip(torch.split(x, BATCH), torch.split(label, BATCH), strict=True))
    start = [p.detach().clone() for p in parameters]

    def epoch() -> float:
        with torch.no_grad():
            for parameter, value in zip(parameters, start, strict=True):
                parameter.copy_(value)
        losses = []
        for u, wanted in batches:
            optimizer.zero_grad()
            found = logits(u)
            several = found.reshape(-1, found.shape[-1])  # members side by side, if there are any
            loss = functional.cross_entropy(several, wanted.repeat(len(several) // len(wanted)))
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_value_(parameters, 1.0)
            optimizer.step()
            losses.append(loss.item() * len(wanted))
        return sum(losses) / len(label)

    return epoch


def _jax(kind: str, width: int) -> Epoch:
    import jax.numpy as jnp

    from benchmarks import jax_scan

    parameters, masks = _case(kind, width, 0.5)
    start = {name: jnp.asarray(p.detach().numpy()) for name, p in parameters.items()}
    zeros = {name: jnp.zeros_like(p) for name, p in start.items()}
    arrays = {name: jnp.asarray(mask.numpy()) for name, mask in masks.items()}
    update = jax_scan.updater(kind, _physics(kind), arrays)
    x, label = _data()
    batches = [
        (jnp.asarray(u.numpy()), jnp.asarray(wanted.numpy().astype(np.int32)))
        for u, wanted in zip(torch.split(x, BATCH), torch.split(label, BATCH), strict=True)
    ]

    def epoch() -> float:
        p, first, second, losses = start, zeros, zeros, []
        for n, (u, wanted) in enumerate(batches, start=1):
            p, first, second, loss = update(p, first, second, float(n), u, wanted, LR)
            losses.append(float(loss) * len(wanted))
        return sum(losses) / len(label)

    return epoch
