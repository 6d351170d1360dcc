"""From an exported occluder back to a network that can be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from training.occluder_model import Occluder, OccluderShape, Pair, Unit
from training.unfold import Folded, as_tensor, unfold

Stored = Mapping[str, NDArray[np.floating]]


def from_onnx(file: Path, pictures: Tensor) -> Occluder:
    """The network in ``file``; ``pictures`` (n x 3 x S x S, RGB in [0, 1], 64 or more) give the
    batch norms their statistics.

    Pairs that the file is without keep their fresh weights; those start closed.

    :raises ValueError: when the file is of another network.
    """
    graph = onnx.load(file).graph
    stored = {t.name.removesuffix("_half"): numpy_helper.to_array(t) for t in graph.initializer}
    model = Occluder(OccluderShape())
    layers: list[Folded] = []
    for name, part in model.named_modules():
        if isinstance(part, Unit):
            if f"{name}.weight" not in stored:
                raise ValueError(f"{file} has no {name}.weight: not this network")
            weight = stored[f"{name}.weight"]
            weight = _by_colour(weight) if name == "stem" else weight
            layers.append(Folded(part.conv, part.norm, weight, stored[f"{name}.bias"]))
        elif isinstance(part, Pair) and f"{name}.first.weight" in stored:
            layers += _pair(name, part, stored)
    with torch.no_grad():
        model.head.weight.copy_(as_tensor(stored["head.weight"]))
        if model.head.bias is not None:
            model.head.bias.copy_(as_tensor(stored["head.bias"]))
    unfold(model, layers, pictures)
    return model


def _pair(name: str, pair: Pair, stored: Stored) -> Iterator[Folded]:
    """Both convolutions of a pair; what looks at the picture's cells is copied at once."""
    if pair.beside is not None:
        with torch.no_grad():
            pair.beside.weight.copy_(as_tensor(_by_colour(stored[f"{name}.beside.weight"])))
    for part, conv, norm in (
        ("first", pair.first, pair.first_norm),
        ("second", pair.second, pair.second_norm),
    ):
        weight, bias = stored[f"{name}.{part}.weight"], stored[f"{name}.{part}.bias"]
        yield Folded(conv, norm, weight, bias)


def _by_colour(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights on cells by place, then by colour, as the file has them, for PyTorch's order."""
    return weight.reshape(-1, 4, 3, 3, 3).swapaxes(1, 2).reshape(weight.shape)
