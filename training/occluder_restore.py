"""From an exported occluder back to a network that can be trained on."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from training.occluder_model import Occluder, OccluderShape, Unit
from training.unfold import Folded, as_tensor, unfold


def from_onnx(file: Path, pictures: Tensor) -> Occluder:
    """The network in ``file``; ``pictures`` (n x 3 x S x S, RGB in [0, 1], 64 or more) give the
    batch norms their statistics.

    :raises ValueError: when the file is of another network.
    """
    graph = onnx.load(file).graph
    stored = {t.name.removesuffix("_half"): numpy_helper.to_array(t) for t in graph.initializer}
    model = Occluder(OccluderShape())
    layers = []
    for name, unit in model.named_modules():
        if not isinstance(unit, Unit):
            continue
        if f"{name}.weight" not in stored:
            raise ValueError(f"{file} has no {name}.weight: not this network")
        weight = stored[f"{name}.weight"]
        if name == "stem":  # the file's cells go by place, then by colour
            weight = weight.reshape(-1, 4, 3, 3, 3).swapaxes(1, 2).reshape(weight.shape)
        layers.append(Folded(unit.conv, unit.norm, weight, stored[f"{name}.bias"]))
    with torch.no_grad():
        model.head.weight.copy_(as_tensor(stored["head.weight"]))
        if model.head.bias is not None:
            model.head.bias.copy_(as_tensor(stored["head.bias"]))
    unfold(model, layers, pictures)
    return model
