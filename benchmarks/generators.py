"""Generators of known sizes with random weights, as ONNX: yardsticks for speed, no swappers.

They have SimSwap's layout (Chen et al. 2020): a 7 x 7 convolution, strided 3 x 3 convolutions down,
blocks of (convolution, instance norm, scale and shift from the identity) twice with a skip, then
bilinear doubling and convolutions up, and a 7 x 7 convolution to RGB. Zero padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LATENT = 512


@dataclass(frozen=True)
class Shape:
    """Input side, channels of each level (each halves the side but the first), number of blocks.

    ``still`` levels after the first keep the side.
    """

    side: int
    channels: tuple[int, ...]
    blocks: int
    still: int = 0


# The last has the layer widths of a 128-px network of 550 MB, as INSwapper's file is; its authors
# published no definition.
SHAPES = {
    "simswap-224": Shape(224, (64, 128, 256, 512), 9),
    "simswap-256": Shape(256, (64, 128, 256, 512), 9),
    "inswapper-size": Shape(128, (128, 256, 512, 1024), 6, still=1),
}


@dataclass(frozen=True)
class Built:
    """A model's bytes, its convolutions' multiply-adds for one crop, and its parameters."""

    model: bytes
    macs: int
    parameters: int


def build(shape: Shape) -> Built:
    """``target`` 1 x 3 x S x S and ``source`` 1 x 512 to ``output`` 1 x 3 x S x S, float32."""
    return _Builder(shape).build()


def matrix_product(side: int) -> bytes:
    """``a`` times a fixed matrix, ``side`` squared, which a runtime may pack: the yardstick."""

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side])

    fixed = np.random.default_rng(0).standard_normal((side, side), np.float32)
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    weights = [numpy_helper.from_array(fixed, "b")]
    graph = helper.make_graph([node], "product", [value("a")], [value("c")], weights)
    opset = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


class _Builder:
    def __init__(self, shape: Shape) -> None:
        self._shape, self._rng = shape, np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._macs = self._parameters = self._count = 0

    def build(self) -> Built:
        shape = self._shape
        side, width = shape.side, shape.channels[0]
        x = self._relu(self._conv("target", 3, width, 7, side))
        for level, wider in enumerate(shape.channels[1:], 1):
            stride = 1 if level <= shape.still else 2
            side //= stride
            x = self._relu(self._conv(x, width, wider, 3, side, stride))
            width = wider
        for _ in range(shape.blocks):
            y = self._relu(self._style(self._conv(x, width, width, 3, side), width))
            y = self._style(self._conv(y, width, width, 3, side), width)
            x = self._node("Add", [x, y])
        for level in range(len(shape.channels) - 1, 0, -1):
            if level > shape.still:
                side *= 2
                x = self._doubled(x)
            x = self._relu(self._conv(x, width, shape.channels[level - 1], 3, side))
            width = shape.channels[level - 1]
        x = self._node("Tanh", [self._conv(x, width, 3, 7, side)])
        half, one = self._weight(np.float32(0.5)), self._weight(np.float32(1.0))
        x = self._node("Mul", [self._node("Add", [x, one]), half])
        self._nodes.append(helper.make_node("Identity", [x], ["output"]))
        return Built(self._model(), self._macs, self._parameters)

    def _model(self) -> bytes:
        def value(name: str, *sizes: int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)

        side = self._shape.side
        graph = helper.make_graph(
            self._nodes,
            "yardstick",
            [value("target", 1, 3, side, side), value("source", 1, LATENT)],
            [value("output", 1, 3, side, side)],
            self._weights,
        )
        opset = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        return bytes(model.SerializeToString())

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        self._count += 1
        name = f"t{self._count}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _weight(self, value: np.ndarray | np.generic) -> str:
        self._count += 1
        name = f"w{self._count}"
        self._weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _random(self, *sizes: int, scale: float) -> str:
        self._parameters += int(np.prod(sizes))
        return self._weight(self._rng.standard_normal(sizes, np.float32) * np.float32(scale))

    def _conv(self, x: str, taken: int, made: int, kernel: int, side: int, stride: int = 1) -> str:
        """``side`` is the result's."""
        self._macs += taken * made * kernel**2 * side**2
        weight = self._random(made, taken, kernel, kernel, scale=(2 / (taken * kernel**2)) ** 0.5)
        bias = self._random(made, scale=0.01)
        return self._node(
            "Conv", [x, weight, bias], pads=[kernel // 2] * 4, strides=[stride, stride]
        )

    def _relu(self, x: str) -> str:
        return self._node("Relu", [x])

    def _style(self, x: str, channels: int) -> str:
        one, none = (self._weight(np.full(channels, v, np.float32)) for v in (1.0, 0.0))
        x = self._node("InstanceNormalization", [x, one, none], epsilon=1e-5)
        place = self._weight(np.array([1, channels, 1, 1], np.int64))
        parts = []
        for base in (1.0, 0.0):
            matrix = self._random(LATENT, channels, scale=0.02)
            bias = self._weight(np.full(channels, base, np.float32))
            self._parameters += channels
            row = self._node("Gemm", ["source", matrix, bias])
            parts.append(self._node("Reshape", [row, place]))
        return self._node("Add", [self._node("Mul", [x, parts[0]]), parts[1]])

    def _doubled(self, x: str) -> str:
        factors = self._weight(np.array([1, 1, 2, 2], np.float32))
        return self._node(
            "Resize",
            [x, "", factors],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
