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
from training.detector_model import HEAD_SIZES, STRIDES, Detector, PointBranch, Separable
from training.occluder_model import Unit

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
            up = _doubled(g, above, double, f"up.{n}")
            y = g.add("Add", [y, up], f"merge.{n}")
        above = merged[n] = g.separable(y, f"lateral.{n}", model.lateral[n])
    sizes = g.constant("head_sizes", np.array(HEAD_SIZES, np.int64))
    flat = {k: g.constant(f"flat_{k}", np.array([1, -1, k], np.int64)) for k in (sum(HEAD_SIZES),)}
    more = _points(g, model.points, [merged[n] for n in range(3)], double)
    for n, stride in enumerate(STRIDES):
        y = g.separable(merged[n], f"shared.{n}", model.shared[n])
        y = g.conv(y, f"head.{n}", model.heads[n], None)
        y = g.add("Add", [y, more[n]], f"pointed.{n}")
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


def _points(g: Graph, branch: PointBranch, at: list[str], double: str) -> list[str]:
    """What the point branch adds to each head's map, all 16 channels, from the merged maps."""

    def unit(x: str, name: str, part: Unit) -> str:
        return g.conv(x, f"points.{name}", part.conv, part.norm)

    def here(n: int, other: str) -> str:
        return g.add("Add", [unit(at[n], f"here.{n}", branch.here[n]), other], f"points.sum.{n}")

    def down(x: str, n: int) -> str:
        return unit(x, f"down.{n}", branch.down[n])

    x16 = unit(here(1, down(at[0], 0)), "body.1", branch.body[1])
    x32 = unit(here(2, down(x16, 1)), "body.2", branch.body[2])
    x32 = unit(x32, "last.1", branch.last[1])
    x16 = g.add("Add", [x16, _doubled(g, x32, double, "points.up.1")], "points.joined")
    x16 = unit(x16, "last.0", branch.last[0])
    x8 = unit(here(0, _doubled(g, x16, double, "points.up.0")), "body.0", branch.body[0])
    found = []
    for n, (x, head) in enumerate(zip((x8, x16, x32), branch.heads, strict=True)):
        whole = nn.Conv2d(head.in_channels, sum(HEAD_SIZES), 1)
        with torch.no_grad():
            for own, given in ((whole.weight, head.weight), (whole.bias, head.bias)):
                own.zero_()
                own[-len(given) :] = given
        found.append(g.conv(x, f"points.heads.{n}", whole, None))
    return found


def _doubled(g: Graph, x: str, double: str, name: str) -> str:
    return g.add(
        "Resize",
        [x, "", double],
        name,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


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
