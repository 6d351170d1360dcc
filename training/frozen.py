"""An ONNX recogniser as a frozen PyTorch network, differentiable with respect to its input.

A second recogniser of another build in the identity loss keeps the generator from pleasing the
first one with patterns that are no face.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F


class FrozenRecognizer(nn.Module):
    """RGB in [0, 1], n x 3 x 112 x 112, to unit embeddings n x d.

    Reads straight networks of convolutions, PReLU, sums and a last flattening; what follows the
    flattening is taken to be the division by the length.
    """

    def __init__(self, file: Path) -> None:
        """
        :raises ValueError: when the file holds an operation that this class does not know.
        """
        super().__init__()
        graph = onnx.load(file).graph
        values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._input, self._steps = graph.input[0].name, []
        for node in graph.node:
            if node.op_type == "Cast" and node.input[0] in values:
                values[node.output[0]] = values[node.input[0]].astype(np.float32)
            elif node.op_type in ("Reshape", "Flatten"):
                self._last = node.input[0]
                break
            elif node.op_type != "Shape":
                self._add(node, values)

    def _add(self, node: onnx.NodeProto, values: dict[str, np.ndarray]) -> None:
        if node.op_type not in ("Conv", "PRelu", "Add", "Mul", "Sub"):
            raise ValueError(f"a frozen recogniser cannot hold {node.op_type}")
        names = []
        for name in node.input:
            if name in values:
                kept = f"value_{len(list(self.buffers()))}"
                value = torch.from_numpy(values[name].astype(np.float32))
                if value.ndim == 4 and node.op_type == "Conv":
                    value = value.contiguous(memory_format=torch.channels_last)
                self.register_buffer(kept, value.flatten() if node.op_type == "PRelu" else value)
                name = kept
            names.append(name)
        given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        self._steps.append((node.op_type, names, node.output[0], given))

    def forward(self, crops: Tensor) -> Tensor:
        return self.maps(crops)[-1]

    def maps(self, crops: Tensor) -> list[Tensor]:
        """The maps before each halving of the side, and the embedding last."""
        ends: list[Tensor] = []
        known = {self._input: crops.contiguous(memory_format=torch.channels_last)}
        for kind, names, output, given in self._steps:
            x, *rest = (known[n] if n in known else getattr(self, n) for n in names)
            if kind == "Conv":
                if given.get("strides", [1])[0] > 1 and x.shape[1] > 3:
                    ends.append(x)
                pads = given.get("pads", [0, 0])[:2]
                strides, groups = given.get("strides", [1, 1]), given.get("group", 1)
                known[output] = F.conv2d(x, *rest, stride=strides, padding=pads, groups=groups)
            elif kind == "PRelu":
                known[output] = F.prelu(x, rest[0])
            else:
                change = {"Add": torch.add, "Mul": torch.mul, "Sub": torch.sub}[kind]
                known[output] = change(x, rest[0])
        return [*ends, F.normalize(known[self._last].flatten(1).float())]
