"""An ONNX graph made ready for building: weights plain, shapes fixed. Needs the ``onnx`` package.

``onnx`` comes with the ``[tensorrt]`` extra; nothing that runs networks imports this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from engines.backend import shape_text
from engines.errors import EngineError

_SMALL = 256  # values in a weight that may be a shape


def read_graph(model: bytes, label: str) -> onnx.ModelProto:
    """The checked graph of a file's content; ``EngineError`` where it is none that can be built.

    Constants become initializers, and weights stored in another type and cast when loaded are cast
    now, so that each initializer has the type it is used in.
    """
    try:
        graph = onnx.load_model_from_string(model)
        onnx.checker.check_model(graph)
    except (DecodeError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        first = " ".join(str(error).split())[:160]
        raise EngineError(f"{label} is no ONNX network ({first}).") from error
    for node in graph.graph.node:
        if any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute):
            raise EngineError(
                f"{label} has a loop or a branch ({node.op_type}); engines are built from plain "
                "graphs only."
            )
    _constants_to_initializers(graph)
    _fold_casts(graph)
    return graph


def input_shapes(graph: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """Shape of each input that is no weight, by name; a dynamic axis is ``None``."""
    weights = {tensor.name for tensor in graph.graph.initializer}
    return {
        value.name: tuple(
            axis.dim_value if axis.HasField("dim_value") else None
            for axis in value.type.tensor_type.shape.dim
        )
        for value in graph.graph.input
        if value.name not in weights
    }


def fix_shapes(graph: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give the inputs these shapes, in place; what was said of other tensors is inferred anew."""
    for value in graph.graph.input:
        if value.name not in shapes:
            continue
        dims = value.type.tensor_type.shape.dim
        wanted = shapes[value.name]
        given = [axis.dim_value if axis.HasField("dim_value") else None for axis in dims]
        if len(given) != len(wanted) or any(
            g not in (None, w) for g, w in zip(given, wanted, strict=True)
        ):
            raise EngineError(
                f"The input {value.name} has the shape {shape_text(given)}, not "
                f"{shape_text(wanted)}."
            )
        for axis, size in zip(dims, wanted, strict=True):
            axis.Clear()
            axis.dim_value = size
    for value in graph.graph.output:  # the old names of dynamic axes would contradict
        value.type.tensor_type.ClearField("shape")
    del graph.graph.value_info[:]
    inferred = _inferred(graph)
    graph.graph.value_info.extend(inferred.value_info)
    for value, known in zip(graph.graph.output, inferred.output, strict=True):
        value.CopyFrom(known)


def element_types(graph: onnx.ModelProto) -> dict[str, int]:
    """Element type (``TensorProto.DataType``) of every tensor, by name."""
    inferred = _inferred(graph)
    types = {tensor.name: tensor.data_type for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def cast_type(node: onnx.NodeProto) -> onnx.AttributeProto:
    """The attribute of a ``Cast`` that says to which type; it may have others before it."""
    found: onnx.AttributeProto = next(a for a in node.attribute if a.name == "to")
    return found


def rewritten(
    graph: onnx.ModelProto,
    nodes: Iterable[onnx.NodeProto],
    weights: Iterable[onnx.TensorProto],
) -> onnx.ModelProto:
    """A model with the same inputs and outputs, and these nodes and weights."""
    model = onnx.ModelProto(
        ir_version=graph.ir_version,
        opset_import=graph.opset_import,
        producer_name=graph.producer_name,
    )
    model.graph.name = graph.graph.name
    model.graph.input.extend(graph.graph.input)
    model.graph.output.extend(graph.graph.output)
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
    return model


def _inferred(graph: onnx.ModelProto) -> onnx.GraphProto:
    """Shapes and types, told without copying the large weights back and forth."""
    bones = onnx.ModelProto(ir_version=graph.ir_version, opset_import=graph.opset_import)
    bones.graph.name = graph.graph.name
    bones.graph.node.extend(graph.graph.node)
    bones.graph.input.extend(graph.graph.input)
    bones.graph.output.extend(graph.graph.output)
    bones.graph.value_info.extend(graph.graph.value_info)
    declared = {value.name for value in graph.graph.input}
    for tensor in graph.graph.initializer:
        if int(np.prod(tensor.dims)) <= _SMALL:  # it may be a shape, whose values matter
            bones.graph.initializer.append(tensor)
        elif tensor.name not in declared:
            bones.graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return onnx.shape_inference.infer_shapes(bones).graph


def _constants_to_initializers(graph: onnx.ModelProto) -> None:
    kept = []
    for node in graph.graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type != "Constant" or value is None:
            kept.append(node)
            continue
        tensor = graph.graph.initializer.add()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
    _replace_nodes(graph, kept)


def _fold_casts(graph: onnx.ModelProto) -> None:
    weights = {tensor.name: tensor for tensor in graph.graph.initializer}
    outputs = {value.name for value in graph.graph.output}
    kept = []
    for node in graph.graph.node:
        stored = weights.get(node.input[0]) if node.op_type == "Cast" else None
        if stored is None or node.output[0] in outputs or cast_type(node).i != TensorProto.FLOAT:
            kept.append(node)
            continue
        value = numpy_helper.to_array(stored).astype(np.float32)
        tensor = numpy_helper.from_array(value, node.output[0])
        weights[tensor.name] = tensor
        graph.graph.initializer.append(tensor)
    _replace_nodes(graph, kept)
    used = {name for node in kept for name in node.input} | outputs
    left = [tensor for tensor in graph.graph.initializer if tensor.name in used]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(left)


def _replace_nodes(graph: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
