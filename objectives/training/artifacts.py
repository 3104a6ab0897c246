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
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes

from hpo import objectives
from hpo.contract import NetworkObjective, ObjectiveParams, TaskParams
from hpo.errors import one_line

from ..data.examples import Scaling, Split
from ..networks import network_file
from ..networks.network_file import FORMAT
from ..refusal import refuse

if TYPE_CHECKING:
    from ..networks.layered import LayeredNetwork

Tensors = Mapping[str, torch.Tensor]
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


def describe_member(
    objective: str,
    params: ObjectiveParams,
    task: TaskParams,
    *,
    split: Split,
    member_seed: int,
) -> dict[str, Any]:
    """Return the description of a trained network: what it is, and what data it
    reads."""
    return {
        "objective": objective,
        "parameters": params.model_dump(mode="json"),
        "task": task.model_dump(mode="json"),
        "classes": list(split.names),
        "input_points": split.train.shape[1],
        "input_scaling": asdict(split.scaling) if split.scaling else None,
        "member_seed": member_seed,
    }


def restore(network: LayeredNetwork, data: bytes) -> None:
    """Set the weights of a network, drawn from its seed, to those that ``to_bytes``
    stored.

    Raises:
        ValueError: ``data`` is of another network, or damaged.
    """
    try:
        network.load_state_dict(from_bytes(data))
    except (SafetensorError, RuntimeError) as error:
        rule = "the tensors of this network"
        refuse("network", rule, one_line(error), "Train it again.")


def connectivity(network: LayeredNetwork) -> dict[str, Any]:
    """Return the numbers of neurons, of synapses, and of connections that each mask
    keeps."""
    widths = network.widths
    possible = {
        "mask_in": widths[0] * network.w_in.shape[-1],
        "mask_inter": sum(below * above for below, above in pairwise(widths)),
        "mask_intra": sum(width * width for width in widths),
    }
    counts: dict[str, Any] = {
        "n_neurons": network.n_neurons,
        "n_synapses": network.n_synapses,
    }
    for name, count in possible.items():
        kept = int(getattr(network, name)[0].sum())
        counts[name] = {"kept": kept, "possible": count}
    return counts


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
        rule = f"the tensors of a {description['objective']} network"
        refuse(path, rule, one_line(error), _REMEDY)
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
    path = Path(path)
    description = describe(path)
    channels = description["architecture"]["channels"]
    arrays = [_check_series(path, k, one, channels) for k, one in enumerate(series)]
    points = max(map(len, arrays), default=0)
    pads = description["task"].get("pad") is not None
    if pads:
        points = description["input_points"]
    scaling = description["input_scaling"]
    x = np.zeros((len(arrays), points, channels), dtype=np.float32)
    for k, array in enumerate(arrays):
        _check_length(path, k, len(array), points, pads)
        if scaling is not None:
            array = Scaling(**scaling).apply(array)
        x[k, points - len(array) :] = array
    return torch.from_numpy(x)


def _check_series(
    path: Path, number: int, series: ArrayLike, channels: int
) -> NDArray[np.float32]:
    """Return a series of finite numbers, (time, channels)."""
    array = np.asarray(series, dtype=np.float32)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    fits = array.ndim == 2 and array.shape[1] == channels and len(array) > 0
    if not fits or not np.isfinite(array).all():
        refuse(
            path,
            f"series of shape (time, {channels}) of finite numbers",
            f"series[{number}].shape={array.shape}",
            "Correct or remove that series.",
        )
    return array


def _check_length(
    path: Path, number: int, length: int, points: int, pads: bool
) -> None:
    """Refuse a series that has not ``points`` points, or, if the task pads, more."""
    got = f"{length} in series[{number}]"
    if pads and length > points:
        remedy = "Cut it: the network was trained on series of at most this length."
        refuse(path, f"series of at most {points} points", got, remedy)
    if not pads and length != points:
        remedy = "The network was trained on series of one length: cut them to one."
        refuse(path, "series of one length", got, remedy)


def describe(path: str | Path) -> dict[str, Any]:
    """Return the description in the file of a network: parameters, scores, lineage.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no such network, is damaged, or was written by a
            newer version.
    """
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    data = path.read_bytes()
    try:
        tensors = from_bytes(data)
        description = network_file.read_description(data)
    except (SafetensorError, ValueError) as error:
        got = f"{len(data)} other bytes ({error})"
        refuse(path, "a network of `hpo export --network`", got, _REMEDY)
    version = description.get("format")
    if version != FORMAT:
        remedy = (
            "Install the version of hpo-dynamics that wrote it, or export it again."
        )
        refuse(path, f"`format = {FORMAT}`", f"format={version!r}", remedy)
    return tensors, description


def _build(
    path: Path, description: Mapping[str, Any], tensors: Tensors
) -> LayeredNetwork:
    """Build the network of a description, without its weights.

    Its sizes must be those of the tensors, so that it is no larger than the file.
    """
    name = description.get("objective")
    objective = _load_objective(name)
    if objective is None:
        refuse(
            path,
            f"`objective` in {', '.join(sorted(objectives.BUILT_IN))}",
            f"objective={name!r}",
            "For a device of your own, import its module first. For another objective,"
            " read the tensors: safetensors.torch.load_file(FILE).",
        )
    try:
        params: Any = objective.Params(**description["parameters"])
        sizes = {**description["architecture"]}
    except (KeyError, TypeError, ValidationError) as error:
        rule = f"parameters of the objective {name}"
        refuse(path, rule, one_line(error), _REMEDY)
    tensor_sizes = _architecture(tensors)
    sizes["layers"] = params.layers
    sizes["width"] = int(np.max(params.width))
    if not tensor_sizes or tensor_sizes != sizes:
        got = f"{tensor_sizes or 'others'}"
        refuse(path, f"tensors of the size {sizes}", got, _REMEDY)
    network: LayeredNetwork = objective.network(
        params,
        [0] * sizes["members"],
        channels=sizes["channels"],
        outputs=sizes["outputs"],
    )
    return network


def _load_objective(name: Any) -> NetworkObjective[Any, Any] | None:
    """Return a built-in objective, or that of a device whose module is imported; None
    for any other: no file can run code."""
    name = str(name)
    built_in = name in objectives.BUILT_IN
    module, _, in_module = name.partition(":")
    if not built_in and not (in_module and module in sys.modules):
        return None
    try:
        objective = objectives.load(name)
    except LookupError:
        return None
    is_ours = built_in or hasattr(objective.Params, "states")
    return objective if is_ours and isinstance(objective, NetworkObjective) else None


def _architecture(tensors: Tensors) -> dict[str, int]:
    """Return the sizes of a network by its tensors; {} if their shapes contradict each
    other."""
    try:
        members, layers, width, _ = tensors["w_intra"].shape
        sizes = {
            "members": members,
            "layers": layers,
            "width": width,
            "channels": tensors["w_in"].shape[-1],
            "outputs": tensors["w_out"].shape[-2],
        }
    except (KeyError, IndexError, ValueError):
        return {}
    return sizes if min(sizes.values()) >= 1 else {}
