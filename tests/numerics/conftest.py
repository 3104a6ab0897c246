"""What holds after every test of the numerics."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def subnormals() -> Iterator[None]:
    """No kernel leaves its thread without subnormal numbers: it belongs to somebody
    else."""
    yield
    tiny = torch.tensor(1e-20)
    assert tiny * tiny > 0.0
