"""Two-scale patch discriminator (Wang et al. 2018, arXiv:1711.11585), small."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.model import standardised


class PatchDiscriminator(nn.Module):
    """n x 3 x s x s to the maps of every layer; the last one, one channel, is the judgement.

    The picture enters through a pixel unshuffle, which makes the costly first layers cheap.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        layers, before = [], 12
        for n, width in enumerate(channels):
            stride = 2 if 0 < n < len(channels) - 1 else 1
            layers.append(nn.Conv2d(before, width, 4 if stride == 2 else 3, stride, 1))
            before = width
        self.layers = nn.ModuleList(layers)
        self.judge = nn.Conv2d(before, 1, 3, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        for n, layer in enumerate(self.layers):
            x = layer(x)
            if n:
                x = standardised(x)
            x = F.leaky_relu(x, 0.2)
            maps.append(x)
        return [*maps, self.judge(x)]


class Discriminator(nn.Module):
    """The same small network at full and at half size; one list of maps a scale."""

    def __init__(self, channels: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.full = PatchDiscriminator(channels)
        self.coarse = PatchDiscriminator(channels)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return self.full(x * 2 - 1), self.coarse(F.avg_pool2d(x, 2) * 2 - 1)
