"""Read a shipped generator back from its two ONNX files, to train it on.

What is stored as float16 comes back rounded; the discriminator and the optimisers' states are not
in the files, so a run that starts here needs some hundred steps before it is steady again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from training.export import scales_at
from training.model import Appearance, Generator, GeneratorShape, Place

Array = NDArray[np.float32]


def restore(folder: Path, shape: GeneratorShape, size: int = 128) -> Generator:
    """The generator of ``folder/swapper.onnx``, ``swapper_identity.onnx`` and, where there is one,
    ``appearance.onnx``.

    Layers that the shape has and the files have not keep their fresh weights; those start closed.

    :raises ValueError: when the files hold a network of another shape.
    """
    generator = Generator(shape, size)
    _restore_identity(generator, onnx.load(folder / "swapper_identity.onnx"))
    _restore_swapper(generator, onnx.load(folder / "swapper.onnx"))
    if generator.appearance is not None and (folder / "appearance.onnx").is_file():
        _restore_appearance(generator.appearance, onnx.load(folder / "appearance.onnx"))
    return generator


def _restore_identity(generator: Generator, model: onnx.ModelProto) -> None:
    weight, bias = (_array(item) for item in model.graph.initializer)
    linear, scales = generator.identity.linear, scales_at(generator.swapper.shape)
    known, given = len(weight), len(bias)
    weight = weight.T / generator.identity.scale[:known].numpy()
    _copy(linear.weight[:given, :known], weight)  # first: it tells another shape
    _copy(linear.bias[:given], bias - scales[:given])


def _restore_swapper(generator: Generator, model: onnx.ModelProto) -> None:
    net = generator.swapper
    values = _values(model)
    convolutions = [n for n in model.graph.node if n.op_type == "Conv"]
    found = [(values[n.input[1]], values[n.input[2]]) for n in convolutions]
    layers = net.convolutions()
    later = [conv for block in net.finer for conv in (block.first, block.second)]
    for parts in (later, [net.sharp]):  # files may be from before these, in this order
        if len(layers) > len(found):
            layers = [layer for layer in layers if not any(layer is part for part in parts)]
    if len(layers) != len(found):
        raise ValueError(f"{len(found)} convolutions in the file, {len(layers)} in the recipe")
    for layer, (weight, bias) in zip(layers, found, strict=True):
        _copy(layer.weight, _colour_first(weight) if layer is net.stem else weight)
        _copy(layer.bias, bias)
    maps = [
        values[name]
        for node in model.graph.node
        if node.op_type == "Add"
        for name in node.input
        if name in values and values[name].ndim == 4 and values[name].shape[1] > 3
    ]
    for place, plane in zip(net.places, maps, strict=True):
        _restore_place(place, plane)


def _restore_appearance(network: Appearance, model: onnx.ModelProto) -> None:
    values = _values(model)
    layers: list[nn.Conv2d | nn.Linear] = [*network.layers, network.squeeze, network.linear]
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul")]
    biases = [node.input[2] for node in nodes if node.op_type == "Conv"]
    biases += [n.input[1] for n in model.graph.node if n.op_type == "Add"]
    if not len(layers) == len(nodes) == len(biases):
        raise ValueError(f"{len(nodes)} layers in appearance.onnx, {len(layers)} in the recipe")
    for n, (layer, node, bias) in enumerate(zip(layers, nodes, biases, strict=True)):
        weight = values[node.input[1]]
        weight = _colour_first(weight) if n == 0 else weight
        _copy(layer.weight, weight.T if node.op_type == "MatMul" else weight)
        _copy(layer.bias, values[bias])


def _values(model: onnx.ModelProto) -> dict[str, Array]:
    """Every constant by its name, and by the name of what it is cast to."""
    values = {item.name: _array(item) for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast":
            values[node.output[0]] = values[node.input[0]]
    return values


def _colour_first(weight: Array) -> Array:
    """Of a convolution on cells of 2 x 2: colour is last in the file, first in PyTorch."""
    return weight.reshape(-1, 4, 3, 3, 3).swapaxes(1, 2).reshape(weight.shape)


def _restore_place(place: Place, plane: Array) -> None:
    """The map 1 x c x s x s back to the weights that make it: a linear system, solved exactly."""
    waves = place.waves(plane.shape[-1])[0].flatten(1).numpy()  # k x s*s
    known = np.concatenate([waves, np.ones((1, waves.shape[1]), np.float32)]).T
    solved = np.linalg.lstsq(known.astype(float), plane[0].reshape(len(plane[0]), -1).T)[0].T
    _copy(place.conv.weight, solved[:, :-1, None, None])
    _copy(place.conv.bias, solved[:, -1])


def _array(item: onnx.TensorProto) -> Array:
    return np.asarray(numpy_helper.to_array(item)).astype(np.float32)


def _copy(to: Tensor | None, value: Array) -> None:
    if to is None or tuple(to.shape) != value.shape:
        wanted = None if to is None else tuple(to.shape)
        raise ValueError(f"the file holds {value.shape}, the recipe's network {wanted}")
    with torch.no_grad():
        to.copy_(torch.from_numpy(np.ascontiguousarray(value, np.float32)))
