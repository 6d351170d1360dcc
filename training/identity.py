"""The frozen recogniser of the identity loss: MobileFaceNet (Chen et al. 2018, arXiv:1804.07573).

Loaded from a PyTorch state dict with the batch norms folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
STRIDED = (0, 5, 12)  # blocks that halve the map
EPSILON = 1e-5


class IdentityNet(nn.Module):
    """RGB in [0, 1], n x 3 x 112 x 112 (ArcFace crop), to an L2-normalised n x 128 embedding."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self._add(state, "conv1.0", "conv1.1", 2)
        self._add(state, "dw_conv.depthwise", "dw_conv.bn1", 1)
        self._add(state, "dw_conv.pointwise", "dw_conv.bn2", 1)
        self.count = 1 + max(int(k.split(".")[1]) for k in state if k.startswith("features."))
        for n in range(self.count):
            name = f"features.{n}.conv"
            self._add(state, f"{name}.0.0", f"{name}.0.1", 1)
            self._add(state, f"{name}.1.0", f"{name}.1.1", 2 if n in STRIDED else 1)
            self._add(state, f"{name}.2", f"{name}.3", 1)
        self._add(state, "conv2.0", "conv2.1", 1)
        self._add(state, "gdconv.depthwise", "gdconv.bn", 1, padding=0)
        self._add(state, "conv3", "bn", 1)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    @staticmethod
    def load(file: Path) -> IdentityNet:
        """Read a ``.pt`` state dict."""
        net = IdentityNet(torch.load(file, map_location="cpu", weights_only=True))
        return net.to(memory_format=torch.channels_last)

    def _add(
        self,
        state: Mapping[str, Tensor],
        conv: str,
        norm: str,
        stride: int,
        padding: int | None = None,
    ) -> None:
        weight = state[f"{conv}.weight"]
        gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
        if f"{conv}.bias" in state:
            bias = bias + state[f"{conv}.bias"] * gain
        kernel = weight.shape[2]
        groups = weight.shape[0] if weight.shape[1] == 1 else 1
        layer = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            kernel,
            stride=stride,
            padding=kernel // 2 if padding is None else padding,
            groups=groups,
        )
        layer.weight.data.copy_(weight * gain.view(-1, 1, 1, 1))
        layer.bias.data.copy_(bias)
        self.layers.append(layer)

    def forward(self, pictures: Tensor) -> Tensor:
        """Embeddings, n x 128, each of length 1."""
        layers = list(self.layers)
        x = F.relu6(layers[0]((pictures - self.mean) / self.std))
        x = F.relu(layers[1](x))
        x = F.relu(layers[2](x))
        for n in range(self.count):
            expand, depthwise, project = layers[3 + 3 * n : 6 + 3 * n]
            y = project(F.relu6(depthwise(F.relu6(expand(x)))))
            x = x + y if y.shape == x.shape else y
        x = F.relu6(layers[-3](x))
        x = layers[-1](layers[-2](x)).flatten(1)
        return F.normalize(x, dim=1)
