"""Undo the folding of batch norms, so that an exported network can be trained on.

Each norm gets the statistics of real pictures, and the gain and offset that cancel them: the
network then starts where the file stands, in training mode too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class Folded:
    """A convolution, the batch norm after it, and what the file holds in their place."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d
    weight: NDArray[np.floating]
    bias: NDArray[np.floating]


def as_tensor(values: NDArray[np.floating]) -> Tensor:
    """A float32 copy."""
    return torch.from_numpy(values.astype(np.float32))


@torch.no_grad()
def unfold(model: nn.Module, layers: Sequence[Folded], pictures: Tensor) -> None:
    """Set ``layers`` of ``model``, first to last, while ``pictures`` pass through it once.

    :raises ValueError: when the file's weights have another shape than the network's.
    """
    hooks = []
    for layer in layers:
        if layer.weight.shape != tuple(layer.conv.weight.shape):
            raise ValueError(
                f"the file has a convolution of {layer.weight.shape}, "
                f"the network one of {tuple(layer.conv.weight.shape)}: not the same network"
            )
        layer.conv.weight.copy_(as_tensor(layer.weight))

        def fit(norm: nn.Module, given: tuple[Tensor], layer: Folded = layer) -> None:
            mean = given[0].mean((0, 2, 3))
            variance = given[0].var((0, 2, 3), unbiased=False)
            state = norm.state_dict()
            state["running_mean"].copy_(mean)
            state["running_var"].copy_(variance)
            state["weight"].copy_((variance + layer.norm.eps).sqrt())
            state["bias"].copy_(mean + as_tensor(layer.bias))

        hooks.append(layer.norm.register_forward_pre_hook(fit))
    model.eval()
    model(pictures)
    for hook in hooks:
        hook.remove()
    model.train()
