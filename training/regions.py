"""Where things lie in the aligned square, as soft maps 1 x 1 x s x s in [0, 1].

The ArcFace template plus 8 in a 128-unit square: eyes at (46, 60) and (82, 60), nose tip (64, 80),
mouth corners (50, 100) and (79, 100).
"""

from __future__ import annotations

import torch
from torch import Tensor

from app.settings import MaskSettings
from app.stages.mask import build_mask
from engines import templates


def _grid(size: int) -> tuple[Tensor, Tensor]:
    at = (torch.arange(size, dtype=torch.float32) + 0.5) * 128 / size
    return at.view(1, 1, 1, size), at.view(1, 1, size, 1)


def _spot(size: int, cx: float, cy: float, rx: float, ry: float) -> Tensor:
    """1 over an ellipse, falling to 0 at 1.2 times its radii."""
    x, y = _grid(size)
    radius = (((x - cx) / rx).square() + ((y - cy) / ry).square()).sqrt()
    return ((1.2 - radius) / 0.4).clamp(0, 1)


def oval(size: int, half_width: float, half_height: float, middle_y: float = 76.0) -> Tensor:
    """1 inside an ellipse round (64, middle_y), falling to 0 over about an eighth of its radius."""
    x, y = _grid(size)
    radius = (((x - 64) / half_width).square() + ((y - middle_y) / half_height).square()).sqrt()
    return ((1.06 - radius) / 0.12).clamp(0, 1)


def core(size: int) -> Tensor:
    """Brows to lower lip: always the new face."""
    return oval(size, 31, 38, 80)


def face(size: int) -> Tensor:
    """Forehead to chin, ear to ear."""
    return oval(size, 45, 56, 74)


def shown(size: int) -> Tensor:
    """How much of a swap the application shows, landmarks being where the template has them."""
    mask = build_mask(size, templates.omokage(size), MaskSettings())
    return torch.from_numpy(mask / 255.0).float().view(1, 1, size, size)


def veiled(size: int) -> Tensor:
    """Where a target's face is hidden from the network: below the hairline, within the cheeks."""
    return oval(size, 43, 51, 79)


def eyes(size: int) -> Tensor:
    """1 over both eyes, 0 from half an eye's width away."""
    return (_spot(size, 46, 60, 15, 9) + _spot(size, 82, 60, 15, 9)).clamp(0, 1)


def mouth(size: int) -> Tensor:
    """1 over the lips, 0 from half a mouth's height away."""
    return _spot(size, 64.5, 101, 22, 14)


def nose(size: int) -> Tensor:
    """1 over the nose from its bridge to the nostrils, 0 from half its width away."""
    return _spot(size, 64, 76, 17, 16)


def features(size: int) -> Tensor:
    """Eyes and mouth: small, and what people look at."""
    x, y = _grid(size)
    total = torch.zeros(1, 1, size, size)
    for cx, cy, rx, ry in ((46, 60, 11, 7), (82, 60, 11, 7), (64, 101, 17, 9)):
        total += torch.exp(-0.5 * (((x - cx) / rx).square() + ((y - cy) / ry).square()))
    return total.clamp(0, 1)


def seen(filler: Tensor, size: int) -> Tensor:
    """n x 1 x s x 1, 0 on the padded rows at the top; ``filler`` is their share of the height."""
    rows = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    return (rows.view(1, 1, size, 1) > filler.view(-1, 1, 1, 1) + 1 / size).float()


def rim(size: int) -> Tensor:
    """Where cheeks, jaw and temples end: a band round brows, nose and mouth."""
    return oval(size, 48, 59, 75) * (1 - oval(size, 36, 46, 76))


def beard(size: int) -> Tensor:
    """Where a beard grows: below the nose within the veil; lips and open mouths are left out."""
    x, y = _grid(size)
    height = torch.where(y < 101, 8.0, 14.0)
    lips = (((x - 64.5) / 18).square() + ((y - 101) / height).square()).sqrt()
    return veiled(size) * ((y - 84) / 8).clamp(0, 1) * ((lips - 0.8) / 0.4).clamp(0, 1)


def cheeks(size: int) -> tuple[Tensor, Tensor]:
    """The skin below the left and below the right eye."""
    return _spot(size, 40, 82, 8, 7), _spot(size, 88, 82, 8, 7)


def toned(size: int) -> Tensor:
    """1 where light and colour must stay, falling to a twentieth below the nose, where a beard may
    be the new face's own, and to a fifth over the eyes, whose irises are."""
    _, y = _grid(size)
    below = ((y - 88) / 8).clamp(0, 1)
    left, right = (1 - 0.8 * _spot(size, cx, 60, 11, 6) for cx in (46, 82))
    return (1 - 0.95 * below) * left * right
