"""Random changes: to what the teacher is shown, to targets to be repaired, to embeddings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training import regions
from training.teacher import CROP_PX

INNER = CROP_PX / 128  # the ArcFace crop's share of the square


def crops(squares: Tensor, strength: float, rng: torch.Generator, *, mirror: bool = True) -> Tensor:
    """ArcFace crops n x c x 112 x 112 of squares of any size, as imperfect alignment cuts them.

    With ``strength`` 0 they are exact. Shift, scale, turn, mirror, blur and noise make it hard to
    please the teacher with anything but a face.
    """
    count = len(squares)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng) * strength

    angle, scale = normal(count) * 0.06, INNER * torch.exp(normal(count) * 0.04)
    side = torch.ones(count)
    if strength and mirror:
        side = torch.where(torch.rand(count, generator=rng) < 0.5, -side, side)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    shift = normal(count, 2) * 0.025
    rows = torch.stack([cos * side, -sin, shift[:, 0], sin * side, cos, shift[:, 1]], dim=1)
    grid = F.affine_grid(rows.view(count, 2, 3), [count, 3, CROP_PX, CROP_PX], align_corners=False)
    found = F.grid_sample(squares, grid, padding_mode="border", align_corners=False)
    if strength and torch.rand(1, generator=rng) < 0.3:
        small = int(torch.randint(56, 100, (1,), generator=rng))
        found = F.interpolate(found, size=(small, small), mode="area")
        found = F.interpolate(found, size=(CROP_PX, CROP_PX), mode="bilinear")
    if strength:
        found = found + torch.randn(found.shape, generator=rng) * 0.02 * strength
    return found


def plainer(found: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """The first ``share`` of the crops as from afar, as many others grey: forms stay, and whoever
    would please a recogniser by scratches or stains does not."""
    count, height, width = len(found), *found.shape[2:]
    far = round(share * count)
    if far:
        small = int(torch.randint(height // 3, 3 * height // 4, (1,), generator=rng))
        shrunk = F.interpolate(found[:far], size=(small, small), mode="area")
        grown = F.interpolate(shrunk, size=(height, width), mode="bilinear")
        found = torch.cat([grown, found[far:]])
    grey = torch.rand(count, 1, 1, 1, generator=rng) < share
    return torch.where(grey, found.mean(1, keepdim=True), found)


def relit(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Each picture in another light: brighter or darker, warmer or colder, flatter or harder."""

    def factor(width: float, channels: int = 1) -> Tensor:
        return torch.exp(torch.randn(len(pictures), channels, 1, 1, generator=rng) * width)

    middle = pictures.mean((1, 2, 3), keepdim=True)
    found = (pictures - middle) * factor(0.15) + middle * factor(0.2)
    return (found * factor(0.06, 3)).clamp(0, 1)


def lights(count: int, share: float, rng: torch.Generator) -> Tensor:
    """What red, green and blue are multiplied by, count x 3 x 1 x 1: 1, but for a ``share`` of the
    pictures, which stand in light down to a quarter, warmer or colder; none is brighter."""
    dark = torch.exp(-1.4 * torch.rand(count, 1, 1, 1, generator=rng))
    tint = torch.exp(0.15 * torch.randn(count, 3, 1, 1, generator=rng))
    chosen = torch.rand(count, 1, 1, 1, generator=rng) < share
    return torch.where(chosen, (dark * tint).clamp(max=1), 1.0)


def bearded(pictures: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A ``share`` of the pictures with another chin, half of these shaved, as light as their
    cheeks, half with a beard's dark over it: whether there is a beard is for the source to say."""
    count, _, _, size = pictures.shape
    left, right = (
        (pictures * cheek).sum((2, 3), keepdim=True) / cheek.sum() for cheek in regions.cheeks(size)
    )
    across = ((torch.arange(size) + 0.5) / size * 128 - 40).div(48).clamp(0, 1)
    skin = left + across * (right - left)

    def even(least: float, most: float) -> Tensor:
        return least + (most - least) * torch.rand(count, 1, 1, 1, generator=rng)

    shaved = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
    shade = torch.where(shaved, even(0.85, 1.0), even(0.15, 0.5))
    drawn = torch.rand(count, 1, 1, 1, generator=rng) < share
    strength = torch.where(shaved, even(0.6, 1.0), even(0.4, 0.9)) * drawn
    return pictures + regions.beard(size) * strength * (skin * shade - pictures)


def hidden(pictures: Tensor, rng: torch.Generator, share: float = 0.5) -> Tensor:
    """A ``share`` of the pictures with a grey rectangle of up to half a side before them."""
    count, _, height, width = pictures.shape
    at = torch.rand(count, 2, generator=rng)
    reach = torch.rand(count, 2, generator=rng) * 0.25
    reach = reach * (torch.rand(count, 1, generator=rng) < share)
    y = (torch.arange(height) + 0.5)[None, :, None] / height
    x = (torch.arange(width) + 0.5)[None, None, :] / width
    rows = (y - at[:, :1, None]).abs() < reach[:, :1, None]
    columns = (x - at[:, 1:, None]).abs() < reach[:, 1:, None]
    return torch.where((rows & columns)[:, None], 0.5, pictures)


def moves(count: int, strength: float, size: int, rng: torch.Generator) -> Tensor:
    """Small motions of a face within its square, as a sampling grid count x size x size x 2: at
    ``strength`` 1 shifts of up to 4 % of the side, turns and changes of size of up to 3 %."""

    def even(*shape: int) -> Tensor:
        return (2 * torch.rand(*shape, generator=rng) - 1) * strength

    angle, scale, shift = even(count) * 0.03, torch.exp(even(count) * 0.03), even(count, 2) * 0.08
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1)
    return F.affine_grid(rows.view(count, 2, 3), [count, 3, size, size], align_corners=False)


def moved(pictures: Tensor, grid: Tensor) -> Tensor:
    """The pictures where ``moves`` takes them; the border is repeated."""
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def spoiled(
    pictures: Tensor, cells_between: tuple[int, int], warp: float, rng: torch.Generator
) -> Tensor:
    """The face warped, blurred and recoloured, all round it left as it is.

    The blur keeps between so many cells along a side, each doubling as likely as the next; ``warp``
    scales the shifts (share of a side).
    """
    count, _, size, _ = pictures.shape
    flow = torch.randn(count, 2, 5, 5, generator=rng) * warp
    flow = F.interpolate(flow, size=(size, size), mode="bicubic", align_corners=True)
    inside = regions.face(size)
    still = torch.eye(2, 3).expand(count, 2, 3)
    grid = F.affine_grid(still, list(pictures.shape), align_corners=False)
    grid = grid + (flow * inside).permute(0, 2, 3, 1)
    found = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    least, most = cells_between
    share = float(torch.rand(1, generator=rng))
    cells = round(least * (most / least) ** share)
    blurred = F.interpolate(found, size=(cells, cells), mode="area")
    blurred = F.interpolate(blurred, size=(size, size), mode="bicubic", align_corners=False)
    tint = 1 + torch.randn(count, 3, 1, 1, generator=rng) * 0.06
    found = found + inside * (blurred * tint - found)
    return found.clamp(0, 1)


def noisy(embedding: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """Unit embeddings moved to a cosine of 1 / sqrt(1 + strength**2) at worst, each differently."""
    count, length = embedding.shape
    part = torch.rand(count, 1, generator=rng) * strength
    push = torch.randn(count, length, generator=rng) * length**-0.5
    return F.normalize(embedding + part * push)
