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
        self.head = nn.Conv2d(half, 4 * OUTPUTS, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        half = self.stem(F.pixel_unshuffle(picture, 2))
        quarter = self.down1(half)
        eighth = self.down2(quarter)
        x = self.down3(eighth)
        x = self.join3(_double(self.up3(x)) + eighth)
        x = self.join2(_double(self.up2(x)) + quarter)
        x = self.join1(_double(self.up1(x)) + half)
        return F.pixel_shuffle(self.head(x), 2)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
