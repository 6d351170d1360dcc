"""From an exported recogniser back to a network that can be trained on."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from training.recognizer_model import Prelu, Recognizer
from training.unfold import Folded, as_tensor, unfold

PREFIX = "recognizer."


def from_onnx(file: Path, pictures: Tensor) -> Recognizer:
    """The network in ``file``; ``pictures`` (n x 3 x 112 x 112, RGB in [0, 1], 64 or more) give
    the batch norms their statistics.

    :raises ValueError: when the file is of another network.
    """
    graph = onnx.load(file).graph
    stored = {t.name.removesuffix("_half"): numpy_helper.to_array(t) for t in graph.initializer}
    slopes = [stored[node.input[1]] for node in graph.node if node.op_type == "PRelu"]
    model = Recognizer()
    bends = [part for part in model.modules() if isinstance(part, Prelu)]
    if len(slopes) != len(bends):
        raise ValueError(f"{file} has {len(slopes)} PReLUs, this network {len(bends)}")
    with torch.no_grad():
        for bend, slope in zip(bends, slopes, strict=True):
            bend.weight.copy_(as_tensor(slope).flatten())
    parts = dict(model.named_modules())
    layers = []
    for name, conv in parts.items():
        head, _, last = name.rpartition(".")
        norm = parts.get(f"{head}.{int(last) + 1}") if last.isdigit() else None
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            if f"{PREFIX}{name}.weight" not in stored:
                raise ValueError(f"{file} has no {name}.weight: not this network")
            weight, bias = (stored[f"{PREFIX}{name}.{part}"] for part in ("weight", "bias"))
            layers.append(Folded(conv, norm, weight, bias))
    unfold(model, layers, pictures)
    return model
