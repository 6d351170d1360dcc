"""The face detector: a small anchor-free network with the outputs of YuNet 2023mar.

Same outputs as Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023), with cheaper
halves inside: strides sit in the depthwise convolutions and one point-wise convolution serves all
four heads of a level.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.occluder_model import Unit

STRIDES = (8, 16, 32)
HEAD_SIZES = (1, 1, 4, 10)  # cls, obj, bbox, kps
POINT_WIDTH = 32


class Separable(nn.Module):
    """Depthwise 3x3 (with the stride), then point-wise, batch norm and ReLU after each."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.depth = nn.Conv2d(
            channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False
        )
        self.depth_norm = nn.BatchNorm2d(channels_in)
        self.point = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.point_norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.depth_norm(self.depth(x)), inplace=True)
        return F.relu(self.point_norm(self.point(x)), inplace=True)


class PointBranch(nn.Module):
    """A second look at the five points: what to add to the heads' maps.

    The heads have one point-wise convolution for all four kinds of answer, and learnt where points
    lie in the mean face; that a nose is off the middle when a head turns takes plain convolutions
    that see the whole face at every stride, down to the coarsest map and up again. Starts closed.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = POINT_WIDTH
        self.here = nn.ModuleList(Unit(width, wide, side=1) for _ in STRIDES)
        self.down = nn.ModuleList((Unit(width, wide, 2), Unit(wide, wide, 2)))
        self.body = nn.ModuleList(Unit(wide, wide) for _ in STRIDES)
        self.last = nn.ModuleList(Unit(wide, wide) for _ in STRIDES[1:])
        self.heads = nn.ModuleList(nn.Conv2d(wide, HEAD_SIZES[3], 1) for _ in STRIDES)
        for head in self.heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, features: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        """Maps n x 10 x h x w of the three strides from the detector's."""
        at8, at16, at32 = features
        x16 = self.body[1](self.down[0](at8) + self.here[1](at16))
        x32 = self.last[1](self.body[2](self.down[1](x16) + self.here[2](at32)))
        x16 = self.last[0](x16 + F.interpolate(x32, scale_factor=2.0, mode="nearest"))
        x8 = self.here[0](at8) + F.interpolate(x16, scale_factor=2.0, mode="nearest")
        levels = (self.body[0](x8), x16, x32)
        return [head(x) for head, x in zip(self.heads, levels, strict=True)]


class Detector(nn.Module):
    """BGR 0-255 N x 3 x H x W (sides multiples of 32) to one N x (H/s)(W/s) x 16 map a stride.

    The 16 channels are cls and obj as logits, bbox (dx, dy, log w, log h) and five (x, y) points,
    all in units of the stride and relative to the cell.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        self.stage4 = nn.Sequential(Separable(16, 32, 2), Separable(32, 32))
        self.stage8 = nn.Sequential(
            Separable(32, width, 2), Separable(width, width), Separable(width, width)
        )
        self.stage16 = nn.Sequential(
            Separable(width, width, 2), Separable(width, width), Separable(width, width)
        )
        self.stage32 = nn.Sequential(
            Separable(width, width, 2), Separable(width, width), Separable(width, width)
        )
        self.lateral = nn.ModuleList(Separable(width, width) for _ in STRIDES)
        self.shared = nn.ModuleList(Separable(width, width) for _ in STRIDES)
        self.heads = nn.ModuleList(nn.Conv2d(width, sum(HEAD_SIZES), 1) for _ in STRIDES)
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            with torch.no_grad():
                head.bias[:2] = -4.0
                head.bias[4:6] = 1.5
        self.points = PointBranch(width)

    def features(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of the strides 8, 16 and 32."""
        x = F.relu(self.stem_norm(self.stem(picture / 128.0)), inplace=True)
        at8 = self.stage8(self.stage4(x))
        at16 = self.stage16(at8)
        at32 = self.stage32(at16)
        p32 = self.lateral[2](at32)
        p16 = self.lateral[1](at16 + F.interpolate(p32, scale_factor=2.0, mode="nearest"))
        p8 = self.lateral[0](at8 + F.interpolate(p16, scale_factor=2.0, mode="nearest"))
        return p8, p16, p32

    def base(self, features: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        """The heads' n x 16 x h x w maps, without the second look at the points."""
        parts = zip(features, self.shared, self.heads, strict=True)
        return [head(shared(p)) for p, shared, head in parts]

    def forward(self, picture: Tensor) -> list[Tensor]:
        features = self.features(picture)
        maps = self.base(features)
        more = (F.pad(m, (0, 0, 0, 0, sum(HEAD_SIZES[:3]), 0)) for m in self.points(features))
        return [(m + n).flatten(2).transpose(1, 2) for m, n in zip(maps, more, strict=True)]
