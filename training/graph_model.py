"""TensorFlow.js graph models: what a ``.json`` and the ``.bin`` beside it hold, and running it.

Straight networks of convolutions only, as recognisers are; nothing of TensorFlow is needed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Node = dict[str, Any]
SUMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "AddV2": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
}


def read(file: Path) -> tuple[list[Node], dict[str, NDArray[np.float32]]]:
    """Operations in their order, and constants by name (also those of whole numbers).

    :raises ValueError: when the file is no graph model, or its weights are not those beside it.
    """
    try:
        model = json.loads(file.read_text(encoding="utf-8"))
        nodes = model["modelTopology"]["node"]
        listed = model["weightsManifest"][0]["weights"]
    except (KeyError, IndexError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file.name} is no TensorFlow.js graph model") from error
    data, values, at = file.with_suffix(".bin").read_bytes(), {}, 0
    for entry in listed:
        kind = np.dtype(entry.get("quantization", entry)["dtype"])
        size = kind.itemsize * int(np.prod(entry["shape"]))
        if at + size > len(data):
            break
        found = np.frombuffer(data[at : at + size], kind).reshape(entry["shape"])
        values[entry["name"]] = found.astype(np.float32)
        at += size
    if at != len(data) or len(values) != len(listed):
        raise ValueError(f"{file.with_suffix('.bin').name} does not belong to {file.name}")
    return nodes, values


class GraphModel:
    """A graph model from its one input, n x c x h x w, to its last output."""

    def __init__(self, file: Path) -> None:
        """
        :raises ValueError: when the file is no graph model, or none that runs in its own order.
        """
        nodes, values = read(file)
        self._steps = [node for node in nodes if node["op"] not in ("Const", "Placeholder")]
        inputs = [node["name"] for node in nodes if node["op"] == "Placeholder"]
        known = {*inputs, *values}
        for node in self._steps:
            if len(inputs) != 1 or not known.issuperset(node["input"]):
                raise ValueError(f"{file.name} has more inputs than one, or its order is another")
            known.add(node["name"])
        self._input = inputs[0]
        self._values = {name: torch.from_numpy(value) for name, value in values.items()}

    def __call__(self, pictures: Tensor) -> Tensor:
        """
        :raises ValueError: when the file holds an operation that this class does not know.
        """
        known = {self._input: pictures, **self._values}
        found = pictures
        for node in self._steps:
            x, *rest = (known[name] for name in node["input"])
            found = known[node["name"]] = _run(node, x, rest)
        return found


def _run(node: Node, x: Tensor, rest: list[Tensor]) -> Tensor:
    kind = node["op"]
    if kind in SUMS:
        return SUMS[kind](*(_spread(value, x, *rest) for value in (x, *rest)))
    if kind == "Conv2D":
        return F.conv2d(x, rest[0].permute(3, 2, 0, 1), stride=_stride(node))
    if kind == "DepthwiseConv2dNative":
        kernel = rest[0].permute(2, 3, 0, 1)
        return F.conv2d(x, kernel, stride=_stride(node), groups=len(kernel))
    if kind == "Pad":
        (top, bottom), (left, right) = rest[0].int().tolist()[1:3]
        return F.pad(x, (left, right, top, bottom))
    if kind == "Reshape":
        return x.permute(0, 2, 3, 1).flatten(1)
    if kind == "MatMul":
        return x @ rest[0]
    raise ValueError(f"a graph model with {kind} cannot be run")


def _spread(value: Tensor, *others: Tensor) -> Tensor:
    """A constant a channel, or a constant map h x w x c, beside maps n x c x h x w."""
    maps = max(other.ndim for other in others) == 4
    if maps and value.ndim == 3:
        return value.permute(2, 0, 1)
    return value.view(-1, 1, 1) if maps and value.ndim == 1 else value


def _stride(node: Node) -> int:
    """
    :raises ValueError: when the picture is padded by the convolution itself.
    """
    if base64.b64decode(node["attr"]["padding"]["s"]) != b"VALID":
        raise ValueError("a graph model whose convolutions pad cannot be run")
    return int(node["attr"]["strides"]["list"]["i"][1])
