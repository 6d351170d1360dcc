"""From an exported recogniser back to a network that can be trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from training.recognizer_model import Prelu, Recognizer
from training.unfold import Folded, as_tensor, unfold


def from_onnx(file: Path, pictures: Tensor) -> Recognizer:
    """The network in ``file``; ``pictures`` (n x 3 x 112 x 112, RGB in [0, 1], 64 or more) give
    the batch norms their statistics. A file from before ``Recognizer.ADDED`` leaves those blocks
    the identity.

    :raises ValueError: when the file is of another network.
    """
    graph = onnx.load(file).graph
    stored = {t.name.removesuffix("_half"): numpy_helper.to_array(t) for t in graph.initializer}
    # By their order: the exporter lets layers share a tensor, so names do not find every one.
    slopes, convs = (
        [node.input[1:] for node in graph.node if node.op_type == kind]
        for kind in ("PRelu", "Conv")
    )
    model = Recognizer()
    parts = dict(model.named_modules())
    bends, joints = _layers(parts)
    if len(convs) < len(joints):
        older = {name: part for name, part in parts.items() if not name.startswith(model.ADDED)}
        bends, joints = _layers(older)
    if (len(slopes), len(convs)) != (len(bends), len(joints)):
        raise ValueError(
            f"{file} has {len(convs)} convolutions and {len(slopes)} PReLUs, "
            f"this network {len(joints)} and {len(bends)}: not the same network"
        )
    with torch.no_grad():
        for bend, names in zip(bends, slopes, strict=True):
            bend.weight.copy_(as_tensor(stored[names[0]]).flatten())
    layers = []
    for (conv, norm), names in zip(joints, convs, strict=True):
        weight = stored[names[0]]
        none = np.zeros(len(weight), np.float32)  # the exporter leaves out a bias of nought
        layers.append(Folded(conv, norm, weight, stored[names[1]] if len(names) > 1 else none))
    unfold(model, layers, pictures)
    return model


def _layers(
    parts: Mapping[str, nn.Module],
) -> tuple[list[Prelu], list[tuple[nn.Conv2d, nn.Module]]]:
    """The PReLUs, and the convolutions each with the batch norm after it, in the graph's order."""
    bends = [part for part in parts.values() if isinstance(part, Prelu)]
    joints = [
        (part, parts[_next(name)]) for name, part in parts.items() if isinstance(part, nn.Conv2d)
    ]
    return bends, joints


def _next(name: str) -> str:
    """The name of the batch norm after the convolution called ``name``."""
    head, _, last = name.rpartition(".")
    return f"{head}.{int(last) + 1}"
