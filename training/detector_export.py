"""Write the trained detector as ONNX in the YuNet 2023mar layout, batch norms folded.

``python -m training.detector_export --state FILE.pt --out FILE.onnx [--shift LOGITS]``
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from training.asset_file import write_asset
from training.detector_model import HEAD_SIZES, STRIDES, Detector, Separable

KINDS = ("cls", "obj", "bbox", "kps")


class Graph:
    """Nodes and weights of one ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """Store an initializer and return its name."""
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Append a node with one output and return the output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(
        self, x: str, name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, scale: float = 1.0
    ) -> str:
        """A convolution with its batch norm folded in, and ReLU where there is a norm."""
        weight = conv.weight.detach().double() * scale
        bias = torch.zeros(len(weight)) if conv.bias is None else conv.bias.detach()
        bias = bias.double()
        if norm is not None:
            gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
            weight = weight * gain[:, None, None, None]
            bias = norm.bias.detach().double() - norm.running_mean.double() * gain
        w = self.constant(f"{name}.weight", weight.float().contiguous().numpy())
        b = self.constant(f"{name}.bias", bias.float().numpy())
        side, pad = conv.kernel_size[0], conv.padding[0]
        y = self.add(
            "Conv",
            [x, w, b],
            f"{name}.conv",
            kernel_shape=[side, side],
            strides=list(conv.stride),
            pads=[pad] * 4,
            group=conv.groups,
        )
        return y if norm is None else self.add("Relu", [y], f"{name}.relu")

    def separable(self, x: str, name: str, block: Separable) -> str:
        """A depthwise and a point-wise convolution."""
        x = self.conv(x, f"{name}.depth", block.depth, block.depth_norm)
        return self.conv(x, f"{name}.point", block.point, block.point_norm)


def export(model: Detector, path: Path) -> None:
    """Write ``model`` (its batch-norm statistics as they stand) to ``path``, whole or not at all;
    sizes are dynamic."""
    g = Graph()
    x = g.conv("input", "stem", model.stem, model.stem_norm, scale=1 / 128.0)
    levels = []
    for name in ("stage4", "stage8", "stage16", "stage32"):
        for n, block in enumerate(getattr(model, name)):
            x = g.separable(x, f"{name}.{n}", block)
        levels.append(x)
    double = g.constant("double", np.array([1, 1, 2, 2], np.float32))
    merged: dict[int, str] = {}
    above = ""
    for n in (2, 1, 0):
        y = levels[n + 1]
        if above:
            up = g.add(
                "Resize",
                [above, "", double],
                f"up.{n}",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
            y = g.add("Add", [y, up], f"merge.{n}")
        above = merged[n] = g.separable(y, f"lateral.{n}", model.lateral[n])
    sizes = g.constant("head_sizes", np.array(HEAD_SIZES, np.int64))
    flat = {k: g.constant(f"flat_{k}", np.array([1, -1, k], np.int64)) for k in (sum(HEAD_SIZES),)}
    for n, stride in enumerate(STRIDES):
        y = g.separable(merged[n], f"shared.{n}", model.shared[n])
        y = g.conv(y, f"head.{n}", model.heads[n], None)
        y = g.add("Transpose", [y], f"head.{n}.last", perm=[0, 2, 3, 1])
        y = g.add("Reshape", [y, flat[sum(HEAD_SIZES)]], f"head.{n}.flat")
        parts = [f"cls_logit_{stride}", f"obj_logit_{stride}", f"bbox_{stride}", f"kps_{stride}"]
        g.nodes.append(helper.make_node("Split", [y, sizes], parts, name=f"split.{n}", axis=2))
        g.add("Sigmoid", [parts[0]], f"cls_{stride}")
        g.add("Sigmoid", [parts[1]], f"obj_{stride}")
    outputs = [
        helper.make_tensor_value_info(
            f"{kind}_{stride}", TensorProto.FLOAT, [1, f"anchors_{stride}", size]
        )
        for kind, size in zip(KINDS, HEAD_SIZES, strict=True)
        for stride in STRIDES
    ]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = helper.make_graph(g.nodes, "detector", [entry], outputs, g.weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    write_asset(path, made.SerializeToString())


def raise_scores(model: Detector, shift: float) -> None:
    """Add ``shift`` to the cls and obj logits, so that one threshold suits both this and YuNet."""
    with torch.no_grad():
        for head in model.heads:
            head.bias[:2] += shift


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shift", type=float, default=0.0)
    args = parser.parse_args()
    model = Detector()
    model.load_state_dict(torch.load(args.state, weights_only=True))
    raise_scores(model, args.shift)
    export(model.eval(), args.out)


if __name__ == "__main__":
    main()
