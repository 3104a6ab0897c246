"""Trained networks as files: weights and masks in safetensors, a description in JSON.

    from hpo.objectives.training.artifacts import load_network, network_input
    network = load_network("best.safetensors")
    x = network_input("best.safetensors", recordings)  # (batch, time, channels)
    logits = network(x)  # (1, batch, classes)

``network_input`` normalises series and brings them to one length, as the task of the
network did.

``best.safetensors`` is complete: dense tensors named as in
``hpo.objectives.networks.layered``, the masks of the connections, and the description
in its header. ``best.json`` is a readable copy of the description. No such file can run
code: safetensors holds numbers only, and the class of the network is that of a built-in
objective, or of your own device in a module that you have imported before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes

from hpo import objectives
from hpo.contract import NetworkObjective

from ..data.examples import Scaling
from ..networks import network_file
from ..networks.network_file import FORMAT

if TYPE_CHECKING:
    from ..networks.layered import LayeredNetwork

_LENGTH = {
    True: "Cut it: the network was trained on series of at most this length.",
    False: "The network was trained on series of one length: cut them to one.",
}
_REMEDY = "Export it again: hpo export STUDY --network FILE.safetensors."


def to_bytes(network: LayeredNetwork, description: Mapping[str, Any]) -> bytes:
    """Return a network of one member as the bytes of a file that ``load_network``
    reads.

    Args:
        network: the network.
        description: JSON-ready, with ``objective``, its registered name, and
            ``parameters``, by which ``load_network`` builds the network again.
    """
    whole = {
        "network": f"{type(network).__module__}.{type(network).__name__}",
        "architecture": _architecture(network.state_dict()),
        "connectivity": connectivity(network),
        **description,
    }
    return network_file.to_bytes(network.state_dict(), whole)


def restore(network: LayeredNetwork, data: bytes) -> None:
    """Set the weights of a network, drawn from its seed, to those that ``to_bytes``
    stored.

    Raises:
        ValueError: ``data`` is of another network, or damaged.
    """
    try:
        network.load_state_dict(from_bytes(data))
    except (SafetensorError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise ValueError(
            f"network: expected the tensors of this network, got {words}. Train it"
            " again."
        ) from error


def connectivity(network: LayeredNetwork) -> dict[str, Any]:
    """Return the numbers of neurons, of synapses, and of connections that each mask
    keeps."""
    n, channels = network.widths, network.w_in.shape[-1]
    possible = {
        "mask_in": n[0] * channels,
        "mask_inter": sum(below * above for below, above in pairwise(n)),
        "mask_intra": sum(width * width for width in n),
    }
    return {
        "n_neurons": network.n_neurons,
        "n_synapses": network.n_synapses,
        **{
            name: {"kept": int(getattr(network, name)[0].sum()), "possible": count}
            for name, count in possible.items()
        },
    }


def load_network(path: str | Path) -> LayeredNetwork:
    """Load the network of a file that ``hpo export --network`` wrote, ready to compute.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no such network, is damaged, or was written by a
            newer version.
    """
    path = Path(path)
    tensors, description = _read(path)
    network = _build(path, description, tensors)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        words = " ".join(str(error).split())
        _refuse(
            path, f"the tensors of a {description['objective']} network", words, _REMEDY
        )
    return network.eval()


def network_input(path: str | Path, series: Sequence[ArrayLike]) -> torch.Tensor:
    """Prepare recordings for the network in a file: normalised, and padded as by its
    task.

    Args:
        path: the file of the network.
        series: each (time, channels), or (time,) of one channel, in the units of its
            task's data.

    Returns:
        Tensor of shape (series, time, channels), float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no such network; or a series has other channels,
            numbers that are not finite, another length than the others, or, if the task
            pads, a greater one than in training.
    """
    description, path = describe(path), Path(path)
    channels = description["architecture"]["channels"]
    arrays = [np.asarray(one, dtype=np.float32) for one in series]
    arrays = [one[:, np.newaxis] if one.ndim == 1 else one for one in arrays]
    pads = description["task"].get("pad") is not None
    points = description["input_points"] if pads else max(map(len, arrays), default=0)
    scaling = Scaling(**values) if (values := description["input_scaling"]) else None
    x = np.zeros((len(arrays), points, channels), dtype=np.float32)
    for k, one in enumerate(arrays):
        fits = one.ndim == 2 and one.shape[1] == channels and len(one) > 0
        if not fits or not np.isfinite(one).all():
            rule = f"series of shape (time, {channels}) of finite numbers"
            _refuse(
                path,
                rule,
                f"series[{k}].shape={one.shape}",
                "Correct or remove that series.",
            )
        if len(one) > points or not (pads or len(one) == points):
            rule = (
                f"series of at most {points} points" if pads else "series of one length"
            )
            _refuse(path, rule, f"{len(one)} in series[{k}]", _LENGTH[pads])
        x[k, points - len(one) :] = one if scaling is None else scaling.apply(one)
    return torch.from_numpy(x)


def describe(path: str | Path) -> dict[str, Any]:
    """Return the description in the file of a network: parameters, scores, lineage.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no such network, is damaged, or was written by a
            newer version.
    """
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    data = path.read_bytes()
    try:
        tensors, description = from_bytes(data), network_file.read_description(data)
    except (SafetensorError, ValueError) as error:
        got = f"{len(data)} other bytes ({error})"
        _refuse(path, "a network of `hpo export --network`", got, _REMEDY)
    if (version := description.get("format")) != FORMAT:
        remedy = (
            "Install the version of hpo-dynamics that wrote it, or export it again."
        )
        _refuse(path, f"`format = {FORMAT}`", f"format={version!r}", remedy)
    return tensors, description


def _build(
    path: Path, description: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> LayeredNetwork:
    """Build the network of a description, without its weights.

    Its sizes must be those of the tensors, so that it is no larger than the file.
    """
    name = description.get("objective")
    module = name.partition(":")[0] if isinstance(name, str) else ""
    known = name in objectives.BUILT_IN or (module != name and module in sys.modules)
    try:
        objective = objectives.load(cast(str, name)) if known else None
    except LookupError:
        objective = None
    ours = name in objectives.BUILT_IN or hasattr(
        getattr(objective, "Params", None), "states"
    )
    if not (ours and isinstance(objective, NetworkObjective)):
        _refuse(
            path,
            f"`objective` in {', '.join(sorted(objectives.BUILT_IN))}",
            f"objective={name!r}",
            "For a device of your own, import its module first. For another objective,"
            " read the tensors: safetensors.torch.load_file(FILE).",
        )
    try:
        params = objective.Params(**description["parameters"])
        sizes = {**description["architecture"]}
    except (KeyError, TypeError, ValidationError) as error:
        words = " ".join(str(error).split())
        _refuse(path, f"parameters of the objective {name}", words, _REMEDY)
    tensor_sizes = _architecture(tensors)
    width = getattr(params, "width", None)
    sizes["layers"] = getattr(params, "layers", None)
    sizes["width"] = max(width) if isinstance(width, tuple) else width
    if not tensor_sizes or tensor_sizes != sizes:
        _refuse(
            path, f"tensors of the size {sizes}", f"{tensor_sizes or 'others'}", _REMEDY
        )
    network: LayeredNetwork = objective.network(
        params,
        [0] * sizes["members"],
        channels=sizes["channels"],
        outputs=sizes["outputs"],
    )
    return network


def _architecture(tensors: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """Return the sizes of a network by its tensors; {} if their shapes contradict each
    other."""
    try:
        members, layers, width, _ = tensors["w_intra"].shape
        channels, outputs = tensors["w_in"].shape[-1], tensors["w_out"].shape[-2]
    except (KeyError, IndexError, ValueError):
        return {}
    sizes = {"members": members, "layers": layers, "width": width}
    sizes |= {"channels": channels, "outputs": outputs}
    return sizes if min(sizes.values()) >= 1 else {}


def _refuse(path: Path, rule: str, got: str, remedy: str) -> NoReturn:
    raise ValueError(f"{path}: expected {rule}, got {got}. {remedy}")
