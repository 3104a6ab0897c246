"""Checkpoints of a training, and the training that one is of."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch

from hpo.contract import ObjectiveParams, Protocol, TaskParams

Identity = Mapping[str, Any]
"""The training of a checkpoint: parameters, task, protocol and seed, by name."""

CHECKPOINT_FORMAT = 1


def identify(
    objective: str,
    params: ObjectiveParams,
    *,
    task: TaskParams,
    protocol: Protocol,
    member_seed: int,
) -> Identity:
    """Return what a checkpoint of these arguments of ``Objective.evaluate`` must be
    of."""
    return _flatten(
        {
            "objective": objective,
            "protocol": protocol.value,
            "member_seed": member_seed,
            **params.model_dump(),
            "task": task.model_dump(),
        }
    )


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a table and of its tables by dotted names."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def read_checkpoint(checkpoint: bytes, identity: Identity) -> dict[str, Any]:
    """Return the state in ``checkpoint``; check that it is of the training
    ``identity``."""
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(checkpoint), map_location="cpu", weights_only=True
        )
        stored = state["identity"]
        version = state["format"]
    except (
        RuntimeError,
        EOFError,
        KeyError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        raise ValueError(
            "checkpoint: expected bytes of `Progress.checkpoint()`, got"
            f" {len(checkpoint)} other bytes ({type(error).__name__}). Train this"
            " member again."
        ) from error
    if version != CHECKPOINT_FORMAT:
        raise ValueError(
            f"checkpoint: expected format {CHECKPOINT_FORMAT}, got {version}. "
            "It was written by another version: train this member again."
        )
    for name in sorted(stored.keys() | identity.keys()):
        if stored.get(name) != identity.get(name):
            raise ValueError(
                f"checkpoint: expected `{name} == {identity.get(name)!r}`, got "
                f"{name}={stored.get(name)!r}. Resume with the arguments that wrote it."
            )
    return state
