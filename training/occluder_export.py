"""State to ONNX: ``python -m training.occluder_export --state FILE.pt --output FILE.onnx``.

The graph: ``input`` n x 3 x 128 x 128 float32, RGB in [0, 1], to ``parts`` n x 4 x 128 x 128 in
[0, 1]: visible face, eyes, brows, mouth. Batch norms are folded, weights stored as float16 and cast
at load.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from training.asset_file import write_asset
from training.detector_export import Graph
from training.occluder_labels import SIDE
from training.occluder_model import OUTPUTS, Occluder, OccluderShape, Pair, Unit
from training.onnx_session import opened
from training.recognizer_export import halved, trial_pictures

OPSET = 13
MOST_APART = 0.02  # between the PyTorch network's and the file's answer, of 1, anywhere


def to_onnx(model: Occluder) -> onnx.ModelProto:
    """The float32 graph of ``model`` (its batch-norm statistics as they stand)."""
    g = Graph()

    def unit(x: str, name: str, part: Unit) -> str:
        return g.conv(x, name, part.conv, part.norm)

    def units(x: str, name: str, parts: nn.Sequential) -> str:
        for n, part in enumerate(parts):
            x = unit(x, f"{name}.{n}", part)
        return x

    double = g.constant("double", np.array([1, 1, 2, 2], np.float32))

    def up(x: str, beside: str, name: str, narrow: Unit, join: Unit) -> str:
        x = unit(x, f"up{name}", narrow)
        x = g.add(
            "Resize",
            [x, "", double],
            f"double{name}",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        return unit(g.add("Add", [x, beside], f"sum{name}"), f"join{name}", join)

    def pair(x: str, name: str, part: Pair, cells: str = "") -> str:
        first, beside = _folded(part.first, part.first_norm), part.beside
        y = g.conv(x, f"{name}.first", first, None)
        if beside is not None:
            seen = _by_cell(_scaled(beside, part.first_norm))
            y = g.add("Add", [y, g.conv(cells, f"{name}.beside", seen, None)], f"{name}.inner")
        y = g.add("Relu", [y], f"{name}.inner_relu")
        y = g.conv(y, f"{name}.second", _folded(part.second, part.second_norm), None)
        return g.add("Relu", [g.add("Add", [y, x], f"{name}.sum")], f"{name}.relu")

    cells = g.add("SpaceToDepth", ["input"], "cells", blocksize=2)
    stem = copy.deepcopy(model.stem)
    stem.conv = _by_cell(stem.conv)
    half = unit(cells, "stem", stem)
    quarter = units(half, "down1", model.down1)
    eighth = units(quarter, "down2", model.down2)
    x = pair(units(eighth, "down3", model.down3), "finer3", model.finer3)
    x = pair(up(x, eighth, "3", model.up3, model.join3), "finer2", model.finer2)
    x = pair(up(x, quarter, "2", model.up2, model.join2), "finer1", model.finer1)
    x = pair(up(x, half, "1", model.up1, model.join1), "sharp", model.sharp, cells)
    x = g.conv(x, "head", model.head, None)
    x = g.add("DepthToSpace", [x], "logits", blocksize=2, mode="CRD")
    g.add("Sigmoid", [x], "parts")
    sides = [SIDE, SIDE]
    graph = helper.make_graph(
        g.nodes,
        "occluder",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, *sides])],
        [helper.make_tensor_value_info("parts", TensorProto.FLOAT, ["n", OUTPUTS, *sides])],
        g.weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def _scaled(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """A copy with the norm's gain in it, but not its offset."""
    conv = copy.deepcopy(conv)
    variance = norm.state_dict()["running_var"]
    gain = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    conv.weight = nn.Parameter((conv.weight.detach() * gain[:, None, None, None]).float())
    return conv


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """A copy with the norm's gain and offset in it."""
    state = norm.state_dict()
    gain = norm.weight.detach() / (state["running_var"] + norm.eps).sqrt()
    conv = _scaled(conv, norm)
    conv.bias = nn.Parameter(norm.bias.detach() - state["running_mean"] * gain)
    return conv


def _by_cell(conv: nn.Conv2d) -> nn.Conv2d:
    """A copy of a convolution on cells for ONNX's order of their values: by place, then colour."""
    conv = copy.deepcopy(conv)
    weight = conv.weight.detach()
    by_place = weight.view(-1, 3, 4, 3, 3).transpose(1, 2).reshape(weight.shape)
    conv.weight = nn.Parameter(by_place)
    return conv


def apart(model: Occluder, graph: onnx.ModelProto, pictures: Tensor) -> float:
    """The largest difference between the network's and the graph's answers."""
    session = opened(graph.SerializeToString())
    (found,) = session.run(["parts"], {"input": pictures.numpy()})
    with torch.no_grad():
        wanted = model.eval()(pictures).sigmoid().numpy()
    return float(abs(found - wanted).max())


def export(model: Occluder, output: Path) -> float:
    """Write ``model`` and return how far the file's answers are from its own, at most.

    :raises RuntimeError: when that is above ``MOST_APART``; nothing is written then.
    """
    model = copy.deepcopy(model).eval()
    graph = halved(to_onnx(model))
    worst = apart(model, graph, trial_pictures(6, SIDE))
    if worst > MOST_APART:
        raise RuntimeError(f"the file's answers are off by {worst:.4f}, at most {MOST_APART}")
    write_asset(output, graph.SerializeToString())
    return worst


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    model = Occluder(OccluderShape())
    model.load_state_dict(torch.load(args.state, weights_only=True))
    worst = export(model, args.output)
    print(f"{args.output}: {args.output.stat().st_size} bytes, off by {worst:.5f} at most")


if __name__ == "__main__":
    main()
