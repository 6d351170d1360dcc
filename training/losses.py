"""Losses as pure functions. Pictures are n x 3 x s x s in [0, 1]; weights broadcast over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Matching = Literal["weak", "original", "none"]

STRANGERS = 0.05  # cosine by the teacher of two people who are not related

NO_STAIN, DARK = 0.04, 0.05  # see chroma; what is nearly black has hardly a colour
NO_LINE = 0.02  # see drawn

Scales = Sequence[Sequence[Tensor]]  # maps of every layer, a list a scale


def identity(found: Tensor, wanted: Tensor, weight: Tensor | None = None) -> Tensor:
    """1 - cosine of unit embeddings, n x d, averaged; each first multiplied by its ``weight``."""
    apart = 1 - (found * wanted).sum(1)
    return (apart if weight is None else apart * weight).mean()


def likeness(found: Tensor, unwanted: Tensor) -> Tensor:
    """Cosine of unit embeddings, n x d, as far as it is above that of strangers, averaged."""
    return F.relu((found * unwanted).sum(1) - STRANGERS).mean()


def weighted_l1(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference under ``weight`` (n x 1 x s x s, or 1 x 1 x s x s)."""
    weight = weight.expand(found.shape[0], 1, *found.shape[2:])
    return ((found - wanted).abs() * weight).sum() / (3 * weight.sum() + 1e-6)


def coarse_l1(found: Tensor, wanted: Tensor, weight: Tensor, cells: int) -> Tensor:
    """The same between both pictures' means over a ``cells`` x ``cells`` grid: light and tone."""
    side = found.shape[-1] // cells
    weight = weight.expand(found.shape[0], 1, *found.shape[2:])
    return weighted_l1(*(F.avg_pool2d(x, side) for x in (found, wanted, weight)))


def chroma(found: Tensor, wanted: Tensor, weight: Tensor, cells: int) -> Tensor:
    """How much the cells of a ``cells`` x ``cells`` grid differ in colour, whatever their light.

    A colour is by what shares of their mean red, green and blue lie above or below it. Shares that
    differ by less than ``NO_STAIN`` are alike: brows and lips are not quite of the skin's colour.
    """
    side = found.shape[-1] // cells
    weight = weight.expand(found.shape[0], 1, *found.shape[2:])
    found, wanted, weight = (F.avg_pool2d(x, side) for x in (found, wanted, weight))
    apart = (_colour(found) - _colour(wanted)).abs()
    return (F.relu(apart - NO_STAIN) * weight).sum() / (3 * weight.sum() + 1e-6)


def _colour(cells: Tensor) -> Tensor:
    light = cells.mean(1, keepdim=True)
    return (cells - light) / (light.clamp(min=0) + DARK)


def gradient_l1(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean absolute difference of horizontal and vertical gradients: edges."""
    weight = weight.expand(found.shape[0], 1, *found.shape[2:])
    total = found.new_zeros(())
    for dim in (2, 3):
        there = weight.narrow(dim, 1, weight.shape[dim] - 1)
        total = total + weighted_l1(found.diff(dim=dim), wanted.diff(dim=dim), there)
    return total


def drawn(found: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """By how much edges are stronger than any that ``wanted`` has within 3 px: lines drawn anew."""
    weight = weight.expand(found.shape[0], 1, *found.shape[2:])
    total = found.new_zeros(())
    for dim in (2, 3):
        there = weight.narrow(dim, 1, weight.shape[dim] - 1)
        edges, known = (x.mean(1, keepdim=True).diff(dim=dim).abs() for x in (found, wanted))
        known = F.max_pool2d(known, 7, 1, 3)
        total = total + (F.relu(edges - known - NO_LINE) * there).sum() / (there.sum() + 1e-6)
    return total


def detail(pictures: Tensor) -> Tensor:
    """How much grey changes from pixel to pixel, mean over 9 x 9 of them: n x 1 x s x s."""
    grey = pictures.mean(1, keepdim=True)
    across = F.pad(grey.diff(dim=3).abs(), (0, 1))
    down = F.pad(grey.diff(dim=2).abs(), (0, 0, 0, 1))
    return F.avg_pool2d(across + down, 9, 1, 4)


def restless(found: Tensor, known: Sequence[Tensor], weight: Tensor) -> Tensor:
    """By how much there is more ``detail`` than any of the ``known`` pictures has within 6 px."""
    most = torch.stack([detail(pictures) for pictures in known]).amax(0)
    excess = F.relu(detail(found) - F.max_pool2d(most, 13, 1, 6))
    return (excess * weight).sum() / (weight.sum() + 1e-6)


def focused(judgement: Tensor, focus: Tensor) -> Tensor:
    """Mean of a map n x 1 x h x w under ``focus`` 1 x 1 x s x s: a swap's background is real."""
    weight = F.adaptive_avg_pool2d(focus, judgement.shape[-2:])
    return (judgement * weight).mean() / weight.mean()


def hinge_discriminator(real: Scales, fake: Scales, focus: Tensor) -> Tensor:
    """Hinge loss of the discriminator, mean over scales."""
    parts = [
        focused(F.relu(1 - r[-1]), focus) + focused(F.relu(1 + f[-1]), focus)
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(parts).mean()


def hinge_generator(fake: Scales, focus: Tensor) -> Tensor:
    return torch.stack([-focused(maps[-1], focus) for maps in fake]).mean()


def feature_matching(found: Scales, wanted: Scales, layers: Matching) -> Tensor:
    """L1 between discriminator maps, the judgement left out.

    ``original`` compares every layer (pix2pixHD), ``weak`` the deepest alone, so that texture may
    change (SimSwap), ``none`` nothing.
    """
    first = {"original": 0, "weak": -2, "none": -1}[layers]
    parts = [
        F.l1_loss(f, w)
        for f_maps, w_maps in zip(found, wanted, strict=True)
        for f, w in zip(f_maps[first:-1], w_maps[first:-1], strict=True)
    ]
    return torch.stack(parts).mean() if parts else found[0][-1].new_zeros(())


def perceptual(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Squared distance of a frozen network's maps, each cell's channels brought to unit length
    (Zhang et al. 2018, arXiv:1801.03924, without learned channel weights)."""
    parts = [
        (F.normalize(f) - F.normalize(w)).square().sum(1).mean()
        for f, w in zip(found, wanted, strict=True)
    ]
    return torch.stack(parts).mean()


def gradient_penalty(network: nn.Module, real: Tensor) -> Tensor:
    """R1: squared norm of the judgement's gradient at real pictures (Mescheder et al. 2018)."""
    real = real.detach().requires_grad_(True)
    judged = sum(maps[-1].mean(dim=(1, 2, 3)).sum() for maps in network(real))
    (slope,) = torch.autograd.grad(judged, real, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()
