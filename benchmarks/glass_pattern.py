"""A frame's number painted so that it survives scaling, JPEG, 4:2:0 and letterboxing."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from app.frame import Pixels

BITS = 20  # 9 hours at 30 frames a second
CELLS = BITS + 4  # black and white at each end: there is a pattern, and this is its contrast
HEIGHT = 0.08  # of the strip, as a share of the picture
DARK, BRIGHT = 30, 225


def paint(pixels: Pixels, number: int) -> None:
    """Draw ``number`` as a strip of Gray-coded cells along the upper edge, in place."""
    height, width = pixels.shape[:2]
    gray = number ^ (number >> 1)
    bits = [0, 1, *((gray >> bit) & 1 for bit in range(BITS)), 1, 0]
    row = np.array([BRIGHT if bit else DARK for bit in bits], np.uint8)
    strip = cv2.resize(
        row[None], (width, max(8, round(HEIGHT * height))), interpolation=cv2.INTER_NEAREST
    )
    pixels[: strip.shape[0]] = strip[..., None]


def read(pixels: Pixels) -> int | None:
    """The number; None where there is no pattern (a slate)."""
    height, width = pixels.shape[:2]
    strip = pixels[: max(8, round(HEIGHT * height)), :, 1]
    edges = np.linspace(0, width, CELLS + 1)
    cells = []
    for left, right in pairwise(edges):
        third = (right - left) / 3
        inner = strip[strip.shape[0] // 4 : -(strip.shape[0] // 4) or None]
        cells.append(float(inner[:, round(left + third) : round(right - third) + 1].mean()))
    if max(cells[0], cells[-1]) > 90 or min(cells[1], cells[-2]) < 165:
        return None
    number = 0
    for bit in reversed(range(BITS)):
        number = (number << 1) | ((number & 1) ^ (cells[2 + bit] > 127))
    return number
