"""From an exported detector back to a network that can be trained on."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from training.detector_model import Detector, Separable
from training.occluder_model import Unit
from training.unfold import Folded, as_tensor, unfold

PIXEL_SCALE = 128.0  # the exporter moves the network's division into the first convolution


def from_onnx(file: Path, pictures: Tensor, shift: float = 0.0) -> Detector:
    """The network in ``file``; ``pictures`` (n x 3 x H x W, BGR, 0 to 255) give the batch norms
    their statistics. ``shift`` is what the export added to the score logits.

    :raises ValueError: when the file is of another network.
    """
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(file).graph.initializer}
    model = Detector()
    if missing := [name for name, _ in model.heads.named_children() if _head(name) not in stored]:
        raise ValueError(f"{file} has no {_head(missing[0])}: not this network")
    layers = [
        Folded(
            model.stem, model.stem_norm, stored["stem.weight"] * PIXEL_SCALE, stored["stem.bias"]
        )
    ]
    pointed = "points.heads.0.weight" in stored  # else the file is from before the point branch
    for name, block in model.named_modules():
        if isinstance(block, Unit) and pointed:
            weight, bias = stored[f"{name}.weight"], stored[f"{name}.bias"]
            layers.append(Folded(block.conv, block.norm, weight, bias))
        if not isinstance(block, Separable):
            continue
        for kind, conv, norm in (
            ("depth", block.depth, block.depth_norm),
            ("point", block.point, block.point_norm),
        ):
            key = f"{name}.{kind}"
            layers.append(Folded(conv, norm, stored[f"{key}.weight"], stored[f"{key}.bias"]))
    with torch.no_grad():
        for name, head in model.heads.named_children():
            state = head.state_dict()
            state["weight"].copy_(as_tensor(stored[_head(name)]))
            state["bias"].copy_(as_tensor(stored[f"head.{name}.bias"]))
            state["bias"][:2] -= shift
        for name, head in model.points.heads.named_children() if pointed else ():
            state, own = head.state_dict(), f"points.heads.{name}"
            state["weight"].copy_(as_tensor(stored[f"{own}.weight"][-len(state["bias"]) :]))
            state["bias"].copy_(as_tensor(stored[f"{own}.bias"][-len(state["bias"]) :]))
    unfold(model, layers, pictures)
    return model


def _head(name: str) -> str:
    return f"head.{name}.weight"
