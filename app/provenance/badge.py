"""The visible sign that a picture is AI-generated: "AI" on a dark rounded ground in a corner."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Mask, Pixels
from app.settings import BadgeSettings

LEAST_HEIGHT_PX = 16  # below this the letters cannot be read
MARGIN = 0.6  # of the badge's height, to the picture's edges
GROUND, INK = (38, 30, 26), (245, 240, 236)
OPACITY = 0.82
OVERSAMPLING = 4


def draw_badge(pixels: Pixels, settings: BadgeSettings) -> None:
    """Draw the badge into ``pixels`` in place, in the corner and size of ``settings``.

    It is at least ``LEAST_HEIGHT_PX`` high, and shrinks below only where the picture itself is
    smaller than that; it is never outside the picture. Does nothing where it is switched off.
    """
    if not settings.enabled:
        return
    height, width = pixels.shape[:2]
    size = min(max(round(settings.size * height), LEAST_HEIGHT_PX), height, width // 2)
    if size < 4:
        return
    patch, alpha = _patch(size)
    down, across = patch.shape[:2]
    margin_y = min(round(MARGIN * size), (height - down) // 2)
    margin_x = min(round(MARGIN * size), (width - across) // 2)
    vertical, _, horizontal = settings.position.partition(" ")
    top = margin_y if vertical == "top" else height - down - margin_y
    left = margin_x if horizontal == "left" else width - across - margin_x
    region = pixels[top : top + down, left : left + across]
    kept = cv2.multiply(region, cv2.bitwise_not(alpha), scale=1 / 255)
    region[:] = cv2.add(kept, cv2.multiply(patch, alpha, scale=1 / 255))


@lru_cache(maxsize=16)
def _patch(height: int) -> tuple[Pixels, Mask]:
    """The badge and its opacity, both height x 1.7 height x 3."""
    tall = height * OVERSAMPLING
    wide = round(height * 1.7) * OVERSAMPLING
    radius = round(tall * 0.28)
    shape = np.zeros((tall, wide), np.uint8)
    cv2.rectangle(shape, (radius, 0), (wide - 1 - radius, tall - 1), 255, -1)
    cv2.rectangle(shape, (0, radius), (wide - 1, tall - 1 - radius), 255, -1)
    for x in (radius, wide - 1 - radius):
        for y in (radius, tall - 1 - radius):
            cv2.circle(shape, (x, y), radius, 255, -1)
    ink = np.zeros_like(shape)
    _write(ink, "AI")
    size = (wide // OVERSAMPLING, height)
    ink_small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    shape_small = cv2.resize(shape, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    blend = ink_small[..., None]
    patch = np.rint(np.array(GROUND) * (1 - blend) + np.array(INK) * blend).astype(np.uint8)
    opacity = shape_small * np.maximum(OPACITY, ink_small)
    alpha = np.repeat(np.rint(255 * opacity).astype(np.uint8)[..., None], 3, axis=2)
    return patch, np.ascontiguousarray(alpha)


def _write(canvas: NDArray[np.uint8], text: str) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    thickness = max(1, canvas.shape[0] // 9)
    scale = cv2.getFontScaleFromHeight(font, round(canvas.shape[0] * 0.5), thickness)
    (width, height), _ = cv2.getTextSize(text, font, scale, thickness)
    place = ((canvas.shape[1] - width) // 2, (canvas.shape[0] + height) // 2)
    cv2.putText(canvas, text, place, font, scale, 255, thickness, cv2.LINE_AA)
