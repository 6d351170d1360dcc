"""Discriminators: two-scale patches (Wang et al. 2018, arXiv:1711.11585), small; and one that
judges a frozen network's maps (Projected GAN, Sauer et al. 2021, arXiv:2111.01007), as SimSwap's
released code does. Both give a list of maps a scale, the judgement last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import disturb
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


class ProjectedDiscriminator(nn.Module):
    """A small head on each of a frozen network's maps, mixed by fixed random 1 x 1 convolutions.

    ``maps`` takes crops n x 3 x 112 x 112 in [0, 1]; ``channels`` are those of its maps. Pictures
    of any side are cut to the inner square that the network was made for.
    """

    def __init__(
        self, maps: Callable[[Tensor], list[Tensor]], channels: Sequence[int], width: int = 64
    ) -> None:
        super().__init__()
        self._maps = maps
        self.mixers = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.mixers.requires_grad_(False)
        self.heads = nn.ModuleList(_head(width) for _ in channels)

    def requires_grad_(self, requires_grad: bool = True) -> ProjectedDiscriminator:
        """The heads'; the mixing stays as it was drawn."""
        self.heads.requires_grad_(requires_grad)
        return self

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        found = self._maps(disturb.crops(x, 0.0, torch.Generator()))
        scales = []
        for mixer, head, features in zip(self.mixers, self.heads, found, strict=False):
            deep = head[0](mixer(features))
            scales.append([deep, head[1](deep)])
        return scales


def _head(width: int) -> nn.Sequential:
    layers = nn.Sequential(
        nn.Conv2d(width, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1)
    )
    return nn.Sequential(nn.Sequential(*layers, nn.LeakyReLU(0.2)), nn.Conv2d(width, 1, 3, 1, 1))
