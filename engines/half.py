"""A network's float32 tensors made float16, but for the layers that need the range or the digits.

Recent TensorRT takes each layer's type from the network ("strongly typed"), so the cast is ours.
Inputs and outputs keep float32. ONNX Runtime's own converter was tried and left: it writes nodes
before what they read, cannot tell unnamed nodes apart, and leaves weights behind casts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.errors import EngineError
from engines.onnx_graph import cast_type, element_types, rewritten

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST = float(np.finfo(np.float16).max)

# Sums over many values and steep functions: the small differences that they live on are lost in 11
# bits, or their sums leave the range.
STATISTICS = frozenset(
    (
        *("InstanceNormalization", "LayerNormalization", "GroupNormalization"),
        *("BatchNormalization", "LpNormalization", "MeanVarianceNormalization"),
        *("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSum"),
        *("ReduceSumSquare", "GlobalAveragePool", "Softmax", "LogSoftmax", "CumSum"),
        *("Exp", "Log", "Pow", "Sqrt", "Reciprocal"),
    )
)
# Not the same float type on all sides, or no float16 in their definition.
FIXED = frozenset(
    (
        *("ConstantOfShape", "Range", "NonMaxSuppression", "CastLike", "EyeLike", "OneHot"),
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
        *("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"),
    )
)
# Inputs that stay float32 whatever the node's type.
_FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class LayerGroup:
    """Nodes (by their place in the graph) that are kept in float32 together, and their name."""

    name: str
    nodes: frozenset[int]


def layer_groups(graph: onnx.ModelProto) -> tuple[LayerGroup, ...]:
    """What is tried in float32, the least first: ends, each quarter, each half, everything."""
    count = len(graph.graph.node)
    everything = range(count)
    weighted = [n for n in everything if graph.graph.node[n].op_type in _WEIGHTED]
    groups = []
    if len(weighted) > 2:
        ends = [n for n in everything if n <= weighted[0] or n >= weighted[-1]]
        groups.append(LayerGroup("the first and the last layer", frozenset(ends)))
    if len(weighted) >= 4:
        cuts = [0, *(weighted[len(weighted) * part // 4] for part in (1, 2, 3)), count]
        for part, name in enumerate(("first", "second", "third", "last")):
            quarter = frozenset(range(cuts[part], cuts[part + 1]))
            groups.append(LayerGroup(f"the {name} quarter", quarter))
        groups.append(LayerGroup("the first half", frozenset(range(cuts[2]))))
        groups.append(LayerGroup("the second half", frozenset(range(cuts[2], count))))
    return (*groups, LayerGroup("everything", frozenset(everything)))


def to_half(graph: onnx.ModelProto, keep: Iterable[int] = ()) -> onnx.ModelProto:
    """A copy of a graph of ``read_graph`` in float16 where that is safe.

    ``keep`` are places of nodes that stay float32, beside ``STATISTICS``, ``FIXED`` and nodes with
    a weight that float16 cannot hold. ``EngineError`` where a tensor's type cannot be told.
    """
    return _Caster(graph, frozenset(keep)).cast()


class _Caster:
    """Walks the nodes in order and casts a tensor where its maker and its reader differ."""

    def __init__(self, graph: onnx.ModelProto, keep: frozenset[int]) -> None:
        self._graph, self._keep = graph, keep
        self._types = element_types(graph)
        self._weights = {tensor.name: tensor for tensor in graph.graph.initializer}
        self._made: dict[str, int] = {}  # float tensors of nodes: the type they now have
        self._casts: dict[tuple[str, int], str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def cast(self) -> onnx.ModelProto:
        outputs = {value.name for value in self._graph.graph.output}
        for value in self._graph.graph.input:
            if value.name not in self._weights:
                self._made[value.name] = self._type(value.name)
        for place, node in enumerate(self._graph.graph.node):
            self._add(place, node, outputs)
        return rewritten(self._graph, self._nodes, self._initializers.values())

    def _add(self, place: int, original: onnx.NodeProto, outputs: set[str]) -> None:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        kind = FLOAT if self._stays(place, node) else HALF
        float_inputs = _FLOAT_INPUTS.get(node.op_type, ())
        for n, name in enumerate(node.input):
            if name and self._type(name) == FLOAT:
                node.input[n] = self._as(name, FLOAT if n in float_inputs else kind)
            elif name in self._weights:
                self._initializers[name] = self._weights[name]
        if node.op_type == "Cast" and self._type(node.output[0]) == FLOAT:
            cast_type(node).i = kind
        late = []
        for n, name in enumerate(node.output):
            if not name or self._type(name) != FLOAT:
                continue
            self._made[name] = kind
            if kind == HALF and name in outputs:
                node.output[n] = self._casts[name, HALF] = f"{name}__half"
                late.append(helper.make_node("Cast", [node.output[n]], [name], to=FLOAT))
                self._made[name] = FLOAT
        self._nodes += [node, *late]

    def _stays(self, place: int, node: onnx.NodeProto) -> bool:
        if place in self._keep or node.op_type in STATISTICS or node.op_type in FIXED:
            return True
        ignored = _FLOAT_INPUTS.get(node.op_type, ())
        return any(
            n not in ignored
            and name in self._weights
            and self._type(name) == FLOAT
            and _beyond_half(self._weights[name])
            for n, name in enumerate(node.input)
        )

    def _as(self, name: str, kind: int) -> str:
        """The tensor's name in the wanted type; casts it once where it has the other."""
        if name in self._weights:
            if kind == FLOAT:
                self._initializers[name] = self._weights[name]
                return name
            half = f"{name}__half"
            if half not in self._initializers:
                value = numpy_helper.to_array(self._weights[name]).astype(np.float16)
                self._initializers[half] = numpy_helper.from_array(value, half)
            return half
        if self._made[name] == kind:
            return name
        if (name, kind) not in self._casts:
            cast = f"{name}__{'half' if kind == HALF else 'float'}"
            self._nodes.append(helper.make_node("Cast", [name], [cast], to=kind))
            self._casts[name, kind] = cast
        return self._casts[name, kind]

    def _type(self, name: str) -> int:
        kind = self._types.get(name, 0)
        if not kind:
            raise EngineError(f"The type of the tensor {name} cannot be told.")
        return kind


def _beyond_half(tensor: onnx.TensorProto) -> bool:
    """Whether float16 would make a weight infinite, or a lone number (an epsilon) zero."""
    values = np.abs(numpy_helper.to_array(tensor))
    if not values.size:
        return False
    largest = float(values.max())
    lost = values.size == 1 and largest != 0 and np.float16(min(largest, LARGEST)) == 0
    return bool(lost or largest > LARGEST)
