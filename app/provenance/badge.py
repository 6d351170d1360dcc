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
OVERSAMPLING = 8


def draw_badge(pixels: Pixels, settings: BadgeSettings) -> None:
    """Draw the badge into ``pixels`` in place, in the corner and size of ``settings``.

    It is at least ``LEAST_HEIGHT_PX`` high, and shrinks below only where the picture itself is
    smaller than that; it is never outside the picture. Does nothing where it is switched off.
    """
    height, width = pixels.shape[:2]
    placed = place_badge(height, width, settings)
    if placed is None:
        return
    patch, alpha, (left, top) = placed
    down, across = patch.shape[:2]
    region = pixels[top : top + down, left : left + across]
    kept = cv2.multiply(region, cv2.bitwise_not(alpha), scale=1 / 255)
    region[:] = cv2.add(kept, cv2.multiply(patch, alpha, scale=1 / 255))


def place_badge(
    height: int, width: int, settings: BadgeSettings
) -> tuple[Pixels, Mask, tuple[int, int]] | None:
    """The badge, its opacity (alike h x w x 3) and its left and top; ``None`` for no badge."""
    if not settings.enabled:
        return None
    size = min(max(round(settings.size * height), LEAST_HEIGHT_PX), height, width // 2)
    if size < 4:
        return None
    patch, alpha = _patch(size)
    down, across = patch.shape[:2]
    margin_y = min(round(MARGIN * size), (height - down) // 2)
    margin_x = min(round(MARGIN * size), (width - across) // 2)
    vertical, _, horizontal = settings.position.partition(" ")
    top = margin_y if vertical == "top" else height - down - margin_y
    left = margin_x if horizontal == "left" else width - across - margin_x
    return patch, alpha, (left, top)


@lru_cache(maxsize=16)
def _patch(height: int) -> tuple[Pixels, Mask]:
    """The badge and its opacity, both height x 1.6 height x 3."""
    tall = height * OVERSAMPLING
    wide = round(height * 1.6) * OVERSAMPLING
    radius = round(tall * 0.28)
    shape = np.zeros((tall, wide), np.uint8)
    cv2.rectangle(shape, (radius, 0), (wide - 1 - radius, tall - 1), 255, -1)
    cv2.rectangle(shape, (0, radius), (wide - 1, tall - 1 - radius), 255, -1)
    for x in (radius, wide - 1 - radius):
        for y in (radius, tall - 1 - radius):
            cv2.circle(shape, (x, y), radius, 255, -1)
    ink = _letters(tall, wide)
    size = (wide // OVERSAMPLING, height)
    ink_small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    shape_small = cv2.resize(shape, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    blend = ink_small[..., None]
    patch = np.rint(np.array(GROUND) * (1 - blend) + np.array(INK) * blend).astype(np.uint8)
    opacity = shape_small * np.maximum(OPACITY, ink_small)
    alpha = np.repeat(np.rint(255 * opacity).astype(np.uint8)[..., None], 3, axis=2)
    return patch, np.ascontiguousarray(alpha)


def _letters(tall: int, wide: int) -> NDArray[np.uint8]:
    """The word AI in the middle of a tall x wide canvas, drawn from outlines.

    Not ``putText``, whose font and metrics differ between versions of OpenCV.
    """
    height, stroke = 0.62 * tall, 0.135 * tall
    broad, gap = 0.62 * tall, 0.12 * tall
    left, top = (wide - broad - gap - stroke) / 2, (tall - height) / 2
    middle, bottom, right = left + broad / 2, top + height, left + broad
    leg = 1.15 * stroke  # as wide as ``stroke`` across its slope
    canvas = np.zeros((tall, wide), np.uint8)
    apex = 0.6 * stroke
    _fill(canvas, [(left, bottom), (middle - apex, top), (middle + apex, top), (right, bottom)])
    outline = canvas.copy()
    _fill(canvas, [(left + leg, bottom), (middle, top + 1.3 * leg), (right - leg, bottom)], 0)
    bar = np.zeros_like(canvas)
    low = bottom - 0.2 * height
    _fill(bar, [(left, low), (right, low), (right, low - 0.8 * stroke), (left, low - 0.8 * stroke)])
    canvas |= bar & outline
    left = right + gap
    right = left + stroke
    _fill(canvas, [(left, top), (right, top), (right, bottom), (left, bottom)])
    return canvas


def _fill(canvas: NDArray[np.uint8], outline: list[tuple[float, float]], value: int = 255) -> None:
    cv2.fillPoly(canvas, [np.rint(np.array(outline)).astype(np.int32)], value)
