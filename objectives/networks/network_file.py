"""A trained network as bytes or as a file: safetensors, described by JSON in its
header.

safetensors begins with the length of its header, in eight bytes, and the header, which
is JSON. So a description can be read and changed without PyTorch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
"""Written into every description; a reader refuses a newer format."""
KEY = "hpo_network"
"""Key of the description in the header."""
_METADATA = "__metadata__"
_LENGTH = 8
"""Bytes of the length of the header, which is a multiple of this number, too."""


def to_bytes(tensors: Mapping[str, Any], description: Mapping[str, Any]) -> bytes:
    """Return tensors of PyTorch by name, and their JSON-ready description, as bytes."""
    from safetensors.torch import save

    arrays = {name: value.contiguous() for name, value in tensors.items()}
    data: bytes = save(arrays, metadata={KEY: _text({"format": FORMAT, **description})})
    return data


def read_description(data: bytes) -> dict[str, Any]:
    """Return the description in the header of a network's bytes.

    Raises:
        ValueError: the bytes are something else.
    """
    try:
        return dict(json.loads(_split(data)[0][_METADATA][KEY]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"no safetensors with a description in the header: {error!r}"
        ) from error


def write(path: Path, data: bytes, about: Mapping[str, Any]) -> None:
    """Write a network to ``path`` and its description beside it, each whole or not at
    all.

    Args:
        path: file to write; the description goes to the same name with the ending
            ``.json``.
        data: the bytes of ``to_bytes``.
        about: more entries of the description (scores, lineage), JSON-ready.

    Raises:
        OSError: a file cannot be written.
        ValueError: ``data`` is no such network.
    """
    text = _text({**read_description(data), **about})
    header, tensors = _split(data)
    words = json.dumps(
        {**header, _METADATA: {KEY: text}}, separators=(",", ":")
    ).encode()
    words += b" " * (-len(words) % _LENGTH)
    whole = len(words).to_bytes(_LENGTH, "little") + words + tensors
    contents = {path: whole, path.with_suffix(".json"): f"{text}\n".encode()}
    for target, content in contents.items():
        _draft(target).write_bytes(content)
    for target in contents:
        os.replace(_draft(target), target)


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header, and the bytes of the tensors after it."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    header: dict[str, Any] = json.loads(data[_LENGTH:end])
    return header, data[end:]


def _text(description: Mapping[str, Any]) -> str:
    return json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
