"""The generator: SimSwap (Chen et al. 2020, arXiv:2106.06340) made small.

Encoder, identity blocks with AdaIN on the source's embedding, decoder. What differs from the paper:
the picture enters and leaves through a pixel (un)shuffle, the decoder is modulated too, padding is
zero, and a mask head blends the new face into the target, so that hair and background stay sharp.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import regions

NORM_EPSILON = 1e-5
CELL_PX = 8
FINENESS = 0.5  # of the veil in use; in training it is drawn from [0, 1]
LOUDER = 4.0  # appearance beside the embedding: it starts unheard, and so learns faster
PAINT = 1.2  # how far, of the picture's range, the new face may be from the coarse target, doubled


@dataclass(frozen=True)
class GeneratorShape:
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the side, blocks at 1/16, embedding length."""

    half: int = 32
    quarter: int = 48
    eighth: int = 96
    sixteenth: int = 128
    blocks: int = 9
    embedding: int = 128
    placed: bool = False  # tell the decoder where in the aligned square each cell lies
    toned: bool = False  # the new face is painted onto the target's coarse light and colour
    veiled: bool = False  # sees the target's face only as coarse cells, see Veil
    sharp: bool = False  # a bridge at a half of the side as well: lashes, teeth, the eyes' whites
    finer: bool = False  # identity blocks at a quarter and a half of the side as well
    appearance: int = 0  # length of the source's appearance beside its embedding, see Appearance

    @property
    def modulated(self) -> tuple[int, ...]:
        """Channels of every AdaIN, in the order their gains lie in the gains vector."""
        deep = (self.sixteenth,) * (2 * self.blocks)
        finer = (*(self.quarter,) * 2, *(self.half,) * 2) if self.finer else ()
        return (*deep, *(self.eighth,) * 3, self.quarter, self.half, *finer)

    @property
    def gains(self) -> int:
        """Length of the gains vector: a scale and a shift a modulated channel."""
        return 2 * sum(self.modulated)


class IdentityGains(nn.Module):
    """What is known of a source to the gains of every AdaIN, n x K: run once a source.

    A source is its unit embedding n x 128 and, where the shape has one, its unit appearance.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.linear = nn.Linear(shape.embedding + shape.appearance, shape.gains)
        scale = torch.ones(shape.embedding + shape.appearance)
        scale[shape.embedding :] = LOUDER
        # Brings a unit vector's entries to unit variance.
        self.register_buffer("scale", scale * shape.embedding**0.5, persistent=False)
        # Erases from the embedding what tells of pose and expression, where a recipe says so.
        self.register_buffer("kept", torch.eye(shape.embedding))
        nn.init.normal_(self.linear.weight, std=0.5 * shape.embedding**-0.5)
        nn.init.zeros_(self.linear.bias)
        with torch.no_grad():  # appearance is unheard at first: a trained network can be given it
            self.linear.weight[:, shape.embedding :] = 0

    def forward(self, source: Tensor) -> Tensor:
        return F.linear(source, self.weight(), self.linear.bias)

    def weight(self) -> Tensor:
        """Of the one linear layer that the file holds, K x d."""
        weight = self.linear.weight * self.scale
        known = len(self.kept)
        return torch.cat([weight[:, :known] @ self.kept, weight[:, known:]], dim=1)


class CropNetwork(nn.Module):
    """A small network that says ``length`` things of a face: RGB in [0, 1], n x 3 x 112 x 112 (the
    recogniser's crop). It sees what the generator paints, within the veil's oval."""

    def __init__(self, length: int) -> None:
        super().__init__()
        widths = ((12, 32, 1), (32, 64, 2), (64, 96, 2), (96, 96, 1), (96, 128, 2), (128, 128, 1))
        self.layers = nn.ModuleList(
            nn.Conv2d(inner, outer, 3, stride, 1) for inner, outer, stride in widths
        )
        self.squeeze = nn.Conv2d(128, 48, 1)
        self.linear = nn.Linear(48 * 7 * 7, length)
        for layer in (*self.layers, self.squeeze):
            nn.init.kaiming_normal_(layer.weight, 0.2)
            nn.init.zeros_(layer.bias)
        self.register_buffer("oval", regions.veiled(128)[..., 8:120, 8:120], persistent=False)

    def read(self, crops: Tensor) -> Tensor:
        """n x ``length``."""
        x = F.pixel_unshuffle((crops - 0.5) * self.oval, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in (*self.layers, self.squeeze):
            x = F.leaky_relu(layer(x), 0.2)
        return self.linear(x.flatten(1)).float()


class Appearance(CropNetwork):
    """What a source looks like beyond who it is: brows, lids, lips, beard, wrinkles, paint.

    A recogniser is taught to forget most of that; this one is taught (``appearance.py``) to know a
    photo again in another light and crop. Its word, n x ``length``, has length 1.
    """

    def forward(self, crops: Tensor) -> Tensor:
        return F.normalize(self.read(crops))


def standardised(x: Tensor) -> Tensor:
    """Instance norm without gains."""
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
    return (x - mean) * torch.rsqrt(variance + NORM_EPSILON)


def adain(x: Tensor, gains: Tensor) -> Tensor:
    """Instance norm, then scale 1 + gains[:, :c] and shift gains[:, c:] (Huang & Belongie 2017)."""
    scale, shift = gains[:, :, None, None].chunk(2, dim=1)
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)
    slope = (1 + scale) * torch.rsqrt(variance + NORM_EPSILON)  # one pass; instance_norm copies
    return torch.addcmul(shift - mean * slope, x, slope)


class Place(nn.Module):
    """A learned map of the aligned square: waves of x and y through a 1 x 1 convolution.

    The crop is aligned, so eyes and mouth always lie in the same cells; without this the network
    must find out where it is from the zero padding at the border.
    """

    WAVES = (0.5, 1.0, 2.0, 4.0)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4 * len(self.WAVES), channels, 1)

    @classmethod
    def waves(cls, size: int) -> Tensor:
        """1 x 16 x size x size."""
        at = (torch.arange(size, dtype=torch.float32) + 0.5) * 2 / size - 1
        x, y = at.expand(size, size), at[:, None].expand(size, size)
        angles = [torch.pi * wave * axis for wave in cls.WAVES for axis in (x, y)]
        return torch.stack([f(a) for a in angles for f in (torch.sin, torch.cos)])[None]

    def forward(self, size: int) -> Tensor:
        """1 x channels x size x size."""
        return self.conv(self.waves(size))


class Veil(nn.Module):
    """Takes from a target's face what tells whose it is, leaves what tells how it is held and lit.

    Inside an oval the face becomes cells between 8 and 16 px apart, smoothly joined; cells of 4 px
    about the nose, for the head's turn, of 2 px about the eyes and the mouth, for gaze, lids and
    lips. What the network cannot see it cannot copy: it must paint the face it is told of, and
    every photo is its own ground truth.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("oval", regions.veiled(size), persistent=False)
        self.register_buffer("nose", regions.nose(size), persistent=False)
        clear = torch.maximum(regions.eyes(size), regions.mouth(size))
        self.register_buffer("clear", clear, persistent=False)

    def forward(self, target: Tensor, fineness: Tensor | float) -> Tensor:
        """``fineness``: 0 for cells of 16 px, 1 for 8 px; broadcast over n x 3 x s x s."""
        rough = coarse(target, 2 * CELL_PX)
        face = rough + fineness * (coarse(target) - rough)
        face = face + self.nose * (coarse(target, CELL_PX // 2) - face)
        face = face + self.clear * (coarse(target, CELL_PX // 4) - face)
        return target + self.oval * (face - target)


class IdentityBlock(nn.Module):
    """conv, AdaIN, ReLU, conv, AdaIN, skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        y = F.relu(adain(self.first(x), first))
        return x + adain(self.second(y), second)


class Swapper(nn.Module):
    """Target n x 3 x s x s in [0, 1] and gains n x K to the swapped picture and its mask.

    s is a multiple of 16. The mask, n x 1 x s x s, is the share of the new face in each pixel:
    ``swapped = mask * face + (1 - mask) * target``.
    """

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        half, quarter, eighth, deep = shape.half, shape.quarter, shape.eighth, shape.sixteenth
        self.stem = nn.Conv2d(12, half, 3, padding=1)
        self.down1 = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.down3 = nn.Conv2d(eighth, deep, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(IdentityBlock(deep) for _ in range(shape.blocks))
        self.up3 = nn.Conv2d(deep, eighth, 3, padding=1)
        self.bridge = nn.Conv2d(eighth, eighth, 1)  # the encoder's map at 1/8, re-identified
        self.block_eighth = IdentityBlock(eighth)
        self.places = nn.ModuleList(Place(c) for c in (deep, eighth) if shape.placed)
        self.up2 = nn.Conv2d(eighth, quarter, 3, padding=1)
        self.fine = nn.Conv2d(quarter, quarter, 1)  # the encoder's map at 1/4: eyes, lips, gaze
        self.up1 = nn.Conv2d(quarter, half, 3, padding=1)
        self.sharp = nn.Conv2d(half, half, 1) if shape.sharp else None
        self.finer = nn.ModuleList(IdentityBlock(c) for c in (quarter, half) if shape.finer)
        self.head = nn.Conv2d(half, 16, 3, padding=1)
        with torch.no_grad():
            for channel in range(4):  # equal starts within a 2 x 2 cell: no checkerboard at first
                self.head.weight[4 * channel : 4 * channel + 4] = self.head.weight[4 * channel]
            self.head.bias.zero_()
            self.head.bias[12:] = 3.0  # the mask starts closed to the target: m = .95
            if self.sharp is not None:  # starts closed, so that a trained network can be given it
                self.sharp.weight.zero_()
                self.sharp.bias.zero_()

    def convolutions(self) -> list[nn.Conv2d]:
        """Every convolution in the order in which a picture meets them."""
        layers = [self.stem, self.down1, self.down2, self.down3]
        layers += [conv for block in self.blocks for conv in (block.first, block.second)]
        layers += [self.up3, self.bridge, self.block_eighth.first, self.block_eighth.second]
        finer = [[block.first, block.second] for block in self.finer] or [[], []]
        layers += [self.up2, self.fine, *finer[0], self.up1]
        return [*layers, *([self.sharp] if self.sharp is not None else []), *finer[1], self.head]

    def forward(
        self, target: Tensor, gains: Tensor, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """``target`` is veiled already; ``kept`` (else ``target``) shows where the mask is 0."""
        kept = target if kept is None else kept
        parts = iter(gains.split([2 * c for c in self.shape.modulated], dim=1))
        cells = F.pixel_unshuffle(target, 2).contiguous(memory_format=torch.channels_last)
        half = F.leaky_relu(self.stem(cells), 0.2)
        quarter = F.leaky_relu(self.down1(half), 0.2)
        eighth = F.leaky_relu(self.down2(quarter), 0.2)
        x = F.leaky_relu(self.down3(eighth), 0.2)
        if self.shape.placed:
            x = x + self.places[0](x.shape[-1])
            eighth = eighth + self.places[1](eighth.shape[-1])
        for block in self.blocks:
            x = block(x, next(parts), next(parts))
        x = adain(self.up3(doubled(x)) + self.bridge(eighth), next(parts))
        x = self.block_eighth(F.leaky_relu(x, 0.2), next(parts), next(parts))
        at_quarter, at_half, *finer = parts
        x = F.leaky_relu(adain(self.up2(doubled(x)) + self.fine(quarter), at_quarter), 0.2)
        if finer:
            x = self.finer[0](x, *finer[:2])
        x = self.up1(doubled(x))
        if self.sharp is not None:
            x = x + self.sharp(half)
        x = F.leaky_relu(adain(x, at_half), 0.2)
        if finer:
            x = self.finer[1](x, *finer[2:])
        face, mask = F.pixel_shuffle(self.head(x), 2).sigmoid().split([3, 1], dim=1)
        if self.shape.toned:
            face = coarse(target) + PAINT * (face - 0.5)
        return kept + mask * (face - kept), mask


def coarse(target: Tensor, cell: int = CELL_PX) -> Tensor:
    """The target's means about the middles of square cells, smoothly joined.

    Instance norm takes every channel's mean and contrast away, so the decoder cannot know how dark
    or warm the target is; what the cells are too large to show is left for it to paint. Each mean
    reaches half a cell into its neighbours: cells that end where the next begins change 2.5 times
    as much under a face that moves by less than a cell, and the swap flickers with them.
    """
    means = F.avg_pool2d(target, 2 * cell, cell, cell // 2, count_include_pad=False)
    return F.interpolate(means, scale_factor=cell, mode="bilinear", align_corners=False)


def doubled(x: Tensor) -> Tensor:
    """Twice the height and width."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Generator(nn.Module):
    """Both halves together, as they are trained."""

    def __init__(self, shape: GeneratorShape, size: int = 128) -> None:
        super().__init__()
        self.identity = IdentityGains(shape)
        self.appearance = Appearance(shape.appearance) if shape.appearance else None
        self.swapper = Swapper(shape)
        self.veil = Veil(size) if shape.veiled else None
        if shape.finer:
            self._close_finer()

    def _close_finer(self) -> None:
        """The finer blocks start as identities, so that a trained network can be given them."""
        lengths, linear = [2 * c for c in self.swapper.shape.modulated], self.identity.linear
        ends = list(zip(linear.weight.split(lengths), linear.bias.split(lengths), strict=True))
        with torch.no_grad():
            for weight, bias in (ends[-3], ends[-1]):  # the second AdaIN of either
                weight.zero_()
                bias.zero_()
                bias[: len(bias) // 2] = -1

    def source(self, embedding: Tensor, crops: Tensor) -> Tensor:
        """What the generator is told of a source, from its embedding and its ArcFace crops."""
        if self.appearance is None:
            return embedding
        return torch.cat([embedding, self.appearance(crops)], dim=1)

    def forward(self, target: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """The swap as it is in use."""
        shown = self.veil(target, FINENESS) if self.veil is not None else target
        return self.paint(shown, source, target)

    def paint(self, shown: Tensor, source: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """From a target that is veiled, or spoiled, already."""
        return self.swapper(shown, self.identity(source), kept)
