"""A float16 network as a CPU can compute it: every float16 tensor is rounded, sums are float32.

ONNX Runtime has few float16 kernels for the CPU and drops the casts between them, so a float16
network run as it is comes out better there than on any GPU. Here the rounding is spelled out. What
it cannot show is the order and width of a GPU's sums.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from engines.half import FLOAT, HALF
from engines.onnx_graph import cast_type, element_types, rewritten


def rounded_on_cpu(half: onnx.ModelProto) -> onnx.ModelProto:
    """The same network in float32, each float16 tensor rounded to float16 where it is made.

    A network whose own inputs or outputs are float16 is returned as it is.
    """
    types = element_types(half)
    if any(types[value.name] == HALF for value in (*half.graph.input, *half.graph.output)):
        return half
    nodes: list[onnx.NodeProto] = []
    for original in half.graph.node:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        rounded = [name for name in node.output if types.get(name) == HALF]
        if node.op_type == "Cast" and rounded:
            cast_type(node).i = FLOAT
        for n, name in enumerate(node.output):
            node.output[n] = f"{name}__exact" if name in rounded else name
        nodes.append(node)
        for name in rounded:
            nodes.append(helper.make_node("Cast", [f"{name}__exact"], [f"{name}__bits"], to=HALF))
            nodes.append(helper.make_node("Cast", [f"{name}__bits"], [name], to=FLOAT))
    weights = [
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
        if tensor.data_type == HALF
        else tensor
        for tensor in half.graph.initializer
    ]
    return rewritten(half, nodes, weights)
