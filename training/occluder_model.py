"""The occluder: a small U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on the aligned square.

Plain 3x3 convolutions in multiples of 16 channels, which CPUs run fastest; the picture enters and
leaves through a pixel (un)shuffle, so that nothing is computed at the full size.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

OUTPUTS = 4  # visible face, eyes, brows, mouth


@dataclass(frozen=True)
class OccluderShape:
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the side, and convolutions at the deepest."""

    half: int = 16
    quarter: int = 32
    eighth: int = 64
    sixteenth: int = 96
    deep: int = 2


class Unit(nn.Module):
    """3x3 convolution (or another side), batch norm, ReLU."""

    def __init__(self, inner: int, outer: int, stride: int = 1, side: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, side, stride, side // 2, bias=False)
        self.norm = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)), inplace=True)


class Pair(nn.Module):
    """Two 3x3 convolutions whose result is added: x -> ReLU(x + b(ReLU(a(x)))), closed at first.

    ``beside``: channels of a second picture of the same side that the first one looks at, too.
    """

    def __init__(self, channels: int, beside: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.beside = nn.Conv2d(beside, channels, 3, 1, 1, bias=False) if beside else None
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        inner = self.first(x)
        if self.beside is not None:
            inner = inner + self.beside(beside)
        inner = F.relu(self.first_norm(inner), inplace=True)
        return F.relu(x + self.second_norm(self.second(inner)))


class Occluder(nn.Module):
    """RGB in [0, 1], n x 3 x s x s (s a multiple of 16), to logits n x 4 x s x s."""

    def __init__(self, shape: OccluderShape) -> None:
        super().__init__()
        self.shape = shape
        half, quarter, eighth, deep = shape.half, shape.quarter, shape.eighth, shape.sixteenth
        self.stem = Unit(12, half)
        self.down1 = nn.Sequential(Unit(half, quarter, 2), Unit(quarter, quarter))
        self.down2 = nn.Sequential(Unit(quarter, eighth, 2), Unit(eighth, eighth))
        self.down3 = nn.Sequential(
            Unit(eighth, deep, 2), *(Unit(deep, deep) for _ in range(shape.deep))
        )
        self.up3, self.join3 = Unit(deep, eighth, side=1), Unit(eighth, eighth)
        self.up2, self.join2 = Unit(eighth, quarter, side=1), Unit(quarter, quarter)
        self.up1, self.join1 = Unit(quarter, half, side=1), Unit(half, half)
        self.finer3, self.finer2, self.finer1 = Pair(deep), Pair(eighth), Pair(quarter)
        self.sharp = Pair(half, beside=12)
        self.head = nn.Conv2d(half, 4 * OUTPUTS, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        cells = F.pixel_unshuffle(picture, 2)
        half = self.stem(cells)
        quarter = self.down1(half)
        eighth = self.down2(quarter)
        x = self.finer3(self.down3(eighth))
        x = self.finer2(self.join3(_double(self.up3(x)) + eighth))
        x = self.finer1(self.join2(_double(self.up2(x)) + quarter))
        x = self.sharp(self.join1(_double(self.up1(x)) + half), cells)
        return F.pixel_shuffle(self.head(x), 2)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
