"""Hides what must not be seen: keeps regions of earlier outputs, pixelates, draws slates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from app.frame import Mask, Pixels
from engines.detector import Box

BLOCKS = 6  # pixelated squares across a region: too few to tell a face by
HELD_SHARE = 1.5  # side of a held region, in sides of the face's box
GROUND, INK, SOFT = (30, 25, 22), (242, 238, 236), (187, 173, 166)


def blur_box(pixels: Pixels, box: Box, share: float = HELD_SHARE) -> None:
    """Pixelate and blur, in place, the region of ``share`` sides of ``box`` around its middle.

    A box that is not finite hides the whole picture.
    """
    if not np.isfinite(box).all():
        box, share = (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0])), 1.0
    left, top, right, bottom = _region(pixels, box, share)
    if right <= left or bottom <= top:
        return
    region = pixels[top:bottom, left:right]
    height, width = region.shape[:2]
    block = max(2, round(min(box[2], box[3]) / BLOCKS))
    small = (max(1, width // block), max(1, height // block))
    coarse = cv2.resize(region, small, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (3, 3), 0)
    region[:] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def blur_all(pixels: Pixels) -> None:
    """Pixelate the whole picture in place: where faces are is not known."""
    height, width = pixels.shape[:2]
    coarse = cv2.resize(pixels, (max(1, min(16, width)), max(1, min(9, height))), interpolation=3)
    pixels[:] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True, eq=False)
class Kept:
    """A region of an earlier picture of the same stream, and where it was."""

    left: int
    top: int
    pixels: Pixels
    shape: tuple[int, ...]  # of the whole picture


def keep(pixels: Pixels, box: Box, share: float = HELD_SHARE) -> Kept | None:
    """A copy of ``share`` sides of ``box``; None where that is outside the picture."""
    left, top, right, bottom = _region(pixels, box, share)
    if right <= left or bottom <= top:
        return None
    return Kept(left, top, pixels[top:bottom, left:right].copy(), pixels.shape)


def lay(pixels: Pixels, kept: Kept) -> None:
    """Put a kept region back into ``pixels`` in place, softly edged.

    Does nothing where the picture is of another size.
    """
    if kept.shape != pixels.shape:
        return
    height, width = kept.pixels.shape[:2]
    weight = _soft_edge(width, height)
    region = pixels[kept.top : kept.top + height, kept.left : kept.left + width]
    under = cv2.multiply(region, cv2.bitwise_not(weight), scale=1 / 255)
    region[:] = cv2.add(under, cv2.multiply(kept.pixels, weight, scale=1 / 255))


def slate(height: int, width: int, word: str, reason: str) -> Pixels:
    """A calm dark picture with a word and the reason; new and writable."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = GROUND
    for text, share, y, ink in ((word, 0.5, 0.48, INK), (reason, 0.8, 0.6, SOFT)):
        size, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
        scale = min(share * width / max(size[0], 1), (0.1 if ink is INK else 0.045) * height / 22)
        across = round(size[0] * scale)
        place = ((width - across) // 2, round(y * height))
        thick = max(1, round(2 * scale))
        cv2.putText(pixels, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thick, cv2.LINE_AA)
    return pixels


def _region(pixels: Pixels, box: Box, share: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of ``share`` sides of ``box``, inside the picture."""
    height, width = pixels.shape[:2]
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    across, down = share * box[2] / 2, share * box[3] / 2
    left, top = round(max(x - across, 0)), round(max(y - down, 0))
    return left, top, round(min(x + across, width)), round(min(y + down, height))


@lru_cache(maxsize=16)
def _soft_edge(width: int, height: int) -> Mask:
    """Weights, height x width x 3: 255 in the middle, falling to 0 within a tenth of the sides."""
    across = np.minimum(np.arange(width) + 0.5, np.arange(width)[::-1] + 0.5) / (0.1 * width)
    down = np.minimum(np.arange(height) + 0.5, np.arange(height)[::-1] + 0.5) / (0.1 * height)
    weight = np.minimum(down, 1)[:, None] * np.minimum(across, 1)[None]
    return np.repeat(np.rint(255 * weight).astype(np.uint8)[..., None], 3, axis=2)
