"""Seeds for the random generators that a script uses: the global ones, and those that
its modules hold."""

from __future__ import annotations

import importlib.util
import random
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def seed_generators(seed: int) -> None:
    """Seed ``random``, the global generator of NumPy and, if it is imported, PyTorch.

    Args:
        seed: from 0 to 2**31 - 1.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def seed_held_generators(seed: int, holders: Iterable[Any]) -> None:
    """Seed the generators that modules or objects have as attributes, each by its name.

    A generator such as ``rng = np.random.default_rng(0)`` of a module would otherwise
    count the calls of its process.

    Args:
        seed: from 0 to 2**31 - 1.
        holders: modules, or objects with attributes.
    """
    for holder in holders:
        place = getattr(holder, "__name__", type(holder).__name__)
        for name, value in list(vars(holder).items()):
            _seed_one(value, zlib.crc32(f"{seed} {place}.{name}".encode()))


def _seed_one(value: Any, seed: int) -> None:
    """Seed a generator; pass over anything else."""
    import numpy as np

    torch: Any = sys.modules.get("torch")
    if isinstance(value, np.random.Generator):
        old = value.bit_generator
        old.state = type(old)(seed).state
    elif isinstance(value, np.random.RandomState | random.Random):
        value.seed(seed)
    elif torch is not None and isinstance(value, torch.Generator):
        value.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, and PyTorch also if it is imported within the
    block."""
    seed_generators(seed)
    finder = _TorchFinder(seed)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def restored() -> Iterator[None]:
    """Restore the state of ``random`` and of NumPy's global generator in the end."""
    import numpy as np

    state = random.getstate()
    numpy_state = np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


class _TorchFinder(MetaPathFinder):
    """Finds PyTorch as Python does, and seeds it once it is imported."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._searching = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "torch" or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _SeedingLoader(spec.loader, self._seed)
        return spec


class _SeedingLoader(Loader):
    def __init__(self, loader: Loader, seed: int) -> None:
        self._loader = loader
        self._seed = seed

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.manual_seed(self._seed)
