"""A trained network as bytes or as a file: safetensors, described by JSON in its header.

safetensors begins with the length of its header, in eight bytes, and the header, which is JSON: to
read or to change a description needs no tensor, and so no PyTorch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
"""Written into every description; a reader refuses what is newer than itself."""
KEY = "hpo_network"
"""Where the header holds the description."""
_METADATA = "__metadata__"
_LENGTH = 8
"""Bytes that hold the length of the header, of which it is a multiple, too."""


def packed(tensors: Mapping[str, Any], description: Mapping[str, Any]) -> bytes:
    """Return PyTorch's tensors by name, and what describes them, JSON-ready, as bytes."""
    from safetensors.torch import save

    own = {name: value.contiguous() for name, value in tensors.items()}
    data: bytes = save(own, metadata={KEY: _text({"format": FORMAT, **description})})
    return data


def described(data: bytes) -> dict[str, Any]:
    """Return the description in the header of what ``packed`` gave.

    Raises:
        ValueError: it is something else.
    """
    try:
        return dict(json.loads(_split(data)[0][_METADATA][KEY]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"no safetensors with a description in the header: {error!r}") from error


def write(path: Path, data: bytes, about: Mapping[str, Any]) -> None:
    """Write a network to ``path`` and its description beside it, each whole or not at all.

    Args:
        path: file to write; the description goes to the same name with the ending ``.json``.
        data: what ``packed`` gave.
        about: what the description says besides (scores, lineage), JSON-ready.

    Raises:
        OSError: a file cannot be written.
        ValueError: it is no such network.
    """
    text = _text({**described(data), **about})
    header, tensors = _split(data)
    words = json.dumps({**header, _METADATA: {KEY: text}}, separators=(",", ":")).encode()
    words += b" " * (-len(words) % _LENGTH)
    whole = len(words).to_bytes(_LENGTH, "little") + words + tensors
    contents = {path: whole, path.with_suffix(".json"): f"{text}\n".encode()}
    for target, content in contents.items():
        _draft(target).write_bytes(content)
    for target in contents:
        os.replace(_draft(target), target)


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header, and the tensors after it."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    header: dict[str, Any] = json.loads(data[_LENGTH:end])
    return header, data[end:]


def _text(description: Mapping[str, Any]) -> str:
    return json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
